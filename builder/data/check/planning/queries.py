"""Queries of a contract's author: what stands for names is filled in. Pure."""

from __future__ import annotations

import re

from builder.data.tables.sql import quoted

_TABLE = ("table", "object", "model", "schema")
_COLUMN = ("column", "property", "field")
_PLACE = re.compile(rf"[\"'`]?\$?\{{({'|'.join((*_TABLE, *_COLUMN))})\}}[\"'`]?")


def filled(query: str, table: str, column: str | None) -> str:
    """The query with its table and column: `${table}`, `{object}`, `${column}`, `{property}`, with quotes or without.

    Of a rule of a table, what stands for a column stays, and the query fails.
    """

    def name(match: re.Match[str]) -> str:
        if match[1] in _TABLE:
            return quoted(table)
        return quoted(column) if column is not None else match[0]

    return _PLACE.sub(name, query)
