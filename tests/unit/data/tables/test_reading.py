"""What a value must look like to be of a type; what does not is NULL, and counted, never bent."""

from __future__ import annotations

import datetime as dt

import duckdb
import pytest

from builder.data.tables.files import ColumnReading
from builder.data.tables.reading import misfit, typed


@pytest.fixture(scope="module")
def connection():
    with duckdb.connect() as opened:
        opened.execute("SET TimeZone = 'UTC'")
        yield opened


def read(connection, value, stored, reading):
    column = f"CAST(? AS {stored}) AS x"
    query = f"SELECT {typed('x', stored, reading)}, {misfit('x', stored, reading)} FROM (SELECT {column})"
    return connection.execute(query, [value]).fetchone()


DAY = dt.date(2020, 1, 2)
NOON = dt.datetime.fromisoformat("2020-01-02T12:00:00")
FITTING = [
    ("HUGEINT", "12", 12),
    ("HUGEINT", " -7 ", -7),
    ("HUGEINT", "3.0", 3),
    ("HUGEINT", "99999999999999999999999", 99999999999999999999999),
    ("DOUBLE", "1e3", 1000.0),
    ("DOUBLE", "inf", float("inf")),
    ("BOOLEAN", "True", True),
    ("BOOLEAN", "no", False),
    ("DATE", "2020-01-02", DAY),
    ("DATE", "2020-01-02 00:00:00", DAY),
    ("TIMESTAMP", "2020-01-02", dt.datetime.fromisoformat("2020-01-02")),
    ("TIMESTAMP", "2020-01-02T12:00:00Z", NOON),
    ("TIMESTAMP", "2020-01-02 14:00:00+02:00", NOON),
    ("TIMESTAMP", "2020-01-02 14:00+02", NOON),
    ("TIME", "12:30", dt.time(12, 30)),
]
NOT_FITTING = [
    ("HUGEINT", "1.5"),
    ("HUGEINT", "1e3"),
    ("HUGEINT", "1_000"),
    ("HUGEINT", "0x1F"),
    ("HUGEINT", "9" * 60),
    ("HUGEINT", "x"),
    ("DOUBLE", "1,5"),
    ("DOUBLE", "1_0"),
    ("BOOLEAN", "2"),
    ("DATE", "2020-01-02 10:00"),
    ("DATE", "2020-13-01"),
    ("DATE", "02.01.2020"),
    ("DATE", "2020/01/02"),
    ("DATE", "epoch"),
    ("TIMESTAMP", "infinity"),
    ("TIMESTAMP", "12:00"),
    ("TIME", "2020-01-02 10:00"),
]


@pytest.mark.parametrize(("type_", "text", "value"), FITTING)
def test_a_text_that_fits_is_its_value(connection, type_, text, value):
    assert read(connection, text, "VARCHAR", ColumnReading(type_)) == (value, False)


@pytest.mark.parametrize(("type_", "text"), NOT_FITTING)
def test_a_text_that_does_not_fit_is_nothing_and_counted(connection, type_, text):
    assert read(connection, text, "VARCHAR", ColumnReading(type_)) == (None, True)


@pytest.mark.parametrize(
    ("stored", "value", "type_", "wanted"),
    [
        ("DOUBLE", 1.5, "HUGEINT", (None, True)),
        ("DOUBLE", 2.0, "HUGEINT", (2, False)),
        ("DOUBLE", float("nan"), "HUGEINT", (None, True)),
        ("BIGINT", 5, "HUGEINT", (5, False)),
        ("BIGINT", 2, "BOOLEAN", (None, True)),
        ("BIGINT", 1, "BOOLEAN", (True, False)),
        ("TIMESTAMP", NOON, "DATE", (None, True)),
        ("BIGINT", 5, "TIMESTAMP", (None, True)),
        ("JSON", '"12"', "HUGEINT", (12, False)),
    ],
)
def test_a_stored_value_is_not_bent(connection, stored, value, type_, wanted):
    assert read(connection, value, stored, ColumnReading(type_)) == wanted


@pytest.mark.parametrize(
    ("stored", "value", "type_"),
    [
        ("VARCHAR", "-999", "HUGEINT"),
        ("VARCHAR", "-999.0", "DOUBLE"),
        ("VARCHAR", "n/a", "DOUBLE"),
        ("VARCHAR", "n/a", "VARCHAR"),
        ("BIGINT", -999, "HUGEINT"),
        ("DOUBLE", -999.0, "DOUBLE"),
        ("DOUBLE", float("nan"), "DOUBLE"),
        ("DECIMAL(9,2)", -999, "DOUBLE"),
    ],
)
def test_what_is_declared_missing_is_missing_in_text_and_in_numbers(connection, stored, value, type_):
    reading = ColumnReading(type_, ("-999", "n/a", "NaN"))
    assert read(connection, value, stored, reading) == (None, False)


def test_a_long_integer_beside_the_declared_one_is_kept(connection):
    reading = ColumnReading("HUGEINT", ("9007199254740992",))
    assert read(connection, 9007199254740993, "BIGINT", reading) == (9007199254740993, False)


@pytest.mark.parametrize(
    ("stored", "value", "format_", "wanted"),
    [
        ("VARCHAR", "02.01.2020", "%d.%m.%Y", (DAY, False)),
        ("VARCHAR", "31.02.2020", "%d.%m.%Y", (None, True)),
        ("VARCHAR", "2020-01-02", "%d.%m.%Y", (None, True)),
        ("INTEGER", 20200102, "%Y%m%d", (DAY, False)),
        ("VARCHAR", "02.01.2020 10:00 Z", "%d.%m.%Y %H:%M %z", (DAY, False)),
    ],
)
def test_a_date_of_a_declared_format_is_read_in_that_alone(connection, stored, value, format_, wanted):
    assert read(connection, value, stored, ColumnReading("DATE", (), format_)) == wanted
