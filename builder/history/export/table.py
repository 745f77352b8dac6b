"""Runs as rows: CSV for spreadsheets, JSON for everything else. Pure."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from typing import Any

from builder.history.record import RunRecord
from builder.history.search.facts import FIELDS, GROUPS, Fact, facts_of
from builder.oci.canonical import readable_json

_FIRST = ("id", "kind", "command", "outcome", "start", "end", "duration", "seed", "tags")
_FORMULAS = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet take a text for a formula (OWASP, CSV injection)."""
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
"""What a terminal would take for a command; ends of lines and tabs are what CSV has."""


def csv_bytes(runs: Sequence[tuple[RunRecord, Sequence[str]]]) -> bytes:
    """A row a run, a column a name (RFC 4180); neither a spreadsheet nor a terminal takes a text for a command."""
    rows = [facts_of(record, tags) for record, tags in runs]
    names = {name for row in rows for name in row}
    fields = [*_FIRST, *sorted((names & FIELDS) - set(_FIRST))]
    columns = fields + [name for group in GROUPS for name in sorted(names - FIELDS) if name.startswith(f"{group}.")]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([_cell(name) for name in columns])
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue().encode("utf-8", "replace")


def json_bytes(runs: Sequence[tuple[RunRecord, Sequence[str]]]) -> bytes:
    """A list of the records, with `outcome` and `tags`."""
    documents: list[dict[str, Any]] = [
        {**record.to_dict(), "outcome": record.outcome, "tags": list(tags)} for record, tags in runs
    ]
    return readable_json(documents)


def _cell(fact: Fact | None) -> str:
    if fact is None:
        return ""
    if isinstance(fact, bool):
        return str(fact).lower()
    if isinstance(fact, (int, float)):
        return str(fact)
    text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", fact if isinstance(fact, str) else _joined(fact))
    return f"'{text}" if text.startswith(_FORMULAS) else text


def _joined(values: Sequence[Any]) -> str:
    if all(isinstance(value, str) and " " not in value for value in values):
        return " ".join(values)
    return json.dumps(list(values), ensure_ascii=False)
