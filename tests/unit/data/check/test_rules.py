"""Each kind of rule: which rows are not as they should be, and what is not evaluated."""

from __future__ import annotations

import json
import resource
import sys

import pyarrow as pa
import pyarrow.feather as feather_files
import pyarrow.parquet as parquet_files
import pytest
from data_contracts import contract

INTEGER, NUMBER, TEXT, DATE = ({"logicalType": name} for name in ("integer", "number", "string", "date"))

TWICE = {"arguments": {"properties": ["a", "b"]}}


def options(logical_type: str, **limits: object) -> dict[str, object]:
    return {"logicalType": logical_type, "logicalTypeOptions": limits}


def rule(**keys: object) -> dict[str, object]:
    return {"logicalType": "string", "quality": [{"mustBe": 0, **keys}]}


@pytest.mark.parametrize(
    ("kind", "column", "values", "rows"),
    [
        ("type", INTEGER, "1|+2|3.0|4.5|x||1e3", [4, 5, 7]),
        ("type", INTEGER, "9223372036854775808|170141183460469231731687303715884105727|" + "9" * 50, [3]),
        ("type", NUMBER, "1|-2.5e3|1;5|nan|inf", [3]),
        ("type", {"logicalType": "boolean"}, "true|False|maybe", [3]),
        ("type", DATE, "2026-11-24|24.11.2026|11/24/2026|2026-13-01", [2, 3, 4]),
        ("required", {**INTEGER, "required": True}, "1||x", [2]),
        ("minimum", options("number", minimum=0), "-1|0|nan|inf||oops", [1, 3]),
        ("maximum", options("number", maximum=10), "10|10.5|nan|inf|-inf", [2, 3, 4]),
        ("exclusiveMinimum", options("integer", exclusiveMinimum=0), "0|1", [1]),
        ("exclusiveMaximum", options("number", exclusiveMaximum=1), "1|0.9|nan", [1, 3]),
        ("minimum", options("date", minimum="2026-01-01"), "2025-12-31|2026-01-01", [1]),
        ("maximum", options("timestamp", maximum="2026-01-01T12:00:00"), "2026-01-01 12:00:01|2026-01-01", [1]),
        ("multipleOf", options("integer", multipleOf=5), "10|-5|0|12", [4]),
        ("multipleOf", options("number", multipleOf=0.01), "0.29|0.295|1e300|inf", [2, 4]),
        ("minLength", options("string", minLength=2), "ab|a|é|éa|", [2, 3]),
        ("maxLength", options("string", maxLength=1), "a|ab", [2]),
        ("pattern", options("string", pattern="^a|z$"), "abc|xyz|mid|", [3]),
        ("format", options("string", format="email"), "a@b.de|a@b|@b|a b@c.de", [3, 4]),
        ("format", options("string", format="uuid"), "123e4567-e89b-12d3-a456-426614174000|123e4567", [2]),
        ("format", options("string", format="ipv4"), "127.0.0.1|256.1.1.1|1.2.3", [2, 3]),
        ("format", options("string", format="ipv6"), "::1|2001:db8::ff00:42:8329|1:2:3|:::|::ffff:1.2.3.4", [3, 4]),
        ("format", options("string", format="hostname"), "example.org|-a.org|a_b", [2, 3]),
        ("format", options("string", format="uri"), "https://example.org/a?b#c|example.org|mailto:a@b", [2]),
        ("format", options("integer", format="u8"), "0|255|256|-1", [3, 4]),
        ("format", options("integer", format="i8"), "-128|127|128", [3]),
        ("enum", {**TEXT, "enum": [{"value": "a"}, {"value": "b"}]}, "a|b|c||A", [3, 5]),
        ("enum", {**INTEGER, "enum": [{"value": 1}, {"value": 2}]}, "1|2.0|3", [3]),
        ("nullValues", rule(metric="nullValues"), "a||c", [2]),
        ("missingValues", rule(metric="missingValues", arguments={"missingValues": [None, "-"]}), "a||-", [2, 3]),
        ("invalidValues", rule(metric="invalidValues", arguments={"validValues": ["a", "b"]}), "a|c||b", [2]),
        ("invalidValues", rule(metric="invalidValues", arguments={"pattern": "^[ab]$"}), "a|c||ab", [2, 4]),
    ],
)  # fmt: skip
def test_rows_that_break_a_rule_are_counted_and_named_in_order(outcome, kind, column, values, rows) -> None:
    found = outcome(kind, column, values)
    assert [sample.row for sample in found.samples] == rows
    assert (found.violations, found.status) == (len(rows), "violated" if rows else "passed")


