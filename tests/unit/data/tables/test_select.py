"""A query of a contract only asks."""

from __future__ import annotations

import duckdb
import pytest

from builder.data.tables.select import written


def found(query):
    with duckdb.connect() as connection:
        return written(connection.execute("SELECT json_serialize_sql(?)", [query]).fetchone()[0])


@pytest.mark.parametrize(
    "query",
    [
        "SELECT 1",
        "FROM t",
        "VALUES (1)",
        "SELECT 1 UNION SELECT 2",
        "WITH RECURSIVE a AS (SELECT 1 UNION ALL SELECT 1 FROM a) FROM a",
        "WITH a AS MATERIALIZED (SELECT 1) SELECT (SELECT max(b) FROM c) FROM a",
    ],
)
def test_what_only_asks_is_taken(query):
    assert found(query) == ""


@pytest.mark.parametrize(
    ("query", "kind"),
    [
        ("WITH a AS (INSERT INTO t VALUES (1) RETURNING *) FROM a", "INSERT"),
        ("SELECT (WITH a AS (DELETE FROM t RETURNING *) SELECT max(b) FROM a)", "DELETE"),
        ("FROM (WITH a AS (UPDATE t SET b = 1 RETURNING *) FROM a)", "UPDATE"),
        ("WITH a AS (COPY (SELECT 1) TO 'file') FROM a", "COPY"),
        ("DROP TABLE t", "something else"),
    ],
    ids=["insert", "delete", "update", "copy", "drop"],
)
def test_what_writes_is_found_wherever_it_stands(query, kind):
    assert found(query) == kind
