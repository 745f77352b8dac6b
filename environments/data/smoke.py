"""What this environment must be able to do; run inside its image."""

import tempfile
from pathlib import Path

import duckdb
import polars as pl
import pyarrow.parquet as pq

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "sales.parquet"
    frame = pl.DataFrame({"shop": ["a", "b", "a"], "sum": [1.5, 2.0, 2.5]})
    frame.write_parquet(path)
    assert pq.read_table(path).num_rows == 3
    found = duckdb.sql(f"select shop, sum(sum) as total from '{path}' group by shop order by shop").fetchall()
    assert found == [("a", 4.0), ("b", 2.0)], found
    lazily = pl.scan_parquet(path).group_by("shop").agg(pl.col("sum").sum()).sort("shop").collect()
    assert lazily.rows() == found
print("data: ok")
