"""Whether a query only asks. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

_ASKING = ("SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE", "CTE_NODE")
_MARK = "cte_map"
"""That each part of a query has which is one itself."""


def written(tree: str) -> str:
    """What a query has that is no SELECT, from its tree as DuckDB's `json_serialize_sql` writes it; empty if nothing.

    A SELECT may hold others: `WITH made AS (INSERT … RETURNING …)`.
    """
    document = json.loads(tree)
    if document.get("error"):
        return "something else"
    found = next((kind for kind in _parts(document) if kind not in _ASKING), "")
    return found.removesuffix("_NODE").removesuffix("_QUERY").replace("_", " ")


def _parts(node: Any) -> Iterator[str]:
    todo = [node]
    while todo:
        part = todo.pop()
        if isinstance(part, dict):
            if _MARK in part:
                yield str(part.get("type"))
            todo.extend(part.values())
        elif isinstance(part, list):
            todo.extend(part)
