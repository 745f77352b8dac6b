"""What uv is asked, and what becomes of its answer: every field of a request, against indexes on loopback."""

from __future__ import annotations

import hashlib
import io
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from simple_index import BACKEND, File, SimpleIndex, make_sdist, serve_index

from builder.errors import EnvbuildError
from builder.fetch import Fetcher, Mirrors
from builder.lock.artifact import Sdist, Wheel
from builder.lock.interface import Line, Pin, Request, Sources, Target
from builder.lock.programs import uv_program
from builder.lock.pypi.uv import UvResolver
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.oci.store import Store
from builder.spec.environment import Index

AMD64 = Target(Platform("amd64"), "x86_64", "3.11.2", (2, 36))
ARM64 = Target(Platform("arm64"), "aarch64", "3.11.2", (2, 36))
X86, ARM = "cp311-cp311-manylinux_2_28_x86_64", "cp311-cp311-manylinux_2_28_aarch64"
Resolve = Callable[..., dict[str, Any]]


@pytest.fixture
def indexes() -> Iterator[Callable[[], SimpleIndex]]:
    with ExitStack() as stack:
        yield lambda: stack.enter_context(serve_index())


@pytest.fixture
def pypi(indexes: Any) -> SimpleIndex:
    """What stands in place of PyPI."""
    return indexes()


@pytest.fixture
def resolve(pypi: SimpleIndex, tmp_path: Path) -> Resolve:
    """Resolves and gives the files by name."""
    store = Store(tmp_path / "store")
    store.create()

    def run(
        *requirements: str,
        target: Target = AMD64,
        variables: Mapping[str, str] | None = None,
        request: Mapping[str, Any] | None = None,
        **sources: Any,
    ) -> dict[str, Wheel | Sdist]:
        environment = {**os.environ, "UV_DEFAULT_INDEX": pypi.url, **(variables or {})}
        fetcher = Fetcher(store, Mirrors.from_environment(environment))
        wanted = Sources(lines(*requirements), **sources)
        files = UvResolver(environment, uv_program(), fetcher)(Request(wanted, **(request or {})), target)
        assert [file.name for file in files] == sorted(file.name for file in files)
        return {file.name: file for file in files}

    return run


def lines(*texts: str) -> tuple[Line, ...]:
    return tuple(Line(text, f"requirements.in:{number}") for number, text in enumerate(texts, 1))


def versions(files: Mapping[str, Wheel | Sdist]) -> dict[str, str]:
    return {name: file.version for name, file in files.items()}


def refused(resolve: Resolve, *requirements: str, **more: Any) -> str:
    with pytest.raises(EnvbuildError) as caught:
        resolve(*requirements, **more)
    assert caught.value.hint
    assert "/tmp" not in str(caught.value)
    return f"{caught.value}\n  hint: {caught.value.hint}"


def test_each_file_tells_what_it_asks_for_on_its_platform(pypi: SimpleIndex, resolve: Resolve) -> None:
    pypi.add("app", "1.0", "Lib.One[fast]>=1", 'arm-only; platform_machine == "aarch64"', 'old; python_version < "3"')
    pypi.add("lib-one", "1.0", 'quick; extra == "fast"', 'slow; extra == "slow"')
    for name in ("arm-only", "quick", "slow", "old"):
        pypi.add(name, "1.0")
    assert {name: file.dependencies for name, file in resolve("app").items()} == {
        "app": ("lib-one",),
        "lib-one": ("quick",),
        "quick": (),
    }
    assert resolve("app", target=ARM64)["app"].dependencies == ("arm-only", "lib-one")


def test_extras_that_are_asked_for_from_outside_are_followed(pypi: SimpleIndex, resolve: Resolve) -> None:
    pypi.add("app", "1.0", 'more; extra == "all"')
    pypi.add("more", "1.0")
    assert resolve("app[all]")["app"].dependencies == ("more",)
    assert resolve("app", "more")["app"].dependencies == ()


