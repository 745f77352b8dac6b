"""A first contract holds what its sample has, says no value of people, and is one that ODCS takes."""

from __future__ import annotations

import importlib.util
import json
import math
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import jsonschema
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.cli import invoke
from builder.data.check import check_contract
from builder.data.contract.document import Contract, Property
from builder.data.contract.read import read_contract
from builder.data.infer import infer_contract
from builder.data.infer.ranges import outward, rows_at_least, share_with_slack

NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCHEMA = Path(__file__).parents[3] / "schemas/odcs/odcs-3.1.0.schema.json"


def shipped(package: str, file: str) -> Path:
    """A file that a package has in it."""
    spec = importlib.util.find_spec(package)
    assert spec
    assert spec.origin
    return Path(spec.origin).parent / file


PUBLIC = {
    "palmerpenguins": "data/penguins.csv data/penguins-raw.csv",
    "vega_datasets": "_data/cars.json _data/seattle-weather.csv",
    "sklearn": "datasets/data/diabetes_data_raw.csv.gz",
}
MORE = "airports.csv burtin.json la-riots.csv ohlc.json stocks.csv us-employment.csv wheat.json iris.json crimea.json"


def inferred(path: Path, tmp_path: Path, rows: int | None = None) -> Contract:
    """A file's contract, written, read again, and kept by the file."""
    (tmp_path / "contract.yaml").write_bytes(infer_contract(path, rows=rows).text)
    loaded = read_contract(tmp_path / "contract.yaml")
    report = check_contract(loaded, {loaded.contract.schema[0].name: [path]}, NOW)
    wrong = [each for each in report.outcomes if each.status not in ("passed", "told")]
    assert not wrong or rows is not None, wrong
    return loaded.contract


def columns(contract: Contract) -> dict[str, Property]:
    return {each.name: each for each in contract.schema[0].properties}


@pytest.mark.parametrize(
    "name",
    [
        *(f"{package}/{name}" for package, names in PUBLIC.items() for name in names.split()),
        *(pytest.param(f"vega_datasets/_data/{name}", marks=pytest.mark.slow) for name in MORE.split()),
    ],
)
def test_public_data_keep_the_contract_that_is_made_of_them(name: str, tmp_path: Path) -> None:
    package, _, file = name.partition("/")
    contract = inferred(shipped(package, file), tmp_path)
    text = yaml.safe_load((tmp_path / "contract.yaml").read_bytes())
    jsonschema.Draft201909Validator(json.loads(SCHEMA.read_text())).validate(text)
    assert contract.schema[0].properties


def test_penguins_are_what_people_would_say(tmp_path: Path) -> None:
    found = columns(inferred(shipped("palmerpenguins", "data/penguins.csv"), tmp_path))
    assert found["species"].allowed == ("Adelie", "Chinstrap", "Gentoo")
    assert found["flipper_length_mm"].logical_type_options == {"minimum": 170, "maximum": 240}
    assert found["flipper_length_mm"].logical_type == "integer"
    assert found["bill_length_mm"].custom("clean") == {"missing": ["NA"]}
    assert found["year"].required
    assert not found["sex"].required


def table(tmp_path: Path, text: str, name: str = "t.csv") -> Path:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def made(tmp_path: Path, **values: list[Any]) -> Path:
    rows = zip(*values.values(), strict=True)
    return table(tmp_path, "\n".join([",".join(values), *(",".join(map(str, row)) for row in rows)]) + "\n")


