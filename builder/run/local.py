"""The locked Python packages in a virtual environment of this machine, so that editor, notebook and image agree.

Owns what differs and how it is put right; uv writes the files.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.errors import EnvbuildError
from builder.fetch import Fetcher
from builder.lock.artifact import CondaPackage, Wheel
from builder.lock.document import Lock
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.run.local_prefix import LocalPrefix
from builder.run.local_wheels import (
    Installed,
    call,
    changed_wheels,
    installed_wheels,
    not_there,
    offer_wheels,
    record_wheels,
    recorded_wheels,
    refuse_foreign,
    variables,
    wheel_differences,
)


@dataclass(frozen=True, slots=True)
class LocalEnvironment:
    """A virtual environment and what belongs into it."""

    folder: Path
    python: str
    """The full version in the image, as in 3.11.2."""
    wheels: tuple[Wheel, ...]
    conda: tuple[CondaPackage, ...] = ()
    """What is only in the image, beside a Python that is not conda's."""

    @property
    def minor(self) -> str:
        """Major and minor."""
        return ".".join(self.python.split(".")[:2])

    def differences(self) -> list[str]:
        """What must be changed, a sentence each, sorted by package; none where it agrees with the lock."""
        if not (self.folder / "pyvenv.cfg").is_file():
            return [not_there(self.folder)]
        version = _version(self.folder)
        if ".".join(version.split(".")[:2]) != self.minor:
            return [f"its Python is {version}, the lock's is {self.python}"]
        return wheel_differences(self._installed(), self.wheels, recorded_wheels(self.folder))

    def notes(self) -> list[str]:
        """What differs from the image and cannot be changed here."""
        version = _version(self.folder)
        notes = [] if version == self.python else [f"the Python here is {version}, in the image {self.python}"]
        return notes + ([f"{len(self.conda)} conda packages are in the image alone"] if self.conda else [])

    def sync(self, fetcher: Fetcher, uv: str, interpreter: str | None = None) -> None:
        """Make the virtual environment what the lock says, with `interpreter` where it must be made anew.

        Raises: EnvbuildError, if there is something else in the folder, or a wheel does not fit this machine.
        """
        refuse_foreign(self.folder)
        if not _fits(self.folder, self.minor):
            interpreter = interpreter or find_interpreter(self.minor, uv)
            if not (self.folder / "pyvenv.cfg").exists():  # a conda prefix, which uv does not clear
                shutil.rmtree(self.folder, ignore_errors=True)
            line = [uv, "venv", "--quiet", "--clear", "--python", interpreter, str(self.folder)]
            call(line, "the virtual environment could not be made")
            record_wheels(self.folder, ())
        paths = fetcher.blobs(wheel.source for wheel in self.wheels)
        with tempfile.TemporaryDirectory(prefix="envbuild-") as scratch:
            self._install(paths, Path(scratch), uv)
        record_wheels(self.folder, self.wheels)

    def _install(self, paths: Mapping[Digest, Path], scratch: Path, uv: str) -> None:
        options = offer_wheels(self.wheels, paths, scratch)
        for name in changed_wheels(self._installed(), self.wheels, recorded_wheels(self.folder)):
            options += ["--reinstall-package", name]
        line = [uv, "pip", "sync", "--quiet", "--python", str(self.folder / "bin" / "python"), *options]
        line += ["--allow-empty-requirements", str(scratch / "requirements.txt")]
        call(line, "the virtual environment could not be filled")

    def _installed(self) -> dict[str, Installed]:
        return installed_wheels(self.folder / "lib" / f"python{self.minor}" / "site-packages")


def local_environment(lock: Lock, platform: Platform, folder: Path) -> LocalEnvironment | LocalPrefix:
    """What is to be in `folder` by the lock: a conda prefix where the Python is conda's, else a virtual environment."""
    interpreter, conda = lock.document.platforms[platform].interpreter, lock.conda.get(platform, ())
    if interpreter.source == "conda":
        return LocalPrefix(folder, interpreter.version, conda, lock.wheels[platform])
    return LocalEnvironment(folder, interpreter.version, lock.wheels[platform], conda)


def find_interpreter(minor: str, uv: str) -> str:
    """The path of a CPython of this version on this machine.

    Raises: EnvbuildError, if there is none.
    """
    if ".".join(map(str, sys.version_info[:2])) == minor:
        return sys.executable
    found = subprocess.run(
        [uv, "python", "find", "--no-config", "--no-project", "--offline", "--system", f"cpython@{minor}"],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env=variables(),
        check=False,
    )
    if found.returncode != 0:
        raise EnvbuildError(
            f"there is no Python {minor} on this machine",
            hint=f"Install one (`uv python install {minor}` does) or name one with `--python PATH`",
        )
    return found.stdout.strip()


def _fits(folder: Path, minor: str) -> bool:
    return (folder / "pyvenv.cfg").is_file() and ".".join(_version(folder).split(".")[:2]) == minor


def _version(folder: Path) -> str:
    """The full Python version of a virtual environment, of its `pyvenv.cfg` (PEP 405)."""
    pairs = dict(_pairs((folder / "pyvenv.cfg").read_text("utf-8")))
    return pairs.get("version_info") or pairs.get("version") or "unknown"


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, _, value = line.partition("=")
        yield name.strip(), value.strip()
