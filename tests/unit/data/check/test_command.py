"""`envbuild data check`: what it reads, what it prints, and how it ends, whatever it is given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as parquet_files
import pytest
from data_contracts import contract
from data_projects import DataProject

from builder.cli import invoke

COLUMNS = [{"name": "id", "logicalType": "integer", "required": True}, {"name": "v", "logicalType": "number"}]
ROWS = "id,v\n" + "".join(f"{number},{number / 2}\n" for number in range(5000))


@pytest.fixture
def envbuild(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ENVBUILD_CACHE", str(tmp_path / "store"))

    def call(*arguments: str) -> tuple[int, str, str]:
        code = invoke(["data", "check", *arguments])
        captured = capfd.readouterr()
        assert "Traceback" not in captured.err
        return int(code), captured.out, captured.err

    return call


def write(document: dict[str, Any], path: str = "c.yaml") -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(json.dumps(document, indent=1))


def test_a_file_that_keeps_its_promise(envbuild) -> None:
    write(contract(COLUMNS))
    Path("t.csv").write_text(ROWS)
    code, out, err = envbuild("t.csv", "--contract", "c.yaml")
    assert (code, err) == (0, "")
    assert out.splitlines()[-1].strip() == "0 violated, 0 not evaluated, 5 passed"


def test_a_violation_is_exit_code_3_and_is_shown_with_its_rows(envbuild) -> None:
    write(contract(COLUMNS))
    Path("t.csv").write_text("id,v\n1,2\n,3\n,4\n")
    code, out, err = envbuild("--contract", "c.yaml", "--data", "t=t.csv", "--samples", "1")
    assert code == 3
    assert "no value is missing" in out
    assert "row 2: no value" in out
    assert "row 3" not in out
    assert "the data break the contract `shop`" in err


def test_a_report_goes_to_a_file(envbuild) -> None:
    write(contract(COLUMNS))
    Path("t.csv").write_text("id,v\n,2\n")
    code, out, err = envbuild("t.csv", "--contract", "c.yaml", "--format", "junit", "-o", "report.xml")
    assert (code, out) == (3, "report.xml\n")
    assert Path("report.xml").read_text().startswith("<?xml")
    assert "t.id: no value is missing" in err


def test_json_is_one_document_with_the_digests_of_what_was_read(envbuild) -> None:
    write(contract(COLUMNS))
    Path("t.csv").write_text("id,v\n,2\n")
    code, out, _ = envbuild("t.csv", "--contract", "c.yaml", "--json")
    document = json.loads(out)
    assert (code, document["exit-code"]) == (3, 3)
    (table,) = document["contracts"][0]["tables"]
    assert table["files"][0]["digest"].startswith("sha256:")


def test_the_time_can_be_handed_in(envbuild) -> None:
    sla = [{"property": "freshness", "value": 1, "unit": "d", "element": "t.v"}]
    write(contract([{"name": "v", "logicalType": "date"}], sla=sla))
    Path("t.csv").write_text("v\n2026-11-24\n")
    assert envbuild("t.csv", "--contract", "c.yaml", "--now", "2026-11-24T23:00:00+02:00")[0] == 0
    assert envbuild("t.csv", "--contract", "c.yaml", "--now", "2026-12-24")[0] == 3
    assert envbuild("t.csv", "--contract", "c.yaml", "--now", "yesterday")[0] == 2


def cut(data: bytes) -> bytes:
    return data[: len(data) // 2]


def parquet() -> bytes:
    sink = pa.BufferOutputStream()
    parquet_files.write_table(pa.table({"id": list(range(1000)), "v": [0.5] * 1000}), sink)
    return bytes(sink.getvalue())


@pytest.mark.parametrize(
    ("name", "content", "code", "told"),
    [
        ("t.csv", b"", 1, "t.csv"),
        ("t.csv", b"id,v\n", 0, "t: 0 rows"),
        ("t.csv", b"id,v\n1,2\n3\n", 1, "row 2"),
        ("t.csv", b"id,v\n1,2\n3,4,5\n", 1, "row 2"),
        ("t.csv", ROWS.encode() + b"9,9,9\n", 1, "row 5001"),
        ("t.csv", b"id,v\n1,2\n\xe9,4\n", 1, "t.csv"),
        ("t.csv", b"id,v\r\n1,2\n3,4\r\n", 1, "line 2 ends in LF"),
        ("t.csv", b"id,v\n" + b'"' * 200 + b"\n", 1, "t.csv"),
        ("t.csv", b"id,v\n,1\n", 3, "row 1: no value"),
        ("t.csv", b"id,v\n1,nan\n2,inf\n", 0, "t: 2 rows"),
        ("t.csv", b"id,v\n" + b"9" * 60 + b",1\n", 3, "values are of the type integer"),
        ("t.parquet", cut(parquet()), 1, "it may be cut"),
        ("t.parquet", b"", 1, "t.parquet"),
        ("t.jsonl", b'{"id": 1, "v": 2}\n{"id": 2', 1, "t.jsonl"),
        ("t.jsonl", b"[1, 2]\n", 1, "t.jsonl"),
        ("t.arrow", b"ARROW1\0\0cut", 1, "t.arrow"),
        ("t.xlsx", b"x", 1, "no table that is read"),
    ],
    ids=[
        "empty", "header-only", "short-row", "long-row", "ragged-late", "latin-1", "mixed-line-ends", "quotes",
        "null-in-key", "nan-and-infinity", "beyond-128-bits", "half-a-parquet", "empty-parquet", "half-a-record",
        "no-record", "half-an-arrow", "another-format",
    ],
)  # fmt: skip
def test_bad_files_end_with_a_message_and_their_exit_code(envbuild, name, content, code, told) -> None:
    write(contract(COLUMNS))
    Path(name).write_bytes(content)
    found, out, err = envbuild("--contract", "c.yaml", "--data", f"t={name}")
    assert (found, told in out + err) == (code, True), out + err


def test_a_wide_row_of_quotes_is_read_as_it_is(envbuild) -> None:
    names = [f"c{number}" for number in range(200)]
    write(contract([{"name": name, "logicalType": "string", "required": True} for name in names]))
    Path("t.csv").write_text(",".join(names) + "\n" + ",".join(['""""'] * 200) + "\n")
    assert envbuild("t.csv", "--contract", "c.yaml")[0] == 0


