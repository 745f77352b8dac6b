"""What Python's own `csv` and `json` write is what is read, value for value: they are the oracle."""

from __future__ import annotations

import csv
import json
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.data.tables import ColumnReading, Database, TableFile

EXAMPLES = settings(
    max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
TEXT = st.text(st.sampled_from("a1é\"',;\t|\n \\#-"), max_size=6)
TABLES = st.integers(1, 4).flatmap(lambda width: st.lists(st.lists(TEXT, min_size=width, max_size=width), max_size=6))


def raw_rows(path: Path, form: str, columns: int) -> list[list[str | None]]:
    """The rows as the file has them; of no guesses."""
    readings = {f"c{number}": ColumnReading() for number in range(columns)}
    with Database.opened({"t": TableFile((path,), form, readings)}) as database:
        return [list(row) for row in database.rows("FROM raw.t")]


@EXAMPLES
@given(TABLES, st.sampled_from(",;\t|"), st.sampled_from(["\n", "\r\n"]))
def test_csv_is_read_as_it_was_written(tmp_path, rows, delimiter, end):
    width = len(rows[0]) if rows else 2
    path = tmp_path / ("t.tsv" if delimiter == "\t" else "t.csv")
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL)
        file.write(delimiter.join(f"c{number}" for number in range(width)) + end)
        writer.writerows(rows)
    if width == 1 and delimiter != "\t":
        return  # nothing tells what parts one column
    assert raw_rows(path, "csv", width) == [[value or None for value in row] for row in rows]


@EXAMPLES
@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6), st.booleans())
def test_json_is_read_as_it_was_written(tmp_path, rows, as_array):
    path = tmp_path / "t.json"
    objects = [{"c0": first, "c1": second} for first, second in rows]
    path.write_text(json.dumps(objects) if as_array else "\n".join(map(json.dumps, objects)))
    assert raw_rows(path, "json", 2) == [list(row) for row in rows]
