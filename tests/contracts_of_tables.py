"""Contracts of one table, written from what its columns are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from builder.data.contract.read import LoadedContract, read_contract


def write_contract(path: Path, properties: dict[str, dict[str, Any]], **clean: Any) -> Path:
    """A contract of the table `t`; `clean` of a column is its custom property, and the arguments are the table's."""
    table: dict[str, Any] = {"name": "t", "properties": [_property(name, keys) for name, keys in properties.items()]}
    if clean:
        table["customProperties"] = [{"property": "clean", "value": clean}]
    contract = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "c", "version": "1.0.0", "status": "active"}
    path.write_text(json.dumps({**contract, "schema": [table]}, indent=1))
    return path


def loaded_contract(path: Path, properties: dict[str, dict[str, Any]], **clean: Any) -> LoadedContract:
    """The same, read."""
    return read_contract(write_contract(path, properties, **clean))


def _property(name: str, keys: dict[str, Any]) -> dict[str, Any]:
    custom = [{"property": each, "value": keys[each]} for each in ("clean", "privacyRole", "unit") if each in keys]
    rest = {key: value for key, value in keys.items() if key not in ("clean", "privacyRole", "unit")}
    return {"name": name, **rest, **({"customProperties": custom} if custom else {})}
