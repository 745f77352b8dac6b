"""What `envbuild data check --json` found, told beside each table. The report is a file of others."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from builder.data.dictionary.entries import Dictionary, TableEntry
from builder.errors import EnvbuildError

_MOST_BYTES = 64 << 20
_Checks = dict[tuple[str, str], str]
"""By the digest of the contract's file and the name of the table."""


def read_checks(file: Path) -> _Checks:
    """What came of the rules of each table. Raises: EnvbuildError, if the file is no report of a check."""
    try:
        with file.open("rb") as opened:
            data = opened.read(_MOST_BYTES + 1)
        if len(data) > _MOST_BYTES:
            raise EnvbuildError(f"`{file}` is no report of a check", f"it is larger than {_MOST_BYTES} bytes")
        document = json.loads(data)
        reports = document["contracts"]
        return {(report["contract"]["digest"], name): text for report in reports for name, text in _tables(report)}
    except OSError as error:
        raise EnvbuildError(f"`{file}` cannot be read", error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        hint = "Write one with `envbuild data check --json`"
        raise EnvbuildError(f"`{file}` is no report of a check", hint=hint) from error


def _tables(report: dict[str, Any]) -> Iterable[tuple[str, str]]:
    for table in report["tables"]:
        counts = Counter(str(each["status"]) for each in report["outcomes"] if each["table"] == table["name"])
        told = ", ".join(f"{counts[status]} {word}" for status, word in _WORDS.items() if counts[status])
        rows = int(table["rows"])
        yield str(table["name"]), f"{told or 'no rules'}; {rows} rows"


_WORDS = {"violated": "violated", "not-evaluated": "not evaluated", "passed": "passed"}


def with_checks(dictionary: Dictionary, checks: Sequence[_Checks]) -> Dictionary:
    """The dictionary with what came of the checks of the same contracts, byte for byte; later ones win."""
    found = {key: text for each in checks for key, text in each.items()}
    return replace(dictionary, tables=tuple(_checked(each, found) for each in dictionary.tables))


def _checked(table: TableEntry, found: _Checks) -> TableEntry:
    return replace(table, checked=found.get((table.digest, table.name), ""))
