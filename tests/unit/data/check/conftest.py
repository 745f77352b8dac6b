from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from data_contracts import NOW, contract

from builder.data.check import CheckReport, Outcome, check_contract
from builder.data.contract.read import read_contract
from builder.data.tables import Limits


@pytest.fixture
def check(tmp_path: Path) -> Callable[..., CheckReport]:
    """Hold texts of files to a contract."""

    def run(document: dict[str, Any], files: Mapping[str, str | bytes | Path], seconds: float = 600) -> CheckReport:
        promised = tmp_path / "contract.yaml"
        promised.write_text(json.dumps(document, indent=1))
        paths = {}
        for name, content in files.items():
            path = content if isinstance(content, Path) else tmp_path / name
            if not isinstance(content, Path):
                path.write_bytes(content.encode() if isinstance(content, str) else content)
            paths[name.partition(".")[0]] = [path]
        return check_contract(read_contract(promised), paths, NOW, Limits(seconds=seconds, threads=2))

    return run


@pytest.fixture
def outcome(check: Callable[..., CheckReport]) -> Callable[..., Outcome]:
    """What comes of one rule of the column `v` of a CSV file."""

    def run(kind: str, column: dict[str, Any], values: str, **table: Any) -> Outcome:
        lines = "".join(f"{number},{value}\n" for number, value in enumerate(values.split("|"), 1))
        report = check(contract([{"name": "id"}, {"name": "v", **column}], **table), {"t.csv": f"id,v\n{lines}"})
        (found,) = [each for each in report.outcomes if each.kind == kind]
        return found

    return run
