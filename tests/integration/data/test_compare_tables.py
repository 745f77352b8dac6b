"""Two files of rows compared, against what was done to one to get the other."""

from __future__ import annotations

import json

import duckdb
import pytest

from builder.cli import invoke
from builder.data.compare.tables import compare_tables
from builder.data.compare.tables_render import markdown_of, text_of
from builder.data.tables import Limits
from builder.errors import EnvbuildError


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A table; and itself with 10 rows gone, 20 new, 7 prices raised, a column more, one less, one of another type."""
    folder = tmp_path_factory.mktemp("pair")
    rows = "SELECT i AS id, i % 3 AS shop, i * 1.5 AS price, ['ok', 'late'][1 + i % 2] AS state, 1 AS gone"
    duckdb.execute(f"COPY ({rows} FROM range(1000) t(i)) TO '{folder}/old.csv'")
    changed = (
        "SELECT i AS id, 'S' || (i % 3) AS shop, i * 1.5 + (i % 100 = 17 AND i < 700)::INT AS price, "
        "['ok', 'late'][1 + i % 2] AS state, 2 AS new"
    )
    duckdb.execute(f"COPY ({changed} FROM range(10, 1020) t(i)) TO '{folder}/new.parquet'")
    return folder / "old.csv", folder / "new.parquet"


def test_columns_that_came_went_or_changed_their_type_are_told(pair):
    found = compare_tables(*pair)
    assert (found.columns_added, found.columns_removed) == ((("new", "INTEGER"),), (("gone", "BIGINT"),))
    retyped = {each.name: (each.before, each.after) for each in found.columns_retyped}
    assert retyped["shop"] == ("BIGINT", "VARCHAR")


def test_rows_are_told_apart_by_their_key(pair):
    rows = compare_tables(*pair, key=["id"]).rows
    assert (rows.added, rows.removed, rows.changed) == (20, 10, 990)
    assert rows.columns == {"shop": 990, "price": 7}
    assert rows.samples["added"] == (("1000",), ("1001",), ("1002",), ("1003",), ("1004",))
    assert rows.samples["removed"][:2] == (("0",), ("1",))


def test_without_a_key_rows_are_counted_as_wholes(tmp_path):
    (tmp_path / "a.csv").write_text("a,b\n" + "1,x\n" * 3 + "2,\n3,z\n")
    (tmp_path / "b.csv").write_text("a,b\n3,z\n" + "1,x\n" * 2 + "2,y\n2,y\n")
    rows = compare_tables(tmp_path / "a.csv", tmp_path / "b.csv").rows
    assert (rows.added, rows.removed, rows.changed) == (2, 2, 0)


def test_the_same_rows_in_another_format_and_order_do_not_differ(pair, tmp_path):
    old, _ = pair
    duckdb.execute(f"COPY (FROM read_csv('{old}') ORDER BY price DESC) TO '{tmp_path}/old.parquet'")
    for key in ([], ["id"]):
        found = compare_tables(old, tmp_path / "old.parquet", key)
        assert not found.differs
        assert found.measures == ()
    assert "nothing differs" in text_of(found)


def test_what_is_told_does_not_depend_on_the_threads(pair):
    first, second = (compare_tables(*pair, ["id"], Limits(threads=threads)) for threads in (1, 4))
    assert text_of(first) == text_of(second)
    assert "share of" not in text_of(first)
    assert "price" in text_of(first)


@pytest.mark.parametrize(
    ("rows", "key", "why"),
    [
        ("1,x\n,y\n,z\n", ["id"], "2 have no key, the first is row 2"),
        ("1,x\n2,y\n1,z\n", ["id"], "1 keys are there twice or more, the first again in row 3"),
        ("1,x\n", ["nothing"], "is not a column of both tables"),
    ],
    ids=["null", "twice", "unknown"],
)
def test_a_key_that_tells_nothing_apart_is_refused(tmp_path, rows, key, why):
    (tmp_path / "a.csv").write_text("id,b\n" + rows)
    (tmp_path / "b.csv").write_text("id,b\n1,x\n")
    with pytest.raises(EnvbuildError, match=why):
        compare_tables(tmp_path / "a.csv", tmp_path / "b.csv", key)


def test_keys_that_are_about_people_are_counted_and_not_shown(tmp_path):
    (tmp_path / "a.csv").write_text("email,b\nann@example.com,1\n")
    (tmp_path / "b.csv").write_text("email,b\nbob@example.com,2\n")
    found = compare_tables(tmp_path / "a.csv", tmp_path / "b.csv", ["email"])
    assert (found.rows.added, found.rows.removed) == (1, 1)
    for text in (text_of(found), markdown_of(found), json.dumps(found.to_dict())):
        assert "@example" not in text


def test_hostile_names_and_values_are_no_markup(tmp_path):
    (tmp_path / "a.csv").write_text("k,<script>|x\n<b>,[a](b)\n")
    (tmp_path / "b.csv").write_text("k,c\n`|<i>,1\n")
    text = markdown_of(compare_tables(tmp_path / "a.csv", tmp_path / "b.csv", ["k"]))
    for unescaped in ("| <script>", " <b> ", "[a](", " `"):
        assert unescaped not in text


def test_the_command_prints_a_table_json_and_markdown_and_exits_3_only_if_asked(pair, capsys):
    def run(*options):
        code = invoke(["data", "diff", *map(str, pair), "--key", "id", *options])
        return code, capsys.readouterr().out

    code, out = run()
    assert code == 0
    assert "removed    10  0, 1, 2, 3, 4" in out
    assert json.loads(run("--json")[1])["rows"]["changed"] == 990
    assert run("--markdown")[1].startswith("# ")
    assert run("--exit-code")[0] == 3