@pytest.mark.parametrize(
    ("kind", "column", "reason"),
    [
        ("pattern", options("string", pattern=r"(a)\1"), "not one of RE2"),
        ("pattern", options("string", pattern="(?=a)b"), "not one of RE2"),
        ("pattern", options("string", pattern="(((a{100}){100}){100}){100}"), "not one of RE2"),
        ("format", options("string", format="isbn"), "`isbn` is not known"),
        ("minimum", options("date", minimum="soon"), "`soon` is no value of the type DATE"),
        ("custom", rule(type="custom", engine="soda", implementation="x", mustBe=None), "`soda` is not evaluated here"),
        ("sql", rule(type="sql", query="DROP VIEW t"), "has to be a SELECT"),
        ("sql", rule(type="sql", query="SELECT 1; SELECT 2"), "2 statements"),
        ("sql", rule(type="sql", query="SELEKT 1"), "syntax error"),
        ("sql", rule(type="sql", query="SELECT count(*) FROM read_csv('/etc/passwd')"), "Permission"),
        ("sql", rule(type="sql", query="SELECT nothing FROM t"), "nothing"),
        ("sql", rule(type="sql", query="SELECT id FROM t"), "several rows"),
        ("sql", rule(type="sql", query="SELECT 1, 2"), "2 columns"),
        ("sql", rule(type="sql", query="SELECT 'a'"), "no number"),
        ("sql", rule(type="sql", query="SELECT sum(id::INT) FROM t WHERE false"), "no value"),
        ("sql", rule(type="sql", query="SELECT 'nan'::DOUBLE", mustBe=None, mustNotBe=5), "no number"),
    ],
)
def test_a_rule_that_cannot_be_evaluated_is_no_pass(outcome, kind, column, reason) -> None:
    found = outcome(kind, column, "aa|b")
    assert found.status == "not-evaluated"
    assert reason in found.reason


def test_a_bad_rule_harms_no_other(check) -> None:
    columns = [
        {"name": "v", **options("string", pattern="(?=x)", minLength=2)},
        {"name": "w", "quality": [{"type": "sql", "query": "SELECT sum(v::INT) FROM t", "mustBe": 0}]},
    ]
    report = check(contract(columns, quality=[{"metric": "rowCount", "mustBe": 2}]), {"t.csv": "v,w\na,1\nbb,2\n"})
    statuses = {each.kind: each.status for each in report.outcomes if each.kind not in ("present", "type")}
    assert statuses == {
        "pattern": "not-evaluated", "minLength": "violated", "sql": "not-evaluated", "rowCount": "passed",
    }  # fmt: skip
    assert report.exit_code == 3


def test_a_query_that_takes_too_long_is_stopped_and_harms_no_other(check) -> None:
    endless = "SELECT count(*) FROM range(100000000) a, range(100000000) b WHERE a.range * b.range % 7 = 3"
    quality = [{"type": "sql", "query": endless, "mustBe": 0}, {"metric": "rowCount", "mustBe": 1}]
    report = check(contract([{"name": "v"}], quality=quality), {"t.csv": "v\n1\n"}, seconds=0.3)
    slow, count = report.outcomes[-2:]
    assert (slow.status, slow.reason) == ("not-evaluated", "it took longer than 0.3 s")
    assert count.status == "passed"
    assert report.exit_code == 6


