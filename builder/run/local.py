"""The locked Python packages in a virtual environment of this machine, so that editor, notebook and image agree.

Owns what differs and how it is put right; uv writes the files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from builder.errors import EnvbuildError
from builder.fetch import Fetcher
from builder.lock.artifact import Wheel
from builder.lock.upgrade import normalised
from builder.oci.canonical import readable_json
from builder.oci.digest import Digest
from builder.oci.layout import write_atomically

RECORD = "envbuild-sync.json"
"""In the virtual environment: of which wheels its packages came."""


@dataclass(frozen=True, slots=True)
class LocalEnvironment:
    """A virtual environment and what belongs into it."""

    folder: Path
    python: str
    """The full version in the image, as in 3.11.2."""
    wheels: tuple[Wheel, ...]

    @property
    def minor(self) -> str:
        """Major and minor."""
        return ".".join(self.python.split(".")[:2])

    def differences(self) -> list[str]:
        """What must be changed, a sentence each, sorted by package; none where it agrees with the lock."""
        if not (self.folder / "pyvenv.cfg").is_file():
            return [f"`{self.folder}` is not there"]
        version = _version(self.folder)
        if ".".join(version.split(".")[:2]) != self.minor:
            return [f"its Python is {version}, the lock's is {self.python}"]
        installed, wanted = self._installed(), {wheel.name: wheel for wheel in self.wheels}
        recorded = _recorded(self.folder)
        return [
            sentence
            for name in sorted(installed.keys() | wanted.keys())
            if (sentence := _difference(name, installed.get(name), wanted.get(name), recorded.get(name)))
        ]

    def notes(self) -> list[str]:
        """What differs from the image and cannot be changed here."""
        version = _version(self.folder)
        return [] if version == self.python else [f"the Python here is {version}, in the image {self.python}"]

    def sync(self, fetcher: Fetcher, uv: str, interpreter: str) -> None:
        """Make the virtual environment what the lock says, with `interpreter` where it must be made anew.

        Raises: EnvbuildError, if there is something else in the folder, or a wheel does not fit this machine.
        """
        _refuse_foreign(self.folder)
        if self.differences()[:1] and not _fits(self.folder, self.minor):
            _call([uv, "venv", "--quiet", "--clear", "--python", interpreter, str(self.folder)], "made")
            _record(self.folder, {})
        paths = fetcher.blobs(wheel.source for wheel in self.wheels)
        with tempfile.TemporaryDirectory(prefix="envbuild-") as scratch:
            self._install(paths, Path(scratch), uv)
        _record(self.folder, {wheel.name: wheel.digest.hex for wheel in self.wheels})

    def _install(self, paths: Mapping[Digest, Path], scratch: Path, uv: str) -> None:
        for wheel in self.wheels:
            (scratch / wheel.file_name).symlink_to(paths[wheel.digest])
        lines = [f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.digest.hex}\n" for wheel in self.wheels]
        (scratch / "requirements.txt").write_text("".join(lines), "utf-8")
        recorded = _recorded(self.folder)
        again = [wheel.name for wheel in self.wheels if recorded.get(wheel.name) != wheel.digest.hex]
        command = [
            uv, "pip", "sync", "--quiet", "--no-config", "--python", str(_interpreter(self.folder)), "--offline",
            "--no-index", "--find-links", str(scratch), "--require-hashes", "--allow-empty-requirements",
            *(option for name in again for option in ("--reinstall-package", name)),
            str(scratch / "requirements.txt"),
        ]  # fmt: skip
        _call(command, "filled")

    def _installed(self) -> dict[str, str]:
        folder = str(self.folder / "lib" / f"python{self.minor}" / "site-packages")
        return {normalised(found.metadata["Name"]): found.version for found in metadata.distributions(path=[folder])}


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
        env=_variables(),
        check=False,
    )
    if found.returncode != 0:
        raise EnvbuildError(
            f"there is no Python {minor} on this machine",
            hint=f"Install one (`uv python install {minor}` does) or name one with `--python PATH`",
        )
    return found.stdout.strip()


def _difference(name: str, installed: str | None, wanted: Wheel | None, recorded: str | None) -> str | None:
    if wanted is None:
        return f"`{name}` {installed} is not in the lock"
    if installed is None:
        return f"`{name}` {wanted.version} is missing"
    if installed != wanted.version:
        return f"`{name}` is {installed}, the lock has {wanted.version}"
    if recorded != wanted.digest.hex:
        return f"`{name}` {installed} is not known to come from the locked file"
    return None


def _refuse_foreign(folder: Path) -> None:
    """Nothing is deleted that this command did not make."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / RECORD).is_file():
        raise EnvbuildError(
            f"`{folder}` was not made by `envbuild sync`",
            "what is in it would be replaced",
            "Delete it, or name another folder with `--venv`",
        )


def _fits(folder: Path, minor: str) -> bool:
    return (folder / "pyvenv.cfg").is_file() and ".".join(_version(folder).split(".")[:2]) == minor


def _interpreter(folder: Path) -> Path:
    return folder / "bin" / "python"


def _version(folder: Path) -> str:
    """The full Python version of a virtual environment, of its `pyvenv.cfg` (PEP 405)."""
    pairs = dict(_pairs((folder / "pyvenv.cfg").read_text("utf-8")))
    return pairs.get("version_info") or pairs.get("version") or "unknown"


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    for line in text.splitlines():
        name, _, value = line.partition("=")
        yield name.strip(), value.strip()


def _recorded(folder: Path) -> dict[str, str]:
    try:
        document = json.loads((folder / RECORD).read_bytes())
        return {str(name): str(digest) for name, digest in document["wheels"].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return {}


def _record(folder: Path, wheels: Mapping[str, str]) -> None:
    write_atomically(folder / RECORD, readable_json({"version": 1, "wheels": dict(wheels)}))


def _call(command: Sequence[str], done: str) -> None:
    finished = subprocess.run(
        command, env=_variables(), capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if finished.returncode != 0:
        causes = [line.strip() for line in finished.stderr.splitlines() if line.strip()]
        raise EnvbuildError("the virtual environment could not be " + done, causes[:20])


def _variables() -> dict[str, str]:
    kept = ("UV_CACHE_DIR", "UV_NO_CACHE", "UV_LINK_MODE", "UV_PYTHON_INSTALL_DIR")
    return {name: value for name, value in os.environ.items() if not name.startswith("UV_") or name in kept}
