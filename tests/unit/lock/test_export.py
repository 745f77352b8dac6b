from __future__ import annotations

import hashlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.pylock import Pylock
from wheels import make_wheel

from builder.errors import EnvbuildError
from builder.lock.artifact import Build, CondaPackage, Sdist, Wheel
from builder.lock.document import CONDA_LOCK_FILE, DEFAULT_CREATED, Interpreter, Lock, LockDocument, PlatformLock
from builder.lock.export import FORMS, export_lock, left_out
from builder.lock.pypi.pylock import pylock_name, write_pylock
from builder.oci.digest import Digest
from builder.oci.documents import Platform

AMD64 = Platform("amd64")
PYPI = "https://files.pythonhosted.org/packages/00/11/" + "2" * 60


def make_lock(wheels: tuple[Wheel, ...] = (), conda: tuple[CondaPackage, ...] = ()) -> Lock:
    name = pylock_name(AMD64)
    files = {name: write_pylock(wheels, "3.11.2", "x86_64")}
    if conda:
        files[CONDA_LOCK_FILE] = b"version: 1\n"
    interpreter = Interpreter("debian", "3.11.2", "/usr/bin/python3.11")
    platforms = {AMD64: PlatformLock("bookworm", interpreter, (), name, Digest.of(files[name]))}
    document = LockDocument({}, {}, 1, DEFAULT_CREATED, platforms)
    return Lock(document, Digest.of(b""), {AMD64: wheels}, {AMD64: conda}, files)


def make_wheels(folder: Path, *, on_pypi: bool) -> tuple[Wheel, ...]:
    """Two wheels in a folder, locked as of PyPI or by where they are."""
    found = []
    for name, requires in (("alpha", ("beta>=1",)), ("beta", ())):
        data = make_wheel(name, "1.0", "py3-none-any", requires)
        file = folder / f"{name}-1.0-py3-none-any.whl"
        file.write_bytes(data)
        url = f"{PYPI}/{file.name}" if on_pypi else file.as_uri()
        digest = Digest(hashlib.sha256(data).hexdigest())
        found.append(Wheel(name, "1.0", file.name, digest, len(data), url))
    return tuple(found)


def conda(name: str, *dependencies: str) -> CondaPackage:
    file = f"{name}-1.0-0.conda"
    digest = Digest.of(name.encode())
    url = f"https://conda.example/main/linux-64/{file}"
    return CondaPackage(name, "1.0", "0", "linux-64", digest, "0" * 32, 10, url, "", (), dependencies)


