"""The lines of a requirements file as pip reads them (pip: requirements file format): statements with their options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from builder.lock.sources.repository import shown_text

_COMMENT = re.compile(r"(?<!\S)#")
_COMMENT_LINE = re.compile(r"\s*#")
VARIABLE = re.compile(r"\$\{[A-Z0-9_]+\}")
_QUOTING = re.compile(r"['\"\\]")


@dataclass(frozen=True, slots=True)
class Statement:
    """One logical line."""

    line: int
    """Of its first physical line, from 1."""
    text: str
    """A requirement, a URL or a path; empty if the line is an option of the file."""
    options: tuple[tuple[str, str], ...]
    """Long names with their values, in order."""

    @property
    def hashes(self) -> tuple[str, ...]:
        """The values of `--hash`."""
        return tuple(value for name, value in self.options if name == "hash")


class StatementError(ValueError):
    """A line that cannot be split into a statement."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def statements(text: str) -> Iterator[Statement | StatementError]:
    """The statements of a file, and in place of a line that cannot be split, why not."""
    for number, line in _logical_lines(text):
        content = _without_comment(line).strip()
        if content:
            try:
                yield _statement(number, content)
            except StatementError as error:
                yield error


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with those that follow a backslash joined to them; a comment line is joined to nothing."""
    start, parts = 1, list[str]()
    for number, line in enumerate(text.splitlines(), 1):
        if not parts:
            start = number
        comment = _COMMENT_LINE.match(line)
        if line.endswith("\\") and not comment:
            parts.append(line.strip("\\"))
            continue
        if comment:
            line = " " + line  # so that it does not become part of what stands before
        parts.append(line)
        yield start, "".join(parts)
        parts = []
    if parts:
        yield start, "".join(parts)


def _without_comment(line: str) -> str:
    comment = _COMMENT.search(line) if "#" in line else None
    return line[: comment.start()] if comment else line


def _statement(number: int, content: str) -> Statement:
    requirement, options = _split(content)
    try:
        words = shlex.split(options) if _QUOTING.search(options) else re.findall(r"[^ \t\r\n]+", options)
    except ValueError as error:
        raise StatementError(number, f"a quote is not closed: {error}") from error
    return Statement(number, requirement, tuple(_options(number, words)))


def _split(content: str) -> tuple[str, str]:
    """What stands before the first word that begins with `-`, and the rest, as pip splits them."""
    start = 0 if content.startswith("-") else content.find(" -") + 1
    if start == 0 and not content.startswith("-"):
        return content, ""
    return content[:start].rstrip(" "), content[start:]


def _options(number: int, words: list[str]) -> Iterator[tuple[str, str]]:
    waiting = iter(words)
    for word in waiting:
        name, separator, value = _name(word)
        if name is None:
            raise StatementError(number, f"`{shown_text(word)}` is not expected here")
        if name not in FLAGS and name not in VALUED:
            raise StatementError(number, f"requirements files have no option `--{shown_text(name)}`")
        if name in VALUED and not separator:
            given = next(waiting, None)
            if given is None:
                raise StatementError(number, f"`--{name}` needs a value")
            value = given
        if name == "hash" and not re.fullmatch(r"[a-z0-9]+:[^:]+", value):
            raise StatementError(number, "a hash is of the form `--hash=sha256:…`")
        yield name, value


def _name(word: str) -> tuple[str | None, str, str]:
    """The long name of an option, and its value where it is of one word with it; no name for what is no option."""
    if word.startswith("--"):
        name, separator, value = word[2:].partition("=")
        return "index-url" if name == "pypi-url" else name, separator, value
    if word[:2] in _SHORT:
        return _SHORT[word[:2]], "=" if word[2:] else "", word[2:].removeprefix("=")
    return None, "", ""


FLAGS = frozenset({"pre", "no-index", "prefer-binary", "require-hashes", "no-require-hashes"})
"""Options without a value."""
VALUED = frozenset(
    {
        "requirement", "constraint", "editable", "index-url", "extra-index-url", "find-links", "no-binary",
        "only-binary", "all-releases", "only-final", "trusted-host", "use-feature", "hash", "config-settings",
        "global-option", "install-option", "build-option",
    }
)  # fmt: skip
"""Options with one."""
_SHORT = {
    "-r": "requirement", "-c": "constraint", "-e": "editable", "-i": "index-url", "-f": "find-links",
    "-C": "config-settings",
}  # fmt: skip
