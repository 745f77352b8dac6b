"""What is written of a scan: the record inside, the statement to attach, SARIF; read strictly."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement

from builder.errors import CheckFailedError, EnvbuildError
from builder.oci.digest import Digest
from builder.records.in_toto import TEST_RESULT
from builder.records.scan.finding import MOST, FileVerdict, Finding, first
from builder.records.scan.report import Report, joined, make_report
from builder.records.scan.statement import (
    recorded_allowances,
    recorded_scan,
    sarif,
    scan_attachment,
    scan_record,
    stated_scan,
)
from builder.spec.project import Allowance

LEAK = Finding("github-token", "high", "a token of GitHub", 3)
UNKNOWN = Finding("pickle-unknown-import", "medium", "loading it uses `a.B`", None, "data.pkl", "a.B")
ONE_ADDRESS = Finding("personal-email", "low", "email addresses: 1", 2, "column mail")
ALLOWANCE = Allowance("pickle-unknown-import", "model/**", "made by us")
SUBJECTS = {"penguins:1": Digest.of(b"a")}


def report(*allowances: Allowance) -> Report:
    verdicts = [FileVerdict((LEAK, ONE_ADDRESS)), FileVerdict((UNKNOWN,), ("secrets: it is no text",))]
    return make_report(verdicts, ["src/a.py", "model/m.pt"], {"code": (1, 10), "model": (1, 20)}, allowances)


def statement(what: Report) -> dict[str, Any]:
    return json.loads(scan_attachment(what, SUBJECTS).data)


def test_the_most_serious_comes_first_and_levels_count_what_nothing_allows() -> None:
    made = report(ALLOWANCE)
    assert [one.finding.level for one in made.found] == ["high", "medium", "low"]
    assert made.levels == {"high": 1, "medium": 0, "low": 1}
    assert [one.finding.rule for one in made.stopping] == ["github-token"]
    assert report().levels == {"high": 1, "medium": 1, "low": 1}


def test_a_stop_tells_where_what_and_what_to_do() -> None:
    with pytest.raises(CheckFailedError) as caught:
        report().check("it must not go")
    assert caught.value.why == (
        "src/a.py:3: a token of GitHub (`github-token`, high)",
        "model/m.pt (data.pkl): loading it uses `a.B` (`pickle-unknown-import`, medium)",
    )
    assert "revoke it" in (caught.value.hint or "")
    report(ALLOWANCE, Allowance("github-token", "src/a.py", "x")).check("it may go")


def test_many_findings_are_told_by_their_number() -> None:
    many = [Finding("github-token", "high", "a token", line) for line in range(1, 40)]
    with pytest.raises(CheckFailedError) as caught:
        make_report([FileVerdict(tuple(many))], ["a"], {}).check("x")
    assert caught.value.why[-1] == "19 more of the levels high and medium"
    assert len(first(many * 5)) == 39
    most = first(Finding("a", "low" if line else "high", "b", line) for line in range(1000))
    assert len(most) == MOST + 1
    assert most[-1].message == f"{1000 - MOST} more, the first of them: b"


def test_the_statement_is_an_in_toto_test_result() -> None:
    document = statement(report(ALLOWANCE))
    Statement.copy_from_pb(json_format.ParseDict(document, statement_pb2.Statement())).validate()
    assert document["subject"] == [{"name": "penguins:1", "digest": {"sha256": Digest.of(b"a").hex}}]
    assert document["predicateType"] == TEST_RESULT
    read = test_result_pb2.TestResult()
    json_format.ParseDict(document["predicate"], read, ignore_unknown_fields=True)
    assert (read.result, list(read.failed_tests), list(read.warned_tests)) == (
        "FAILED",
        ["github-token"],
        ["personal-email"],
    )
    assert "private-key" in read.passed_tests
    assert read.configuration[0].name == "https://envbuild.dev/scan/v1"


def test_the_result_is_that_of_the_most_serious_finding() -> None:
    low = make_report([FileVerdict((ONE_ADDRESS,))], ["a"], {})
    results = [statement(one)["predicate"]["result"] for one in (report(), low, Report())]
    assert results == ["FAILED", "WARNED", "PASSED"]


def test_what_a_statement_and_a_record_say_is_read_again() -> None:
    made = report(ALLOWANCE)
    stated = stated_scan(statement(made)["predicate"])
    assert stated is not None
    assert stated.findings == (("high", "github-token in `src/a.py`"), ("low", "personal-email in `src/a.py`"))
    assert stated.not_measured == ("`model/m.pt`: secrets: it is no text",)
    record = scan_record(made, [ALLOWANCE], {"model": "out"})
    assert recorded_scan(record.data) == stated
    assert recorded_allowances(record.data) == ((ALLOWANCE,), {"model": "out"})


@pytest.mark.parametrize(
    "predicate", [None, [], {}, {"configuration": []}, {"configuration": [{"name": "pytest"}]}], ids=str
)
def test_a_test_result_of_another_tool_is_no_scan(predicate: Any) -> None:
    assert stated_scan(predicate) is None


@pytest.mark.parametrize(
    "change",
    [
        {"findings": 5}, {"findings": [5]},
        {"findings": [{"rule": "a", "path": "b", "level": "unheard of", "allowed": False}]},
        {"notMeasured": None}, {"findings": [{"level": "low"}]}, {"notMeasured": [{}]},
    ],
    ids=str,
)  # fmt: skip
def test_a_statement_that_is_not_as_it_should_be_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(EnvbuildError, match="record of a scan"):
        stated_scan(statement(report())["predicate"] | change)


def test_a_finding_is_allowed_only_by_a_plain_true() -> None:
    predicate = statement(report())["predicate"]
    for finding in predicate["findings"]:
        finding["allowed"] = "yes"
    stated = stated_scan(predicate)
    assert stated is not None
    assert len(stated.findings) == 3


def test_sarif_has_rules_places_and_what_is_allowed() -> None:
    (run,) = json.loads(sarif(report(ALLOWANCE), "1.0"))["runs"]
    results = run["results"]
    assert [one["level"] for one in results] == ["error", "warning", "note"]
    assert results[0]["locations"][0]["physicalLocation"] == {
        "artifactLocation": {"uri": "src/a.py"}, "region": {"startLine": 3},
    }  # fmt: skip
    assert results[1]["suppressions"] == [{"kind": "external", "justification": "made by us"}]
    assert {one["ruleId"] for one in results} <= {rule["id"] for rule in run["tool"]["driver"]["rules"]}


def test_what_images_of_two_platforms_have_in_common_is_told_once() -> None:
    other = make_report([FileVerdict((LEAK,))], ["arm.py"], {"code": (1, 12)})
    both = joined([report(), report(), other])
    assert [one.finding.path for one in both.found] == ["arm.py", "src/a.py", "model/m.pt", "src/a.py"]
    assert both.scanned == {"code": (1, 12), "model": (1, 20)}
