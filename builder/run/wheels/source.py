"""What a source distribution says of how it is built (PEP 517, PEP 518). Only reads it; nothing of it is run here."""

from __future__ import annotations

import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.lock.artifact import Sdist
from builder.lock.pypi.source_archive import UNREADABLE, opened_tar
from builder.oci.tar_entries import TarError

LARGEST_SOURCE = 8 << 30
"""Bytes of an sdist, unpacked."""
_LARGEST_DOCUMENT = 1 << 20


@dataclass(frozen=True, slots=True)
class BuildSystem:
    """The `build-system` table of a `pyproject.toml`."""

    requires: tuple[str, ...]
    """Requirements (PEP 508)."""
    backend: str
    """An object that can be imported, as `module:object`."""
    backend_path: tuple[str, ...] = ()
    """Folders of the project in which the backend is."""


LEGACY = BuildSystem(("setuptools>=40.8.0",), "setuptools.build_meta:__legacy__")
"""For a project that says nothing (PEP 517, build-system table)."""


def read_build_system(path: Path, sdist: Sdist) -> BuildSystem:
    """How the sdist at `path` is built.

    Raises: EnvbuildError, if it cannot be read, or is no Python project.
    """
    name = f"{sdist.name} {sdist.version}"
    try:
        found = _documents(path, sdist.subdirectory)
    except UNREADABLE as error:
        raise EnvbuildError(f"the source of {name} cannot be read", str(error) or type(error).__name__) from error
    if "pyproject.toml" not in found:
        if "setup.py" in found:
            return LEGACY
        place = f"`{sdist.subdirectory}` of its source" if sdist.subdirectory else "its source"
        raise EnvbuildError(f"{name} cannot be built", f"{place} has neither `pyproject.toml` nor `setup.py`")
    return _build_system(found["pyproject.toml"], name)


def _build_system(data: bytes, name: str) -> BuildSystem:
    def refuse(why: str, cause: Exception | None = None) -> EnvbuildError:
        error = EnvbuildError(f"{name} cannot be built", f"its `pyproject.toml` is not valid: {why}")
        error.__cause__ = cause
        return error

    try:
        table = tomllib.loads(data.decode()).get("build-system")
    except (ValueError, RecursionError) as error:
        raise refuse(str(error), error) from error
    if table is None:
        return LEGACY
    if not isinstance(table, dict):
        raise refuse("`build-system` is not a table")
    requires = _texts(table.get("requires", []))
    backend, folders = table.get("build-backend", LEGACY.backend), _texts(table.get("backend-path", []))
    if requires is None or folders is None or not isinstance(backend, str):
        raise refuse("`build-system` has a value of another kind than PEP 517 says")
    if any(part in ("..", "") for folder in folders for part in folder.split("/")):
        raise refuse("`backend-path` leads out of the project")
    return BuildSystem(requires, backend, folders)


def _texts(value: Any) -> tuple[str, ...] | None:
    return tuple(value) if isinstance(value, list) and all(isinstance(text, str) for text in value) else None


def _documents(path: Path, subdirectory: str) -> dict[str, bytes]:
    """`pyproject.toml` and `setup.py` of the project, as far as they are there (of the latter only that it is)."""
    found: dict[str, bytes] = {}
    for name, content in _zipped(path) if zipfile.is_zipfile(path) else _archived(path):
        top, _, below = name.removeprefix("./").partition("/")
        file = below.removeprefix(f"{subdirectory}/") if subdirectory else below
        inside = not subdirectory or below != file
        if top and inside and file in ("pyproject.toml", "setup.py"):
            found[file] = content(_LARGEST_DOCUMENT) if file == "pyproject.toml" else b""
    return found


def _zipped(path: Path) -> Iterator[tuple[str, Any]]:
    with zipfile.ZipFile(path) as archive:
        for info in archive.infolist():

            def content(limit: int, info: zipfile.ZipInfo = info) -> bytes:
                with archive.open(info) as file:
                    return _whole(file.read(limit + 1), limit)

            yield info.filename, content


def _archived(path: Path) -> Iterator[tuple[str, Any]]:
    with opened_tar(path, LARGEST_SOURCE) as reader:
        for entry in reader:

            def content(limit: int) -> bytes:
                data = b""
                for piece in reader.content():
                    data += piece
                    _whole(data, limit)
                return data

            if entry.kind == b"0":
                yield entry.path.decode("utf-8", "surrogateescape"), content


def _whole(data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise TarError(f"its `pyproject.toml` has more than {limit} bytes")
    return data