def test_dates_of_three_formats_are_not_guessed(envbuild) -> None:
    write(contract([{"name": "v", "logicalType": "date"}]))
    Path("t.csv").write_text("v\n2026-11-24\n24.11.2026\n11/24/2026\n")
    code, out, _ = envbuild("t.csv", "--contract", "c.yaml")
    assert code == 3
    assert "2 of 3 rows" in out


@pytest.mark.parametrize(
    ("quality", "code", "told"),
    [
        ({"metric": "freshness", "mustBe": 0}, 1, "c.yaml"),
        ({"type": "library", "mustBe": 0}, 1, "metric"),
        ({"metric": "rowCount"}, 1, "mustBe"),
        ({"type": "sql", "query": "DELETE FROM t", "mustBe": 0}, 6, "has to be a SELECT"),
        ({"type": "sql", "query": "COPY t TO 'x.csv'", "mustBe": 0}, 6, "NOT EVALUATED"),
        ({"type": "sql", "query": "SELECT count(*) FROM '../c.yaml'", "mustBe": 0}, 6, "NOT EVALUATED"),
        ({"type": "custom", "engine": "soda", "implementation": "x"}, 6, "`soda` is not evaluated here"),
        ({"type": "text", "description": "It is so."}, 0, "It is so."),
    ],
)
def test_rules_that_are_wrong_are_told_with_their_place_or_their_reason(envbuild, quality, code, told) -> None:
    write(contract(COLUMNS, quality=[quality]))
    Path("t.csv").write_text(ROWS)
    found, out, err = envbuild("t.csv", "--contract", "c.yaml")
    assert (found, told in out + err) == (code, True), out + err
    assert sorted(path.name for path in Path().iterdir() if path.is_file()) == ["c.yaml", "t.csv"]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["t.csv"], 1, "--contract FILE"),
        (["--data", "t=t.csv"], 2, "belongs to"),
        (["--contract", "c.yaml", "--data", "t.csv"], 2, "is not TABLE=FILE"),
        (["--contract", "c.yaml", "--data", "u=t.csv"], 1, "has no table `u`"),
        (["--contract", "c.yaml", "--data", "t=none.csv"], 1, "`none.csv` is not there"),
        (["--contract", "c.yaml", "none.csv"], 1, "`none.csv` is not there"),
        (["--contract", "none.yaml", "t.csv"], 1, "none.yaml"),
        (["--contract", "c.yaml"], 1, "nothing to hold"),
        (["--contract", "c.yaml", "t.csv", "--data", "t=t.csv"], 1, "named twice"),
        ([], 1, "envbuild.yaml"),
    ],
)
def test_wrong_arguments_are_told(envbuild, arguments, code, told) -> None:
    write(contract(COLUMNS))
    Path("t.csv").write_text(ROWS)
    found, out, err = envbuild(*arguments)
    assert (found, told in out + err) == (code, True), out + err


