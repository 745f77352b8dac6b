"""Names and values as SQL takes them. Pure."""

from __future__ import annotations

from collections.abc import Iterable


def quoted(name: str) -> str:
    """A name as SQL takes it."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: object) -> str:
    """A text as SQL takes it."""
    return "'" + str(text).replace("'", "''") + "'"


def listed(texts: Iterable[object]) -> str:
    """Texts between commas, each as SQL takes it."""
    return ", ".join(map(literal, texts))


def counted(condition: str) -> str:
    """The aggregate that counts the rows a condition holds for.

    As a FILTER would, for each of which DuckDB copies its references to all columns: of many, that is most of the time.
    """
    return f"count(CASE WHEN {condition} THEN 1 END)"
