"""The lines of a requirements file as pip reads them (pip: requirements file format): statements with their options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

_COMMENT = re.compile(r"(^|\s+)#.*$")
_LINE_BREAKS = re.compile(r"\r\n|\r|\n|\x0b|\x0c|\x1c|\x1d|\x1e|\x85|\u2028|\u2029")
VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")


@dataclass(frozen=True, slots=True)
class Statement:
    """One logical line."""

    line: int
    """Of its first physical line, from 1."""
    text: str
    """A requirement, a URL or a path; empty if the line is an option of the file."""
    options: tuple[tuple[str, str], ...]
    """Long names with their values, in order."""


def statements(text: str) -> Iterator[Statement]:
    """The statements of a file.

    Raises: StatementError, for a line that cannot be split.
    """
    for number, line in _logical_lines(text):
        content = _COMMENT.sub("", line).strip()
        if content:
            yield _statement(number, content)


class StatementError(ValueError):
    """A line that cannot be split into a statement."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with those that follow a backslash joined to them; a comment line is joined to nothing."""
    start, parts = 1, list[str]()
    for number, line in enumerate(_LINE_BREAKS.split(text), 1):
        if not parts:
            start = number
        comment = re.match(r"\s*#", line)
        if line.endswith("\\") and not comment:
            parts.append(line.removesuffix("\\"))
            continue
        if comment:
            line = " " + line  # so that it does not become part of what stands before
        parts.append(line)
        yield start, "".join(parts)
        parts = []
    if parts:
        yield start, "".join(parts)


def _statement(number: int, content: str) -> Statement:
    requirement, options = _split(content)
    try:
        words = shlex.split(options)
    except ValueError as error:
        raise StatementError(number, f"a quote is not closed: {error}") from error
    return Statement(number, requirement, tuple(_options(number, words)))


def _split(content: str) -> tuple[str, str]:
    """What stands before the first word that begins with `-`, and the rest, as pip splits them."""
    words = content.split(" ")
    for position, word in enumerate(words):
        if word.startswith("-"):
            return " ".join(words[:position]).strip(), " ".join(words[position:])
    return content, ""


def _options(number: int, words: list[str]) -> Iterator[tuple[str, str]]:
    waiting = list(words)
    while waiting:
        word = waiting.pop(0)
        name, separator, value = _name(word)
        if name is None:
            raise StatementError(number, f"`{word[:100]}` is not expected here")
        if name not in FLAGS and not separator:
            if not waiting:
                raise StatementError(number, f"`--{name}` needs a value")
            value = waiting.pop(0)
        yield name, value


def _name(word: str) -> tuple[str | None, str, str]:
    """The long name of an option, and its value where it is of one word with it."""
    if word.startswith("--"):
        name, separator, value = word[2:].partition("=")
        return _LONG.get(name, name) or None, separator, value
    if word[:2] in _SHORT:
        return _SHORT[word[:2]], "=" if word[2:] else "", word[2:].removeprefix("=")
    return None, "", ""


FLAGS = frozenset({"pre", "no-index", "prefer-binary", "require-hashes"})
"""Options without a value."""
_SHORT = {
    "-r": "requirement", "-c": "constraint", "-e": "editable", "-i": "index-url", "-f": "find-links",
}  # fmt: skip
_LONG = {"pypi-url": "index-url"}
