from __future__ import annotations

import copy
from typing import Any

import pytest

from builder.errors import ExitCode
from builder.run.reproduce.check import Check, exit_code
from builder.run.reproduce.compare import compare_metrics, compare_outputs, compare_runs

SHA = "a" * 64
RUN = {
    "command": "train", "params": {"rate": 0.1}, "seed": 7, "arguments": ["--fast"], "data": {"x": {"sha256": SHA}},
    "lock": "sha256:1", "code": "sha256:2", "exit_code": 0, "metrics": {"accuracy": 0.9},
    "outputs": {"model": {"digest": "sha256:3", "files": [["w", SHA, 1]], "size": 1}}, "machine": "x86_64",
}  # fmt: skip
COMMAND = {"outputs": ["model"], "deterministic": True, "tolerances": {}}


def changed(**values: Any) -> dict[str, Any]:
    return {**copy.deepcopy(RUN), **values}


def outcomes(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.outcome for check in checks if check.outcome != "same"}


def test_the_same_run_is_the_same_in_everything():
    checks = compare_runs(RUN, RUN, COMMAND)
    assert outcomes(checks) == {}
    assert [check.name for check in checks] == [
        "lock", "code", "parameters", "seed", "arguments", "data x", "metric accuracy", "output model",
    ]  # fmt: skip
    assert exit_code(checks) is ExitCode.OK


@pytest.mark.parametrize(
    ("values", "name"),
    [
        ({"lock": "sha256:9"}, "lock"),
        ({"code": "sha256:9"}, "code"),
        ({"params": {"rate": 0.2}}, "parameters"),
        ({"seed": 8}, "seed"),
        ({"arguments": []}, "arguments"),
        ({"data": {"x": {"sha256": "b" * 64}}}, "data x"),
        ({"data": {}}, "data x"),
        ({"metrics": None}, "metric accuracy"),
        ({"outputs": {}}, "output model"),
    ],
)
def test_each_difference_has_its_name_and_fails(values, name):
    checks = compare_runs(RUN, changed(**values), COMMAND)
    assert outcomes(checks) == {name: "different"}
    assert exit_code(checks) is ExitCode.CHECK_FAILED


def test_a_run_of_mounted_code_cannot_be_held_against_packed_code():
    checks = compare_runs(changed(code=None), RUN, COMMAND)
    assert outcomes(checks) == {"code": "not measured"}
    assert exit_code(checks) is ExitCode.NOT_MEASURED


def test_another_processor_is_told_and_fails_nothing():
    checks = compare_runs(RUN, changed(machine="aarch64"), COMMAND)
    assert outcomes(checks) == {"processor": "different"}
    assert exit_code(checks) is ExitCode.OK


def test_a_command_that_fails_this_time_is_different_whatever_it_left():
    checks = compare_runs(RUN, changed(exit_code=137, signal="SIGKILL"), COMMAND)
    assert outcomes(checks) == {"run train": "different"}
    assert "SIGKILL" in checks[-1].reason


def metric(old: Any, new: Any, tolerance: Any = None) -> tuple[str, str]:
    tolerances = {} if tolerance is None else {"m": tolerance}
    (check,) = compare_metrics({"m": old}, {"m": new}, tolerances)
    return check.outcome, check.reason


@pytest.mark.parametrize(
    ("old", "new", "tolerance", "outcome"),
    [
        (0.9, 0.9, None, "same"),
        (0.9, 0.9000001, None, "different"),
        (0.9, 0.905, 0.01, "same"),
        (0.9, 0.92, 0.01, "different"),
        (1, 2, 1, "same"),
        (1, 1.0, None, "same"),
        (2, 1, 0, "different"),
        ("NaN", "NaN", None, "same"),
        ("NaN", 0.5, 1, "different"),
        (0.5, "NaN", 1, "different"),
        ("Infinity", "Infinity", None, "same"),
        ("Infinity", "-Infinity", 1e308, "different"),
        ("Infinity", 1e308, 1e308, "different"),
        (True, True, None, "same"),
        (True, 1, None, "different"),
        (False, 0, 1, "different"),
        ("good", "good", None, "same"),
        ("good", "bad", 1, "different"),
        (None, None, None, "same"),
        (0, None, 1, "different"),
        ([], [], None, "same"),
        ({}, [], None, "different"),
        (10**400, 10**400, None, "same"),
        (10**400, 10**400 + 1, 10, "different"),
        (0.5, 0.6, "0.2", "different"),
    ],
)
def test_metrics_are_the_same_within_their_tolerance_and_else_exactly(old, new, tolerance, outcome):
    found, reason = metric(old, new, tolerance)
    assert found == outcome
    assert reason or found == "same"


