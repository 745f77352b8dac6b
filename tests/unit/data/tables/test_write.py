"""A table that is written: the rows in their order, the same bytes whatever the threads, whole or not at all."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from builder.data.tables import ColumnReading, Database, Limits, QueryError, TableFile, format_of
from builder.data.tables.write import write_table
from builder.errors import EnvbuildError

ROWS = 150_000


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("rows") / "in.csv"
    lines = (f'{number},{number / 8},"a, ""{number % 7}"""\n' for number in range(ROWS))
    path.write_text("n,x,t\n" + "".join(lines))
    return path


def written(source: Path, target: Path, query: str = "SELECT * FROM t", threads: int = 2, **options: bool) -> int:
    file = TableFile((source,), format_of(source), {"x": ColumnReading("DOUBLE")})
    with Database.opened({"t": file}, Limits(threads=threads)) as database:
        return write_table(database, query, target, **options)


@pytest.mark.parametrize("suffix", ["csv.gz", "jsonl", "parquet", "arrow"])
def test_bytes_do_not_depend_on_the_number_of_threads(source: Path, tmp_path: Path, suffix: str) -> None:
    one, three = tmp_path / f"one.{suffix}", tmp_path / f"three.{suffix}"
    query = "SELECT * FROM t WHERE t <> 'a, \"3\"'"

    rows = [written(source, target, query, threads) for target, threads in ((one, 1), (three, 3))]

    assert rows[0] == rows[1] == ROWS - len(range(3, ROWS, 7))
    assert one.read_bytes() == three.read_bytes()


@pytest.mark.parametrize("suffix", ["csv.zst", "tsv", "jsonl", "parquet"])
def test_rows_keep_their_order_and_their_values(source: Path, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"out.{suffix}"
    written(source, target)

    with Database.opened({"t": TableFile((target,), format_of(target))}) as database:
        query = "SELECT count(*), bool_and(n::INT = r - 1 AND x::DOUBLE = n::INT / 8) FROM "
        assert database.row(query + "(SELECT *, row_number() OVER () AS r FROM t)") == (ROWS, True)


def test_an_arrow_file_is_read_by_pyarrow(source: Path, tmp_path: Path) -> None:
    import pyarrow.ipc

    written(source, tmp_path / "out.arrow")

    with pyarrow.ipc.open_file(tmp_path / "out.arrow") as reader:
        table = reader.read_all()
    assert table.column("n").to_pylist() == list(range(ROWS))


def test_text_in_csv_stays_as_it_was(source: Path, tmp_path: Path) -> None:
    written(source, tmp_path / "out.csv", "SELECT n, t FROM raw.t LIMIT 2")

    assert (tmp_path / "out.csv").read_text() == 'n,t\n0,"a, ""0"""\n1,"a, ""1"""\n'


def test_a_private_file_is_for_its_owner_alone(source: Path, tmp_path: Path) -> None:
    written(source, tmp_path / "out.csv", private=True)

    assert stat.S_IMODE((tmp_path / "out.csv").stat().st_mode) == 0o600


@pytest.mark.parametrize("suffix", ["csv", "parquet", "arrow"])
def test_a_query_that_fails_leaves_the_file_as_it_was(source: Path, tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"out.{suffix}"
    target.write_text("before")

    with pytest.raises(QueryError):
        written(source, target, "SELECT CASE WHEN n = '140000' THEN error('no') END AS e FROM t")

    assert target.read_text() == "before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_is_not_there_is_an_error(source: Path, tmp_path: Path) -> None:
    with pytest.raises(EnvbuildError, match="cannot be written"):
        written(source, tmp_path / "none" / "out.csv")