@pytest.fixture
def project(tmp_path: Path) -> DataProject:
    return DataProject(tmp_path, tmp_path / "store")


def test_all_data_of_a_project_are_held_to_their_contracts(envbuild, project) -> None:
    other = {"name": "other", "properties": [{"name": "id", "logicalType": "integer"}]}
    reference = {"name": "id", "logicalType": "integer", "relationships": [{"to": "other.id"}]}
    write(contract([reference], more=(other,)), "contracts/both.yaml")
    write(contract([{"name": "v", "logicalType": "number"}]), "contracts/loose.yaml")
    project.file("data/t.csv", b"id\n1\n9\n")
    project.file("data/other/1.jsonl", b'{"id": 1}\n')
    project.file("data/other/2.jsonl", b'{"id": 2}\n')
    project.file("data/only.csv", b"v\n1\n")
    project.spec({
        "t": {"url": "data/t.csv", "contract": "contracts/both.yaml"},
        "other": {"url": "data/other/*.jsonl", "contract": "contracts/both.yaml"},
        "renamed": {"url": "data/only.csv", "contract": "contracts/loose.yaml"},
        "free": {"url": "data/t.csv"},
    })  # fmt: skip
    code, out, _ = envbuild("--json")
    both, loose = json.loads(out)["contracts"]
    assert code == 3
    assert {table["name"]: table["rows"] for table in both["tables"]} == {"t": 2, "other": 2}
    assert [each["id"] for each in both["outcomes"] if each["status"] == "violated"] == ["t.id.relationship"]
    assert loose["counts"]["violated"] == 0


def test_data_that_are_elsewhere_are_fetched_by_their_lock_or_not_evaluated(envbuild, project, tmp_path) -> None:
    write(contract(COLUMNS))
    digest = project.store.write(b"id,v\n1,2\n").hex
    project.spec({"t": {"url": "https://data.example.org/t.csv", "sha256": digest, "contract": "c.yaml"}})
    code, out, _ = envbuild("--offline")
    assert (code, "t: 1 rows" in out) == (0, True)
    project.spec({"t": {"url": "https://data.example.org/t.csv", "sha256": "1" * 64, "contract": "c.yaml"}})
    code, out, err = envbuild("--offline")
    assert (code, "the table is there" in out) == (6, True)
    assert "not every rule" in err


@pytest.mark.parametrize("key", ["url", "contract"])
def test_a_path_out_of_the_project_is_refused(envbuild, project, tmp_path, key) -> None:
    write(contract(COLUMNS), "in/c.yaml")
    outside = DataProject(tmp_path / "in", tmp_path / "store")
    Path("t.csv").write_text(ROWS)
    outside.file("t.csv", ROWS.encode())
    (tmp_path / "c.yaml").write_text(Path("in/c.yaml").read_text())
    entry = {"url": "t.csv", "contract": "c.yaml"}
    (outside.folder / "envbuild.yaml").write_text(
        json.dumps({"environment": {"python": "3.11"}, "data": {"t": {**entry, key: f"../{entry[key]}"}}})
    )
    code, _, err = envbuild("in")
    assert (code, f"data.t.{key}" in err) == (1, True), err


def test_a_link_out_of_the_project_is_not_followed(envbuild, project) -> None:
    write(contract(COLUMNS))
    project.spec({"t": {"url": "t.csv", "contract": "c.yaml"}})
    Path("t.csv").symlink_to("/etc/hostname")
    code, out, _ = envbuild()
    assert (code, "outside" in out or "out of" in out) == (6, True), out


def test_a_project_without_contracts_is_told_how_to_write_one(envbuild, project) -> None:
    project.spec({"t": {"url": "t.csv"}})
    project.file("t.csv")
    code, _, err = envbuild()
    assert (code, "envbuild data infer FILE" in err) == (1, True)