def test_metrics_are_named_by_their_way_and_new_missing_and_mistyped_ones_are_not_passed_over():
    old = {"test": {"accuracy": 0.9}, "losses": [3, 2], "gone": 1}
    new = {"test": {"accuracy": 0.91}, "losses": [3, 2, 1], "new": 1}
    checks = list(compare_metrics(old, new, {"test.accuracy": 0.1, "acuracy": 0.1}))
    assert outcomes(checks) == {
        "metric gone": "different",
        "metric losses[2]": "different",
        "metric new": "different",
        "metric acuracy": "not measured",
    }


def test_metrics_may_be_any_json_and_nest_as_deep_as_they_like():
    assert list(compare_metrics(None, None, {})) == []
    assert [check.name for check in compare_metrics(0.5, 0.5, {})] == ["metric metrics"]
    deep: Any = 1
    for _ in range(900):
        deep = {"a": [deep]}
    (check,) = compare_metrics(deep, deep, {})
    assert check.outcome == "same"


def test_thousands_of_metrics_are_not_taken_for_compared():
    many = dict.fromkeys(map(str, range(1001)), 1)
    assert outcomes(list(compare_metrics(many, many, {}))) == {"other metrics": "not measured"}


OTHER = {"model": {"digest": "sha256:4", "files": [["w", "b" * 64, 1], ["v", SHA, 1]], "size": 2}}


def test_outputs_that_differ_fail_only_where_they_are_claimed_to_be_deterministic():
    (claimed,) = compare_outputs(RUN, changed(outputs=OTHER), COMMAND)
    assert (claimed.outcome, claimed.required) == ("different", True)
    assert claimed.reason == "`v` is new, `w` has other bytes"
    (open_one,) = compare_outputs(RUN, changed(outputs=OTHER), {**COMMAND, "deterministic": False})
    assert (open_one.outcome, open_one.required) == ("different", False)
    checks = compare_runs(RUN, changed(outputs=OTHER), {**COMMAND, "deterministic": False})
    assert exit_code(checks) is ExitCode.OK


def test_an_output_without_a_recorded_digest_is_not_measured():
    for outputs in (None, {}, {"model": {"digest": None, "files": None, "size": None}}):
        (check,) = compare_outputs(changed(outputs=outputs), RUN, COMMAND)
        assert (check.outcome, check.required) == ("not measured", True)


def test_a_run_with_nothing_to_compare_is_not_measured():
    nothing = {**COMMAND, "deterministic": False}
    checks = compare_runs(changed(metrics=None), changed(metrics=None, outputs=OTHER), nothing)
    assert outcomes(checks) == {"output model": "different", "results of train": "not measured"}
    assert exit_code(checks) is ExitCode.NOT_MEASURED
    assert exit_code(compare_runs(changed(metrics=None), changed(metrics=None), nothing)) is ExitCode.OK


def test_a_digest_weighs_more_than_a_result_and_that_more_than_what_is_not_measured():
    same, digest = Check("lock", "same"), Check("image linux/amd64", "different")
    result, unknown = Check("metric m", "different"), Check("run train", "not measured")
    assert exit_code([same, unknown, result, digest]) is ExitCode.DIGEST_WRONG
    assert exit_code([same, unknown, result]) is ExitCode.CHECK_FAILED
    assert exit_code([same, unknown]) is ExitCode.NOT_MEASURED
    assert exit_code([]) is ExitCode.NOT_MEASURED