@pytest.mark.parametrize(
    ("quality", "status", "measured"),
    [
        ({"metric": "rowCount", "mustBeBetween": [2, 4]}, "passed", 4),
        ({"metric": "rowCount", "mustBeGreaterThan": 4}, "violated", 4),
        ({"metric": "duplicateValues", **TWICE, "mustBe": 0}, "violated", 1),
        ({"metric": "duplicateValues", **TWICE, "mustBe": 50, "unit": "percent"}, "passed", 50),
        ({"type": "sql", "query": "SELECT count(*) FROM ${table} WHERE a = 1", "mustBeLessThan": 4}, "passed", 3),
        ({"type": "sql", "query": "SELECT avg(a) FROM {object};", "mustBe": 1.25}, "passed", 1.25),
        ({"type": "text", "description": "Nobody knows."}, "told", None),
    ],
)  # fmt: skip
def test_rules_of_a_table(check, quality, status, measured) -> None:
    columns = [{"name": "a", **INTEGER}, {"name": "b", **TEXT}]
    report = check(contract(columns, quality=[quality]), {"t.csv": "a,b\n1,x\n1,x\n1,\n2,x\n"})
    found = report.outcomes[-1]
    assert (found.status, found.measured) == (status, measured)


def test_a_share_is_of_all_rows(outcome) -> None:
    column = {"quality": [{"metric": "nullValues", "mustBeLessThan": 30, "unit": "percent"}]}
    found = outcome("nullValues", column, "a||c|d")
    assert (found.measured, found.unit, found.violations, found.status) == (25.0, "percent", 1, "passed")


def test_a_query_of_a_column_has_its_name_in_the_file(outcome) -> None:
    query = "SELECT count(*) FROM ${table} WHERE ${column} > 1 OR {property} IS NULL"
    column = {
        **INTEGER,
        "name": "value",
        "physicalName": "v",
        "quality": [{"type": "sql", "query": query, "mustBe": 2}],
    }
    assert outcome("sql", column, "1|2|").status == "passed"


def test_values_that_are_there_twice(outcome) -> None:
    found = outcome("unique", {**INTEGER, "unique": True}, "7|8|7|||9|9|9")
    assert (found.measured, found.violations) == (2, 5)
    assert [(sample.row, sample.value) for sample in found.samples] == [
        (1, "7"),
        (3, "7"),
        (6, "9"),
        (7, "9"),
        (8, "9"),
    ]


def test_a_key_of_two_columns_has_no_part_missing_and_is_there_once(check) -> None:
    columns = [
        {"name": "b", **INTEGER, "primaryKey": True, "primaryKeyPosition": 2},
        {"name": "a", **INTEGER, "primaryKey": True, "primaryKeyPosition": 1},
    ]
    report = check(contract(columns), {"t.csv": "a,b\n1,1\n1,2\n1,1\n,3\n"})
    by_kind = {(each.kind, each.column): each for each in report.outcomes}
    assert by_kind["primaryKey", "a"].status == "violated"
    assert by_kind["primaryKey", "b"].status == "passed"
    twice = by_kind["primaryKeyUnique", "a, b"]
    assert [(sample.row, sample.value) for sample in twice.samples] == [(1, "1, 1"), (3, "1, 1")]


OTHER = {"name": "other", "properties": [{"name": "key", **INTEGER}, {"name": "kind", **TEXT}]}


@pytest.mark.parametrize(
    ("columns", "table", "rows"),
    [
        ([{"name": "a", **INTEGER, "relationships": [{"to": "other.key"}]}, {"name": "b", **TEXT}], {}, [2]),
        (
            [{"name": "a", **INTEGER}, {"name": "b", **TEXT}],
            {"relationships": [{"from": ["t.a", "t.b"], "to": ["other.key", "other.kind"]}]},
            [2, 4],
        ),
    ],
    ids=["column", "pair"],
)
def test_values_must_be_in_the_other_table_where_they_are_there(check, columns, table, rows) -> None:
    files = {"t.csv": "a,b\n1,x\n9,x\n,x\n1,y\n", "other.csv": "key,kind\n1,x\n2,y\n"}
    report = check(contract(columns, more=[OTHER], **table), files)
    (found,) = [each for each in report.outcomes if each.kind == "relationship"]
    assert [sample.row for sample in found.samples] == rows
    assert found.status == "violated"


def test_a_reference_to_a_table_that_is_not_here_is_not_evaluated(check) -> None:
    columns = [{"name": "a", **INTEGER, "relationships": [{"to": "other.key"}]}]
    report = check(contract(columns, more=[OTHER]), {"t.csv": "a\n1\n"})
    assert (report.outcomes[-1].status, report.outcomes[-1].reason) == (
        "not-evaluated",
        "the table `other` is not here",
    )


