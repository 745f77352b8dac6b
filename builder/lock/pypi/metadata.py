"""What a distribution says of itself: what it asks for, and its license (core metadata specifications). Pure."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError, one_line
from builder.fetch.project_name import normalised
from builder.lock.pypi.source_archive import UNREADABLE, opened_tar

METADATA_LIMIT = 16 << 20
"""Bytes of the longest metadata that is read."""
_LICENSE_LENGTH = 80
_MOST_REQUIREMENTS = 10_000
_MOST_MEMBERS = 1_000_000
_MOST_BYTES = 16 << 30
"""Unpacked, of a source distribution that is looked through."""
_CLASSIFIER = "License :: "


@dataclass(frozen=True, slots=True)
class Metadata:
    """The part of the core metadata that a lock needs."""

    name: str
    """Normalised (PEP 503)."""
    version: str
    requires: tuple[str, ...] = ()
    """Requirements (PEP 508), as they stand there."""
    license: str = ""
    """In a few words."""
    requires_python: str = ""
    extras: tuple[str, ...] = ()
    complete: bool = True
    """Whether it asks for nothing else, whatever a build may say."""

    def to_record(self) -> dict[str, Any]:
        """As it is kept, whole: what was read before must tell what is read anew."""
        return {
            "name": self.name,
            "version": self.version,
            "requires": list(self.requires),
            "license": self.license,
            "requires-python": self.requires_python,
            "extras": list(self.extras),
            "complete": self.complete,
        }

    @classmethod
    def from_record(cls, record: object) -> Metadata | None:
        """As it was kept; None if it is something else."""
        match record:
            case {
                "name": str(name),
                "version": str(version),
                "requires": list(requires),
                "license": str(text),
                "requires-python": str(python),
                "extras": list(extras),
                "complete": bool(complete),
            }:
                return cls(name, version, tuple(map(str, requires)), text, python, tuple(map(str, extras)), complete)
        return None


def parse_metadata(data: bytes) -> Metadata:
    """From `METADATA` or `PKG-INFO`. Headers that are missing are empty."""
    headers = fields(data)
    return Metadata(
        normalised(_first(headers, "name")),
        _first(headers, "version"),
        tuple(" ".join(text.split()) for text in headers.get("requires-dist", ())[:_MOST_REQUIREMENTS]),
        short_license(_first(headers, "license-expression"), headers.get("classifier", ()), _first(headers, "license")),
        _first(headers, "requires-python"),
        tuple(headers.get("provides-extra", ())),
    )


def fields(data: bytes) -> dict[str, list[str]]:
    """The headers by their name in lower case; the description below them is left out."""
    head = re.split(rb"\r?\n\r?\n", data.lstrip(), maxsplit=1)[0]
    found: dict[str, list[str]] = {}
    for name, value in HeaderParser().parsestr(head.decode("utf-8", "replace")).items():
        found.setdefault(name.lower(), []).append(str(value).strip())
    return found


def short_license(expression: str, classifiers: Iterable[str], text: str) -> str:
    """The SPDX expression, else what the classifiers say, else the first line of the text."""
    named = (entry.rpartition("::")[2].strip() for entry in classifiers if entry.startswith(_CLASSIFIER))
    first_line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    found = expression or ", ".join(sorted({*named} - {"OSI Approved"})) or first_line
    short = " ".join(one_line(found).split())
    if short.upper() == "UNKNOWN":
        return ""
    return short if len(short) <= _LICENSE_LENGTH else short[: _LICENSE_LENGTH - 1].rstrip() + "…"


def wheel_metadata(path: Path, file_name: str) -> Metadata:
    """Of a wheel on disk.

    Raises: EnvbuildError, if it is none.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = [name for name in archive.namelist() if re.fullmatch(r"[^/]+\.dist-info/METADATA", name)]
            name = _own(names, file_name)
            if archive.getinfo(name).file_size > METADATA_LIMIT:
                raise EnvbuildError(f"`{file_name}` cannot be read", f"`{name}` has more than {METADATA_LIMIT} bytes")
            return parse_metadata(archive.read(name))
    except UNREADABLE as error:
        raise EnvbuildError(f"`{file_name}` is not a wheel", str(error)) from error


def sdist_metadata(path: Path, file_name: str) -> Metadata | None:
    """Of a source distribution on disk, if it says before any build what the wheel will ask for (PEP 643).

    None, if that is only known once it is built, or there is no metadata, as in an archive of a repository.

    Raises: EnvbuildError, if it is no archive.
    """
    try:
        data = _pkg_info_of_zip(path) if file_name.endswith(".zip") else _pkg_info_of_tar(path)
    except UNREADABLE as error:
        raise EnvbuildError(f"`{file_name}` is not a source distribution", str(error)) from error
    if data is None:
        return None
    headers = fields(data)
    dynamic = {entry.strip().lower() for entry in headers.get("dynamic", ())}
    known = _version(_first(headers, "metadata-version")) >= (2, 2) and "requires-dist" not in dynamic
    metadata = parse_metadata(data)
    return metadata if known else replace(metadata, requires=(), extras=(), complete=False)


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())


def _is_pkg_info(name: str) -> bool:
    return re.fullmatch(r"(\./)?[^/]+/PKG-INFO", name) is not None


def _pkg_info_of_zip(path: Path) -> bytes | None:
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if _is_pkg_info(entry.filename) and entry.file_size <= METADATA_LIMIT:
                return archive.read(entry)
    return None


def _pkg_info_of_tar(path: Path) -> bytes | None:
    with opened_tar(path, _MOST_BYTES) as archive:
        for number, entry in enumerate(archive):
            if number > _MOST_MEMBERS:
                raise ValueError(f"it has more than {_MOST_MEMBERS} files")
            name = entry.path.decode("utf-8", "replace")
            if entry.kind == b"0" and _is_pkg_info(name) and entry.size <= METADATA_LIMIT:
                return b"".join(archive.content())
    return None


def _own(names: Sequence[str], file_name: str) -> str:
    """The metadata of the wheel itself, where another's is packed into it too."""
    project = normalised(file_name.partition("-")[0])
    own = [name for name in names if normalised(name.partition("-")[0]) == project]
    if len(own) != 1:
        raise KeyError("it has no metadata of its own")
    return own[0]


def _first(headers: dict[str, list[str]], name: str) -> str:
    return headers.get(name, [""])[0]
