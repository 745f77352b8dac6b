"""How long data take to be checked and described, and how much memory: against the same figures asked of DuckDB."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from cases_interface import Line, Setting, each, seconds, timed
from measuring import Sample, median, rounds, run

_MEMORY = 500e6
_CSV_ROWS = 19_600_000
"""Of about 1 GB."""
_PARQUET_ROWS = 34_000_000
"""Of about 1 GB, as DuckDB writes it without compression."""
_PROFILE_ROWS, _PROFILE_COLUMNS = 10_000_000, 100
_SHOPS = ("north", "south", "east", "west")
_ORDERS = f"""SELECT i AS id, DATE '2020-01-01' + (hash(i) % 1500)::INTEGER AS day,
    {list(_SHOPS)}[(1 + hash(i, 1) % 4)::INTEGER] AS shop,
    (hash(i, 2) % 100000) / 100 AS price, (hash(i, 3) % 50)::INTEGER AS amount,
    CASE WHEN hash(i, 4) % 10 > 0 THEN (hash(i, 4) % 90)::INTEGER END AS age,
    printf('%c%c-%05d', 65 + (hash(i, 5) % 26)::INTEGER, 65 + (hash(i, 6) % 26)::INTEGER, hash(i, 7) % 100000) AS code,
    hash(i, 8) % 2 = 0 AS paid"""
_TYPES = {
    "id": "integer", "day": "date", "shop": "string", "price": "number", "amount": "integer", "age": "integer",
    "code": "string", "paid": "boolean",
}  # fmt: skip
_DUCKDB = {"integer": "BIGINT", "date": "DATE", "string": "VARCHAR", "number": "DOUBLE", "boolean": "BOOLEAN"}
_AGGREGATES = (
    *(f"count(*) FILTER ({name} IS NULL)" for name in ("id", "day", "shop", "price", "amount", "code", "paid")),
    "count(*) FILTER (id < 0)", "count(*) FILTER (price < 0)", "count(*) FILTER (price > 1000)",
    "count(*) FILTER (amount < 0)", "count(*) FILTER (amount > 49)", "count(*) FILTER (age < 0)",
    "count(*) FILTER (age > 89)", "count(*) FILTER (day < DATE '2020-01-01')",
    "count(*) FILTER (day > DATE '2024-12-31')",
    f"count(*) FILTER (shop NOT IN {_SHOPS})", "count(*) FILTER (NOT regexp_full_match(code, '[A-Z]{2}-[0-9]{5}'))",
    "100.0 * count(*) FILTER (age IS NULL) / count(*)", "count(*)",
)  # fmt: skip
"""Of the contract's twenty rules, in one query."""
_ASK = """import duckdb, sys
connection = duckdb.connect(config={"memory_limit": "300MB"})
print(connection.execute(sys.argv[1]).fetchall())
"""


def data(setting: Setting) -> Iterator[Line]:
    """Twenty rules over 1 GB of Parquet and of CSV, a profile of 100 columns, and a small file from start to exit."""
    folder = setting.space.folder / "data"
    folder.mkdir(exist_ok=True)
    contract = _contract(folder)
    yield from _small(setting, folder, contract)
    for path, rows in ((folder / "orders.parquet", _PARQUET_ROWS), (folder / "orders.csv", _CSV_ROWS)):
        yield from _rules(
            setting, _made(path, f"{_ORDERS} FROM range({int(rows * setting.data_share)}) t(i)"), contract
        )
    yield from _profile(setting, folder)


def _small(setting: Setting, folder: Path, contract: Path) -> Iterator[Line]:
    path = _made(folder / "few.csv", f"{_ORDERS} FROM range(1000) t(i)")
    check = partial(_check, setting, path, contract)
    check()
    yield timed("`data check` of a small file", rounds({"small": check}, setting.runs)["small"], 0.6)