def test_types_keys_forms_and_sentinels_are_seen(tmp_path: Path) -> None:
    count = 60
    path = made(
        tmp_path,
        note=["some words", "other words"] * (count // 2),
        order_id=list(range(1000, 1000 + count)),
        zip_like=[f"{number:05d}" for number in range(count)],
        code=[f"AB-{number:04d}" for number in range(count)],
        uid=[f"123e4567-e89b-42d3-a456-4266141740{number:02d}" for number in range(count)],
        flag=["true", "false"] * (count // 2),
        day=["2020-03-04", "2021-05-06"] * (count // 2),
        at=["2020-03-04 10:00:00", "2021-05-06 11:00:00"] * (count // 2),
        temperature=[-999, 12, 20] * (count // 3),
        country=["NA", "DE", "FR"] * (count // 3),
        huge=[str(10**30 + number) for number in range(count)],
        wild=["1.5", "inf", "nan"] * (count // 3),
        nothing=[""] * count,
        odd=["no", "1e5", "on"] * (count // 3),
    )
    contract = inferred(path, tmp_path)
    found = columns(contract)
    assert [each.name for each in contract.schema[0].primary_key] == ["order_id"]
    assert found["order_id"].logical_type_options == {"minimum": 1000}
    assert found["zip_like"].logical_type == "string"
    assert found["code"].logical_type_options == {"pattern": "^[A-Z]{2}-[0-9]{4}$"}
    assert found["uid"].logical_type_options == {"format": "uuid"}
    assert found["uid"].unique
    assert [found[name].logical_type for name in ("flag", "day", "at")] == ["boolean", "date", "timestamp"]
    assert found["day"].logical_type_options == {"minimum": "2020-01-01"}
    assert found["temperature"].custom("clean") == {"missing": ["-999"]}
    assert found["temperature"].logical_type_options == {"minimum": 12, "maximum": 20}
    assert found["country"].allowed == ("DE", "FR", "NA")
    assert found["huge"].logical_type == "string"
    assert not found["wild"].logical_type_options
    assert found["nothing"].logical_type is None
    assert found["odd"].allowed == ("1e5", "no", "on")
    assert contract.schema[0].quality[0].must_be_greater_or_equal_to == 30


def test_values_of_people_are_nowhere_in_the_contract(tmp_path: Path) -> None:
    people = [f"{name}.{number}" for number in range(10) for name in ("ada", "grace", "edsger")]
    path = made(
        tmp_path,
        email=[f"{each}@example.org" for each in people],
        salary=[70_001 + number for number in range(30)],
        gender=["female", "male", "female"] * 10,
        iban=["DE89370400440532013000"] * 30,
    )
    found = columns(inferred(path, tmp_path))
    text = (tmp_path / "contract.yaml").read_text()
    assert found["email"].classification
    assert "guessed" in found["email"].custom("classificationReason")
    for value in ("ada", "female", "DE8937", "example.org"):
        assert value not in text
    for name in ("email", "gender", "iban"):
        assert found[name].is_confidential
        assert found[name].allowed is None


@pytest.mark.parametrize("suffix", ["parquet", "jsonl"])
def test_files_with_types_keep_them(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"t.{suffix}"
    form = "parquet" if suffix == "parquet" else "json"
    rows = (
        "SELECT i AS n, i / 4 AS x, 'a' || i AS s, DATE '2020-01-01' + i::INTEGER AS d, [i] AS l, {'a': i} AS o, "
        "CASE WHEN i % 2 = 0 THEN i END AS half, i > 3 AS b FROM range(40) t(i)"
    )
    duckdb.sql(f"COPY ({rows}) TO '{path}' (FORMAT {form})")
    found = columns(inferred(path, tmp_path))
    types = {name: each.logical_type for name, each in found.items()}
    assert types == {
        "n": "integer", "x": "number", "s": "string", "d": "date", "l": "array", "o": "object", "half": "integer",
        "b": "boolean",
    }  # fmt: skip
    assert found["half"].quality[0].must_be_less_or_equal_to == 61


def test_a_look_at_some_rows_says_so(tmp_path: Path) -> None:
    path = made(tmp_path, n=list(range(100)))
    text = infer_contract(path, rows=10).text.decode()
    assert "the first 10 of 100 rows" in text
    assert "seen: 0 to 9" in text


cells = st.one_of(
    st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=6).map(str.strip),
    st.integers(-(10**25), 10**25).map(str),
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.sampled_from(["NA", "true", "false", "2020-01-02", "-999", "", "00012", "1e5"]),
)


@settings(max_examples=4, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(cells, st.integers(-5, 400), st.floats(-1e6, 1e6)), min_size=2, max_size=30))
def test_any_table_keeps_the_contract_that_is_made_of_it(tmp_path: Path, rows: list[tuple[Any, ...]]) -> None:
    import csv

    path = tmp_path / "any.csv"
    with path.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened, quoting=csv.QUOTE_ALL).writerows([("any", "whole", "broken"), *rows])
    inferred(path, tmp_path)


@given(
    st.one_of(
        st.tuples(st.integers(), st.integers()), st.tuples(*[st.floats(allow_nan=False, allow_infinity=False)] * 2)
    )
)
@settings(max_examples=50, derandomize=True)
def test_limits_are_outside_of_what_was_seen(ends: tuple[Any, Any]) -> None:
    least, most = min(ends), max(ends)
    low, high = outward(least, most)
    assert low <= least <= most <= high
    assert isinstance(low, int) or math.isfinite(low)
    assert isinstance(high, int) or math.isfinite(high)


@pytest.mark.parametrize(
    ("ends", "limits"),
    [
        ((172, 231), (170, 240)),
        ((32.1, 59.6), (30, 60)),
        ((0.00021, 0.00098), (0.0002, 0.001)),
        ((5, 5), (5, 5)),
        ((0, 0), (0, 0)),
        ((-7, 1234), (-100, 1300)),
    ],
)
def test_limits_are_round_numbers(ends: tuple[Any, Any], limits: tuple[Any, Any]) -> None:
    assert outward(*ends) == limits


def test_shares_and_counts_have_slack() -> None:
    assert [share_with_slack(2, 344), share_with_slack(344, 344)] == [2, 100]
    assert [rows_at_least(rows) for rows in (1, 2, 50, 344, 9999)] == [0, 1, 20, 100, 4000]


def test_the_command_writes_a_file_that_is_not_there_yet(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path, target = made(tmp_path, n=[1, 2, 3]), tmp_path / "c.yaml"
    assert invoke(["data", "infer", str(path), "-o", str(target)]) == 0
    assert capfd.readouterr().out == f"{target}\n"
    assert read_contract(target).contract.schema[0].name == "t"
    assert invoke(["data", "infer", str(path), "-o", str(target)]) == 1
    assert "is not overwritten" in capfd.readouterr().err
    assert invoke(["data", "infer", str(path), "--table", "numbers", "--json"]) == 0
    assert json.loads(capfd.readouterr().out)["schema"][0]["name"] == "numbers"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "it is empty"),
        ("a,b\n", "it has columns, and no row"),
    ],
    ids=["empty", "header only"],
)
def test_a_file_that_tells_nothing_is_refused(
    content: str, message: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert invoke(["data", "infer", str(table(tmp_path, content))]) == 1
    assert message in capfd.readouterr().err


def test_another_encoding_is_read_and_declared(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("name\nZoë\nJosé\n".encode("latin-1"))
    contract = infer_contract(path, encoding="latin-1").contract
    assert contract.schema[0].custom("encoding") == "latin-1"
    assert contract.schema[0].properties[0].logical_type == "string"
