from __future__ import annotations

import json
import random
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from builder.errors import EnvbuildError
from builder.lock.artifact import DebianPackage, Wheel
from builder.lock.document import LOCK_FILE, Interpreter, LockDocument, PlatformLock
from builder.lock.folder import parse_lock, read_current_lock, read_lock, write_lock
from builder.lock.integrity import sealed_platform
from builder.lock.pypi.pylock import pylock_name, read_pylock, write_pylock
from builder.lock.pypi.tags import platform_tags
from builder.lock.staleness import differences
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.spec import Base, Environment, LoadedEnvironment, PyPI
from builder.spec.fields import as_document

AMD64, ARM64 = Platform("amd64"), Platform("arm64")
SPEC = Environment("3.11", pypi=PyPI(("pandas", "numpy")))
INTERPRETER = Interpreter("debian", "3.11.2", "/usr/bin/python3.11")


def wheel(name: str, version: str = "1.0") -> Wheel:
    file = f"{name}-{version}-py3-none-any.whl"
    return Wheel(name, version, file, Digest.of(file.encode()), 1000 + len(version), f"https://x.example/{file}")


def deb(name: str, version: str = "1.0") -> DebianPackage:
    file = f"{name}_{version}_amd64.deb"
    return DebianPackage(name, version, "amd64", Digest.of(file.encode()), 1000, (f"http://deb.example/{file}",))


NAMES = ["alpha", "beta", "delta", "epsilon", "gamma", "zeta"]


def lock_files(
    wheels: list[Wheel] | None = None, debian: list[DebianPackage] | None = None, spec: Environment = SPEC
) -> dict[str, bytes]:
    wheels = [wheel(name) for name in NAMES] if wheels is None else wheels
    debian = [deb(name) for name in NAMES] if debian is None else debian
    pylocks = {pylock_name(platform): write_pylock(wheels, "3.11.2", "x86_64") for platform in (AMD64, ARM64)}
    platforms = {
        platform: PlatformLock(
            "bookworm",
            INTERPRETER,
            tuple(debian),
            pylock_name(platform),
            Digest.of(pylocks[pylock_name(platform)]),
            tuple(package.name for package in debian),
        )
        for platform in (ARM64, AMD64)
    }
    return {LOCK_FILE: LockDocument(as_document(spec), {}, 1, "1980-01-02T00:00:00Z", platforms).to_bytes(), **pylocks}


@pytest.fixture
def loaded(tmp_path: Path) -> LoadedEnvironment:
    write_lock(tmp_path / "lock", lock_files())
    return LoadedEnvironment(SPEC, "test", tmp_path / "environment.yaml")


def test_a_lock_is_read_back_equal_and_written_again_as_the_same_bytes() -> None:
    files = lock_files()
    document = LockDocument.from_bytes(files[LOCK_FILE])
    assert document.to_bytes() == files[LOCK_FILE]
    assert document.platforms[AMD64].debian == tuple(deb(name) for name in NAMES)
    lock = parse_lock(files, "x")
    assert lock.wheels[ARM64] == tuple(wheel(name) for name in NAMES)
    assert lock.digest == Digest.of(files[LOCK_FILE])
    assert lock.platforms == (AMD64, ARM64)


def test_a_lock_has_sorted_keys_and_one_value_a_line() -> None:
    text = lock_files()[LOCK_FILE].decode()
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"
    assert max(map(len, text.splitlines())) < 120


def test_a_pylock_does_not_depend_on_the_order_of_its_wheels() -> None:
    wheels = [wheel(name) for name in NAMES]
    assert write_pylock(random.Random(1).sample(wheels, 6), "3.11.2", "x86_64") == write_pylock(
        wheels, "3.11.2", "x86_64"
    )


names = st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True)


@given(st.lists(st.builds(wheel, names, st.from_regex(r"[0-9][0-9a-z.+!]{0,6}", fullmatch=True)), unique=True))
def test_a_pylock_is_read_back_equal(wheels: list[Wheel]) -> None:
    assert read_pylock(write_pylock(wheels, "3.11.2", "aarch64"), "x") == tuple(sorted(wheels))


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: f'packages = [{{name = "{text}"}}]'.encode()))
def test_a_pylock_of_another_form_is_refused(data: bytes) -> None:
    with pytest.raises(EnvbuildError, match=r"`p\.toml` cannot be read"):
        read_pylock(data, "p.toml")


