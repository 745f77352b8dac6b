"""What becomes of a file that is anonymised."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import statistics
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from builder.data.privacy.anonymize import Request, anonymize_file
from builder.data.privacy.secret import Key
from builder.errors import CheckFailedError, EnvbuildError, ExitCode, NotMeasuredError

if TYPE_CHECKING:
    from conftest import Clinic

SECRET = b"vv7Qe2mXk0rT9sLz4uYb1wNc8dHf5gJa-secret"
KEEP = {"method": "keep", "reason": "a test"}
HASHED = {"role": "subject", "method": "hash", "domain": "patient"}
GROUPS = {
    "age": {"role": "quasi-identifier", "method": "bucket", "width": 10},
    "city": {"role": "quasi-identifier", "method": "bucket", "top": 1},
    "disease": {"role": "sensitive", **KEEP},
}


def _hmac(key: bytes, purpose: str, domain: str, message: str) -> str:
    return hmac.new(key, f"envbuild/{purpose}\0{domain}\0{message}".encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize("key", [SECRET, SECRET * 2, bytes(range(32, 96)), b"\xff\x00'\"" * 3 + SECRET], ids=len)
def test_a_hash_is_pythons_hmac(clinic: Clinic, key: bytes) -> None:
    rows, _ = clinic.anonymized({"patient": HASHED, "city": {"method": "hash", "length": 64}}, key)
    for was, row in zip(clinic.rows, rows, strict=True):
        assert row["patient"] == _hmac(key, "hash", "patient", str(was["patient"]))[:32]
        assert row["city"] == _hmac(key, "hash", "city", str(was["city"]))


def test_the_same_key_gives_the_same_bytes_and_another_one_others(clinic: Clinic) -> None:
    columns = {"patient": HASHED, "visit": {"method": "date-shift", "days": 20}, "weight": _noise()}
    made = []
    for number, key in enumerate((SECRET, SECRET, SECRET + b"2")):
        clinic.anonymized(columns, key, f"out{number}.csv", budget=1)
        made.append((clinic.folder / f"out{number}.csv").read_bytes())
    assert made[0] == made[1]
    own, other = (text.splitlines()[1:] for text in (made[0], made[2]))
    assert not set(own) & set(other)


def test_a_value_of_one_domain_is_the_same_in_every_column_and_format(clinic: Clinic) -> None:
    columns = {"patient": HASHED, "age": {"method": "hash", "domain": "patient"}, "city": {"method": "hash"}}
    rows, _ = clinic.anonymized(columns, target="out.parquet")
    texts, _ = clinic.anonymized(columns)
    assert rows == texts
    patients = {was["patient"]: row["patient"] for was, row in zip(clinic.rows, rows, strict=True)}
    ages = {was["age"]: row["age"] for was, row in zip(clinic.rows, rows, strict=True)}
    both = patients.keys() & ages.keys()
    assert both
    assert all(patients[number] == ages[number] for number in both)
    assert not {row["city"] for row in rows} & set(patients.values())


@pytest.mark.parametrize(
    ("method", "value", "becomes"),
    [
        ({}, "p7@mail.de", "***"),
        ({"keepLast": 3}, "p7@mail.de", "***.de"),
        ({"keepFirst": 1, "keepLast": 2}, "p7@mail.de", "p***de"),
        ({"keepLast": 8}, "p7@mail.de", "***"),
        ({"pattern": "^[^@]+"}, "p7@mail.de", "***@mail.de"),
        ({"pattern": "NOTHING"}, "p7@mail.de", "***"),
        ({"pattern": "[a-z]*'; DROP TABLE x; --"}, "p7@mail.de", "***"),
    ],
    ids=["all", "last", "both", "too-short", "pattern", "no-match", "quotes"],
)
def test_a_mask_keeps_what_is_declared_and_no_more(
    clinic: Clinic, method: dict[str, object], value: str, becomes: str
) -> None:
    clinic.file.write_text(clinic.file.read_text("utf-8").splitlines()[0] + f"\n1,n,{value},2,x,2024-01-01,,1,d,\n")
    rows, record = clinic.anonymized({"mail": {"method": "mask", **method}}, key=None)
    assert rows == [{"mail": becomes}]
    assert "key" not in record


def test_numbers_dates_and_texts_are_put_into_buckets(clinic: Clinic) -> None:
    columns = {
        "age": {"method": "bucket", "width": 20},
        "weight": {"method": "bucket", "edges": [60, 80.5]},
        "visit": {"method": "bucket", "to": "quarter"},
        "seen": {"method": "bucket", "to": "month"},
        "city": {"method": "bucket", "map": {"Bonn": "Rhein", "Köln": "Rhein's"}, "other": "-"},
        "disease": {"method": "bucket", "top": 1},
    }
    rows, _ = clinic.anonymized(columns, key=None)
    top = max(sorted({was["disease"] for was in clinic.rows}), key=[was["disease"] for was in clinic.rows].count)
    for was, row in zip(clinic.rows, rows, strict=True):
        low = was["age"] // 20 * 20
        weight = "< 60" if was["weight"] < 60 else "[60, 80.5)" if was["weight"] < 80.5 else ">= 80.5"
        month = int(was["visit"][5:7])
        assert row == {
            "age": f"[{low}, {low + 20})", "weight": weight, "visit": f"2024-Q{(month + 2) // 3}", "seen": "2024-03",
            "city": {"Bonn": "Rhein", "Köln": "Rhein's"}.get(was["city"], "-"),
            "disease": top if was["disease"] == top else "other",
        }  # fmt: skip


def test_all_dates_of_a_subject_move_by_the_same_days(clinic: Clinic) -> None:
    shift = {"method": "date-shift", "days": 15}
    rows, record = clinic.anonymized({"patient": HASHED, "visit": shift, "seen": shift})
    moved: dict[int, set[int]] = {}
    for was, row in zip(clinic.rows, rows, strict=True):
        days = (date.fromisoformat(row["visit"]) - date.fromisoformat(was["visit"])).days
        seen = datetime.fromisoformat(row["seen"]) - datetime.fromisoformat(was["seen"])
        assert seen.total_seconds() == days * 86400
        moved.setdefault(was["patient"], set()).add(days)
        drawn = int(_hmac(SECRET, "date-shift", "patient", str(was["patient"]))[:12], 16)
        assert days == drawn % 31 - 15
    assert all(len(days) == 1 for days in moved.values())
    assert len({min(days) for days in moved.values()}) > 10
    assert next(each for each in record["columns"] if each["column"] == "visit")["subject"] == "patient"


def _noise(**more: object) -> dict[str, object]:
    return {"method": "noise", "epsilon": 1, "minimum": 0, "maximum": 200, **more}


def test_noise_has_laplaces_distribution(clinic: Clinic) -> None:
    from scipy.stats import kstest

    header = "patient,name,mail,age,city,visit,seen,weight,disease,note\n"
    clinic.file.write_text(header + "".join(f"{n},,,,,,,5000,," + "\n" for n in range(4000)))
    rows, record = clinic.anonymized(
        {"weight": _noise(maximum=10_000, sensitivity=20, epsilon=0.5)}, budget=0.5, target="out.parquet"
    )
    drawn = [float(row["weight"]) - 5000 for row in rows]
    assert kstest(drawn, "laplace", args=(0, 40)).pvalue > 0.01
    assert statistics.fmean(drawn) == pytest.approx(0, abs=4)
    assert len(set(drawn)) > 3990
    assert record["privacyLoss"] == {"declared": {"weight": 0.5}, "sum": 0.5, "budget": 0.5}


def test_noise_is_that_of_its_row_and_value_and_stays_in_its_range(clinic: Clinic) -> None:
    rows, _ = clinic.anonymized({"weight": _noise(decimals=2), "age": _noise(epsilon=100)}, budget=200)
    for number, (was, row) in enumerate(zip(clinic.rows, rows, strict=True), 1):
        assert 0 <= float(row["weight"]) <= 200
        bits = int(_hmac(SECRET, "noise", "weight", f"{number}\x01{was['weight']}")[:13], 16)
        uniform = (bits + 0.5) / 2**52 - 0.5
        noise = -200 * math.copysign(1, uniform) * math.log(1 - 2 * abs(uniform))
        assert float(row["weight"]) == pytest.approx(min(max(was["weight"] + noise, 0), 200), abs=0.006)
        assert row["age"].isdecimal()


def test_missing_values_stay_missing(clinic: Clinic) -> None:
    clinic.file.write_text("patient,name,mail,age,city,visit,seen,weight,disease,note\n,,,,,,,,,\n1,n,m,2,c,,,3,d,e\n")
    shift = {"method": "date-shift", "days": 15}
    rows, _ = clinic.anonymized(
        {"patient": HASHED, "mail": {"method": "mask"}, "age": {"method": "bucket", "width": 2},
         "city": {"method": "bucket", "map": {"c": "C"}}, "visit": shift, "weight": _noise(),
         "disease": {"method": "mask", "pattern": "d"}},
        budget=1,
    )  # fmt: skip
    assert set(rows[0].values()) == {None}
    assert rows[1]["visit"] is None
    assert rows[1]["city"] == "C"


def test_groups_are_measured_before_and_after(clinic: Clinic) -> None:
    rows, record = clinic.anonymized(GROUPS, key=None, privacy={"kAnonymity": {"mustBeGreaterOrEqualTo": 1}})
    for measures, ages in (("before", False), ("after", True)):
        groups: dict[tuple[object, ...], list[object]] = {}
        for was, row in zip(clinic.rows, rows, strict=True):
            of = (row["age"], row["city"]) if ages else (was["age"], was["city"])
            groups.setdefault(of, []).append(was["disease"])
        sizes = [len(group) for group in groups.values()]
        assert record["measures"][measures] == {
            "rows": 120, "groups": len(groups), "kAnonymity": min(sizes),
            "lDiversity": min(len(set(group)) for group in groups.values()),
            "lDiversityByColumn": {"disease": min(len(set(group)) for group in groups.values())},
            "uniqueRows": sizes.count(1),
        }  # fmt: skip
    assert record["rules"][0]["state"] == "passed"


def test_small_groups_are_left_out_counted_and_in_order(clinic: Clinic) -> None:
    columns = {**GROUPS, "name": KEEP}
    promised = {"suppressBelow": 5, "kAnonymity": {"mustBeGreaterOrEqualTo": 5}}
    rows, record = clinic.anonymized(columns, key=None, privacy=promised)
    assert record["measures"]["after"]["kAnonymity"] >= 5
    assert record["output"]["suppressed"] == 120 - len(rows) > 0
    numbers = [int(row["name"].split()[1]) for row in rows]
    assert numbers == sorted(numbers)


def test_a_broken_promise_leaves_no_file(clinic: Clinic) -> None:
    with pytest.raises(CheckFailedError, match="does not hide people") as caught:
        clinic.anonymized(GROUPS, key=None, privacy={"kAnonymity": {"mustBeGreaterOrEqualTo": 50}})
    assert "kAnonymity" in caught.value.why[0]
    assert sorted(path.name for path in clinic.folder.iterdir()) == ["contract.yaml", "visits.csv"]


def test_what_cannot_be_measured_is_no_pass(clinic: Clinic) -> None:
    for promised in ({"kAnonymity": {"mustBe": 1}}, {"suppressBelow": 5}, {"lDiversity": {"mustBe": 1}}):
        with pytest.raises(NotMeasuredError) as caught:
            clinic.anonymized({"disease": KEEP}, key=None, privacy=promised)
        assert caught.value.exit_code == ExitCode.NOT_MEASURED
    assert not (clinic.folder / "out.csv").exists()


def test_the_key_and_dropped_values_are_in_no_byte_of_what_is_written(clinic: Clinic) -> None:
    record = clinic.folder / "record.json"
    contract = clinic.contract({"patient": HASHED, "visit": {"method": "date-shift", "days": 9}, "weight": _noise()},
                               budget=3)  # fmt: skip
    for target in ("out.csv", "out.parquet", "out.jsonl", "out.arrow"):
        request = Request(clinic.file, contract, clinic.folder / target, record=record)
        done = anonymize_file(request, Key(SECRET))
        assert done == json.loads(record.read_text())
        pads = Key(SECRET).pads()
        for data in (request.target.read_bytes(), record.read_bytes()):
            for secret in (SECRET, SECRET.hex().encode(), pads[0], pads[1], b"Person 7", b"p7@mail.de"):
                assert secret not in data
        digest = f"sha256:{hashlib.sha256(request.target.read_bytes()).hexdigest()}"
        assert done["output"]["digest"] == digest
        assert done["key"] == {"identifier": Key(SECRET).identifier}
        assert request.target.stat().st_mode & 0o077 == 0


def test_what_is_kept_is_as_the_file_has_it(clinic: Clinic) -> None:
    rows, _ = clinic.anonymized(dict.fromkeys(clinic.rows[0], KEEP), key=None)
    assert rows == [
        {name: str(value) if value != "" else None for name, value in was.items()} for was in clinic.rows
    ]  # fmt: skip


def test_values_of_another_type_stop_it_and_are_not_told(clinic: Clinic) -> None:
    text = clinic.file.read_text("utf-8").replace("2024-03-", "March the ", 3)
    clinic.file.write_text(text, "utf-8")
    with pytest.raises(EnvbuildError, match="not of the type") as caught:
        clinic.anonymized({"seen": {"method": "bucket", "to": "year"}, "visit": {"method": "bucket", "to": "year"}})
    assert "March" not in str(caught.value)
    assert not (clinic.folder / "out.csv").exists()


def test_columns_that_nobody_declared_are_not_let_through(clinic: Clinic) -> None:
    lines = clinic.file.read_text("utf-8").splitlines()
    clinic.file.write_text("\n".join([lines[0] + ",extra", *(f"{line},1" for line in lines[1:])]) + "\n", "utf-8")
    with pytest.raises(EnvbuildError, match="columns that the contract does not"):
        clinic.anonymized({"disease": KEEP})


def test_a_file_is_not_overwritten_by_what_comes_of_it(clinic: Clinic) -> None:
    before = clinic.file.read_bytes()
    for target in ("visits.csv", "contract.yaml"):
        with pytest.raises(EnvbuildError, match="take the place"):
            clinic.anonymized({"disease": KEEP}, target=target)
    assert clinic.file.read_bytes() == before


def test_a_key_is_asked_for_only_where_one_is_needed(clinic: Clinic) -> None:
    with pytest.raises(EnvbuildError, match="a key is needed"):
        clinic.anonymized({"patient": HASHED}, key=None)
    with pytest.raises(EnvbuildError, match="nothing would be left"):
        clinic.anonymized({}, key=None)
    _, record = clinic.anonymized({"disease": KEEP}, SECRET)
    assert "key" not in record


def test_a_column_of_any_name_is_anonymised(tmp_path: Path) -> None:
    name = 'a"; DROP TABLE x; --'
    (tmp_path / "t.csv").write_text('"a""; DROP TABLE x; --",b\n1,2\n')
    contract = {
        "apiVersion": "v3.1.0", "kind": "DataContract", "id": "x", "version": "1.0.0", "status": "active",
        "schema": [{"name": "t", "logicalType": "object", "properties": [
            {"name": name, "logicalType": "string", "customProperties": [
                {"property": "anonymize", "value": {"method": "hash"}},
                {"property": "privacyRole", "value": "quasi-identifier"}]},
            {"name": "b", "logicalType": "string"}]}],
    }  # fmt: skip
    (tmp_path / "c.yaml").write_text(json.dumps(contract))
    anonymize_file(Request(tmp_path / "t.csv", tmp_path / "c.yaml", tmp_path / "o.csv"), Key(SECRET))
    assert _hmac(SECRET, "hash", name, "1")[:32] in (tmp_path / "o.csv").read_text()
