"""A TOML file with the lines of what stands in it, which the standard library's reader does not tell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.lock.sources.repository import Repository, shown_text
from builder.spec.reader import Problem, SpecError

_LINE = re.compile(r"at line (\d+)")
_DEEP = re.compile(r"""(?:^|[{,])[ \t]*\[*(?:[ \t]*(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.){50}""", re.MULTILINE)
"""A dotted key of many parts, which the standard library's reader takes very long for."""


@dataclass(frozen=True, slots=True)
class TomlFile:
    """One file, read."""

    path: Path
    text: str
    document: Mapping[str, Any]

    def line(self, *keys: str, value: str = "") -> int:
        """The line of a key, or of a text in its value, from 1; as near as can be told."""
        start = 0
        for depth in range(len(keys), 0, -1):
            header = re.search(rf"^[ \t]*\[+\s*{_dotted(keys[:depth])}\s*\]", self.text, re.MULTILINE)
            if header:
                start = header.end()
                keys = keys[depth:]
                break
        for key in keys:
            found = re.compile(rf"(?:^|[{{,.])[ \t]*{_quoted(key)}\s*[=.]", re.MULTILINE).search(self.text, start)
            start = self.text.index(key, found.start()) if found else start
        if value:
            places = (self.text.find(f"{quote}{value}{quote}", start) for quote in "\"'")
            start = min((place for place in places if place >= 0), default=start)
        return self.text.count("\n", 0, start) + 1

    def at(self, repository: Repository, *keys: str, value: str = "") -> str:
        """`pyproject.toml:7`."""
        return f"{repository.shown(self.path)}:{self.line(*keys, value=value)}"


def read_toml(repository: Repository, path: Path, data: bytes | None = None) -> TomlFile:
    """A file, or its bytes that have been read.

    Raises: EnvbuildError, with the line if it is not TOML.
    """
    text = repository.text(path) if data is None else repository.decoded(path, data)
    try:
        if _DEEP.search(text):
            raise RecursionError
        return TomlFile(path, text, tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        match = _LINE.search(str(error))
        line = int(match[1]) if match else text.count("\n") + 1
        problem = Problem(repository.shown(path), line, "", f"this is not TOML: {shown_text(str(error))}")
        raise SpecError(problem.file, [problem]) from error
    except (RecursionError, ValueError) as error:
        raise EnvbuildError(f"`{repository.shown(path)}` is not TOML that can be read", "it nests too deep") from error


def table(value: Any) -> Mapping[str, Any]:
    """A value that is to be a table; an empty one in place of another kind."""
    return value if isinstance(value, Mapping) else {}


def strings(value: Any) -> tuple[str, ...] | None:
    """A value that is to be a list of strings, or None if it is not."""
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(element, str) for element in value):
        return None
    return tuple(value)


def _dotted(keys: tuple[str, ...]) -> str:
    return r"\s*\.\s*".join(map(_quoted, keys))


def _quoted(key: str) -> str:
    return rf"[\"']?{re.escape(key)}[\"']?"
