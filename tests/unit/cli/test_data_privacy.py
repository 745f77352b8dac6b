"""`envbuild data scan` and `envbuild data anonymize`, as they are called."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., tuple[int, str, str]]
SECRET = "vv7Qe2mXk0rT9sLz4uYb1wNc8dHf5gJa-secret"
CONTRACT = """\
apiVersion: v3.1.0
kind: DataContract
id: people
version: 1.0.0
status: active
schema:
- name: people
  logicalType: object
  CUSTOM
  properties:
  - name: id
    logicalType: integer
    classification: confidential
    customProperties: [{property: anonymize, value: {method: hash}}]
  - name: mail
    logicalType: string
    classification: confidential
    customProperties: [{property: anonymize, value: {method: drop}}]
  - name: city
    logicalType: string
    customProperties:
    - {property: privacyRole, value: quasi-identifier}
    - {property: anonymize, value: {method: keep, reason: few}}
"""


@pytest.fixture
def people(work: Path) -> Path:
    file = work / "people.csv"
    rows = "".join(f"{n},anna.{n}@corp.de,{'Bonn' if n % 2 else 'Ulm'}\n" for n in range(1, 21))
    file.write_text(f"id,mail,city\n{rows}")
    (work / "c.yaml").write_text(CONTRACT.replace("CUSTOM", "description: x"))
    (work / "key").write_text(SECRET + "\n")
    (work / "key").chmod(0o600)
    return file


def test_what_nobody_classified_is_an_alarm_and_told_without_a_value(envbuild: Run, people: Path) -> None:
    code, out, err = envbuild("data", "scan", "people.csv")
    assert code == 3
    assert "column `mail`: 20 values (100%), rows 1, 2, 3, 4, 5 …" in out
    assert "classification" in err
    assert "anna." not in out + err


def test_what_a_contract_classifies_is_told_as_declared(envbuild: Run, people: Path) -> None:
    code, out, _ = envbuild("data", "scan", "people.csv", "--contract", "c.yaml", "--json")
    (file,) = json.loads(out)["files"]
    assert code == 0
    assert [(each["column"], each["kind"], each["declared"]) for each in file["findings"]] == [
        ("mail", "email", "confidential")
    ]
    assert (file["rows"], file["rowsInAll"]) == (20, 20)


def test_a_sample_is_always_the_same_and_what_is_not_looked_at_is_told(envbuild: Run, work: Path) -> None:
    (work / "big.csv").write_text("id,mail\n" + "".join(f"{n},a{n}@corp.de\n" for n in range(5000)))
    answers = [envbuild("data", "scan", "big.csv", "--rows", "200", "--json") for _ in range(2)]
    assert answers[0] == answers[1]
    code, out, err = answers[0]
    assert code == 3
    assert 150 <= json.loads(out)["files"][0]["rows"] <= 250
    assert "of 5000; the others were NOT looked at" in err


def test_what_cannot_be_read_is_no_pass(envbuild: Run, work: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    pq.write_table(pa.table({"x": list(range(50)), "picture": [b"\x00\x01"] * 50}), work / "b.parquet")
    (work / "cut.parquet").write_bytes((work / "b.parquet").read_bytes()[:300])
    (work / "empty.csv").write_bytes(b"")
    (work / "header.csv").write_bytes(b"a,b\n")
    (work / "ragged.csv").write_bytes(b"a,b\n1,2\n3,4,5\n")
    (work / "latin.csv").write_bytes("id,città\n1,Forlì\n".encode("latin-1"))
    for name, expected in (
        ("b.parquet", 6), ("cut.parquet", 6), ("empty.csv", 6), ("header.csv", 0), ("ragged.csv", 6), ("latin.csv", 6),
    ):  # fmt: skip
        code, out, err = envbuild("data", "scan", name, "--json")
        assert code == expected, (name, err)
        assert bool(json.loads(out)["files"][0]["notMeasured"]) == (expected == 6), name


def test_a_finding_and_an_unread_file_are_a_finding(envbuild: Run, people: Path, work: Path) -> None:
    (work / "cut.parquet").write_bytes(b"PAR1")
    code, _, err = envbuild("data", "scan", "people.csv", "cut.parquet")
    assert code == 3
    assert "people.csv: `mail`" in err
    assert "cut.parquet" in err


def test_a_name_that_is_data_itself_is_not_told(envbuild: Run, work: Path) -> None:
    (work / "t.csv").write_text("id,anna.b@corp.de\n1,carla.d@corp.de\n")
    code, out, err = envbuild("data", "scan", "t.csv")
    assert code == 3
    assert "column `2`" in out
    assert "corp.de" not in out + err


def test_a_file_is_anonymised_with_its_record(envbuild: Run, people: Path, work: Path) -> None:
    code, out, err = envbuild(
        "data", "anonymize", "people.csv", "--contract", "c.yaml", "--key-file", "key", "-o", "out.csv", "--record", "r"
    )
    assert (code, out) == (0, "out.csv\n")
    assert "smallest group (k): 10 before, 10 after" in err
    record = json.loads((work / "r").read_text())
    assert record["columns"][0]["method"] == "hash"
    assert SECRET not in out + err + (work / "r").read_text() + (work / "out.csv").read_text()
    assert envbuild("data", "scan", "out.csv")[0] == 0


def test_the_key_comes_from_a_descriptor_too(envbuild: Run, people: Path, work: Path) -> None:
    line = ("data", "anonymize", "people.csv", "--contract", "c.yaml", "--json")
    descriptor = os.open(work / "key", os.O_RDONLY)
    try:
        code, out, _ = envbuild(*line, "-o", "a.csv", "--key-fd", str(descriptor))
    finally:
        os.close(descriptor)
    assert code == 0
    assert "key" in json.loads(out)
    assert envbuild(*line, "-o", "b.csv", "--key-file", "key")[0] == 0
    assert (work / "a.csv").read_bytes() == (work / "b.csv").read_bytes()
    assert envbuild(*line, "-o", "b.csv", "--key-file", "key", "--key-fd", "0")[0] == 2


def test_a_key_that_is_no_secret_is_refused(envbuild: Run, people: Path, work: Path) -> None:
    (work / "key").chmod(0o644)
    line = ("data", "anonymize", "people.csv", "--contract", "c.yaml", "--key-file", "key", "-o", "out.csv")
    code, _, err = envbuild(*line)
    assert code == 1
    assert "chmod 600" in err
    assert SECRET not in err


def test_a_promise_that_is_not_kept_leaves_nothing(envbuild: Run, people: Path, work: Path) -> None:
    line = ("data", "anonymize", "people.csv", "--contract", "c.yaml", "--key-file", "key", "-o", "out.csv")
    for promise, expected in (
        ("{kAnonymity: {mustBeGreaterOrEqualTo: 11}}", 3), ("{lDiversity: {mustBeGreaterOrEqualTo: 2}}", 6),
        ("{kAnonymity: {mustBeGreaterOrEqualTo: 11}, lDiversity: {mustBeGreaterOrEqualTo: 2}}", 3),
        ("{kAnonymity: yes}", 1),
    ):  # fmt: skip
        custom = f"customProperties: [{{property: privacy, value: {promise}}}]"
        (work / "c.yaml").write_text(CONTRACT.replace("CUSTOM", custom))
        code, out, _ = envbuild(*line, "--json", "--record", "r")
        assert code == expected
        assert json.loads(out)["error"]["exit-code"] == expected
        assert not (work / "out.csv").exists()
        assert not (work / "r").exists()
