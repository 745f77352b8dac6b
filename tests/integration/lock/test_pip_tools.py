"""pip-tools chooses what uv chooses of the same index, and sees nothing of this machine."""

from __future__ import annotations

import io
import os
import sys
import tarfile
import threading
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from git_repositories import make_repository
from simple_index import File, SimpleIndex, make_sdist, serve_index
from source_packages import make_sdist as source_sdist
from source_packages import own_backend, packed

from builder.cli.machine import machine_variables
from builder.errors import EnvbuildError
from builder.fetch import Fetcher, Mirrors
from builder.fetch.mirrors import PYPI_INDEX
from builder.lock.artifact import Sdist, Wheel
from builder.lock.indexes import requested_indexes
from builder.lock.interface import FileIndex, Line, PythonResolver, Request, Sources, Target
from builder.lock.programs import uv_program
from builder.lock.pypi.pip_config import with_pip_indexes
from builder.lock.pypi.pip_tools import Host, PipToolsResolver
from builder.lock.pypi.uv import UvResolver
from builder.oci.documents import Platform
from builder.oci.store import Store
from builder.spec.environment import Index

HOST = Host.this()
PYTHON = "{}.{}.2".format(*sys.version_info)
CP = "cp{}{}".format(*sys.version_info)
TARGET = Target(Platform("amd64" if HOST.machine == "x86_64" else "arm64"), HOST.machine, PYTHON, (2, 36))
Files = tuple[Wheel | Sdist, ...]

pytestmark = pytest.mark.skipif(HOST.libc != "glibc", reason="pip-tools resolves for its host, and targets have glibc")


@pytest.fixture
def packages() -> Iterator[SimpleIndex]:
    with serve_index() as index:
        yield index


@pytest.fixture
def other() -> Iterator[SimpleIndex]:
    with serve_index() as index:
        yield index


class Resolvers:
    """Both resolvers on one index, asked the same."""

    def __init__(self, store: Store, variables: Mapping[str, str]) -> None:
        self.store = store
        self.variables = variables

    def resolver(self, name: str) -> PythonResolver:
        fetcher = Fetcher(self.store, Mirrors.from_environment(self.variables))
        uv = UvResolver(self.variables, uv_program(), fetcher)
        return PipToolsResolver(self.variables, fetcher, HOST, uv) if name == "pip-tools" else uv

    def pip_tools(self, *requirements: str, target: Target = TARGET, **fields: Any) -> Files:
        return self.resolver("pip-tools")(request(*requirements, **fields), target)

    def both(self, *requirements: str, **fields: Any) -> Files:
        """What both choose, which is the same to the last field."""
        with ThreadPoolExecutor() as pool:
            expected = pool.submit(self.resolver("uv"), request(*requirements, **fields), TARGET)
            found = self.pip_tools(*requirements, **fields)
            assert found == expected.result()
        return found

    def refusal(self, *requirements: str, **fields: Any) -> EnvbuildError:
        with pytest.raises(EnvbuildError) as caught:
            self.pip_tools(*requirements, **fields)
        text = "\n".join((str(caught.value), caught.value.hint or ""))
        assert caught.value.exit_code == 1
        for unwanted in ("Traceback", "/simple/x", "envbuild-", "hunter2", "127.0.0.1:0"):
            assert unwanted not in text
        return caught.value


def request(*requirements: str, **fields: Any) -> Request:
    names = ("constraints", "overrides", "vcs")
    lines = {name: numbered(f"{name}.txt", fields.pop(name, ())) for name in names}
    taken = {name: fields.pop(name) for name in ("provided", "requires_python") if name in fields}
    indexes = requested_indexes(fields.pop("indexes", ()), fields.pop("files_indexes", ()))
    return Request(Sources(numbered("requirements.in", requirements), **lines, **taken), indexes, **fields)


def numbered(file: str, texts: tuple[str, ...]) -> tuple[Line, ...]:
    return tuple(Line(text, f"{file}:{number}") for number, text in enumerate(texts, 1))


@pytest.fixture
def resolvers(packages: SimpleIndex, tmp_path: Path) -> Resolvers:
    store = Store(tmp_path / "store")
    store.create()
    return Resolvers(store, {**os.environ, "UV_DEFAULT_INDEX": packages.url})


