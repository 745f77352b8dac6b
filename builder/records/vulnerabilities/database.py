"""Reading a copy of an OSV database: JSON files, and zip files of them as osv.dev publishes one an ecosystem."""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from builder.errors import EnvbuildError
from builder.oci.canonical import parse_json
from builder.records.vulnerabilities.affected import PYPI, Package

_RECORD_LIMIT = 16 << 20
"""Bytes of one record at most."""
_TOTAL_LIMIT = 16 << 30
"""Bytes of all records of a database at most."""


def records(paths: Sequence[Path], packages: Collection[Package], ecosystems: set[str]) -> Iterator[dict[str, Any]]:
    """The records that name one of `packages`, which still have to be held against versions.

    Each file is read within bounds, and those that name none of the packages are not parsed. The ecosystems of
    `packages` of which the database has any record are added to `ecosystems`.

    Raises: EnvbuildError, if something cannot be read, or is no record.
    """
    names, missing, total = _named(packages), {package.ecosystem for package in packages}, 0
    for place, data in _files(paths):
        total += len(data)
        if total > _TOTAL_LIMIT:
            raise EnvbuildError("the vulnerability database is too large", f"more than {_TOTAL_LIMIT >> 30} GiB")
        lowered = data.lower()
        found = {name for name in missing if f'"{name.lower()}'.encode() in lowered}
        ecosystems |= found
        missing -= found
        if names.search(lowered):
            record = parse_json(data, place)
            if not isinstance(record, dict) or not isinstance(record.get("id"), str):
                raise EnvbuildError(f"{place} is no OSV record", "it has no `id`")
            yield record


def _named(packages: Collection[Package]) -> re.Pattern[bytes]:
    """What tells that a record, in small letters, names one of the packages."""
    names = {_form(package) for package in packages}
    return re.compile(rb'"name"\s*:\s*"(?:' + b"|".join(sorted(names)) + rb')"')


def _form(package: Package) -> bytes:
    escaped = re.escape(package.name.lower())
    return (escaped.replace(r"\-", "[-_.]+") if package.ecosystem == PYPI else escaped).encode()


def _files(paths: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        try:
            if not path.is_dir():
                yield from _file(path)
                continue
            for file in sorted(path.rglob("*")):
                if file.suffix in (".json", ".zip") and file.is_file():
                    yield from _file(file)
        except (OSError, zipfile.BadZipFile, NotImplementedError, zlib.error, EOFError, RuntimeError) as error:
            raise EnvbuildError(f"the vulnerability database `{path}` cannot be read", str(error)) from error


def _file(path: Path) -> Iterator[tuple[str, bytes]]:
    if path.suffix == ".json":
        with open(path, "rb") as file:
            yield f"`{path}`", _bounded(file, str(path))
        return
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.filename.endswith(".json"):
                with archive.open(entry) as member:
                    yield f"`{entry.filename[:100]}` in `{path}`", _bounded(member, f"{path}: {entry.filename[:100]}")


def _bounded(file: IO[bytes], name: str) -> bytes:
    data = file.read(_RECORD_LIMIT + 1)
    if len(data) > _RECORD_LIMIT:
        raise EnvbuildError(f"`{name}` is too large to be an OSV record", f"more than {_RECORD_LIMIT} bytes")
    return data