def test_what_uv_warns_of_is_told(pypi: SimpleIndex, tmp_path: Path) -> None:
    pypi.add("app", "1.0", yanked=True)
    pypi.add("other", "1.0")
    store = Store(tmp_path / "store")
    store.create()
    environment, told = {**os.environ, "UV_DEFAULT_INDEX": pypi.url}, list[str]()
    fetcher = Fetcher(store, Mirrors.from_environment(environment))
    resolver = UvResolver(environment, uv_program(), fetcher, told.append)
    files = resolver(Request(Sources(lines("app==1.0", "other[nope]"))), AMD64)
    assert [file.name for file in files] == ["app", "other"]
    assert [text.partition(" is ")[0].partition(" does ")[0] for text in sorted(told)] == [
        "The package `other==1.0`", "`app==1.0`",
    ]  # fmt: skip


def test_constraints_bind_and_bring_nothing(pypi: SimpleIndex, resolve: Resolve) -> None:
    for version in ("1.0", "2.0"):
        pypi.add("app", version)
        pypi.add("unused", version)
    assert versions(resolve("app", constraints=lines("app<2", "unused<2"))) == {"app": "1.0"}


def test_overrides_are_taken_in_place_of_what_packages_ask_for(pypi: SimpleIndex, resolve: Resolve) -> None:
    pypi.add("app", "1.0", "lib<2")
    for version in ("1.0", "2.0"):
        pypi.add("lib", version)
    assert versions(resolve("app", overrides=lines("lib==2.0"))) == {"app": "1.0", "lib": "2.0"}


def test_a_project_for_another_python_is_refused_before_anything_is_asked(pypi: SimpleIndex, resolve: Resolve) -> None:
    text = refused(resolve, "app", requires_python=">=3.12")
    assert "Python 3.11.2" in text
    assert ">=3.12" in text
    assert pypi.asked == []
    pypi.add("app", "1.0")
    assert resolve("app", requires_python=">=3.11,<3.13")


@pytest.mark.parametrize("asked", [{"app": "1.0"}, {"app": "1.0", "gone": "3.0"}])
def test_versions_of_the_lock_before_are_kept(pypi: SimpleIndex, resolve: Resolve, asked: dict[str, str]) -> None:
    for version in ("1.0", "1.1"):
        pypi.add("app", version, "lib")
        pypi.add("lib", version)
    assert versions(resolve("app")) == {"app": "1.1", "lib": "1.1"}
    assert versions(resolve("app", request={"preferences": asked})) == {"app": "1.0", "lib": "1.1"}


def test_what_was_kept_moves_where_something_speaks_against_it(pypi: SimpleIndex, resolve: Resolve) -> None:
    for version in ("1.0", "1.1"):
        pypi.add("lib", version)
        pypi.add("other", version)
    pypi.add("app", "1.0", "lib>=1.1")
    kept = {"preferences": {"lib": "1.0", "other": "1.0"}}
    assert versions(resolve("app", "other", request=kept)) == {"app": "1.0", "lib": "1.1", "other": "1.0"}


def test_files_that_came_later_are_not_taken_but_of_packages_with_a_time_of_their_own(
    pypi: SimpleIndex, resolve: Resolve
) -> None:
    for name in ("app", "fresh", "timeless"):
        pypi.add(name, "1.0", uploaded="2026-01-01T00:00:00Z")
        pypi.add(name, "2.0", uploaded="2026-03-01T12:00:00Z" if name != "timeless" else None)
    times = {
        "exclude_newer": "2026-03-01T12:00:00Z",
        "exclude_newer_package": {"Fresh": "2026-03-01T12:00:01Z", "timeless": "none"},
    }
    assert versions(resolve("app", "fresh", "timeless", request=times)) == {
        "app": "1.0",
        "fresh": "2.0",
        "timeless": "2.0",
    }


def test_what_conda_brings_is_neither_chosen_nor_asked_for_again(pypi: SimpleIndex, resolve: Resolve) -> None:
    pypi.add("app", "1.0", "numpy>=1.2,<=1.26.4", "local==1.0")
    pypi.add("app", "2.0", "numpy>=2")
    pypi.add("numpy", "1.26.4", "never", tag=X86)
    pypi.add("numpy", "2.0", tag=X86)
    provided = {"numpy": "1.26.4", "openssl": "3.3.1", "tzdata": "2024a-odd", "local": "1.0+cpu"}
    files = resolve("app", provided=provided)
    assert versions(files) == {"app": "1.0"}
    on_no_index = {"numpy": "1.25.0", "local": "1.0"}
    assert versions(resolve("app", provided=on_no_index)) == {"app": "1.0"}
    assert "numpy" in refused(resolve, "app>=2", provided=provided)