def pins(files: Files) -> dict[str, str]:
    return {file.name: file.version for file in files}


def test_the_lock_is_uvs(packages: SimpleIndex, resolvers: Resolvers) -> None:
    tags = [f"{CP}-{CP}-manylinux_2_{minor}_{HOST.machine}" for minor in (17, 28, 34, 39)]
    for version in ("1.0", "1.1", "2.0"):
        for tag in (*tags, f"{CP}-{CP}-win_amd64", "cp27-cp27m-manylinux1_x86_64"):
            packages.add("native", version, "shared>=1", tag=tag)
    packages.add("native", "3.0", "shared>=1", tag=tags[-1])
    packages.add("app", "1.0", "native<2", "shared", 'speed; extra == "fast"', 'backport; python_version < "3"')
    packages.add("app", "1.1rc1", "native<2")
    packages.add("shared", "1.0")
    packages.add("shared", "1.5")
    packages.add("shared", "2.0", yanked=True)
    packages.add("shared", "3.0", requires_python="<3")
    packages.add("speed", "1.0", 'zeta; platform_machine == "sparc"', "alpha[more]; sys_platform == 'linux'")
    packages.add("alpha", "1.0", 'zeta; extra == "more"', f'beta; python_full_version > "{PYTHON}"')
    packages.add("zeta", "0.1.dev1")
    packages.add("beta", "1.0")
    found = resolvers.both("app[fast]", "shared<3")
    assert pins(found) == {
        "alpha": "1.0", "app": "1.0", "native": "1.1", "shared": "1.5", "speed": "1.0", "zeta": "0.1.dev1",
    }  # fmt: skip
    assert [file.file_name for file in found if file.name == "native"] == [f"native-1.1-{tags[2]}.whl"]
    assert next(file for file in found if file.name == "app").dependencies == ("native", "shared", "speed")


