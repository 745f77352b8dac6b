"""Tables larger than the memory that is allowed: 2 GB are counted, grouped, numbered and compared in 500 MB."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

MOST = 500 << 20
ROWS = 25_000_000
"""Of about 2 GB as CSV."""
_ROWS = (
    "SELECT i AS id, md5(i::VARCHAR) AS text, (i * 7919 % 1000003) / 100 AS number, "
    "DATE '2020-01-01' + (i % 3000)::INTEGER AS day, hash(i) AS big FROM range({}) t(i)"
)
_CHILD = """
import sys
from pathlib import Path
from builder.data.tables import ColumnReading, Database, TableFile, format_of

path = Path(sys.argv[1])
readings = {"id": ColumnReading("HUGEINT"), "number": ColumnReading("DOUBLE"), "day": ColumnReading("DATE")}
with Database.opened({"t": TableFile((path,), format_of(path), readings)}) as database:
    rows = database.total("t")
    print(database.row("SELECT count(DISTINCT id), count(DISTINCT text), min(day), max(number), count(big) FROM t"))
    print(database.row(f"SELECT max(_row) FROM {database.numbered('t')} WHERE id >= 0"))
    print(database.row(f"SELECT count(*) FROM {database.misfits('t', 'number')}"))
    print(sum(1 for _ in database.each("SELECT id, text FROM t LIMIT 3000000")))
status = Path("/proc/self/status").read_text()
print(rows, int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) << 10)
"""


@pytest.mark.parametrize("name", ["t.csv", "t.parquet"])
def test_two_gigabytes_take_less_than_half_of_one(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with duckdb.connect(config={"memory_limit": "1GB"}) as connection:
        form = "FORMAT csv" if name.endswith("csv") else "FORMAT parquet, COMPRESSION uncompressed"
        connection.execute(f"COPY ({_ROWS.format(ROWS)}) TO '{path}' ({form})")
    assert path.stat().st_size > 1.5e9
    made = subprocess.run([sys.executable, "-c", _CHILD, str(path)], capture_output=True, text=True, check=True)
    rows, peak = map(int, made.stdout.splitlines()[-1].split())
    assert rows == ROWS
    assert f"({ROWS}, {ROWS}," in made.stdout
    assert peak < MOST
