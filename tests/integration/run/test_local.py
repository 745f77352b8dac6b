"""A virtual environment of this machine follows the lock, and says what differs."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from wheels import make_wheel

from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch import Fetcher, Mirrors
from builder.lock.artifact import Wheel
from builder.lock.programs import uv_program
from builder.oci.digest import Digest
from builder.oci.store import Store
from builder.run.local import LocalEnvironment, find_interpreter

HERE = ".".join(map(str, sys.version_info[:3]))


class Place:
    """Wheels in a folder, a store, and a virtual environment to be."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.venv = folder / ".venv"
        self.store = Store(folder / "store")
        self.store.create()
        self.fetcher = Fetcher(self.store, Mirrors())

    def wheel(self, name: str, version: str, tag: str = "py3-none-any", *requires: str) -> Wheel:
        data = make_wheel(name, version, tag, requires)
        path = self.folder / "index" / str(len(requires)) / f"{name}-{version}-{tag}.whl"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        digest = Digest(hashlib.sha256(data).hexdigest())
        return Wheel(name, version, path.name, digest, len(data), path.as_uri())

    def local(self, *wheels: Wheel, python: str = HERE) -> LocalEnvironment:
        return LocalEnvironment(self.venv, python, wheels)

    def sync(self, *wheels: Wheel) -> None:
        self.local(*wheels).sync(self.fetcher, uv_program(), sys.executable)

    def imports(self, name: str) -> str:
        code = f"import {name}; print({name}.version)"
        finished = subprocess.run([self.venv / "bin/python", "-c", code], capture_output=True, text=True)
        return finished.stdout.strip() or finished.stderr.splitlines()[-1]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_folder_that_is_not_there_is_made_and_filled(place: Place) -> None:
    alpha = place.wheel("alpha", "1.0")
    assert place.local(alpha).differences() == [f"`{place.venv}` is not there"]
    place.sync(alpha)
    assert place.local(alpha).differences() == []
    assert place.imports("alpha") == "1.0"


def test_what_differs_is_told_and_put_right(place: Place) -> None:
    place.sync(place.wheel("alpha", "1.0"), place.wheel("gone", "1.0"))
    wanted = place.wheel("alpha", "2.0"), place.wheel("beta", "1.0")
    assert place.local(*wanted).differences() == [
        "`alpha` is 1.0, the lock has 2.0",
        "`beta` 1.0 is missing",
        "`gone` 1.0 is not in the lock",
    ]
    place.sync(*wanted)
    assert place.local(*wanted).differences() == []
    assert [place.imports(name) for name in ("alpha", "beta")] == ["2.0", "1.0"]
    assert "ModuleNotFoundError" in place.imports("gone")


def test_a_package_that_was_changed_by_hand_is_noticed(place: Place) -> None:
    alpha = place.wheel("alpha", "1.0")
    place.sync(alpha)
    subprocess.run([uv_program(), "pip", "uninstall", "-q", "--python", place.venv / "bin/python", "alpha"], check=True)
    assert place.local(alpha).differences() == ["`alpha` 1.0 is missing"]


def test_files_that_were_deleted_are_noticed_and_installed_again(place: Place) -> None:
    alpha, beta = place.wheel("alpha", "1.0"), place.wheel("beta", "1.0")
    place.sync(alpha, beta)
    packages = next((place.venv / "lib").glob("python*/site-packages"))
    modules = [*packages.glob("alpha*.py"), *packages.glob("alpha/*.py")]
    for module in modules:
        module.unlink()
    assert len(modules) == 1
    assert place.local(alpha, beta).differences() == ["`alpha` is not whole: 1 file is missing"]
    place.sync(alpha, beta)
    assert place.local(alpha, beta).differences() == []
    assert place.imports("alpha") == "1.0"


def test_a_package_without_its_list_of_files_is_installed_again(place: Place) -> None:
    alpha = place.wheel("alpha", "1.0")
    place.sync(alpha)
    next((place.venv / "lib").glob("python*/site-packages/alpha-1.0.dist-info/RECORD")).unlink()
    assert place.local(alpha).differences() == ["`alpha` is not whole: 1 file is missing"]
    place.sync(alpha)
    assert place.local(alpha).differences() == []


def test_caches_that_are_gone_are_no_difference(place: Place) -> None:
    alpha = place.wheel("alpha", "1.0")
    place.sync(alpha)
    record = next((place.venv / "lib").glob("python*/site-packages/alpha-1.0.dist-info/RECORD"))
    record.write_text(record.read_text() + "__pycache__/alpha.cpython-311.pyc,,\n")
    assert place.local(alpha).differences() == []


def test_the_same_version_of_another_file_is_noticed_and_replaced(place: Place) -> None:
    place.sync(place.wheel("alpha", "1.0"))
    other = place.wheel("alpha", "1.0", "py3-none-any", "other; python_version < '3'")
    assert place.local(other).differences() == ["`alpha` 1.0 is not known to come from the locked file"]
    place.sync(other)
    assert place.local(other).differences() == []


def test_a_folder_that_something_else_made_is_left_alone(place: Place) -> None:
    place.venv.mkdir()
    (place.venv / "mine").write_text("dear")
    with pytest.raises(EnvbuildError, match="was not made by `envbuild sync`"):
        place.sync(place.wheel("alpha", "1.0"))
    assert (place.venv / "mine").read_text() == "dear"


def test_a_wheel_for_another_machine_is_refused(place: Place) -> None:
    with pytest.raises(EnvbuildError, match="could not be filled"):
        place.sync(place.wheel("alpha", "1.0", "cp311-cp311-win_amd64"))


def test_a_wheel_with_another_digest_is_not_installed(place: Place) -> None:
    alpha = place.wheel("alpha", "1.0")
    Path(alpha.url.removeprefix("file://")).write_bytes(b"x" * alpha.size)
    with pytest.raises(DigestMismatchError):
        place.sync(alpha)
    assert "ModuleNotFoundError" in place.imports("alpha")


def test_an_empty_lock_empties_the_folder(place: Place) -> None:
    place.sync(place.wheel("alpha", "1.0"))
    place.sync()
    assert place.local().differences() == []
    assert "ModuleNotFoundError" in place.imports("alpha")


def test_another_patch_of_python_is_a_note_not_a_difference(place: Place) -> None:
    place.sync()
    patch = HERE.rpartition(".")[0] + ".999"
    local = place.local(python=patch)
    assert local.differences() == []
    assert local.notes() == [f"the Python here is {HERE}, in the image {patch}"]


def test_another_minor_of_python_is_a_difference(place: Place) -> None:
    place.sync()
    assert place.local(python="3.999.0").differences() == [f"its Python is {HERE}, the lock's is 3.999.0"]


def test_an_interpreter_that_is_not_there_is_said() -> None:
    with pytest.raises(EnvbuildError, match=r"there is no Python 3\.99 on this machine"):
        find_interpreter("3.99", uv_program())