def changed(change: Any) -> bytes:
    document = json.loads(lock_files()[LOCK_FILE])
    change(document)
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d.pop("version"), "the lock is not one of envbuild"),
        (lambda d: d.update(version=0), "the lock is not one of envbuild"),
        (lambda d: d.update(version=1), "the lock is of version 1, which an older envbuild made"),
        (lambda d: d.update(version=True), "the lock is not one of envbuild"),
        (lambda d: d.update(version="1"), "the lock is not one of envbuild"),
        (lambda d: d.update(version=3), "the lock is of version 3; this envbuild knows versions up to 2"),
        (lambda d: d.pop("platforms"), "the lock is not complete"),
        (lambda d: d.update(platforms=[]), "the lock is not complete"),
        (lambda d: d["platforms"]["linux/amd64"].pop("debian"), "the lock is not complete"),
        (lambda d: d["platforms"]["linux/amd64"]["debian"][0].pop("sha256"), "the lock is not complete"),
        (lambda d: d["platforms"]["linux/amd64"]["debian"][0].update(sha256="x"), "is not a SHA-256"),
        (lambda d: d["platforms"]["linux/amd64"]["debian"][0].update(size="x"), "the lock is not complete"),
        (lambda d: d["platforms"].update(amd64={}), "is not a platform"),
        (lambda d: d.update({"layer-format": None}), "the lock is not complete"),
        (lambda d: d["spec"].update(python="3.12"), "the lock was changed by hand"),
        (lambda d: d.update({"spec-digest": "x"}), "the lock was changed by hand"),
        (lambda d: d.update(spec=None), "the lock was changed by hand"),
    ],
)
def test_a_lock_that_was_changed_or_is_of_another_version_is_refused(change: Any, reason: str) -> None:
    with pytest.raises(EnvbuildError, match=reason):
        LockDocument.from_bytes(changed(change))


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{", b'{"version": NaN}', b"<<<<<<< ours\n{}", b"\xff"])
def test_a_file_that_is_no_lock_is_refused(data: bytes) -> None:
    with pytest.raises(EnvbuildError):
        LockDocument.from_bytes(data)


def test_a_current_lock_is_read(loaded: LoadedEnvironment) -> None:
    assert read_current_lock(loaded, 1).platforms == (AMD64, ARM64)


def test_a_missing_lock_says_how_to_make_one(loaded: LoadedEnvironment) -> None:
    (loaded.lock_folder / LOCK_FILE).unlink()
    with pytest.raises(EnvbuildError, match="there is no lock") as caught:
        read_lock(loaded.lock_folder)
    assert f"envbuild lock {loaded.lock_folder.parent}" in (caught.value.hint or "")


def test_a_changed_or_missing_sibling_is_refused_by_name(loaded: LoadedEnvironment) -> None:
    sibling = loaded.lock_folder / "pylock.linux-arm64.toml"
    sibling.write_bytes(sibling.read_bytes().replace(b"1.0", b"1.1", 1))
    with pytest.raises(EnvbuildError) as caught:
        read_lock(loaded.lock_folder)
    assert caught.value.what == f"the lock in `{loaded.lock_folder}` was changed by hand"
    assert caught.value.why == ("`pylock.linux-arm64.toml` is not as it was locked",)
    sibling.unlink()
    with pytest.raises(EnvbuildError) as caught:
        read_lock(loaded.lock_folder)
    assert caught.value.why == ("`pylock.linux-arm64.toml` is missing",)


@pytest.mark.parametrize("name", ["../environment.yaml", "/etc/hostname", "..", ".", "a/b"])
def test_a_sibling_outside_the_folder_is_not_read(name: str, loaded: LoadedEnvironment) -> None:
    path = loaded.lock_folder / LOCK_FILE
    document = json.loads(path.read_bytes())
    document["platforms"]["linux/amd64"]["pypi"]["file"] = name
    document["platforms"]["linux/amd64"] = sealed_platform(document["platforms"]["linux/amd64"])
    path.write_text(json.dumps(document))
    with pytest.raises(EnvbuildError, match="is not complete"):
        read_lock(loaded.lock_folder)


def test_a_lock_of_other_layer_rules_is_stale(loaded: LoadedEnvironment) -> None:
    with pytest.raises(EnvbuildError) as caught:
        read_current_lock(loaded, 2)
    assert caught.value.why == ("it is for revision 1 of the layer format; this envbuild has 2",)


@pytest.mark.parametrize(
    ("spec", "reasons"),
    [
        (replace(SPEC, pypi=PyPI(("pandas", "numpy", "torch"))), ("`torch` was added to `pypi.requirements`",)),
        (replace(SPEC, pypi=PyPI(("pandas",))), ("`numpy` was removed from `pypi.requirements`",)),
        (replace(SPEC, pypi=PyPI(("numpy", "pandas"))), ("`pypi.requirements` was put in another order",)),
        (replace(SPEC, pypi=PyPI(("pandas", "numpy", "numpy"))), ("the spec was changed",)),
        (replace(SPEC, python="3.12"), ("`python` was changed from `3.11` to `3.12`",)),
        (replace(SPEC, debian=("libgomp1",)), ("`libgomp1` was added to `debian`",)),
        (replace(SPEC, base=Base("trixie")), ("`base.suite` was set to `trixie`",)),
        (replace(SPEC, compile=True), ("`compile` was set to `true`",)),
        (replace(SPEC, platforms=("linux/arm64",)), ("`linux/arm64` was added to `platforms`",)),
        (
            replace(SPEC, python="3.13", pypi=None),
            ("`pandas` was removed from `pypi.requirements`", "`numpy` was removed from `pypi.requirements`",
             "`python` was changed from `3.11` to `3.13`"),
        ),
        (
            replace(SPEC, pypi=replace(SPEC.pypi, exclude_newer="2026-01-01T00:00:00Z")),  # type: ignore[type-var]
            ("`pypi.exclude-newer` was set to `2026-01-01T00:00:00Z`",),
        ),
    ],
)  # fmt: skip
def test_a_stale_lock_says_in_words_what_changed(
    spec: Environment, reasons: tuple[str, ...], loaded: LoadedEnvironment
) -> None:
    with pytest.raises(EnvbuildError, match="does not match") as caught:
        read_current_lock(replace(loaded, environment=spec), 1)
    assert caught.value.why == reasons
    assert caught.value.exit_code == 1


json_values = st.recursive(
    st.none() | st.text(max_size=3), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from("abc"), inner, max_size=3), max_leaves=8,
)  # fmt: skip


