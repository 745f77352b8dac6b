"""Reports: what decides the exit code, what may be seen, and the formats that others read."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest
from data_contracts import contract

from builder.data.check.render import FORMATS, rendered
from builder.errors import CheckFailedError, ExitCode, NotMeasuredError

SECRET = "Käthe-4711"
HOSTILE = "<script>alert(1)</script> | `x` \x1b[31m]]>"


def unique(**keys: object) -> dict[str, object]:
    return {"name": "v", "logicalType": "string", "unique": True, **keys}


@pytest.mark.parametrize(
    ("rules", "code"),
    [
        ([("rowCount", "error", 1)], ExitCode.OK),
        ([("rowCount", "error", 2)], ExitCode.CHECK_FAILED),
        ([("rowCount", "warning", 2)], ExitCode.OK),
        ([("rowCount", "info", 2)], ExitCode.OK),
        ([("rowCount", "blocker", 2)], ExitCode.CHECK_FAILED),
        ([("nullValues", "error", 0)], ExitCode.NOT_MEASURED),
        ([("nullValues", "warning", 0)], ExitCode.OK),
        ([("nullValues", "error", 0), ("rowCount", "error", 2)], ExitCode.CHECK_FAILED),
    ],
)
def test_the_worst_rule_that_counts_decides(check, rules, code) -> None:
    quality = [{"metric": metric, "severity": severity, "mustBe": value} for metric, severity, value in rules]
    report = check(contract([{"name": "v"}], quality=quality), {"t.csv": "v\n1\n"})
    assert report.exit_code == code
    if code != ExitCode.OK:
        with pytest.raises(CheckFailedError if code == ExitCode.CHECK_FAILED else NotMeasuredError):
            report.check()


@pytest.mark.parametrize(
    "more",
    [{"classification": "restricted"}, {"customProperties": [{"property": "privacyRole", "value": "identifier"}]}],
    ids=["class", "role"],
)
def test_values_that_are_for_nobody_are_in_no_report_and_no_reason(check, more) -> None:
    quality = [
        {"type": "sql", "query": f"SELECT {query}", "mustBe": 0}
        for query in ("max(length(v)) FROM t", "sum(v::INT) FROM t", "v FROM t", "error(v) FROM t")
    ]
    limits = {"maxLength": 3, "pattern": "^x", "format": "email"}
    enum = [{"value": "a"}]
    column = unique(**more, logicalTypeOptions=limits, enum=enum, quality=quality)
    other = {"name": "w", "relationships": [{"to": "t.v"}]}
    pair = {"metric": "duplicateValues", "arguments": {"properties": ["v", "w"]}, "mustBe": 0}
    report = check(contract([column, other], quality=[pair]), {"t.csv": f"v,w\n{SECRET},1\n{SECRET},1\n"})
    texts = [rendered([report], form) for form in FORMATS] + [str(report.failure(ExitCode.CHECK_FAILED))]
    assert "***" in texts[0]
    assert not any("4711" in text for text in texts)
    lengths = next(each for each in report.outcomes if each.kind == "sql")
    assert (lengths.status, lengths.measured) == ("violated", "***")


def test_a_count_of_confidential_rows_is_told(check) -> None:
    query = "SELECT count(*) FROM t WHERE v = 'a'"
    column = unique(classification="confidential", quality=[{"type": "sql", "query": query, "mustBe": 0}])
    assert check(contract([column]), {"t.csv": "v\na\n"}).outcomes[-1].measured == 1


def test_a_query_of_a_table_that_names_a_confidential_column_is_masked(check) -> None:
    quality = [{"type": "sql", "query": "SELECT max(pay) FROM t", "mustBe": 0}]
    column = {"name": "pay", "logicalType": "integer", "classification": "confidential"}
    report = check(contract([column], quality=quality), {"t.csv": "pay\n471100\n"})
    assert report.outcomes[-1].measured == "***"
    assert "471100" not in rendered([report], "json")


def test_the_same_data_give_the_same_bytes(check) -> None:
    rows = "".join(f"{number % 1000},{number / 7}\n" for number in range(50_000))
    columns = [{"name": "a", "logicalType": "integer", "unique": True}, {"name": "b", "logicalType": "number"}]
    quality = [{"type": "sql", "query": "SELECT sum(b) FROM t", "mustBe": 0}]
    texts = {rendered([check(contract(columns, quality=quality), {"t.csv": "a,b\n" + rows})], "json") for _ in range(3)}
    assert len(texts) == 1


def test_json_has_no_folder_of_this_machine(check, tmp_path) -> None:
    report = check(contract([unique()]), {"t.csv": "v\na\na\n"})
    text = rendered([report], "json")
    assert str(tmp_path) not in text
    (found,) = json.loads(text)["contracts"]
    assert found["counts"] == {"violated": 1, "not-evaluated": 0, "passed": 2, "told": 0}
    (outcome,) = [each for each in found["outcomes"] if each["status"] == "violated"]
    assert outcome["samples"] == [{"row": 1, "value": "a"}, {"row": 2, "value": "a"}]
    assert (outcome["violations"], outcome["rows"], outcome["share"]) == (2, 2, 100.0)


def test_junit_has_a_suite_for_a_table_and_a_case_for_a_rule(check) -> None:
    quality = [
        {"type": "text", "description": "x"},
        {"metric": "rowCount", "mustBe": 9, "severity": "warning"},
        {"type": "custom", "engine": "soda", "implementation": "x"},
    ]
    report = check(contract([unique()], quality=quality), {"t.csv": "v\na\na\n"})
    root = ET.fromstring(rendered([report], "junit"))
    assert root.tag == "testsuites"
    assert {key: root.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "6", "failures": "1", "errors": "1", "skipped": "2",
    }  # fmt: skip
    (suite,) = root
    assert [case.tag for case in suite] == ["testcase"] * 6
    assert all(case.get("name") and case.get("classname") == "shop.t" for case in suite)
    assert "row 1: a" in str(suite.findtext("testcase/failure"))


@pytest.mark.parametrize("form", FORMATS)
def test_hostile_texts_are_no_markup(check, form) -> None:
    column = {**unique(), "logicalTypeOptions": {"maxLength": 2}, "quality": [
        {"type": "sql", "query": "SELECT 1", "mustBe": 0, "name": HOSTILE}
    ]}  # fmt: skip
    text = rendered([check(contract([column]), {"t.jsonl": json.dumps({"v": HOSTILE}) + "\n"})], form)
    if form == "junit":
        found = ET.fromstring(text)
        assert "<script>" in "".join(found.itertext())
        assert "\\x1b" in "".join(found.itertext())
    elif form == "json":
        outcomes = {each["kind"]: each for each in json.loads(text)["contracts"][0]["outcomes"]}
        assert outcomes["maxLength"]["samples"][0]["value"] == HOSTILE
        assert "\x1b" not in text
    elif form == "markdown":
        assert "<script>" not in text
        assert "\x1b" not in text
        rows = [line for line in text.splitlines() if line.startswith("|")]
        assert {line.replace("\\|", "").count("|") for line in rows} == {5}
    else:
        assert "row 1:" in text
