"""Queries of others see the tables that were opened, and nothing else; and what fails tells no values."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from builder.data.tables import Database, Limits, QueryError, TableError, TableFile

SECRET = "s3cr3t"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("tables")
    (made / "t.csv").write_text(f"a,b\n1,{SECRET}\n2,9223372036854775807\n")
    (made / "other.csv").write_text("a\n1\n")
    return made


@pytest.fixture(scope="module")
def database(folder):
    with Database.opened({"t": TableFile((folder / "t.csv",), "csv")}) as opened:
        yield opened


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM t",
        "FROM t",
        "WITH big AS (SELECT * FROM t WHERE a > 1) SELECT count(*) FROM big;",
        "SELECT a, count(*) FROM t GROUP BY a HAVING count(*) > 1 -- comment",
    ],
)
def test_a_select_is_taken(database, query):
    database.check_query(query)


@pytest.mark.parametrize(
    ("query", "why"),
    [
        ("SELECT 1; SELECT 2", "2 statements"),
        ("", "0 statements"),
        ("-- nothing", "0 statements"),
        ("DELETE FROM t", "DELETE"),
        ("CREATE OR REPLACE VIEW t AS SELECT 1", "CREATE"),
        ("WITH a AS (INSERT INTO t VALUES (1, 2) RETURNING *) SELECT * FROM a", "INSERT"),
        ("WITH a AS (COPY (SELECT 1) TO 'x') SELECT 1", "COPY"),
        ("COPY t TO 'x.csv'", "COPY"),
        ("ATTACH 'x.db'", "ATTACH"),
        ("SET threads = 1", "SET"),
        ("PRAGMA version", "PRAGMA"),
        ("INSTALL httpfs", "LOAD"),
        ("EXPLAIN ANALYZE SELECT 1", "EXPLAIN"),
        ("CALL pragma_version()", "CALL"),
        ("SELECT ?", "parameters"),
        ("SELEC 1", "syntax error"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_anything_else_is_not(database, query, why):
    with pytest.raises(QueryError, match=why):
        database.check_query(query)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_blob('/proc/self/environ')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM parquet_metadata('/etc/passwd')",
        "SELECT * FROM read_csv('{folder}/other.csv')",
        "SELECT * FROM read_csv('{folder}/t.csv/../other.csv')",
        "COPY (SELECT 1) TO '/tmp/taken.csv'",
        "COPY (SELECT 1) TO '{folder}/t.csv'",
        "ATTACH '{folder}/x.db'",
        "EXPORT DATABASE '{folder}/all'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SELECT getenv('HOME')",
        "SET enable_external_access = true",
        "RESET allowed_paths",
        "CREATE SECRET s (TYPE s3)",
        "SELECT * FROM folder",
        "SELECT * FROM query('COPY (SELECT 1) TO ''x''')",
    ],
)
def test_no_other_file_is_reached_even_unchecked(database, folder, query):
    before = sorted(folder.iterdir())
    with pytest.raises(QueryError):
        database.rows(query.format(folder=folder))
    assert sorted(folder.iterdir()) == before
    assert (folder / "t.csv").read_text().startswith("a,b\n")


@pytest.mark.parametrize(
    "query",
    [
        "WITH RECURSIVE a(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM a) SELECT max(i) FROM a",
        "SELECT count(*) FROM range(1000000) a(i), range(1000000) b(j) WHERE i * j % 7 = sqrt(i)",
    ],
    ids=["recursive", "cross join"],
)
def test_a_query_that_does_not_end_is_stopped_and_the_next_one_runs(database, query):
    database.check_query(query)
    with pytest.raises(QueryError, match=r"longer than 0.2 s"):
        database.rows(query, seconds=0.2)
    assert database.row("SELECT count(*) FROM t") == (2,)


def test_a_regular_expression_takes_time_in_proportion_to_its_text(database):
    query = "SELECT regexp_matches(repeat('a', 100000), '^(a+)+$'), regexp_matches(repeat('a', 9999) || 'b', '(a*)*c')"
    assert database.row(query, seconds=30) == (True, False)


@pytest.mark.parametrize(
    ("pattern", "why"),
    [("(?=x)", r"invalid perl operator: \(\?="), (r"(a)\1", r"invalid escape sequence"), ("(", r"missing \)")],
)
def test_an_expression_that_is_not_re2s_says_so(database, pattern, why):
    with pytest.raises(QueryError, match=f"not one of RE2 .{why}.*no lookahead"):
        database.rows(f"SELECT count(*) FROM t WHERE regexp_matches(b, '{pattern}')")


@pytest.mark.parametrize(
    "query",
    [
        "SELECT b::INTEGER FROM t",
        "SELECT b::DATE FROM t",
        "SELECT b::UUID FROM t",
        "SELECT strptime(b, '%Y') FROM t",
        "SELECT error(b) FROM t",
        "SELECT ('\\x' || b)::BLOB FROM t",
        "SELECT b::INTERVAL FROM t",
        "SELECT date_trunc(b, now()::TIMESTAMP) FROM t",
        "SELECT regexp_matches('x', '(?' || b) FROM t",
        "SELECT from_json('{' || b, '\"JSON\"') FROM t",
        "SELECT format(b || '{x}', 1) FROM t",
        "SELECT map([b, b], [1, 2]) FROM t",
        "SELECT b::ENUM('x') FROM t",
    ],
)
def test_a_failure_tells_no_value_of_the_data(database, query):
    with pytest.raises(QueryError) as raised:
        database.rows(query)
    assert SECRET not in str(raised.value)
    assert SECRET not in "".join(raised.value.why)


def test_a_number_that_grows_too_large_tells_no_value(database):
    with pytest.raises(QueryError, match="beyond what its type holds") as raised:
        database.rows("SELECT b::BIGINT + 1 FROM t WHERE a = 2")
    assert "9223372036854775807" not in str(raised.value)


def test_a_broken_file_tells_no_value(tmp_path):
    for name, form, text in (
        ("t.csv", "csv", f"a,b\n1,2\n{SECRET},3,4\n"),
        ("t.jsonl", "json", f'{{"a": {SECRET}}}\n'),
        ("u.jsonl", "json", f'{{"{SECRET}": 1, "{SECRET}": 1}}\n'),
    ):
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(TableError) as raised, Database.opened({"t": TableFile((path,), form)}) as database:
            database.rows("FROM t")
        assert SECRET not in f"{raised.value} {raised.value.why} {raised.value.hint}"


@pytest.mark.parametrize("name", ["it's.csv", "a b.csv", "*.csv", "[x].csv", "?.csv", "{a,b}.csv", 'q"q.csv', "é.csv"])
def test_a_files_name_is_taken_literally(tmp_path, name):
    (tmp_path / "x.csv").write_text("a\n9\n")
    (tmp_path / "a.csv").write_text("a\n9\n")
    (tmp_path / name).write_text("a\n1\n")
    with Database.opened({"t": TableFile((tmp_path / name,), "csv")}) as database:
        assert database.rows("FROM t") == [(1,)]


def test_names_of_tables_and_columns_are_taken_literally(tmp_path):
    name = 'a"b; DROP TABLE x'
    (tmp_path / "t.csv").write_text('"it\'s ""x""",b\n1,2\n')
    with Database.opened({name: TableFile((tmp_path / "t.csv",), "csv")}) as database:
        assert [column.name for column in database.tables[name].columns] == ['it\'s "x"', "b"]
        assert database.rows(f"FROM {database.misfits(name, database.tables[name].columns[0].name)}") == []