def test_a_key_that_is_gone_is_told_as_removed() -> None:
    before, after = {"conda": {"file": "environment.yml", "lockfile": None}}, {"conda": {"lockfile": "conda-lock.yml"}}
    assert list(differences(before, after)) == [
        "`conda.file` was removed; it was `environment.yml`",
        "`conda.lockfile` was set to `conda-lock.yml`",
    ]


@given(json_values, json_values)
def test_equal_documents_have_no_differences_and_any_others_can_be_compared(one: Any, other: Any) -> None:
    assert list(differences(one, one)) == []
    assert all(isinstance(reason, str) for reason in differences(one, other))


def test_writing_a_lock_removes_platforms_that_are_gone_and_leaves_what_is_equal(loaded: LoadedEnvironment) -> None:
    before = (loaded.lock_folder / "pylock.linux-amd64.toml").stat().st_ino
    files = lock_files()
    document = LockDocument.from_bytes(files[LOCK_FILE])
    del files["pylock.linux-arm64.toml"]
    smaller = replace(document, platforms={AMD64: document.platforms[AMD64]})
    write_lock(loaded.lock_folder, files | {LOCK_FILE: smaller.to_bytes()})
    assert sorted(path.name for path in loaded.lock_folder.iterdir()) == [LOCK_FILE, "pylock.linux-amd64.toml"]
    assert (loaded.lock_folder / "pylock.linux-amd64.toml").stat().st_ino == before


def git(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    identity = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.run(["git", *identity, *arguments], cwd=folder, capture_output=True, text=True, check=False)


def bumped(name: str, one: Any) -> list[Any]:
    return [one(other, "2.0" if other == name else "1.0") for other in NAMES]


@pytest.mark.parametrize(("ours", "theirs"), [("alpha", "zeta"), ("beta", "delta"), ("delta", "beta")])
def test_two_branches_that_upgrade_different_packages_merge(ours: str, theirs: str, tmp_path: Path) -> None:
    """Of the index the Debian packages do; that of wheels has a digest of its sibling, which is made again."""
    git(tmp_path, "init", "-q", "-b", "main")
    for branch, name in (("main", None), ("ours", ours), ("theirs", theirs)):
        git(tmp_path, "checkout", "-q", *(("-b", branch, "main") if name else ("-B", "main")))
        files = lock_files(debian=bumped(name or "", deb))
        files["pylock.linux-amd64.toml"] = write_pylock(bumped(name or "", wheel), "3.11.2", "x86_64")
        write_lock(tmp_path, files)
        git(tmp_path, "add", ".")
        assert git(tmp_path, "commit", "-q", "-m", branch).returncode == 0
    merged = git(tmp_path, "merge", "ours")
    assert merged.returncode == 0, merged.stdout
    both = {ours, theirs}
    document = LockDocument.from_bytes((tmp_path / LOCK_FILE).read_bytes())
    assert {package.name for package in document.platforms[AMD64].debian if package.version == "2.0"} == both
    wheels = read_pylock((tmp_path / "pylock.linux-amd64.toml").read_bytes(), "x")
    assert {one.name for one in wheels if one.version == "2.0"} == both


def test_platform_tags_go_from_the_newest_glibc_to_the_oldest() -> None:
    tags = platform_tags("aarch64", (2, 36))
    assert tags[0] == "manylinux_2_36_aarch64"
    assert tags[-3:] == ["manylinux_2_17_aarch64", "manylinux2014_aarch64", "linux_aarch64"]
    assert platform_tags("x86_64", (2, 36))[-3:] == ["manylinux_2_5_x86_64", "manylinux1_x86_64", "linux_x86_64"]
    assert "manylinux_2_37_x86_64" not in platform_tags("x86_64", (2, 36))