def test_what_conda_brings_is_there_whatever_time_is_set(pypi: SimpleIndex, resolve: Resolve) -> None:
    pypi.add("app", "1.0", "python-dateutil")
    times = {"exclude_newer": "2026-03-01T12:00:00Z"}
    assert versions(resolve("app", provided={"python-dateutil": "2.9.0"}, request=times)) == {"app": "1.0"}


class TestIndexes:
    def test_the_first_index_that_has_a_package_is_the_only_one_for_it(
        self, pypi: SimpleIndex, indexes: Any, resolve: Resolve
    ) -> None:
        first, second = indexes(), indexes()
        for index, version in ((first, "1.0"), (second, "2.0"), (pypi, "3.0")):
            index.add("everywhere", version)
        second.add("twice", "2.0")
        pypi.add("twice", "3.0")
        pypi.add("once", "3.0")
        two = {"indexes": (Index("first", first.url), Index("second", second.url))}
        files = resolve("everywhere", "twice", "once", request=two)
        assert versions(files) == {"everywhere": "1.0", "once": "3.0", "twice": "2.0"}
        assert files["twice"].url.startswith(f"http://{second.host}/")

    def test_a_default_index_stands_in_place_of_pypi(self, pypi: SimpleIndex, indexes: Any, resolve: Resolve) -> None:
        own, other = indexes(), indexes()
        own.add("app", "1.0")
        pypi.add("app", "2.0")
        other.add("unused", "1.0")
        two = (Index("own", own.url, default=True), Index("other", other.url))
        assert versions(resolve("app", request={"indexes": two})) == {"app": "1.0"}
        assert pypi.asked == []
        assert "/simple/app/" in other.asked, "a default index comes last"

    def test_a_package_with_an_index_of_its_own_comes_from_there_alone(
        self, pypi: SimpleIndex, indexes: Any, resolve: Resolve
    ) -> None:
        own = indexes()
        own.add("torch", "1.0", "helper")
        own.add("helper", "9.0")
        pypi.add("torch", "2.0")
        pypi.add("helper", "1.0")
        pypi.add("app", "1.0", "torch")
        files = resolve("app", "Torch", request={"indexes": (Index("own", own.url, ("torch",)),)})
        assert versions(files) == {"app": "1.0", "helper": "1.0", "torch": "1.0"}
        assert not [path for path in own.asked if "helper" in path], "nothing else is asked of it"
        assert "/simple/torch/" not in pypi.asked, "and it of no other"

    def test_that_holds_where_only_other_packages_ask_for_it(
        self, pypi: SimpleIndex, indexes: Any, resolve: Resolve
    ) -> None:
        own = indexes()
        for name in ("secret", "deeper", "unused"):
            pypi.add(name, "9.0")
        own.add("secret", "1.0", "deeper")
        own.add("deeper", "1.0")
        own.add("unused", "1.0", "impossible")
        pypi.add("app", "1.0", "middle")
        pypi.add("middle", "1.0", "secret[x]; python_version >= '3'", "unused; python_version < '3'")
        files = resolve("app", request={"indexes": (Index("own", own.url, ("secret", "deeper", "unused")),)})
        assert versions(files) == {"app": "1.0", "deeper": "1.0", "middle": "1.0", "secret": "1.0"}
        assert files["secret"].url.startswith(f"http://{own.host}/")
        assert files["middle"].dependencies == ("secret",)
        asked = [path for path in pypi.asked if "secret" in path or "deeper" in path]
        assert asked == [], "a stranger on PyPI must not be asked for a private name"

    def test_what_is_no_longer_asked_for_is_left_out(self, pypi: SimpleIndex, indexes: Any, resolve: Resolve) -> None:
        own = indexes()
        own.add("secret", "1.0", "shared<2")
        pypi.add("shared", "1.0")
        pypi.add("shared", "2.0")
        pypi.add("app", "1.0")
        pypi.add("app", "2.0", "secret", "shared>=2")
        files = resolve("app", request={"indexes": (Index("own", own.url, ("secret",)),)})
        assert versions(files) == {"app": "1.0"}

    def test_variables_of_this_machine_do_not_widen_what_an_index_is_for(
        self, pypi: SimpleIndex, indexes: Any, resolve: Resolve
    ) -> None:
        own, other = indexes(), indexes()
        own.add("torch", "1.0")
        own.add("helper", "9.0")
        other.add("torch", "5.0")
        pypi.add("helper", "1.0")
        request = {"indexes": (Index("own", own.url, ("torch",)),)}
        for text in (f"own={own.url}", own.url, f"own={other.url}"):
            files = resolve("torch", "helper", request=request, variables={"UV_INDEX": text})
            assert versions(files) == {"helper": "1.0", "torch": "1.0"}

    def test_variables_of_this_machine_do_not_change_how_indexes_are_asked(
        self, pypi: SimpleIndex, indexes: Any, resolve: Resolve
    ) -> None:
        first = indexes()
        first.add("app", "1.0")
        pypi.add("app", "2.0")
        variables = {"UV_INDEX_STRATEGY": "unsafe-best-match", "UV_CONSTRAINT": "/nowhere", "UV_PRERELEASE": "allow"}
        request = {"indexes": (Index("first", first.url),)}
        assert versions(resolve("app", request=request, variables=variables)) == {"app": "1.0"}

    def test_an_override_of_a_package_with_an_index_of_its_own_is_refused(
        self, pypi: SimpleIndex, resolve: Resolve
    ) -> None:
        request = {"indexes": (Index("own", pypi.url, ("torch",)),)}
        text = refused(resolve, "torch", overrides=lines("torch==2"), request=request)
        assert "requirements.in:1" in text
        assert "`own`" in text


