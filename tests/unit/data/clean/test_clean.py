"""A file that is cleaned: what is declared is done, nothing else, and the same whatever the threads."""

from __future__ import annotations

import importlib.util
import json
import stat
from pathlib import Path
from typing import Any

import pytest
from contracts_of_tables import loaded_contract

from builder.data.clean.clean import Outputs, clean_file
from builder.data.clean.record import CleanRecord
from builder.data.tables import Limits
from builder.errors import EnvbuildError

RANGE = {"logicalType": "number", "logicalTypeOptions": {"minimum": 0, "maximum": 100}}
TEXT = {"logicalType": "string"}
KEY = {"logicalType": "integer", "primaryKey": True}


class Place:
    """A folder with a table."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source, self.out, self.aside = (folder / name for name in ("in.csv", "out.csv", "aside.csv"))

    def clean(
        self, columns: dict[str, dict[str, Any]], text: str | None = None, threads: int = 2, **table: Any
    ) -> CleanRecord:
        if text is not None:
            self.source.write_text(text)
        loaded = loaded_contract(self.folder / "c.json", columns, **table)
        outputs = Outputs(self.out, self.aside, self.folder / "record.json")
        return clean_file(loaded, "t", self.source, outputs, Limits(threads=threads))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


@pytest.mark.parametrize(
    ("rules", "cells", "cleaned"),
    [
        ({"missing": ["NA", -999]}, "1.50,NA,-999.0,,2", "1.50,,,,2"),
        ({"missing": ["NA"], "whenMissing": "drop"}, "1.50,NA,,2", "1.50,2"),
        ({"missing": ["NA"], "whenMissing": {"fill": 7}}, "01,NA,,2", "01,7,7,2"),
        ({"whenMissing": {"fill": "median"}}, "1,2,,4,90", "1,2,3.0,4,90"),
        ({"whenMissing": {"fill": "mean"}}, "1,2,,2", "1,2,1.66666666667,2"),
        ({"whenMissing": {"fill": "mode"}}, "3,1,,3,1", "3,1,1.0,3,1"),
        ({"whenMissing": {"fill": "previous"}}, ",3.0,,,5,", ",3.0,3.0,3.0,5,5"),
        ({"outliers": "clip"}, "-3,0,100.0,1e3,inf", "0,0,100.0,100,100"),
        ({"outliers": "missing"}, "-3,5,101", ",5,"),
        ({"outliers": "drop"}, "-3,5,101", "5"),
        ({"outliers": "missing", "whenMissing": {"fill": "median"}}, "-3,5,7,101", "6.0,5,7,6.0"),
        ({"outliers": "clip", "whenMissing": {"fill": "mean"}}, "-3,,200", "0,50.0,100"),
        ({"invalid": "missing"}, "abc,5,nan,1_0", ",5,,"),
        ({"invalid": "drop"}, "abc,5,nan,-7", "5,-7"),
        ({"invalid": "missing", "whenMissing": "drop"}, "abc,5", "5"),
    ],
    ids=lambda value: None if isinstance(value, str) else json.dumps(value).translate({34: None}),
)
def test_each_rule_does_what_it_says(place: Place, rules: dict[str, Any], cells: str, cleaned: str) -> None:
    rows = [f"{number},{cell}" for number, cell in enumerate(cells.split(","))]
    place.clean({"x": {**RANGE, "clean": rules}}, "\n".join(["n,x", *rows, ""]))

    lines = place.out.read_text().splitlines()[1:]
    assert [line.partition(",")[2] for line in lines] == cleaned.split(",")


def test_what_is_not_declared_stays_as_it_was(place: Place) -> None:
    text = 'n,x,t\n007,NA,"a ""b"", c"\n1.10,5, NA \n,,"two\nlines"\n'
    place.clean({"x": {**RANGE, "clean": {"missing": ["NA"]}}, "n": RANGE}, text)

    assert place.out.read_text() == text.replace(",NA,", ",,")


def test_rows_put_aside_are_as_they_were_with_the_reason(place: Place) -> None:
    columns = {
        "n": KEY,
        "x": {**RANGE, "clean": {"missing": ["NA"], "whenMissing": "quarantine", "outliers": "quarantine"}},
        "s": {**TEXT, "enum": ["a", "b"], "clean": {"invalid": "quarantine", "whenMissing": {"fill": "mode"}}},
    }
    record = place.clean(columns, "n,x,s\n1,5,a\n2,NA,c\n3,500,a\n4,6,\n", duplicates="keep")

    assert place.out.read_text() == "n,x,s\n1,5,a\n4,6,a\n"
    assert place.aside.read_text() == (
        "_row,_reason,n,x,s\n2,`x` is missing; `s` is not valid,2,NA,c\n3,`x` is outside of its range,3,500,a\n"
    )
    assert stat.S_IMODE(place.aside.stat().st_mode) == 0o600
    assert (record.input.rows, record.output.rows, record.quarantined, record.dropped) == (4, 2, 2, 0)


@pytest.mark.parametrize("fate", ["drop", "quarantine"])
def test_of_equal_keys_the_first_row_stays(place: Place, fate: str) -> None:
    columns = {"n": KEY, "x": {**RANGE, "clean": {"whenMissing": {"fill": "previous"}}}}
    rows = "".join(f"{number},{number % 100}\n" for number in range(5000))
    record = place.clean(columns, f"n,x\n{rows}007,1\n,2\n,\n4999,3\n", duplicates=fate)

    assert place.out.read_text() == f"n,x\n{rows},2\n,2\n"
    assert record.duplicates == 2
    aside = "_row,_reason,n,x\n"
    reasons = "5001,its key is that of row 8,007,1\n5004,its key is that of row 5000,4999,3\n"
    assert place.aside.read_text() == aside + (reasons if fate == "quarantine" else "")


def test_a_row_without_a_valid_first_value_does_not_hide_the_second_with_its_key(place: Place) -> None:
    columns = {"n": KEY, "x": {**RANGE, "clean": {"whenMissing": "drop"}}}
    place.clean(columns, "n,x\n1,\n1,5\n", duplicates="drop")

    assert place.out.read_text() == "n,x\n1,5\n"


def test_a_key_of_an_undeclared_type_is_its_text(place: Place) -> None:
    place.clean({"n": {"primaryKey": True}}, "n\n1\n01\n1\n", duplicates="drop")

    assert place.out.read_text() == "n\n1\n01\n"


def test_the_record_counts_and_has_no_values(place: Place) -> None:
    clean = {"missing": ["NA"], "whenMissing": {"fill": "mode"}}
    record = place.clean({"s": {**TEXT, "classification": "restricted", "clean": clean}}, 's\nNA\nsecret\n""\n')

    written = json.loads((place.folder / "record.json").read_text())
    assert written == record.to_dict()
    assert (
        written["columns"]["s"] | {"sentinels": 1, "missing": 2, "filled": 2, "fill": "***"} == written["columns"]["s"]
    )
    assert "secret" not in json.dumps(written)
    assert str(place.folder) not in json.dumps(written)


@pytest.mark.parametrize("suffix", ["jsonl", "parquet"])
def test_other_formats_keep_their_types(tmp_path: Path, suffix: str) -> None:
    import duckdb

    source, out = tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}"
    kind = {"jsonl": "json", "parquet": "parquet"}[suffix]
    rows = "SELECT * FROM (VALUES (1, -999::BIGINT, 'a', 1.5), (2, 500, NULL, 2.5), (3, 4, 'b', NULL)) AS t(n, x, s, y)"
    duckdb.sql(f"COPY ({rows}) TO '{source}' (FORMAT {kind})")
    clean = {"missing": [-999], "outliers": "clip", "whenMissing": {"fill": "median"}}
    columns = {"x": {**RANGE, "logicalType": "integer", "clean": clean}}

    clean_file(loaded_contract(tmp_path / "c.json", columns), "t", source, Outputs(out))

    before, after = (duckdb.sql(f"SELECT * FROM '{path}'") for path in (source, out))
    assert suffix == "jsonl" or before.types == after.types  # the types of JSON are guessed from its values
    values = [(row[0], row[1], row[2], row[3] and float(row[3])) for row in after.fetchall()]
    assert values == [(1, 4, "a", 1.5), (2, 100, None, 2.5), (3, 4, "b", None)]


def test_a_mean_that_a_column_of_whole_numbers_cannot_hold_is_refused(tmp_path: Path) -> None:
    import duckdb

    source = tmp_path / "in.parquet"
    duckdb.sql(f"COPY (SELECT * FROM (VALUES (1), (2), (NULL)) AS t(x)) TO '{source}' (FORMAT parquet)")
    loaded = loaded_contract(tmp_path / "c.json", {"x": {**RANGE, "clean": {"whenMissing": {"fill": "mean"}}}})

    with pytest.raises(EnvbuildError, match="cannot be filled with the mean"):
        clean_file(loaded, "t", source, Outputs(tmp_path / "out.parquet"))


def test_bytes_do_not_depend_on_the_number_of_threads(place: Place) -> None:
    rows = "".join(f"{n},{(n * 7919) % 1000 / 7 if n % 5 else 'NA'},{n % 11}\n" for n in range(60_000))
    clean = {"missing": ["NA"], "outliers": "quarantine", "whenMissing": {"fill": "mean"}}
    previous = {"logicalType": "integer", "clean": {"missing": [3], "whenMissing": {"fill": "previous"}}}
    columns = {"n": KEY, "x": {**RANGE, "clean": clean}, "s": previous}

    made = []
    for threads in (1, 4):
        record = place.clean(columns, f"n,x,s\n{rows}17,1,1\n", threads, duplicates="quarantine")
        made.append((record, place.out.read_bytes(), place.aside.read_bytes()))

    assert made[0] == made[1]


def test_penguins_are_cleaned_as_pandas_does(place: Place) -> None:
    import pandas as pd

    spec = importlib.util.find_spec("palmerpenguins")
    assert spec
    assert spec.origin
    source = Path(spec.origin).parent / "data/penguins.csv"
    place.source.write_bytes(source.read_bytes())
    na = {"missing": ["NA"]}
    columns = {
        "bill_length_mm": {"logicalType": "number", "clean": {**na, "whenMissing": {"fill": "median"}}},
        "body_mass_g": {"logicalType": "number", "clean": {**na, "whenMissing": {"fill": "mean"}}},
        "sex": {"logicalType": "string", "clean": {**na, "whenMissing": {"fill": "mode"}}},
    }
    place.clean(columns)

    expected = pd.read_csv(source)
    expected["sex"] = expected["sex"].fillna(expected["sex"].mode()[0])
    for column, value in (("bill_length_mm", "median"), ("body_mass_g", "mean")):
        expected[column] = expected[column].fillna(getattr(expected[column], value)())
    pd.testing.assert_frame_equal(pd.read_csv(place.out), expected.reset_index(drop=True))


def test_a_contract_that_declares_nothing_is_refused(place: Place) -> None:
    with pytest.raises(EnvbuildError, match="declares nothing to be cleaned"):
        place.clean({"x": {**RANGE, "clean": {}}}, "x\n1\n")


def test_rows_are_put_aside_only_where_there_is_a_file_for_them(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("x\n1\n")
    loaded = loaded_contract(tmp_path / "c.json", {"x": {**RANGE, "clean": {"outliers": "quarantine"}}})

    with pytest.raises(EnvbuildError, match="aside") as caught:
        clean_file(loaded, "t", tmp_path / "in.csv", Outputs(tmp_path / "out.csv"))

    assert "--quarantine" in str(caught.value.hint)
    assert not (tmp_path / "out.csv").exists()


def test_no_two_files_are_one(place: Place) -> None:
    for name in ("out", "aside"):
        other = Place(place.folder)
        (place.folder / "link.csv").unlink(missing_ok=True)
        (place.folder / "link.csv").symlink_to(place.source)
        setattr(other, name, place.folder / "link.csv")
        with pytest.raises(EnvbuildError, match="are one file"):
            other.clean({"x": {**RANGE, "clean": {"outliers": "clip"}}}, "x\n1\n")
    assert place.source.read_text() == "x\n1\n"


def test_nothing_is_converted(place: Place) -> None:
    place.out = place.folder / "out.parquet"
    with pytest.raises(EnvbuildError, match="of another format"):
        place.clean({"x": {**RANGE, "clean": {"outliers": "clip"}}}, "x\n1\n")


def test_a_column_that_is_not_there_is_told(place: Place) -> None:
    with pytest.raises(EnvbuildError) as caught:
        place.clean({"x": {**RANGE, "clean": {"outliers": "clip"}}}, "y\n1\n")
    assert "there is no column `x`" in str(caught.value)


def test_what_fails_leaves_nothing_behind(place: Place) -> None:
    place.out.write_text("before")
    columns = {"s": {**TEXT, "logicalTypeOptions": {"pattern": "(?=a)"}, "clean": {"invalid": "quarantine"}}}
    with pytest.raises(EnvbuildError):
        place.clean(columns, "s\na\n")
    assert place.out.read_text() == "before"
    assert sorted(path.name for path in place.folder.iterdir()) == ["c.json", "in.csv", "out.csv"]


@pytest.mark.parametrize(
    ("text", "said"),
    [("", "empty"), ("x,y\n1,2\n3\n", "row 2 has 1 columns"), ("x\n\xff\n", "UTF-8")],
    ids=["empty", "ragged", "encoding"],
)
def test_a_broken_file_is_told_and_nothing_is_written(place: Place, text: str, said: str) -> None:
    place.source.write_bytes(text.encode("latin-1"))
    with pytest.raises(EnvbuildError) as caught:
        place.clean({"x": {**RANGE, "clean": {"outliers": "clip"}}})
    assert said.casefold() in str(caught.value).casefold()
    assert not place.out.exists()


def test_a_header_alone_stays_one(place: Place) -> None:
    record = place.clean({"x": {**RANGE, "clean": {"whenMissing": {"fill": "median"}}}}, "x,y\n")

    assert place.out.read_text() == "x,y\n"
    assert record.columns["x"]["fill"] is None


def test_one_column_keeps_its_missing_rows(place: Place) -> None:
    place.clean({"x": {**RANGE, "clean": {"missing": ["NA"]}}}, "x\n1\nNA\n2\n")
    record = place.clean({"x": {**RANGE, "clean": {"whenMissing": {"fill": 5}}}}, place.out.read_text())

    assert record.input.rows == 3
    assert place.out.read_text().splitlines() == ["x", "1", "5", "2"]
