"""Queries of a contract's author: what stands for names is filled in. Pure."""

from __future__ import annotations

import re

from builder.data.contract.document import Contract
from builder.data.tables.sql import quoted

_TABLE = ("table", "object", "model", "schema")
_COLUMN = ("column", "property", "field")
_COUNT = re.compile(r"count\s*\(\s*\*\s*\)", re.IGNORECASE)
_UNNAMED = re.compile(r"(?:\bselect|\bdistinct|\ball|[,.(])\s*\*|#\s*\d|\bcolumns\s*\(|_at\s*\(|pivot\b", re.IGNORECASE)
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


def names_confidential(query: str, contract: Contract) -> bool:
    """Whether a query could give a value of a confidential column: it has the name of one, or asks for all columns."""
    columns = [each for table in contract.schema for each in table.properties if each.is_confidential]
    names = {name.lower() for each in columns for name in (each.name, each.column)}
    return any(map(query.lower().__contains__, names)) or bool(names and asks_for_all(query))


def asks_for_all(query: str) -> bool:
    """Whether a query takes columns without their names."""
    return bool(_UNNAMED.search(_COUNT.sub("", query)))