class TestSources:
    def test_a_wheel_that_a_url_names_is_taken_from_there(self, pypi: SimpleIndex, resolve: Resolve) -> None:
        name = pypi.add("app", "1.0", "lib")
        pypi.add("app", "2.0")
        pypi.add("lib", "1.0")
        url = pypi.file_url("app", name)
        files = resolve(f"app @ {url}#sha256={pypi.sha256('app', name)}")
        assert versions(files) == {"app": "1.0", "lib": "1.0"}
        assert files["app"].url == url
        assert files["app"].size == len(pypi.projects["app"][name].data)

    def test_a_url_whose_file_has_another_digest_is_refused(self, pypi: SimpleIndex, resolve: Resolve) -> None:
        url = pypi.file_url("app", pypi.add("app", "1.0"))
        with pytest.raises(EnvbuildError) as caught:
            resolve(f"app @ {url}#sha256={'0' * 64}")
        assert "0" * 64 in str(caught.value)

    def test_a_package_that_has_only_its_source_is_taken_as_source(self, pypi: SimpleIndex, resolve: Resolve) -> None:
        name = pypi.add_sdist("app", "1.0", "lib")
        pypi.add("lib", "1.0")
        files = resolve("app")
        app = files["app"]
        assert isinstance(app, Sdist)
        assert (app.file_name, app.digest.hex) == (name, pypi.sha256("app", name))
        assert app.dependencies == ("lib",)

    def test_where_no_source_may_be_taken_an_older_wheel_is(self, pypi: SimpleIndex, resolve: Resolve) -> None:
        pypi.add("app", "1.0")
        pypi.add_sdist("app", "2.0")
        assert versions(resolve("app", request={"sdists": False})) == {"app": "1.0"}

    def test_a_package_that_has_only_its_source_is_refused_where_none_may_be_taken(
        self, pypi: SimpleIndex, resolve: Resolve
    ) -> None:
        pypi.add_sdist("app", "1.0")
        text = refused(resolve, "app", request={"sdists": False})
        assert text.startswith("`app` 1.0 has no wheel for linux/amd64")
        assert "--no-sdist" in text
        assert "no usable wheels" in text

    def test_a_commit_of_a_repository_is_resolved_and_kept_as_source(
        self, pypi: SimpleIndex, resolve: Resolve, tmp_path: Path
    ) -> None:
        pypi.add("lib", "1.0")
        url, commit = make_repository(tmp_path / "repository", "sub")
        text = f"thing @ git+{url}@{commit}#subdirectory=sub"
        thing = resolve(vcs=lines(text))["thing"]
        assert isinstance(thing, Sdist)
        assert thing.url == f"git+{url}@{commit}"
        assert thing.subdirectory == "sub"
        assert thing.version == "3.1"
        assert versions(resolve("lib", vcs=lines(text))) == {"lib": "1.0", "thing": "3.1"}
        with pytest.raises(EnvbuildError, match=r"requirements\.in:1: `thing` is a commit") as caught:
            resolve(vcs=lines(text), request={"sdists": False})
        assert "--no-sdist" in str(caught.value.hint)