@pytest.mark.parametrize(
    ("level", "status", "measured"),
    [
        ({"property": "freshness", "value": 1, "unit": "d"}, "passed", 43200),
        ({"property": "freshness", "value": 11, "unit": "h"}, "violated", 43200),
        ({"property": "latency", "value": "PT11H59M"}, "violated", 43200),
        ({"property": "retention", "value": 1, "unit": "y"}, "violated", 365 * 86400 + 43200),
        ({"property": "freshness", "value": "soon"}, "not-evaluated", None),
        ({"property": "availability", "value": "99.9"}, "told", None),
    ],
)
def test_service_levels_are_told_by_the_time_that_is_handed_in(outcome, level, status, measured) -> None:
    found = outcome(level["property"], DATE, "2026-11-24|2025-11-24|", sla=[{"element": "t.v", **level}])
    assert (found.status, found.measured) == (status, measured)


def test_how_fresh_a_table_without_rows_is_nobody_knows(check) -> None:
    sla = [{"property": "freshness", "value": 1, "unit": "d", "element": "t.v"}]
    report = check(contract([{"name": "v", **DATE}], sla=sla), {"t.csv": "v\n"})
    assert (report.outcomes[-1].status, report.outcomes[-1].reason) == ("not-evaluated", "there is no value")


def test_columns_that_lack_are_broken_promises_and_others_are_told(check) -> None:
    columns = [{"name": "a", **INTEGER, "required": True}, {"name": "b"}]
    report = check(contract(columns), {"t.csv": "b,c,d\n1,2,3\n"})
    statuses = {(each.column, each.kind): each.status for each in report.outcomes}
    assert statuses["a", "present"] == "violated"
    assert statuses["a", "required"] == statuses["a", "type"] == "not-evaluated"
    assert report.tables[0].extra == ("c", "d")


def test_a_closed_table_has_no_other_columns(check) -> None:
    closed = {"customProperties": [{"property": "closed", "value": True}]}
    report = check(contract([{"name": "b"}], **closed), {"t.csv": "b,c,d\n1,2,3\n"})
    assert (report.outcomes[0].status, report.outcomes[0].reason) == ("violated", "`c`, `d`")


def test_what_stands_for_no_value_is_missing_and_breaks_no_limit(check) -> None:
    clean = [{"property": "clean", "value": {"missing": ["-999", "NA"]}}]
    column = {"name": "v", **options("integer", minimum=0), "required": True, "customProperties": clean}
    report = check(contract([column]), {"t.csv": "v\n1\n-999\nNA\n-1\n"})
    found = {each.kind: [sample.row for sample in each.samples] for each in report.outcomes}
    assert found == {"present": [], "type": [], "required": [2, 3], "minimum": [4]}


def test_a_record_may_lack_what_is_not_required(check) -> None:
    columns = [{"name": "a", **INTEGER}, {"name": "b", **INTEGER}, {"name": "c", **INTEGER, "required": True}]
    report = check(contract(columns), {"t.jsonl": '{"a": 1}\n{"a": 2}\n'})
    statuses = {(each.column, each.kind): each.status for each in report.outcomes}
    assert statuses["b", "present"] == "passed"
    assert statuses["c", "present"] == "violated"


def test_lists_have_lengths(check) -> None:
    columns = [{"name": "v", **options("array", minItems=1, maxItems=2, uniqueItems=True)}]
    rows = "".join(json.dumps({"v": each}) + "\n" for each in ([1], [], [1, 2, 3], [4, 4], None))
    report = check(contract(columns), {"t.jsonl": rows})
    found = {each.kind: [sample.row for sample in each.samples] for each in report.outcomes}
    assert (found["minItems"], found["maxItems"], found["uniqueItems"]) == ([2], [3], [4])