def test_a_query_beyond_the_memory_says_so(database, folder):
    files = {"t": TableFile((folder / "t.csv",), "csv")}
    with (
        Database.opened(files, Limits(memory=30 << 20)) as small,
        pytest.raises(QueryError, match="more memory than it may take"),
    ):
        small.rows("SELECT list(i::VARCHAR || repeat('x', 100)) FROM range(2000000) t(i)")


def test_two_queries_can_be_asked_at_once(database):
    first = database.each("SELECT i FROM range(5000) t(i)")
    assert next(first) == (0,)
    assert database.row("SELECT count(*) FROM t") == (2,)
    assert sum(1 for _ in first) == 4999


def test_nothing_is_left_behind_also_on_errors(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "bad.arrow").write_bytes(b"ARROW1")
    with pytest.raises(QueryError), Database.opened({"t": TableFile((folder / "t.csv",), "csv")}) as opened:
        opened.rows("SELECT nothing")
    with pytest.raises(TableError), Database.opened({"t": TableFile((tmp_path / "bad.arrow",), "arrow")}):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["bad.arrow"]


def test_a_link_is_followed(folder, tmp_path):
    link = Path(tmp_path / "t.csv")
    link.symlink_to(folder / "other.csv")
    with Database.opened({"t": TableFile((link,), "csv")}) as opened:
        assert opened.rows("FROM t") == [(1,)]


@pytest.mark.parametrize("names", [["a", "a"], ["a", "b", "A"]])
def test_a_column_of_parquet_that_stands_twice_is_not_two(tmp_path, names):
    import pyarrow as pa
    import pyarrow.parquet as parquet_files

    parquet_files.write_table(pa.table([pa.array([-1]) for _ in names], names=names), tmp_path / "t.parquet")
    with (
        pytest.raises(TableError, match=f"the column `{names[-1]}` stands twice"),
        Database.opened({"t": TableFile((tmp_path / "t.parquet",), "parquet")}),
    ):
        pass


def test_parts_of_columns_may_be_named_as_other_ones(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as parquet_files

    table = pa.table({"a": [{"a": {"b": 1}, "b": 2}], "b": [[{"a": 1}]], "c": [1]})
    parquet_files.write_table(table, tmp_path / "t.parquet")
    with Database.opened({"t": TableFile((tmp_path / "t.parquet",), "parquet")}) as database:
        assert [each.name for each in database.tables["t"].columns] == ["a", "b", "c"]


def test_temporary_files_take_no_more_than_half_of_what_is_free(database):
    (size,) = database.row("SELECT current_setting('max_temp_directory_size')")
    assert size.endswith("iB"), "it is a share of the disk"
