"""Files of rows as people have them, good and bad: each is read whole, or refused with what is wrong and where."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pytest
import zstandard

from builder.data.tables import ColumnReading, Database, TableError, TableFile, format_of, table_paths
from builder.errors import EnvbuildError


def rows_of(path: Path, query: str = "FROM t", **options) -> list[tuple]:
    with Database.opened({"t": TableFile(table_paths(path), format_of(path), **options)}) as database:
        return database.rows(query)


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.write_bytes(content)
    return path


def made(query: str, path: Path) -> Path:
    duckdb.execute(f"COPY ({query}) TO '{path}'").close()
    return path


TWO = [(1, "é"), (2, "ü")]
TEXT = "a,b\n1,é\n2,ü\n"
ZSTD = zstandard.ZstdCompressor()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("comma.csv", TEXT.encode()),
        ("semicolon.csv", TEXT.replace(",", ";").encode()),
        ("tab.tsv", TEXT.replace(",", "\t").encode()),
        ("bar.csv", TEXT.replace(",", "|").encode()),
        ("mark.csv", TEXT.encode("utf-8-sig")),
        ("utf16le.csv", b"\xff\xfe" + TEXT.encode("utf-16-le")),
        ("utf16be.csv", b"\xfe\xff" + TEXT.encode("utf-16-be")),
        ("crlf.csv", TEXT.replace("\n", "\r\n").encode()),
        ("cr.csv", TEXT.replace("\n", "\r").encode()),
        ("open.csv", TEXT.rstrip().encode()),
        ("packed.csv.gz", gzip.compress(TEXT.encode())),
        ("frames.csv.zst", ZSTD.compress(TEXT[:6].encode()) + ZSTD.compress(TEXT[6:].encode())),
        ("lines.jsonl", '{"a": 1, "b": "é"}\n\n{"a": 2, "b": "ü"}'.encode()),
        ("array.json", '\n[{"a": 1, "b": "é"}, {"a": 2, "b": "ü"}]\n'.encode()),
        ("packed.jsonl.zst", ZSTD.compress('{"a": 1, "b": "é"}\n{"a": 2, "b": "ü"}\n'.encode())),
        ("utf16.jsonl", '{"a": 1, "b": "é"}\n{"a": 2, "b": "ü"}\n'.encode("utf-16")),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_one_table_is_the_same_however_it_is_written(tmp_path, name, content):
    assert rows_of(put(tmp_path, name, content)) == TWO


def test_latin_1_is_read_where_it_is_declared(tmp_path):
    path = put(tmp_path, "t.csv", TEXT.encode("latin-1"))
    assert rows_of(path, encoding="latin-1") == TWO


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("empty.csv", b"", "it is empty"),
        ("empty.jsonl", b" \n", "it is empty"),
        ("empty.parquet", b"", "start is not that of a Parquet"),
        ("empty.arrow", b"", "damaged, or cut"),
        ("wide.csv", b"a,b\n1,2\n\n3,4,5\n", "row 3 has 3 columns, not 2"),
        ("narrow.csv", b"a,b\n1,2\n3\n", "row 2 has 1 columns, not 2"),
        ("late.csv", b"a,b\n" + b"1,2\n" * 30000 + b"1,2,3\n", "row 30001 has 3 columns, not 2"),
        ("quote.csv", b'a,b\n1,"x\n2,3\n', "row 1 has a quote that is not closed"),
        ("after.csv", b'a,b\n1,"x"y\n2,3\n', "row 1 has a quote that is not closed, or text after one"),
        ("ends.csv", b"a,b\n1,2\n3,4\r\n", "line 3 ends in CR LF, those before it in LF"),
        ("latin.csv", b"a\n" + b"x\n" * 600000 + b"\xe9\n", "line 600002 is not UTF-8"),
        ("twice.csv", b"a,b,a\n1,2,3\n", "the column `a` stands twice"),
        ("unnamed.csv", b",a\n0,1\n", "column 1 has no name"),
        ("nul.csv", b"a,b\n1,\x00\n", "line 2 has a NUL byte"),
        ("long.csv", b"a,b\n1," + b"x" * 3000000 + b"\n", "does not end within|longer than 2 MB"),
        ("plain.csv.gz", b"a,b\n1,2\n", "not a gzip stream"),
        ("plain.csv.zst", b"a,b\n1,2\n", "not a zstd stream"),
        ("broken.jsonl", b'{"a": 1}\n{"a": \n{"a": 3}\n', "line 2 is not JSON"),
        ("cut.jsonl", b'{"a": 1}\n{"a": 2}\n{"a"', "line 3 is not JSON"),
        ("twice.jsonl", b'{"a": 1, "a": 2}\n', "line 1 has a key twice"),
        ("list.jsonl", b'{"a": 1}\n[1, 2]\n', "rows are not objects"),
        ("bytes.jsonl", b'{"a": "\xe9"}\n', "line 1 is not JSON: invalid UTF-8"),
        ("deep.jsonl", b'{"a": ' + b"[" * 5000 + b"]" * 5000 + b"}\n", "nested more than 128 times"),
        ("cut.json", b'[{"a": 1}, {"a": 2},', "its array does not end"),
        ("text.parquet", b"a,b\n1,2\n", "start is not that of a Parquet"),
        ("locked.parquet", b"PARE" + bytes(100) + b"PARE", "it is encrypted"),
        ("text.arrow", b"a,b\n1,2\n", "damaged, or cut"),
        ("old.feather", b"FEA1" + bytes(100), "Feather's first version"),
    ],
    ids=lambda value: value if isinstance(value, str) and "." in value else "",
)
def test_a_bad_file_is_refused_with_what_is_wrong_and_where(tmp_path, name, content, why):
    with pytest.raises(TableError, match=why) as raised:
        rows_of(put(tmp_path, name, content), "SELECT count(COLUMNS(*)) FROM t")
    assert name in str(raised.value)


def packed(kind: str, tmp_path: Path) -> bytes:
    rows = "".join(f"{number},{number * 7919 % 1000003}\n" for number in range(100_000)).encode()
    if kind == "csv.gz":
        return gzip.compress(b"a,b\n" + rows)
    if kind == "csv.zst":
        return ZSTD.compress(b"a,b\n" + rows)
    if kind == "parquet":
        return made("SELECT i AS a, i * 7 AS b FROM range(100000) t(i)", tmp_path / "whole.parquet").read_bytes()
    table, sink = pa.table({"a": list(range(100_000))}), io.BytesIO()
    new = pa.ipc.new_file if kind == "arrow" else pa.ipc.new_stream
    with new(sink, table.schema) as writer:
        writer.write_table(table, max_chunksize=10_000)
    return sink.getvalue()


@pytest.mark.parametrize("kind", ["csv.gz", "csv.zst", "parquet", "arrow", "ipc"])
@pytest.mark.parametrize("share", [0.5, 0.99], ids=["half", "end"])
def test_a_cut_file_is_never_read_as_if_it_were_whole(tmp_path, kind, share):
    content = packed(kind, tmp_path)
    path = put(tmp_path, f"t.{kind}", content[: int(len(content) * share)])
    with pytest.raises(TableError, match=r"cut|its end is not"):
        rows_of(path, "SELECT count(*) FROM t")


def test_a_stream_that_stops_between_two_batches_is_cut(tmp_path):
    path = put(tmp_path, "t.arrow", packed("ipc", tmp_path)[:-8])
    with pytest.raises(TableError, match="no end mark: it may be cut"):
        rows_of(path)


def test_a_damaged_page_of_parquet_is_the_files_fault_and_not_the_querys(tmp_path):
    content = bytearray(packed("parquet", tmp_path))
    content[1000:3000] = b"\xff" * 2000
    with pytest.raises(TableError, match="its content is damaged"):
        rows_of(put(tmp_path, "t.parquet", bytes(content)), "SELECT sum(a), sum(b) FROM t")


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.feather"])
def test_a_table_without_rows_is_a_table(tmp_path, name):
    path = tmp_path / name
    if name == "t.feather":
        pyarrow.feather.write_feather(pa.table({"a": pa.array([], pa.int64())}), path)
    else:
        made("SELECT 1 AS a WHERE false", path)
    with Database.opened({"t": TableFile((path,), format_of(path))}) as database:
        assert database.total("t") == 0
        assert [column.name for column in database.tables["t"].columns] == ["a"]


def test_two_hundred_columns_of_quotes_are_one_row(tmp_path):
    names = [f"c{number}" for number in range(200)]
    path = put(tmp_path, "t.csv", (",".join(names) + "\n" + ",".join(['"""\n"""'] * 200) + "\n").encode())
    assert rows_of(path) == [('"\n"',) * 200]


def test_columns_that_nobody_declared_are_what_their_first_rows_look_like(tmp_path):
    text = "i,big,f,d,t,b,zip,none,mixed\n" + (
        "1,99999999999999999999,1.5,2020-01-02,2020-01-02T10:00:00Z,true,00123,,1\n" * 2
        + "2,1,nan,2020-01-03,2020-01-02,FALSE,10115,,x\n"
    )
    path = put(tmp_path, "t.csv", text.encode())
    with Database.opened({"t": TableFile((path,), "csv")}) as database:
        types = {column.name: column.type for column in database.tables["t"].columns}
        stored = {column.stored for column in database.tables["t"].columns}
    assert " ".join(types.values()) == "BIGINT HUGEINT DOUBLE DATE TIMESTAMP BOOLEAN VARCHAR VARCHAR VARCHAR"
    assert stored == {"VARCHAR"}


def test_what_does_not_fit_is_listed_with_its_row_and_as_it_stands(tmp_path):
    rows = [*map(str, range(1, 12_001)), "none", "-999", "12.5"]
    path = put(tmp_path, "t.csv", ("a,b\n" + "".join(f"{each},{each}\n" for each in rows)).encode())
    file = TableFile((path,), "csv", {"a": ColumnReading("HUGEINT", ("-999",))})
    with Database.opened({"t": file}) as database:
        assert database.rows(f"SELECT _row, value FROM {database.misfits('t', 'a')}") == [
            (12_001, "none"),
            (12_003, "12.5"),
        ]
        assert database.rows(f"SELECT count(*) FROM {database.misfits('t', 'b')}") == [(2,)]
        assert database.row("SELECT count(a), count(b), min(a) FROM t") == (12_000, 12_001, 1)


def test_integers_of_json_keep_their_digits(tmp_path):
    path = put(tmp_path, "t.jsonl", b'{"a": 12345678901234567890123}\n{"a": 1.5}\n{"a": 1e50}\n')
    file = TableFile((path,), "json", {"a": ColumnReading("HUGEINT")})
    with Database.opened({"t": file}) as database:
        assert database.rows("FROM t") == [(12345678901234567890123,), (None,), (None,)]
        assert [row for row, _ in database.rows(f"FROM {database.misfits('t', 'a')}")] == [2, 3]


def test_a_key_or_a_type_that_comes_late_in_json_is_seen(tmp_path):
    path = put(tmp_path, "t.jsonl", b'{"a": 1}\n' * 30_000 + b'{"a": "x", "b": {"c": [1]}}\n')
    assert rows_of(path, "SELECT count(a), count(b), count(b.c) FROM t") == [(30_001, 1, 1)]


def test_several_files_are_one_table_in_the_order_of_their_names(tmp_path):
    for name in ("b", "a", "c"):
        put(tmp_path, f"{name}.csv", f"k,v\n{name},1\n".encode())
    put(tmp_path, "_SUCCESS", b"")
    assert rows_of(tmp_path.joinpath("[ab].csv"), "SELECT k FROM t") == [("a",), ("b",)]
    files = TableFile(table_paths(tmp_path), "csv")
    with Database.opened({"t": files}) as database:
        assert database.rows(f"SELECT _row, k FROM {database.numbered('t')}") == [(1, "a"), (2, "b"), (3, "c")]


def test_no_file_of_a_folder_is_passed_over(tmp_path):
    put(tmp_path, "a.csv", b"k\n1\n")
    (tmp_path / "deep/_parts").mkdir(parents=True)
    put(tmp_path, "deep/b.csv", b"k\n2\n")
    put(tmp_path, "deep/_parts/c.csv", b"k\n3\n")
    assert [path.name for path in table_paths(tmp_path)] == ["a.csv", "b.csv"]
    put(tmp_path, "c.csv.bz2", b"BZh")
    with pytest.raises(EnvbuildError, match=r"c\.csv\.bz2` is no table that is read"):
        table_paths(tmp_path)


@pytest.mark.parametrize(
    ("first", "second", "why"),
    [
        ("a,b\n1,2\n", "a,c\n1,2\n", "`b` is missing, `c` is only here"),
        ("a,b\n1,2\n", "b,a\n1,2\n", "stand in another order"),
        ("a,b\n1,2\n", "a;b\n1;2\n", "parted by"),
    ],
    ids=["names", "order", "delimiter"],
)
def test_files_of_differing_columns_are_not_one_table(tmp_path, first, second, why):
    put(tmp_path, "1.csv", first.encode())
    put(tmp_path, "2.csv", second.encode())
    with pytest.raises(TableError, match=why):
        Database.opened({"t": TableFile(table_paths(tmp_path), "csv")}).__enter__()


def test_parquet_files_of_differing_types_are_not_one_table(tmp_path):
    made("SELECT 1 AS a, 2 AS b", tmp_path / "1.parquet")
    made("SELECT 1 AS a, 'x' AS b", tmp_path / "2.parquet")
    with pytest.raises(TableError, match="its columns differ: `b`"):
        rows_of_all(tmp_path)


def rows_of_all(folder: Path) -> None:
    with Database.opened({"t": TableFile(table_paths(folder), "parquet")}):
        pass


def test_a_folders_name_is_no_column(tmp_path):
    folder = tmp_path / "year=2020"
    folder.mkdir()
    assert rows_of(made("SELECT 1 AS a", folder / "t.parquet")) == [(1,)]


@pytest.mark.parametrize("name", ["t.txt", "t", "t.parquet.gz"])
def test_a_name_of_no_format_is_refused(tmp_path, name):
    with pytest.raises(EnvbuildError, match="is no table that is read"):
        table_paths(put(tmp_path, name, b"a"))


def test_a_file_that_is_not_there_is_said(tmp_path):
    with pytest.raises(TableError, match="No such file"):
        rows_of(tmp_path / "t.csv")


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl", "arrow"])
@pytest.mark.parametrize("threads", [1, 4])
def test_rows_have_their_number_in_the_file_whatever_the_threads(tmp_path, kind, threads):
    from builder.data.tables import Limits

    rows = "SELECT i AS a, 'xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx' AS b FROM range(400000) t(i)"
    path = tmp_path / f"t.{kind}"
    if kind == "arrow":
        pyarrow.feather.write_feather(duckdb.sql(rows).to_arrow_table(), path)
    else:
        duckdb.execute(f"COPY ({rows}) TO '{path}' (FORMAT {kind.removesuffix('l')})")
    with Database.opened({"t": TableFile((path,), format_of(path))}, Limits(threads=threads)) as database:
        numbered = database.numbered("t")
        assert database.row(f"SELECT count(*) FILTER (_row <> a + 1), max(_row) FROM {numbered}") == (0, 400_000)
        assert database.rows(f"SELECT _row FROM {numbered} WHERE a % 150000 = 149999 LIMIT 2") == [
            (150_000,),
            (300_000,),
        ]