def test_rules_of_parts_are_not_passed_over(check) -> None:
    part = {"name": "p", **options("integer", minimum=0)}
    columns = [{"name": "v", "logicalType": "object", "properties": [part]}]
    report = check(contract(columns), {"t.jsonl": '{"v": {"p": -1}}\n'})
    assert report.outcomes[-1].status == "not-evaluated"
    assert report.exit_code == 6


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_a_file_with_types_has_those_that_are_promised(check, tmp_path, suffix) -> None:
    table = pa.table({"n": [1.0, 2.0, None], "broken": [1.0, 2.5, None], "zip": [1067, 8001, None]})
    path = tmp_path / f"t.{suffix}"
    (parquet_files.write_table if suffix == "parquet" else feather_files.write_feather)(table, path)
    columns = [{"name": "n", **INTEGER}, {"name": "broken", **INTEGER}, {"name": "zip", **TEXT}]
    report = check(contract(columns), {"t": path})
    types = {each.column: each for each in report.outcomes if each.kind == "type"}
    assert [types[name].violations for name in ("n", "broken", "zip")] == [0, 1, 2]
    assert "the file has BIGINT" in types["zip"].text


QUOTED = {"name": 'q,"', "logicalType": "number"}


@pytest.mark.parametrize(
    ("part", "row", "status"),
    [
        ({"logicalType": "integer"}, {"p": "x"}, "not-evaluated"),
        ({"logicalType": "integer"}, {"q": 1}, "not-evaluated"),
        ({"logicalType": "integer"}, {"p": 1}, "passed"),
        ({"logicalType": "array", "items": {"logicalType": "string"}}, {"p": ["a"]}, "passed"),
        ({"logicalType": "array", "items": {"logicalType": "number"}}, {"p": ["a"]}, "not-evaluated"),
        ({"logicalType": "object", "properties": [QUOTED]}, {"p": {'q,"': 1}}, "passed"),
    ],
)  # fmt: skip
def test_types_of_parts_are_told_by_the_type_of_the_file_or_not_at_all(check, part, row, status) -> None:
    columns = [{"name": "v", "logicalType": "object", "properties": [{"name": "p", **part}]}]
    report = check(contract(columns), {"t.jsonl": json.dumps({"v": row}) + "\n"})
    assert [each.status for each in report.outcomes if each.kind == "parts"] == [status]


def test_a_query_of_a_column_that_is_not_what_its_first_rows_are_is_not_evaluated(check) -> None:
    rule = {"type": "sql", "query": "SELECT count(*) FROM ${table} WHERE v > 9", "mustBe": 0}
    other = {"type": "sql", "query": "SELECT count(*) FROM ${table} WHERE id = ''", "mustBe": 0}
    rows = "v,id\n" + "1,a\n" * 10_000
    report = check(contract([{"name": "id"}], quality=[rule, other]), {"t.csv": rows + "1000 kg,a\n"})
    asked = [(each.status, each.reason) for each in report.outcomes if each.kind == "sql"]
    reason = "1 value of `v` is not of the type BIGINT, as the first rows are, and the contract does not say its type"
    assert asked == [("not-evaluated", reason), ("passed", "")]


@pytest.mark.parametrize(
    "query", ["SELECT #2 FROM t", "SELECT max(COLUMNS('a.e')) FROM t", "SELECT struct_extract_at(t, 2) FROM t"]
)
def test_a_query_that_does_not_name_a_confidential_column_does_not_tell_its_value(check, query) -> None:
    columns = [{"name": "id"}, {"name": "age", "logicalType": "integer", "classification": "restricted"}]
    rule = {"type": "sql", "query": query, "mustBe": 0}
    report = check(contract(columns, quality=[rule]), {"t.csv": "id,age\na,4711\n"})
    assert [each.measured for each in report.outcomes if each.kind == "sql"] == ["***"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds what a process takes")
@pytest.mark.parametrize(
    "query", ["SELECT length(repeat('x', 3000000000))", "SELECT len(range(400000000)) FROM ${table}"]
)
def test_a_query_that_makes_huge_values_is_stopped_and_no_other_rule_is(check, query) -> None:
    before = resource.getrlimit(resource.RLIMIT_DATA)
    rules = [{"type": "sql", "query": each, "mustBe": 1} for each in (query, "SELECT count(*) FROM t")]
    report = check(contract([{"name": "v"}], quality=rules), {"t.csv": "v,w\n1,2\n"}, seconds=20)
    asked = [(each.status, each.reason) for each in report.outcomes if each.kind == "sql"]
    reason = "it needs more memory than it may take, or room for temporary files"
    assert asked == [("not-evaluated", reason), ("passed", "")]
    assert resource.getrlimit(resource.RLIMIT_DATA) == before