def run(*command: str, folder: Path) -> str:
    """The output of an installer that nothing of this machine has an influence on."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_"))}
    finished = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False,
        env={**variables, "PIP_CONFIG_FILE": os.devnull, "HOME": str(folder)},
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    return finished.stdout + finished.stderr


def uv() -> str:
    from uv import find_uv_bin

    return str(find_uv_bin())


@pytest.mark.parametrize("on_pypi", [True, False])
def test_pip_and_uv_take_the_requirements_file(tmp_path: Path, on_pypi: bool) -> None:
    wheels = make_wheels(tmp_path, on_pypi=on_pypi)
    (tmp_path / "r.txt").write_bytes(export_lock(make_lock(wheels), AMD64, "requirements.txt"))
    found = ("--no-index", "--find-links", ".", "--require-hashes", "--no-deps", "-r", "r.txt")
    pip = run(sys.executable, "-m", "pip", "install", "--dry-run", "--target", "t", *found, folder=tmp_path)
    assert re.search(r"Would install alpha-1\.0 beta-1\.0", pip)
    by_uv = run(
        uv(), "pip", "install", "--dry-run", "--no-config", "--no-cache", "--target", "u", *found, folder=tmp_path
    )
    assert re.findall(r"\+ (\w+)", by_uv) == ["alpha", "beta"]


def test_pip_refuses_a_file_that_was_changed(tmp_path: Path) -> None:
    wheels = make_wheels(tmp_path, on_pypi=True)
    (tmp_path / "r.txt").write_bytes(export_lock(make_lock(wheels), AMD64, "requirements.txt"))
    (tmp_path / wheels[0].file_name).write_bytes(make_wheel("alpha", "1.0", "py3-none-any", ()))
    command = (
        sys.executable, "-m", "pip", "install", "--dry-run", "--target", "t", "--no-index", "--find-links", ".",
        "--require-hashes", "--no-deps", "-r", "r.txt",
    )  # fmt: skip
    with pytest.raises(AssertionError, match=r"DO NOT MATCH THE HASHES|No matching distribution"):
        run(*command, folder=tmp_path)


def test_the_requirements_file_tells_what_it_is_for(tmp_path: Path) -> None:
    text = export_lock(make_lock(make_wheels(tmp_path, on_pypi=True)), AMD64, "requirements.txt").decode()
    assert text.startswith("# Locked by envbuild for linux/amd64 on debian:bookworm, Python 3.11.2.\n")
    assert text.endswith("\n")


def test_of_a_wheel_that_was_built_the_source_is_exported() -> None:
    def built(url: str, subdirectory: str = "") -> Lock:
        sdist = Sdist("gamma", "1.0", "gamma-1.0.tar.gz", Digest.of(b"s"), 5, url, subdirectory=subdirectory)
        wheel = Wheel("gamma", "1.0", "gamma-1.0-py3-none-any.whl", Digest.of(b"w"), 9, "", built=Build(sdist, ()))
        return make_lock((wheel,))

    digest = Digest.of(b"s").hex
    lock = built(f"{PYPI}/gamma-1.0.tar.gz")
    assert f"gamma==1.0 \\\n    --hash=sha256:{digest}\n" in export_lock(lock, AMD64, "requirements.txt").decode()
    lock = built("https://x.example/gamma-1.0.tar.gz", "py")
    text = export_lock(lock, AMD64, "requirements.txt").decode()
    assert f"gamma @ https://x.example/gamma-1.0.tar.gz#subdirectory=py \\\n    --hash=sha256:{digest}\n" in text
    lock = built("git+https://git.example/gamma@" + "0" * 40)
    with pytest.raises(EnvbuildError, match="`gamma` is built from a commit") as caught:
        export_lock(lock, AMD64, "requirements.txt")
    assert "pylock.toml" in str(caught.value.hint)


def test_siblings_are_exported_as_they_are(tmp_path: Path) -> None:
    lock = make_lock(make_wheels(tmp_path, on_pypi=True), (conda("a"),))
    pylock = export_lock(lock, AMD64, "pylock.toml")
    assert pylock == lock.files[pylock_name(AMD64)]
    assert [package.name for package in Pylock.from_dict(tomllib.loads(pylock.decode())).packages] == ["alpha", "beta"]
    assert export_lock(lock, AMD64, "conda-lock.yml") == lock.files[CONDA_LOCK_FILE]


def test_what_a_form_has_no_place_for_is_told(tmp_path: Path) -> None:
    sdist = Sdist("gamma", "1.0", "gamma-1.0.tar.gz", Digest.of(b"s"), 5, f"{PYPI}/gamma-1.0.tar.gz")
    gamma = Wheel("gamma", "1.0", "gamma-1.0-py3-none-any.whl", Digest.of(b"w"), 9, "", built=Build(sdist, ()))
    lock = make_lock((*make_wheels(tmp_path, on_pypi=True), gamma), (conda("a"),))
    assert left_out(lock, AMD64, "explicit") == ("alpha", "beta", "gamma")
    assert left_out(lock, AMD64, "conda-lock.yml") == ("gamma",)
    assert left_out(lock, AMD64, "requirements.txt") == left_out(lock, AMD64, "pylock.toml") == ("a",)
    assert left_out(make_lock(lock.wheels[AMD64]), AMD64, "pylock.toml") == ()


def test_an_explicit_list_has_each_package_after_what_it_needs() -> None:
    packages = (conda("app", "lib", "python"), conda("lib", "python"), conda("pip", "python"), conda("python", "pip"))
    text = export_lock(make_lock((), packages), AMD64, "explicit").decode()
    assert "\n# platform: linux-64\n@EXPLICIT\n" in text
    listed = re.findall(r"/([a-z]+)-1\.0-0\.conda#sha256:([0-9a-f]{64})\n", text)
    names = [name for name, _ in listed]
    assert {*names} == {"app", "lib", "pip", "python"}
    assert names.index("python") < names.index("lib") < names.index("app")
    assert dict(listed)["app"] == Digest.of(b"app").hex


def test_rattler_and_conda_take_the_explicit_list() -> None:
    """Conda's and CEP 23's own expression for a line; rattler's own reader."""
    from rattler.explicit_environment import ExplicitEnvironmentSpec

    text = export_lock(make_lock((), (conda("a"), conda("b", "a"))), AMD64, "explicit").decode()
    spec = ExplicitEnvironmentSpec.from_str(text)
    assert str(spec.platform) == "linux-64"
    lines = [entry.url for entry in spec.packages]
    assert [line.rpartition("/")[2].partition("-")[0] for line in lines] == ["a", "b"]
    pattern = r"(.+[/\\])?[^/\\#]+(\.tar\.bz2|\.conda)(#([0-9a-f]{32}|(sha256:)?[0-9a-f]{64}))?$"
    assert all(re.match(pattern, line) for line in lines)


@pytest.mark.parametrize("form", ["conda-lock.yml", "explicit"])
def test_without_conda_there_is_nothing_of_its_forms(form: str) -> None:
    with pytest.raises(EnvbuildError, match="no conda packages") as caught:
        export_lock(make_lock(), AMD64, form)
    assert "requirements.txt" in str(caught.value.hint)


@pytest.mark.parametrize("form", FORMS)
def test_a_platform_that_is_not_locked_is_refused_with_those_that_are(form: str) -> None:
    with pytest.raises(EnvbuildError, match="no platform linux/arm64") as caught:
        export_lock(make_lock(), Platform("arm64"), form)
    assert caught.value.why == ("it has linux/amd64",)


def test_what_is_exported_can_be_locked_again(tmp_path: Path) -> None:
    from builder.lock.sources import read_sources
    from builder.spec.environment import PyPI

    wheels = make_wheels(tmp_path, on_pypi=True)
    for form, name in (("requirements.txt", "requirements.txt"), ("pylock.toml", "pylock.toml")):
        (tmp_path / name).write_bytes(export_lock(make_lock(wheels), AMD64, form))
    pins = read_sources(PyPI(lockfile="requirements.txt"), tmp_path, "environment.yaml").pins
    assert [(pin.name, pin.version, pin.hashes) for pin in pins] == [
        (wheel.name, wheel.version, {wheel.digest.hex}) for wheel in wheels
    ]
    pylock = read_sources(PyPI(lockfile="pylock.toml"), tmp_path, "environment.yaml").pylock
    assert pylock is not None
    assert [package["name"] for package in pylock["packages"]] == ["alpha", "beta"]
