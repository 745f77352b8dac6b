"""A small table of people, and its contract."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from builder.data.privacy.anonymize import Request, anonymize_file
from builder.data.privacy.secret import Key

SECRET = b"vv7Qe2mXk0rT9sLz4uYb1wNc8dHf5gJa-secret"
DISEASES = ("asthma", "flu", "none")


@dataclass
class Clinic:
    """The file, and what can be declared of its columns."""

    folder: Path
    rows: list[dict[str, Any]]

    @property
    def file(self) -> Path:
        return self.folder / "visits.csv"

    def contract(self, columns: Mapping[str, Any], privacy: Any = None, budget: Any = None) -> Path:
        """A contract in which the columns are treated so; those that are not named are dropped."""
        types = {"patient": "integer", "age": "integer", "visit": "date", "seen": "timestamp", "weight": "number"}
        properties = [
            {
                "name": name, "logicalType": types.get(name, "string"), "classification": "confidential",
                "customProperties": _custom(columns.get(name, {"method": "drop"})),
            }
            for name in self.rows[0]
        ]  # fmt: skip
        table = {"name": "visits", "logicalType": "object", "properties": properties}
        if privacy is not None:
            table["customProperties"] = [{"property": "privacy", "value": privacy}]
        document = {
            "apiVersion": "v3.1.0", "kind": "DataContract", "id": "visits", "version": "1.0.0", "status": "active",
            "schema": [table],
        }  # fmt: skip
        if budget is not None:
            document["customProperties"] = [{"property": "privacyBudget", "value": budget}]
        path = self.folder / "contract.yaml"
        path.write_text(json.dumps(document, indent=1))
        return path

    def anonymized(
        self, columns: Mapping[str, Any], key: bytes | None = SECRET, target: str = "out.csv", **declared: Any
    ) -> tuple[list[dict[str, str]], dict[str, Any]]:
        """The rows that come of it, and the record."""
        import duckdb

        request = Request(self.file, self.contract(columns, **declared), self.folder / target)
        record = anonymize_file(request, Key(key) if key else None)
        reader = "read_csv(?, all_varchar = true)" if target.endswith(".csv") else "read_parquet(?)"
        found = duckdb.connect().execute(f"SELECT * FROM {reader}", [str(request.target)])
        names = [column[0] for column in found.description]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()], record


def _custom(declared: Any) -> list[dict[str, Any]]:
    """`{"role": …, "method": …}` as custom properties."""
    if not isinstance(declared, dict):
        return [{"property": "anonymize", "value": declared}]
    role = declared.get("role")
    method = {name: value for name, value in declared.items() if name != "role"}
    roles = [{"property": "privacyRole", "value": role}] if role else []
    return roles + ([{"property": "anonymize", "value": method}] if method else [])


@pytest.fixture
def clinic(tmp_path: Path) -> Clinic:
    dice = random.Random(7)
    rows = [
        {
            "patient": dice.randint(1, 30), "name": f"Person {row}", "mail": f"p{row}@mail.de",
            "age": dice.randint(18, 90), "city": dice.choice(["Bonn", "Bonn", "Köln", "Aachen"]),
            "visit": f"2024-{dice.randint(1, 12):02}-{dice.randint(1, 28):02}",
            "seen": f"2024-03-{dice.randint(1, 28):02} 10:30:00", "weight": round(dice.uniform(40, 120), 1),
            "disease": dice.choice(DISEASES), "note": dice.choice(["", "call back", "it's \"fine\", ok"]),
        }
        for row in range(120)
    ]  # fmt: skip
    import csv

    made = Clinic(tmp_path, rows)
    with made.file.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return made
