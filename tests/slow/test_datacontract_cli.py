"""datacontract-cli, in an environment of its own, and `data check` judge the same data in the same way."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet_files
import pytest
from data_contracts import HEAD
from shared_data_cases import CASES, DIFFERENCES, TYPES, Case

from builder.data.check import check_contract
from builder.data.contract.read import read_contract

RELEASE = "datacontract-cli[duckdb]==1.2.8"
FORMATS = ("csv", "parquet")


@pytest.fixture(scope="session")
def cli(store: Path) -> Path:
    """The Python of an environment with datacontract-cli, which is kept where downloads are."""
    folder = store / "datacontract-cli-1.2.8"
    python = folder / "bin" / "python"
    if not (folder / "done").exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", RELEASE], check=True)
        (folder / "done").touch()
    return python


def write_case(case: Case, form: str, folder: Path) -> Path:
    """The contract of a case, beside its data."""
    tables = [_table("t", {"name": "v", **case.column}, **case.table)]
    write_document(folder, tables, form, case)
    _write_table(folder / f"t.{form}", "v", case.values, case.column["logicalType"])
    if case.other is not None:
        _write_table(folder / f"other.{form}", "key", case.other, "integer")
    return folder / "contract.yaml"


def write_document(folder: Path, tables: list[dict[str, Any]], form: str, case: Case | None = None) -> None:
    """A contract that says where its data are."""
    folder.mkdir(parents=True)
    if case and case.other is not None:
        tables = [*tables, _table("other", {"name": "key", "logicalType": "integer"})]
    version = {"apiVersion": "v3.2.0"} if case and "enum" in case.column else {}
    levels = {"slaProperties": [case.sla]} if case and case.sla else {}
    server = {"server": "here", "type": "local", "path": f"./{{model}}.{form}", "format": form}
    document = {**HEAD, **version, "servers": [server], "schema": tables, **levels}
    (folder / "contract.yaml").write_text(json.dumps(document, indent=1))


def _table(name: str, *columns: dict[str, Any], **keys: Any) -> dict[str, Any]:
    number = {"name": "n", "logicalType": "integer"}
    return {"name": name, "logicalType": "object", "properties": [number, *columns], **keys}


def _write_table(path: Path, name: str, values: list[Any], logical_type: str) -> None:
    if path.suffix == ".csv":
        lines = (f"{number},{'' if value is None else value}\n" for number, value in enumerate(values))
        path.write_text(f"n,{name}\n" + "".join(lines))
        return
    kinds = {"string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "timestamp": pa.timestamp("us")}
    if logical_type == "timestamp":
        values = [datetime.fromisoformat(value) for value in values]
    table = pa.table({"n": pa.array(range(len(values)), pa.int64()), name: pa.array(values, kinds[logical_type])})
    parquet_files.write_table(table, path)


def own_result(case: Case, file: Path, form: str) -> bool:
    """Whether the rule holds, by `data check`."""
    files = {"t": [file.parent / f"t.{form}"]}
    if case.other is not None:
        files["other"] = [file.parent / f"other.{form}"]
    report = check_contract(read_contract(file), files, datetime.now(UTC))
    (found,) = [each for each in report.outcomes if each.kind == case.kind and each.table == "t"]
    assert found.status in ("passed", "violated"), found
    return found.status == "passed"


@pytest.fixture(scope="session")
def answers(cli: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, list[dict[str, str]]]]:
    """What datacontract-cli says of each case, all asked at once."""
    root = tmp_path_factory.mktemp("cases")
    files = {}
    for case in CASES:
        for form in FORMATS:
            name = f"{case.name}-{form}"
            files[name] = write_case(case, form, root / name)
    for number, (name, (columns, rows, *_)) in enumerate(DIFFERENCES.items()):
        folder = root / f"difference-{number}"
        named = [{"name": each, **column} for each, column in zip(("n", "v"), columns, strict=True)]
        write_document(folder, [{"name": "t", "logicalType": "object", "properties": named}], "csv")
        (folder / "t.csv").write_text(rows)
        files[name] = folder / "contract.yaml"
    return {name: (files[name], found) for name, found in _asked(cli, files).items()}


def _asked(cli: Path, files: dict[str, Path]) -> dict[str, list[dict[str, str]]]:
    runner = Path(__file__).parent / "datacontract_runner.py"
    paths = map(str, files.values())
    done = subprocess.run([cli, runner, *paths], check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found = json.loads(done.stdout)
    return {name: found[str(file)] for name, file in files.items()}


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_both_judge_a_rule_in_the_same_way(answers, case: Case, form: str) -> None:
    file, found = answers[f"{case.name}-{form}"]
    results = {each["result"] for each in found if TYPES.get(each["type"]) == _kind(case) and each["field"] != "n"}
    assert results, found
    if case.kind.startswith("exclusive"):  # two rules there
        results |= {each["result"] for each in found if each["type"] == "field_not_equal"}
    assert (results == {"passed"}, own_result(case, file, form)) == (case.holds, case.holds), found


def _kind(case: Case) -> str:
    return {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}.get(case.kind, case.kind)


@pytest.mark.parametrize("name", DIFFERENCES)
def test_where_the_other_is_wrong(answers, name: str) -> None:
    _, _, theirs, ours = DIFFERENCES[name]
    file, found = answers[name]
    said = {each["type"]: each["result"] for each in found if each["type"] != "field_is_present"}
    report = check_contract(read_contract(file), {"t": [file.parent / "t.csv"]}, datetime.now(UTC))
    own = {each.kind: each.status for each in report.outcomes}
    assert said == theirs
    assert {kind: own[kind] for kind in ours} == ours
