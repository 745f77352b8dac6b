"""A `conda-lock.yml` that another tool wrote, checked with conda-lock's own models and taken as it is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from builder.fetch.mirrors import PYPI_FILES
from builder.fetch.project_name import normalised
from builder.fetch.redaction import without_credentials
from builder.lock.conda.channels import parts_of, place_of, without_token
from builder.lock.conda.lock_lines import LinesRefusedError, split_lines
from builder.lock.conda.quiet import quiet
from builder.lock.conda.yaml_document import YamlRefusedError, load
from builder.lock.interface import CondaPin, Pin

Report = Callable[[int, str, str | None], None]
Place = Callable[[int], str]

_PROBLEMS = 20
"""Of the form, told together."""
_MD5, _SHA256 = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{64}")
_ANEW = "make it anew with a current conda-lock"


@dataclass(frozen=True, slots=True)
class ForeignLock:
    """The packages of all platforms."""

    entries: tuple[tuple[Any, int], ...]
    """conda-lock's own objects, each with its line."""
    channels: tuple[str, ...]
    platforms: tuple[str, ...]

    def packages(self, subdir: str, place: Place, report: Report) -> tuple[tuple[CondaPin, ...], tuple[Pin, ...]]:
        """The conda packages and the wheels of a platform, each sorted by name; what cannot be taken is reported."""
        if subdir not in self.platforms:
            report(1, f"it is not for `{subdir}`, which the environment is locked for", "lock for that platform too")
            return (), ()
        conda, wheels = dict[str, CondaPin](), dict[str, Pin]()
        for entry, line in self.entries:
            if entry.platform != subdir or entry.name.startswith("__"):
                continue
            try:
                if entry.manager == "conda":
                    _add(conda, entry.name, _conda_pin(entry, subdir, place(line)), "url")
                else:
                    pin = _pip_pin(entry, place(line))
                    _add(wheels, pin.name, pin, "hashes")
            except ValueError as error:
                report(line, f"`{entry.name[:80]}`: {error}", None)
        return tuple(conda[name] for name in sorted(conda)), tuple(wheels[name] for name in sorted(wheels))


def read_foreign_lock(text: str, report: Report) -> ForeignLock | None:
    """The lock; what is wrong with its form is reported."""
    try:
        document = _document(text)
    except YamlRefusedError as error:
        report(error.line, str(error), None)
        return ForeignLock((), (), ())
    version = document.pop("version", None) if isinstance(document, dict) else None
    if version not in (1, 2):
        message = "it is neither a `conda-lock.yml` of version 1 or 2 nor an explicit list (`@EXPLICIT`)"
        report(1, message, _ANEW)
        return ForeignLock((), (), ())
    lines = _lines(text, document)
    with quiet():
        lock = _parsed(document, version, lines, report)
    if lock is None:
        return ForeignLock((), (), ())
    channels = tuple(channel.url for channel in lock.metadata.channels)
    return ForeignLock(tuple(zip(lock.package, lines, strict=True)), channels, tuple(lock.metadata.platforms))


def _document(text: str) -> Any:
    """The whole as plain values; the list of packages line by line where its layout is the usual one."""
    try:
        head, entries = split_lines(text)
    except LinesRefusedError:
        return load(text)
    document = load(head)
    if not isinstance(document, dict) or "package" in document:
        return load(text)
    return {**document, "package": entries}


def _parsed(document: dict[str, Any], version: int, lines: list[int], report: Report) -> Any:
    from conda_lock.lockfile.v1.models import Lockfile as Version1
    from conda_lock.lockfile.v2prelim.models import Lockfile as Version2
    from pydantic import ValidationError

    try:
        return (Version1 if version == 1 else Version2).model_validate(document)
    except ValidationError as error:
        for problem in error.errors()[:_PROBLEMS]:
            where = problem["loc"]
            number = where[1] if len(where) > 1 and where[0] == "package" and isinstance(where[1], int) else None
            line = lines[number] if number is not None and number < len(lines) else 1
            key = ".".join(str(part) for part in where[2 if number is not None else 0 :])
            old = problem["type"] == "missing" and key == "optional"
            hint = f"an old conda-lock wrote it; {_ANEW}" if old else None
            report(line, f"`{key[:80]}`: {problem['msg'][:200]}", hint)
            if old:
                return None
        return None
    except (TypeError, KeyError, AttributeError, RecursionError) as error:  # of its own checks
        report(1, f"it is not of the form of a `conda-lock.yml`: {type(error).__name__}: {error}", _ANEW)
        return None


def _lines(text: str, document: dict[str, Any]) -> list[int]:
    """The line on which each package begins, as far as the layout is the usual one; else that of the list."""
    packages = document.get("package")
    count = len(packages) if isinstance(packages, list) else 0
    start, found = 1, list[int]()
    for number, line in _items(text):
        if line.startswith("package:"):
            start, found = number, []
        else:
            found.append(number)
    return found if len(found) == count else [start] * count


def _items(text: str) -> Iterator[tuple[int, str]]:
    """The line of the list of packages, and those on which its elements begin."""
    indentation: int | None = None
    inside = False
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("package:"):
            inside, indentation = True, None
            yield number, line
        elif inside and line.lstrip().startswith("- "):
            here = len(line) - len(line.lstrip())
            indentation = here if indentation is None else indentation
            if here == indentation:
                yield number, line
        elif inside and line[:1] not in ("", " ", "#", "-"):
            inside = False


def _add(found: dict[str, Any], name: str, pin: Any, key: str) -> None:
    """Keep a pin; an entry of another category may have the same."""
    before = found.setdefault(name, pin)
    if getattr(before, key) != getattr(pin, key):
        raise ValueError("it is listed before with another file")


def _conda_pin(entry: Any, subdir: str, place: str) -> CondaPin:
    url = without_token(without_credentials(entry.url))
    _, found, file_name = place_of(url)
    name, version, _ = parts_of(file_name)
    if found not in (subdir, "noarch"):
        raise ValueError(f"its file is for `{found[:40]}`, not for `{subdir}`")
    if (name, version) != (entry.name, entry.version):
        raise ValueError(f"its file is `{file_name[:100]}`, of another name or version")
    md5, sha256 = entry.hash.md5, entry.hash.sha256
    if (md5 and not _MD5.fullmatch(md5)) or (sha256 and not _SHA256.fullmatch(sha256)) or not (md5 or sha256):
        raise ValueError("its hash is neither md5 nor sha256 in hexadecimal")
    return CondaPin(url, md5 or None, sha256 or None, place)


def _pip_pin(entry: Any, place: str) -> Pin:
    if not entry.hash.sha256 or not _SHA256.fullmatch(entry.hash.sha256):
        raise ValueError("it has no sha256")
    url = without_credentials(entry.url).partition("#")[0]
    if urlsplit(url).scheme not in ("http", "https", "file"):
        raise ValueError(f"its URL is none of a wheel or sdist: `{url[:100]}`")
    hashes = frozenset({entry.hash.sha256})
    return Pin(normalised(entry.name), entry.version, hashes, None, None if url.startswith(PYPI_FILES) else url, place)
