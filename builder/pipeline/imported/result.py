"""What comes of an import: stages, files beside them, and what could not be taken. Pure."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from builder.errors import one_line

_SHELL = re.compile(r"[|&;<>$`()*?\[\]{}~#\n\\!]|^\s*[A-Za-z_]\w*=")
"""What a shell takes for something else than letters, and variables that are set before a program."""


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """Something that was not taken as it stands."""

    file: str
    line: int
    key: str
    message: str
    hint: str = ""
    """What to do."""

    def __str__(self) -> str:
        text = f"{self.file}:{self.line}: `{self.key}`: {self.message}" + (f" ({self.hint})" if self.hint else "")
        return one_line(text)

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "file": self.file,
            "line": self.line,
            "key": self.key,
            "message": self.message,
            "hint": self.hint or None,
        }


@dataclass(frozen=True, slots=True)
class Imported:
    """What comes of it."""

    stages: Mapping[str, Mapping[str, Any]]
    """As `stages:` has them."""
    notes: tuple[Note, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    """Files that the stages need besides, by path in the project."""
    environment: Mapping[str, Any] | str | None = None
    """Where the tool says it: as `environment:` has it."""


def command_of(text: str) -> str | list[str]:
    """A line for a shell as `run` has it: as it is where no shell is needed for it."""
    return ["sh", "-c", text] if _SHELL.search(text) else text.strip()


def stage_name(text: str, taken: Collection[str]) -> str:
    """A name that a stage can have, and none of `taken`: `train@us_1` is `train-us_1`."""
    name = re.sub(r"[^a-z0-9._-]+", "-", text.lower())
    name = re.sub(r"[._-]*([._-])[._-]*", r"\1", name).strip("._-") or "stage"
    if name not in taken:
        return name
    return next(f"{name}-{number}" for number in range(2, len(taken) + 3) if f"{name}-{number}" not in taken)
