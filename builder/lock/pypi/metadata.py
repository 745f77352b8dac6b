"""What a distribution says of itself: what it asks for, and its license (core metadata specifications). Pure."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.lock.upgrade import normalised

METADATA_LIMIT = 16 << 20
"""Bytes of the longest metadata that is read."""
_LICENSE_LENGTH = 80
_MOST_REQUIREMENTS = 10_000
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

    def to_record(self) -> dict[str, Any]:
        """As it is kept."""
        return {"name": self.name, "version": self.version, "requires": list(self.requires), "license": self.license}

    @classmethod
    def from_record(cls, record: object) -> Metadata | None:
        """As it was kept; None if it is something else."""
        match record:
            case {"name": str(name), "version": str(version), "requires": list(requires), "license": str(text)}:
                return cls(name, version, tuple(map(str, requires)), text)
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
    printable = "".join(character if character.isprintable() else " " for character in found)
    short = " ".join(printable.split())
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
    except (zipfile.BadZipFile, KeyError, ValueError, NotImplementedError, RuntimeError, EOFError, OSError) as error:
        raise EnvbuildError(f"`{file_name}` is not a wheel", str(error)) from error


def _own(names: Sequence[str], file_name: str) -> str:
    """The metadata of the wheel itself, where another's is packed into it too."""
    project = normalised(file_name.partition("-")[0])
    own = [name for name in names if normalised(name.partition("-")[0]) == project]
    if len(own) != 1:
        raise KeyError("it has no metadata of its own")
    return own[0]


def _first(headers: dict[str, list[str]], name: str) -> str:
    return headers.get(name, [""])[0]
