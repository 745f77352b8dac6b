"""Relations between packages: Depends, Conflicts, Provides and their like (Debian policy, chapter 7). Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass

from builder.errors import EnvbuildError
from builder.lock.debian.version import satisfies

_RELATION = re.compile(
    r"\s*([A-Za-z0-9][A-Za-z0-9+.-]*)(?::([a-z0-9][a-z0-9-]*))?"
    r"\s*(?:\(\s*(<<|<=|=|>=|>>|<|>)\s*([A-Za-z0-9][^\s()]*)\s*\))?\s*"
)


@dataclass(frozen=True, slots=True)
class Relation:
    """One alternative of a field: a name, and what is asked of it."""

    name: str
    qualifier: str | None = None
    """`any`, `native` or an architecture."""
    operator: str | None = None
    """One of `version.OPERATORS`, where a version is asked for."""
    version: str | None = None

    def __str__(self) -> str:
        name = f"{self.name}:{self.qualifier}" if self.qualifier else self.name
        return f"{name} ({self.operator} {self.version})" if self.operator else name

    def accepts(self, version: str | None) -> bool:
        """Whether a package, or what is provided, of this version will do; None is a Provides without a version."""
        if self.operator is None or self.version is None:
            return True
        return version is not None and satisfies(version, self.operator, self.version)


Group = tuple[Relation, ...]
"""Alternatives, the preferred one first."""


def parse_groups(text: str) -> tuple[Group, ...]:
    """Read `a | b (>= 1), c`: groups of alternatives, in the order of the field.

    Raises: EnvbuildError, if it is of another form.
    """
    return tuple(
        tuple(_parse(alternative) for alternative in group.split("|")) for group in text.split(",") if group.strip()
    )


def parse_relations(text: str) -> tuple[Relation, ...]:
    """Read a field without alternatives (Conflicts, Breaks, Provides).

    Raises: EnvbuildError, if it is of another form.
    """
    return tuple(_parse(part) for part in text.split(",") if part.strip())


def _parse(text: str) -> Relation:
    match = _RELATION.fullmatch(text)
    if match is None:
        raise EnvbuildError(f"`{text.strip()[:80]}` is not a relation between Debian packages")
    return Relation(match[1], match[2], match[3], match[4])