class TestLocks:
    def test_pins_are_taken_as_they_are(self, pypi: SimpleIndex, resolve: Resolve) -> None:
        for version in ("1.0", "2.0"):
            pypi.add("app", version, "lib")
        pypi.add("lib", "1.0")
        pins = (pin(pypi, "app", "1.0"), pin(pypi, "lib", "1.0"))
        files = resolve(pins=pins)
        assert versions(files) == {"app": "1.0", "lib": "1.0"}
        assert files["app"].dependencies == ("lib",)

    def test_a_commit_among_pins_brings_nothing_else(self, pypi: SimpleIndex, resolve: Resolve, tmp_path: Path) -> None:
        for version in ("1.0", "2.0"):
            pypi.add("lib", version)
        url, commit = make_repository(tmp_path / "repository", "")
        files = resolve(pins=(pin(pypi, "lib", "1.0"),), vcs=lines(f"thing @ git+{url}@{commit}"))
        assert versions(files) == {"lib": "1.0", "thing": "3.1"}

    def test_a_lock_of_the_standard_form_is_taken_as_it_is(self, pypi: SimpleIndex, resolve: Resolve) -> None:
        for tag in (X86, ARM):
            pypi.add("app", "1.0", "lib", tag=tag)
        pypi.add("app", "2.0")
        pypi.add("lib", "1.0")
        pypi.add("more", "1.0")
        pypi.add("dev", "1.0")
        document = pylock(pypi, ("app", "1.0", None), ("lib", "1.0", None), ("more", "1.0", "'x' in extras"),
                          ("dev", "1.0", "'dev' in dependency_groups"))  # fmt: skip
        files = resolve(pylock=document, target=ARM64)
        assert versions(files) == {"app": "1.0", "lib": "1.0"}
        assert files["app"].file_name == f"app-1.0-{ARM}.whl"
        assert files["app"].dependencies == ("lib",)
        everything = resolve(pylock=document, extras=("x",), groups=("dev",))
        assert set(versions(everything)) == {"app", "dev", "lib", "more"}

    def test_such_a_lock_without_a_wheel_for_the_target_names_those_that_there_are(
        self, pypi: SimpleIndex, resolve: Resolve
    ) -> None:
        pypi.add("app", "1.0", tag=X86)
        text = refused(resolve, pylock=pylock(pypi, ("app", "1.0", None)), target=ARM64)
        assert "`app` 1.0 has no wheel for linux/arm64" in text
        assert f"app-1.0-{X86}.whl" in text

    def test_its_sources_are_taken_only_where_they_may_be(self, pypi: SimpleIndex, resolve: Resolve) -> None:
        pypi.add("app", "1.0", tag=X86)
        pypi.add_sdist("app", "1.0")
        document = pylock(pypi, ("app", "1.0", None))
        assert isinstance(resolve(pylock=document)["app"], Wheel)
        assert isinstance(resolve(pylock=document, target=ARM64)["app"], Sdist)
        assert "--no-sdist" in refused(resolve, pylock=document, target=ARM64, request={"sdists": False})

    def test_a_lock_for_another_python_is_refused(self, pypi: SimpleIndex, resolve: Resolve) -> None:
        pypi.add("app", "1.0")
        document = {**pylock(pypi, ("app", "1.0", None)), "requires-python": ">=3.12"}
        with pytest.raises(EnvbuildError, match=r"3\.11\.2") as caught:
            resolve(pylock=document)
        assert ">=3.12" in str(caught.value)

    @pytest.mark.parametrize(
        "document",
        [
            {},
            {"lock-version": "2.0", "created-by": "x", "packages": []},
            {"lock-version": "1.0", "created-by": "x", "packages": [{"name": "a"}]},
            {"lock-version": "1.0", "created-by": "x", "packages": [{"name": "a", "directory": {"path": "."}}]},
            {"lock-version": "1.0", "created-by": "x", "packages": "none"},
        ],
    )
    def test_a_document_that_is_no_lock_is_refused(self, resolve: Resolve, document: dict[str, Any]) -> None:
        with pytest.raises(EnvbuildError):
            resolve(pylock=document)