def _rules(setting: Setting, path: Path, contract: Path) -> Iterator[Line]:
    size, kind = path.stat().st_size / 1e9, path.suffix[1:]
    subjects = {
        "check": partial(_check, setting, path, contract, watch=True),
        "query": partial(run, [sys.executable, "-c", _ASK, _query(path)], dict(os.environ)),
    }
    found = rounds(subjects, setting.slow_runs)
    times = median(found["check"]) / median(found["query"])
    what = f"`data check`, 20 rules over {size:.1f} GB of {kind}"
    value = f"{seconds(found['check'])}: {times:.1f} times as long as one query"
    yield Line(what, value, "at most 2 times", times <= 2, each(found["check"]))
    yield Line(
        f"the same aggregates as one query of DuckDB, {kind}", seconds(found["query"]), seconds=each(found["query"])
    )
    yield _peak(f"the memory of that check, {kind}", found["check"])


def _profile(setting: Setting, folder: Path) -> Iterator[Line]:
    rows = int(_PROFILE_ROWS * setting.data_share)
    columns = [f"(hash(i, {number}) % 1000) / {1 + number % 7} AS c{number}" for number in range(_PROFILE_COLUMNS - 20)]
    columns += [f"'v' || hash(i, {number}) % {number - 70} AS c{number}" for number in range(80, _PROFILE_COLUMNS)]
    path = _made(folder / "wide.parquet", f"SELECT {', '.join(columns)} FROM range({rows}) t(i)")
    made = folder / "profile.json"
    profile = partial(setting.space.envbuild, "data", "profile", str(path), "-o", str(made), watch=True)
    found = [profile()]
    what = f"`data profile` of {_PROFILE_COLUMNS} columns and {rows:,} rows"
    yield Line(what, seconds(found), seconds=each(found))
    yield _peak("the memory that it takes", found)


def _check(setting: Setting, path: Path, contract: Path, watch: bool = False) -> Sample:
    table = f"orders={path}"
    return setting.space.envbuild("data", "check", "--contract", str(contract), "--data", table, watch=watch)


def _peak(what: str, samples: list[Sample]) -> Line:
    peak = max(sample.peak for sample in samples)
    return Line(what, f"{peak / 1e6:.0f} MB", f"under {_MEMORY / 1e6:.0f} MB", peak < _MEMORY)


def _query(path: Path) -> str:
    types = {name: _DUCKDB[type_] for name, type_ in _TYPES.items()}
    source = f"read_csv('{path}', columns = {types}, header = true)" if path.suffix == ".csv" else f"'{path}'"
    return f"SELECT {', '.join(_AGGREGATES)} FROM {source}"


def _made(path: Path, query: str) -> Path:
    """A file of a query's rows, kept for the next time."""
    import duckdb

    mark = path.with_name(path.name + ".query")
    if not path.exists() or not mark.exists() or mark.read_text("utf-8") != query:
        form = "FORMAT parquet, COMPRESSION uncompressed" if path.suffix == ".parquet" else "FORMAT csv"
        with duckdb.connect(config={"memory_limit": "2GB"}) as connection:
            connection.execute(f"COPY ({query}) TO '{path}' ({form})")
        mark.write_text(query, "utf-8")
    return path


def _contract(folder: Path) -> Path:
    """Twenty rules; JSON is YAML."""
    options = {
        "id": {"minimum": 0},
        "price": {"minimum": 0, "maximum": 1000},
        "amount": {"minimum": 0, "maximum": 49},
        "age": {"minimum": 0, "maximum": 89},
        "day": {"minimum": "2020-01-01", "maximum": "2024-12-31"},
        "code": {"pattern": "[A-Z]{2}-[0-9]{5}"},
    }
    quality = {
        "shop": [{"metric": "invalidValues", "arguments": {"validValues": list(_SHOPS)}, "mustBe": 0}],
        "age": [{"metric": "nullValues", "unit": "percent", "mustBeLessThan": 50}],
    }
    properties = [
        {
            "name": name,
            "logicalType": type_,
            "required": name != "age",
            "logicalTypeOptions": options.get(name, {}),
            "quality": quality.get(name, []),
        }
        for name, type_ in _TYPES.items()
    ]
    table = {"name": "orders", "properties": properties, "quality": [{"metric": "rowCount", "mustBeGreaterThan": 0}]}
    document = {"apiVersion": "v3.1.0", "kind": "DataContract", "id": "orders", "version": "1.0.0", "status": "active"}
    path = folder / "orders.yaml"
    path.write_text(json.dumps({**document, "schema": [table]}, indent=1), "utf-8")
    return path