def test_it_is_stopped_where_it_does_not_come_to_an_end(
    packages: SimpleIndex, resolvers: Resolvers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builder.lock.programs._RESOLVER_SECONDS", 0.05)
    packages.add("app", "1.0")
    error = resolvers.refusal("app")
    assert "in time" in error.what
    assert "pip-tools was still at it" in error.why[0]


@pytest.mark.slow
def test_constraints_and_preferences_are_kept_to(packages: SimpleIndex, resolvers: Resolvers) -> None:
    names = ("kept", "limited", "outgrown", "gone", "upgraded")
    for name in names:
        for version in ("1.0", "1.5", "2.0"):
            packages.add(name, version)
    packages.add("app", "1.0", "outgrown<2", *(name for name in names if name != "outgrown"))
    before = {"app": "1.0", "kept": "1.0", "outgrown": "2.0", "gone": "0.1", "absent": "1.0"}
    found = resolvers.both("app", constraints=("limited<2", "absent>7", "upgraded==1.5"), preferences=before)
    assert pins(found) == {
        "app": "1.0", "kept": "1.0", "limited": "1.5", "outgrown": "1.5", "gone": "2.0", "upgraded": "1.5",
    }  # fmt: skip


@pytest.mark.slow
def test_what_is_kept_gives_way_where_it_stands_in_the_way_of_others(
    packages: SimpleIndex, resolvers: Resolvers
) -> None:
    packages.add("one", "1.0", "shared<2")
    packages.add("one", "2.0", "shared>=2")
    packages.add("two", "1.0", "shared>=2")
    packages.add("shared", "1.0")
    packages.add("shared", "2.0")
    kept = {"one": "1.0", "shared": "1.0"}
    assert pins(resolvers.both("one", "two", preferences=kept)) == {"one": "2.0", "shared": "2.0", "two": "1.0"}


def test_prereleases_are_taken_where_they_are_asked_for(packages: SimpleIndex, resolvers: Resolvers) -> None:
    for name in ("pure", "asked"):
        packages.add(name, "1.0")
        packages.add(name, "2.0rc1")
    packages.add("early", "1.0a1")
    assert pins(resolvers.both("pure", "early", "asked>=2.0rc1")) == {
        "asked": "2.0rc1",
        "early": "1.0a1",
        "pure": "1.0",
    }


def test_the_time_of_an_upload_counts_as_it_does_for_uv(packages: SimpleIndex, resolvers: Resolvers) -> None:
    time = "2026-02-01T00:00:00Z"
    for name in ("at", "before", "free", "late"):
        packages.add(name, "1.0")
    packages.add("at", "2.0", uploaded=time)
    packages.add("before", "2.0", uploaded="2026-01-31T23:59:59Z")
    packages.add("before", "3.0", uploaded=None)
    packages.add("free", "2.0", uploaded=None)
    packages.add("late", "2.0", uploaded="2026-02-02T00:00:00Z")
    packages.add("late", "3.0", uploaded="2026-04-02T00:00:00Z")
    own = {"free": "none", "late": "2026-03-01T00:00:00Z"}
    found = resolvers.both("at", "before", "free", "late", exclude_newer=time, exclude_newer_package=own)
    assert pins(found) == {"at": "1.0", "before": "2.0", "free": "2.0", "late": "2.0"}


@pytest.mark.slow
def test_an_index_without_times_says_what_to_write(packages: SimpleIndex, resolvers: Resolvers) -> None:
    packages.html = True
    packages.add("pure", "1.0", "shared")
    packages.add("shared", "1.0")
    error = resolvers.refusal("pure", exclude_newer="2026-02-01T00:00:00Z", exclude_newer_package={"pure": "none"})
    assert "exclude-newer-package: {shared: none}" in str(error.hint)
    assert pins(resolvers.pip_tools("pure")) == {"pure": "1.0", "shared": "1.0"}


def test_a_source_distribution_is_asked_what_it_needs(packages: SimpleIndex, resolvers: Resolvers) -> None:
    packages.add_sdist("source", "1.0", "shared")
    packages.add("source", "0.9")
    packages.add("shared", "1.0")
    shared, source = resolvers.both("source")
    assert isinstance(source, Sdist)
    assert (source.version, source.dependencies, shared.name) == ("1.0", ("shared",), "shared")
    assert pins(resolvers.pip_tools("source", sdists=False)) == {"source": "0.9"}


@pytest.mark.slow
def test_a_backend_of_an_index_is_installed_to_ask_a_source_distribution(
    packages: SimpleIndex, resolvers: Resolvers
) -> None:
    python = "Requires-Python: >=3.8\nProvides-Extra: tests"
    packages.add("helper", "1.0", 'backport; python_version < "3"', f'checks; extra == "tests"\n{python}')
    project = own_backend("import helper\n" + packed("source", requires="Requires-Dist: shared\n"), "'helper'")
    packages.projects["source"] = {"source-1.0.tar.gz": File(source_sdist("source", "1.0", project)[1])}
    packages.add("shared", "1.0")
    assert pins(resolvers.both("source")) == {"shared": "1.0", "source": "1.0"}


def test_a_wheel_goes_before_a_source_distribution_of_its_version(packages: SimpleIndex, resolvers: Resolvers) -> None:
    packages.add("pure", "1.0")
    packages.add_sdist("pure", "1.0")
    (wheel,) = resolvers.both("pure")
    assert isinstance(wheel, Wheel)


def test_a_url_is_taken_as_it_was_asked_for(packages: SimpleIndex, other: SimpleIndex, resolvers: Resolvers) -> None:
    packages.add("shared", "1.0")
    packages.add("direct", "2.0")
    file = other.add("direct", "1.0", 'shared; extra == "more"')
    url = f"{other.file_url('direct', file)}#sha256={other.sha256('direct', file)}"
    found = resolvers.both(f"direct[more] @ {url}")
    assert pins(found) == {"direct": "1.0", "shared": "1.0"}
    assert found[0].url == url.partition("#")[0]


def test_a_url_with_other_bytes_is_refused(other: SimpleIndex, resolvers: Resolvers) -> None:
    url = f"{other.file_url('direct', other.add('direct', '1.0'))}#sha256={'0' * 64}"
    with pytest.raises(EnvbuildError, match="could not be fetched"):
        resolvers.pip_tools(f"direct @ {url}")


@pytest.mark.slow
def test_what_is_provided_is_neither_looked_for_nor_installed(packages: SimpleIndex, resolvers: Resolvers) -> None:
    packages.add("pure", "1.0", "shared>=2")
    there = {"shared": "2.5", "_odd": "not a version"}
    assert pins(resolvers.pip_tools("pure", provided=there)) == {"pure": "1.0"}
    assert not [path for path in packages.asked if "shared" in path]
    resolvers.both("pure", provided=there)
    assert "shared==1.0" in str(resolvers.refusal("pure", provided={"shared": "1.0"}))


@pytest.mark.slow
def test_the_first_index_that_has_a_package_wins(
    packages: SimpleIndex, other: SimpleIndex, resolvers: Resolvers
) -> None:
    packages.add("app", "1.0", "shared", "secret-thing")
    packages.add("shared", "9.0")
    packages.add("secret-thing", "9.0")
    other.add("shared", "1.0")
    other.add("secret-thing", "1.0")
    first = (Index("team", other.url),)
    assert pins(resolvers.both("app", indexes=first)) == {"app": "1.0", "secret-thing": "1.0", "shared": "1.0"}
    pinned = (Index("team", other.url, packages=("secret-thing",)),)
    assert pins(resolvers.both("app", indexes=pinned)) == {"app": "1.0", "secret-thing": "1.0", "shared": "9.0"}


def test_an_index_in_place_of_pypi_is_the_only_one_that_is_asked(
    packages: SimpleIndex, other: SimpleIndex, resolvers: Resolvers
) -> None:
    other.add("shared", "1.0")
    packages.add("shared", "9.0")
    of_spec = {"indexes": (Index("team", other.url, default=True),)}
    of_file = {"files_indexes": (FileIndex(other.url, "requirements.in:1", is_default=True),)}
    both = {"indexes": (Index("team", other.url),), **of_file}
    for given in (of_spec, of_file, both):
        assert pins(resolvers.both("shared", **given)) == {"shared": "1.0"}
        assert "`missing-thing` is on no index" in str(resolvers.refusal("missing-thing", **given))
    assert packages.asked == [], "a stranger on PyPI must not be asked for a private name"


@pytest.mark.slow
def test_an_index_that_a_file_names_besides_is_asked_before_pypi(
    packages: SimpleIndex, other: SimpleIndex, resolvers: Resolvers
) -> None:
    other.add("private", "1.0", "public")
    packages.add("private", "9.0")
    packages.add("public", "1.0")
    besides = (FileIndex(other.url, "requirements.in:1"),)
    assert pins(resolvers.both("private", files_indexes=besides)) == {"private": "1.0", "public": "1.0"}
    both = (FileIndex(other.url, "requirements.in:1", is_default=True), FileIndex(PYPI_INDEX, "requirements.in:2"))
    assert pins(resolvers.both("private", files_indexes=both)) == {"private": "1.0", "public": "1.0"}
    assert not [path for path in packages.asked if "private" in path]


def test_an_index_of_the_machine_comes_before_those_of_the_spec(
    packages: SimpleIndex, other: SimpleIndex, resolvers: Resolvers
) -> None:
    packages.add("shared", "1.0")
    other.add("shared", "2.0")
    machine = Resolvers(resolvers.store, {**resolvers.variables, "UV_INDEX": other.url})
    assert pins(machine.both("shared", indexes=(Index("team", packages.url),))) == {"shared": "2.0"}


@pytest.mark.slow
def test_what_was_read_before_changes_nothing(packages: SimpleIndex, resolvers: Resolvers) -> None:
    packages.add("app", "1.0")
    packages.add("lib", "1.0")
    packages.add("app", "2.0", "lib\nRequires-Python: >=4")  # which the index does not tell
    assert [pins(resolvers.pip_tools("app")) for _ in range(2)] == [{"app": "1.0"}] * 2


def test_no_secret_is_in_what_is_found_or_in_a_process(
    packages: SimpleIndex, resolvers: Resolvers, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages.login = "scientist:hunter2"
    packages.add("pure", "1.0", "shared")
    packages.add("shared", "1.0")
    variables = {**resolvers.variables, "UV_DEFAULT_INDEX": f"http://scientist:hunter2@{packages.host}/simple/"}
    seen: list[str] = []

    def look(path: str) -> None:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                seen.append((folder / "cmdline").read_text() + (folder / "environ").read_text(errors="replace"))
            except OSError:
                continue

    packages.before = look
    found = Resolvers(resolvers.store, variables).both("pure")
    assert "hunter2" not in repr(found)
    run = [text for text in seen if "piptools" in text.partition("\0\0")[0]]
    assert run
    assert not [text for text in run if "hunter2" in text]


def test_the_pip_of_this_machine_decides_nothing(
    packages: SimpleIndex, other: SimpleIndex, resolvers: Resolvers, tmp_path: Path
) -> None:
    packages.add("pure", "1.0")
    other.add("pure", "9.0")
    (tmp_path / "found").mkdir()
    name, file = next(iter(other.projects["pure"].items()))
    (tmp_path / "found" / name).write_bytes(file.data)
    (tmp_path / "home/.config/pip").mkdir(parents=True)
    (tmp_path / "limits.txt").write_text("pure<0.5\n")
    settings = f"[global]\nextra-index-url = {other.url}\nfind-links = {tmp_path}/found\nno-index = true\npre = true\n"
    settings += f"constraint = {tmp_path}/limits.txt\n"
    (tmp_path / "home/.config/pip/pip.conf").write_text(settings)
    host = {
        "HOME": str(tmp_path / "home"),
        "XDG_CONFIG_HOME": str(tmp_path / "home/.config"),
        "PIP_EXTRA_INDEX_URL": other.url,
        "PIP_FIND_LINKS": f"{tmp_path}/found",
        "PIP_PRE": "1",
        "PIP_NO_INDEX": "1",
        "http_proxy": f"http://127.0.0.1:{other.port}",
        "HTTP_PROXY": f"http://127.0.0.1:{other.port}",
        "CUSTOM_COMPILE_COMMAND": "x",
    }
    assert pins(Resolvers(resolvers.store, {**resolvers.variables, **host}).pip_tools("pure")) == {"pure": "1.0"}
    assert other.asked == []


@pytest.mark.slow
def test_the_indexes_of_pip_are_taken_where_they_are_asked_for(
    packages: SimpleIndex, other: SimpleIndex, resolvers: Resolvers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages.add("pure", "1.0")
    other.add("team-thing", "1.0", "pure")
    settings = f"[global]\nindex-url = {packages.url}\nextra-index-url =\n    {other.url}\n"
    (tmp_path / "pip.conf").write_text(settings)
    bare = {name: value for name, value in resolvers.variables.items() if name != "UV_DEFAULT_INDEX"}
    asked = {**bare, "PIP_CONFIG_FILE": str(tmp_path / "pip.conf"), "ENVBUILD_PIP_CONFIG": "1"}
    found = Resolvers(resolvers.store, with_pip_indexes(asked)).both("team-thing")
    assert pins(found) == {"pure": "1.0", "team-thing": "1.0"}
    assert with_pip_indexes(asked | {"ENVBUILD_PIP_CONFIG": "0"}).keys() == asked.keys()
    monkeypatch.setenv("PIP_CONFIG_FILE", asked["PIP_CONFIG_FILE"])
    assert "UV_INDEX" not in machine_variables()
    monkeypatch.setenv("ENVBUILD_PIP_CONFIG", "1")
    assert machine_variables()["UV_INDEX"] == other.url


def test_a_conflict_is_explained_with_the_lines_that_a_user_wrote(packages: SimpleIndex, resolvers: Resolvers) -> None:
    packages.add("one", "1.0", "shared<2")
    packages.add("two", "1.0", "shared>=2")
    packages.add("shared", "1.0")
    packages.add("shared", "2.0")
    text = str(resolvers.refusal("one", "two"))
    assert "Cannot install `one` (requirements.in:1) and `two` (requirements.in:2)" in text
    assert "one 1.0 depends on shared<2\ntwo 1.0 depends on shared>=2" in text
    text = str(resolvers.refusal("one", constraints=("shared>=2",)))
    assert "The user requested (constraint) shared>=2" in text


def test_an_unknown_package_is_named_with_the_indexes(packages: SimpleIndex, resolvers: Resolvers) -> None:
    packages.add("app", "1.0", "nothing-like-it>3")
    error = resolvers.refusal("app")
    assert f"`nothing-like-it` is on no index: `{packages.url}` was asked" in error.why
    assert "`indexes`" in str(error.hint)


def test_a_package_without_a_file_for_the_target_says_why(packages: SimpleIndex, resolvers: Resolvers) -> None:
    packages.add("native", "1.0", tag=f"{CP}-{CP}-manylinux_2_39_{HOST.machine}")
    packages.add("native", "2.0", requires_python=">=4")
    packages.add("native", "3.0", uploaded="2027-01-01T00:00:00Z")
    why = resolvers.refusal("native", exclude_newer="2026-12-01T00:00:00Z").why
    assert [line for line in why if line.startswith("`native` 1.0 has no wheel for linux/")]
    assert f"`native` 2.0 needs Python >=4, where {PYTHON} is there" in why
    assert "`native` 3.0 was uploaded later than `exclude-newer` allows" in why


def test_a_build_that_fails_keeps_its_words(packages: SimpleIndex, resolvers: Resolvers) -> None:
    name = packages.add_sdist("source", "1.0")
    packages.projects["source"][name].data = make_sdist("source", "1.0", backend="raise ValueError('no compiler')")
    text = str(resolvers.refusal("source"))
    assert "ValueError: no compiler" in text
    assert "Failed to build 'source'" in text


def test_an_index_that_fails_is_named_and_not_taken_for_one_that_has_nothing(
    packages: SimpleIndex, resolvers: Resolvers
) -> None:
    packages.add("app", "1.0", "shared")
    packages.add("app", "0.9")
    packages.before = lambda path: 403 if "shared" in path else None
    error = resolvers.refusal("app")
    assert error.why == (f"{packages.url}shared/: the server answered 403 Forbidden",)


@pytest.mark.parametrize(
    ("field", "value"), [("machine", "riscv64"), ("libc", ""), ("python", "3.99"), ("system", "darwin")]
)
def test_another_target_than_the_host_is_refused_and_uv_named(
    packages: SimpleIndex, resolvers: Resolvers, field: str, value: str
) -> None:
    packages.add("pure", "1.0")
    fetcher = Fetcher(resolvers.store, Mirrors.from_environment(resolvers.variables))
    resolver = PipToolsResolver(resolvers.variables, fetcher, replace(HOST, **{field: value}), resolvers.resolver("uv"))
    with pytest.raises(EnvbuildError) as caught:
        resolver(request("pure"), TARGET)
    assert caught.value.what == f"pip-tools cannot resolve for {TARGET.platform} with Python {PYTHON[:-2]} here"
    assert "`resolver: uv`" in str(caught.value.hint)
    assert value in caught.value.why[0]


def test_overrides_are_refused_and_uv_named(resolvers: Resolvers) -> None:
    error = resolvers.refusal("pure", overrides=("shared==1",))
    assert error.what == "overrides.txt:1: pip-tools knows no overrides"
    assert "`resolver: uv`" in str(error.hint)


@pytest.mark.slow
def test_pages_of_what_is_asked_for_are_read_in_parallel(packages: SimpleIndex, resolvers: Resolvers) -> None:
    names = [f"package-{number}" for number in range(6)]
    for name in names:
        packages.add(name, "1.0")
    together = threading.Barrier(len(names), timeout=30)

    def wait(path: str) -> None:
        if path.startswith("/simple/"):
            together.wait()

    packages.before = wait
    assert len(resolvers.pip_tools(*names)) == len(names)
    assert len([path for path in packages.asked if path.startswith("/simple/")]) == len(names)


def test_a_commit_is_asked_what_it_needs(packages: SimpleIndex, resolvers: Resolvers, tmp_path: Path) -> None:
    packages.add("shared", "1.0")
    with tarfile.open(fileobj=io.BytesIO(make_sdist("thing", "1.0", ("shared",)))) as archive:
        files = {name.partition("/")[2]: archive.extractfile(name).read() for name in archive.getnames()}  # type: ignore[union-attr]
    commit = make_repository(tmp_path / "repository", {f"part/{name}": data for name, data in files.items()})
    url = f"git+file://{tmp_path}/repository@{commit}"
    found = resolvers.both(vcs=(f"thing @ {url}#subdirectory=part",))
    assert [(file.name, file.url) for file in found if file.name == "thing"] == [("thing", url)]
    assert len(found) == 2
