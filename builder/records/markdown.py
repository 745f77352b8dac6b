"""Text that others wrote, inside Markdown and Mermaid: it stays text. Pure."""

from __future__ import annotations

import re

from builder.errors import one_line

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|~$&])")
_MARK = re.compile(r"^(\d{1,9}(?=[.)](?:\s|$))|(?=[#+\-=:]))(.)")
"""What makes the beginning of a line a heading, an item of a list or a rule."""
_SPACE = re.compile(r"\s+")


def plain(text: str) -> str:
    """One line of plain text, also at the beginning of a line: nothing in it is markup, an image or HTML."""
    escaped = _SPECIAL.sub(r"\\\1", _SPACE.sub(" ", one_line(text)).strip())
    return _MARK.sub(r"\1\\\2", escaped)


def code(text: str) -> str:
    """A code span of one line, whatever backticks are in it; a `|` in it does not end a cell of a table."""
    line = _SPACE.sub(" ", one_line(text)).strip()
    longest = max((len(run) for run in re.findall("`+", line)), default=0)
    fence = "`" * (longest + 1)
    padding = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{padding}{line}{padding}{fence}".replace("|", "\\|") if line else ""


def mermaid(text: str) -> str:
    """The label of a shape, to be put in double quotes: letters, digits and what is harmless stay as they are."""
    line = _SPACE.sub(" ", one_line(text)).strip()
    return re.sub(r"[^\w ./:@+,=-]", lambda match: f"#{ord(match[0])};", line)