class TestMetadata:
    def test_it_is_read_beside_a_file_and_never_twice(self, pypi: SimpleIndex, resolve: Resolve) -> None:
        name = pypi.add("app", "1.0")
        text = b"Metadata-Version: 2.4\nName: App\nVersion: 1.0\nLicense-Expression: MIT\n\nWords.\n"
        pypi.projects["app"][f"{name}.metadata"] = File(text)
        assert resolve("app")["app"].license == "MIT"
        assert resolve("app")["app"].license == "MIT"
        assert len([path for path in pypi.asked if path.endswith(".metadata")]) == 1

    def test_a_license_is_told_in_a_few_words(self, pypi: SimpleIndex, resolve: Resolve) -> None:
        pypi.projects["app"] = {"app-1.0.tar.gz": sdist_with("License-Expression: BSD-3-Clause")}
        assert resolve("app")["app"].license == "BSD-3-Clause"

    def test_another_servers_word_on_a_file_is_not_believed(
        self, pypi: SimpleIndex, indexes: Any, resolve: Resolve
    ) -> None:
        liar = indexes()
        name = liar.add("app", "1.0", "lib")
        pypi.projects["app"] = dict(liar.projects["app"])
        pypi.add("lib", "1.0")
        liar.add("lib", "1.0")
        lie = b"Metadata-Version: 2.1\nName: app\nVersion: 1.0\nLicense: lies\n"
        liar.projects["app"][f"{name}.metadata"] = File(lie)
        resolve("app", request={"indexes": (Index("liar", liar.url),)})
        files = resolve("app")
        assert files["app"].dependencies == ("lib",)
        assert files["app"].license == ""


def sdist_with(header: str) -> Any:
    backend = BACKEND.replace("file.write(METADATA)", f"file.write(METADATA + {header + chr(10)!r})")
    data = make_sdist("app", "1.0", (), backend)
    target = io.BytesIO()
    with tarfile.open(fileobj=io.BytesIO(data)) as old, tarfile.open(fileobj=target, mode="w:gz") as new:
        for member in old:
            content = old.extractfile(member).read()  # type: ignore[union-attr]
            if member.name.endswith("PKG-INFO"):
                content += f"{header}\n".encode()
            member.size = len(content)
            new.addfile(member, io.BytesIO(content))
    return File(target.getvalue())


def pin(index: SimpleIndex, name: str, version: str) -> Pin:
    hashes = {file.sha256 for file_name, file in index.projects[name].items() if f"-{version}-" in file_name}
    return Pin(name, version, frozenset(hashes), None, None, "requirements.txt:1")


def pylock(index: SimpleIndex, *packages: tuple[str, str, str | None]) -> dict[str, Any]:
    entries = []
    for name, version, marker in packages:
        files = {file: each for file, each in index.projects[name].items() if f"-{version}" in file}
        listed = [
            {"name": file, "url": index.file_url(name, file), "size": len(each.data), "hashes": {"sha256": each.sha256}}
            for file, each in files.items()
        ]
        entry: dict[str, Any] = {"name": name, "version": version}
        entry |= {"wheels": [one for one in listed if one["name"].endswith(".whl")]}
        for sdist in (one for one in listed if one["name"].endswith(".tar.gz")):
            entry["sdist"] = sdist
        entries.append(entry | ({"marker": marker} if marker else {}))
    return {
        "lock-version": "1.0",
        "created-by": "test",
        "extras": ["x"],
        "dependency-groups": ["dev"],
        "packages": entries,
    }


def make_repository(folder: Path, subdirectory: str) -> tuple[str, str]:
    """A git repository with a project; its URL and its commit."""
    project = folder / subdirectory
    project.mkdir(parents=True)
    (project / "pyproject.toml").write_text(
        '[project]\nname = "thing"\nversion = "3.1"\ndependencies = ["lib"]\n'
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
    )
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false")
    for command in (("init", "--quiet"), ("add", "."), (*identity, "commit", "--quiet", "-m", "x")):
        subprocess.run(["git", *command], cwd=folder, check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, check=True, capture_output=True, text=True)
    return folder.as_uri(), commit.stdout.strip()


def test_digests_are_those_of_the_index(pypi: SimpleIndex, resolve: Resolve) -> None:
    name = pypi.add("app", "1.0")
    data = pypi.projects["app"][name].data
    assert resolve("app")["app"].digest == Digest(hashlib.sha256(data).hexdigest())
