from __future__ import annotations

import json

import pytest
from google.protobuf import json_format
from in_toto_attestation.predicates.test_result.v0 import test_result_pb2
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement

from builder.errors import EnvbuildError
from builder.records.in_toto import TEST_RESULT
from builder.run.reproduce.check import Check
from builder.run.reproduce.report import Report
from builder.run.reproduce.rerun import parameter_options

CHECKS = (
    Check("image linux/amd64", "same", "", "sha256:" + "1" * 64, "sha256:" + "1" * 64),
    Check("metric accuracy", "different", "it | differs\x1b[2J<b>![x](https://h/i.png)", 0.9, 0.5),
    Check("output model", "different", "not claimed", "a", "b", required=False),
    Check("metric loss", "not measured", "nobody wrote it"),
)


def report(*checks: Check) -> Report:
    return Report("penguins:1.0", "a" * 64, checks, "1.0", "embedded", "amd64", "sha256:" + "b" * 64)


def test_the_report_is_an_in_toto_test_result_of_the_bundle():
    statement = report(*CHECKS).to_statement()
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["subject"] == [{"name": "penguins:1.0", "digest": {"sha256": "a" * 64}}]
    assert statement["predicateType"] == TEST_RESULT
    predicate = statement["predicate"]
    assert predicate["result"] == "FAILED"
    assert predicate["configuration"] == [{"name": "lock", "digest": {"sha256": "b" * 64}}]
    assert predicate["passedTests"] == ["image linux/amd64"]
    assert predicate["warnedTests"] == ["metric loss", "output model"]
    assert predicate["failedTests"] == ["metric accuracy"]
    assert predicate["dev.envbuild.reproduction"]["checks"] == [check.to_dict() for check in CHECKS]
    assert json.loads(report(*CHECKS).to_attachment().data) == statement


def test_in_totos_own_library_reads_the_report():
    statement = report(*CHECKS).to_statement()
    message = json_format.ParseDict(statement, statement_pb2.Statement())
    Statement.copy_from_pb(message).validate()
    result = json_format.ParseDict(statement["predicate"], test_result_pb2.TestResult(), ignore_unknown_fields=True)
    assert (result.result, list(result.failed_tests)) == ("FAILED", ["metric accuracy"])


@pytest.mark.parametrize(("checks", "result"), [(CHECKS[:1], "PASSED"), ((CHECKS[0], CHECKS[3]), "WARNED")])
def test_what_could_not_be_measured_is_no_pass(checks, result):
    assert report(*checks).to_statement()["predicate"]["result"] == result


def test_the_same_result_gives_the_same_bytes():
    assert report(*CHECKS).to_attachment() == report(*CHECKS).to_attachment()


def test_markdown_is_one_table_without_markup_whatever_the_reasons_hold():
    text = report(*CHECKS).to_markdown()
    assert text.startswith("# penguins:1.0: the results are NOT reproduced\n")
    assert "| metric accuracy | DIFFERENT | 0.9 | 0.5 | it \\| differs \\[2J\\<b\\>!\\[x\\](https://h/i.png) |" in text
    assert "| output model | different | a | b |" in text
    assert "\x1b" not in text


def test_recorded_parameters_are_given_as_the_launcher_reads_them():
    defaults = {
        "rate": 0.1,
        "name": "x",
        "deep": True,
        "layers": [1],
        "none": None,
        "group": {"a.b": {"c": 1}},
        "e": {},
    }
    recorded = {
        "rate": 1.0, "name": '"', "deep": False, "layers": [1, 2], "none": "1", "group": {"a.b": {"c": 2}}, "e": {},
    }  # fmt: skip
    assert list(parameter_options(defaults, recorded)) == [
        "rate=1.0", 'name="', "deep=false", "layers=[1, 2]", 'none="1"', "group.a.b.c=2",
    ]  # fmt: skip
    assert list(parameter_options(defaults, defaults)) == []


def test_a_parameter_that_the_command_does_not_have_is_refused():
    with pytest.raises(EnvbuildError, match="`depth`"):
        list(parameter_options({"rate": 1}, {"rate": 1, "depth": 2}))
