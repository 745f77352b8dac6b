"""Ignore files as git reads them (gitignore(5)): which line of which file decides about a path. Pure.

A path is judged by itself, never by the folders above it: whoever walks a tree does not enter what is ignored.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

_CLASSES = {
    "alnum": "a-zA-Z0-9", "alpha": "a-zA-Z", "blank": " \\t", "cntrl": "\\x00-\\x1f\\x7f", "digit": "0-9",
    "graph": "\\x21-\\x7e", "lower": "a-z", "print": "\\x20-\\x7e", "punct": "!-/:-@\\[-`{-~", "space": "\\s",
    "upper": "A-Z", "xdigit": "0-9A-Fa-f",
}  # fmt: skip
_TOKEN = re.compile(
    r"(?P<inside>(?<=/)\*\*/|^\*\*/)|(?P<below>(?<![^/])\*\*$)|(?P<star>\*+)|(?P<one>\?)"
    r"|\[(?P<not>[!^]?)(?P<set>\]?(?:\\.|\[:\w+:\]|[^\]\\])*)\]|(?P<broken>\[|\\$)|\\?(?P<char>.)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line of an ignore file."""

    regex: re.Pattern[str]
    negated: bool
    """It takes back what an earlier line ignored."""
    folders_only: bool
    name_only: bool
    """It is held against the last part of a path, in any depth."""

    def matches(self, path: str, is_folder: bool) -> bool:
        """Whether it speaks of this path, which is relative to the ignore file's folder."""
        if self.folders_only and not is_folder:
            return False
        return self.regex.fullmatch(path.rpartition("/")[2] if self.name_only else path) is not None


def parse_patterns(data: bytes) -> tuple[Pattern, ...]:
    """The patterns of an ignore file; a line that is none is passed over, as by git."""
    text = data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "surrogateescape")
    patterns = (_parse(line.removesuffix("\r")) for line in text.split("\n"))
    return tuple(pattern for pattern in patterns if pattern is not None)


def verdict(patterns: tuple[Pattern, ...], path: str, is_folder: bool) -> bool | None:
    """Whether the path is ignored; None where no pattern speaks of it. The last one decides."""
    for pattern in reversed(patterns):
        if pattern.matches(path, is_folder):
            return not pattern.negated
    return None


def _parse(line: str) -> Pattern | None:
    if line.startswith("#"):
        return None
    line = re.sub(r"(?<!\\) +$", "", line)
    negated = line.startswith("!")
    text = line.removeprefix("!")
    folders_only = text.endswith("/")
    text = text.removesuffix("/")
    name_only = "/" not in text
    try:
        regex = re.compile(_regex(text.removeprefix("/")), re.DOTALL) if text else None
    except (ValueError, re.error):
        regex = None
    return Pattern(regex, negated, folders_only, name_only) if regex else None


def _regex(pattern: str) -> str:
    return "".join(map(_part, _TOKEN.finditer(pattern)))


def _part(token: re.Match[str]) -> str:
    """The regular expression of one token of a pattern. Raises: ValueError, if the pattern matches nothing."""
    if token["broken"]:
        raise ValueError("a class that is not closed, or a backslash at the end")
    if token["set"] is not None:
        return f"(?!/)[{'^' if token['not'] else ''}{_members(token['set'])}]"
    for name, regex in (("inside", "(?:[^/]+/)*"), ("below", ".+"), ("star", "[^/]*"), ("one", "[^/]")):
        if token[name]:
            return regex
    return re.escape(token["char"])


def _members(text: str) -> str:
    """The inside of a class, escaped for `re`."""

    def member(match: re.Match[str]) -> str:
        if match["name"]:
            return _CLASSES[match["name"]] if match["name"] in _CLASSES else _unknown(match["name"])
        character = match["char"]
        return character if character == "-" and not match["escape"] else re.escape(character)

    return re.sub(r"\[:(?P<name>\w+):\]|(?P<escape>\\?)(?P<char>.)", member, text, flags=re.DOTALL)


def _unknown(name: str) -> str:
    raise ValueError(f"there is no class {name}")
