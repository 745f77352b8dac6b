"""Contracts of small tables, for tests of what is held to them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
HEAD = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "shop", "version": "1.0.0", "status": "active"}


def contract(columns: list[dict[str, Any]], *, more: tuple[dict[str, Any], ...] = (), **table: Any) -> dict[str, Any]:
    """A contract of the table `t`, and of other ones; `sla` are the service levels."""
    levels = {"slaProperties": table.pop("sla")} if "sla" in table else {}
    return {**HEAD, "schema": [{"name": "t", "properties": columns, **table}, *more], **levels}
