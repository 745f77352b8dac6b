from __future__ import annotations

import pytest

from builder.errors import (
    CheckFailedError,
    DigestMismatchError,
    EnvbuildError,
    ExitCode,
    NotMeasuredError,
)


def test_an_error_says_what_why_and_what_to_do() -> None:
    error = EnvbuildError("it failed", ["one", "two"], "do this")
    assert str(error) == "it failed\n  Caused by: one\n  Caused by: two"
    assert (error.what, error.why, error.hint) == ("it failed", ("one", "two"), "do this")


def test_one_cause_may_be_given_as_text() -> None:
    assert EnvbuildError("it failed", "because").why == ("because",)
    assert EnvbuildError("it failed").why == ()


@pytest.mark.parametrize(
    ("kind", "code"), [(EnvbuildError, 1), (CheckFailedError, 3), (DigestMismatchError, 5), (NotMeasuredError, 6)]
)
def test_each_kind_of_error_has_its_documented_exit_code(kind: type[EnvbuildError], code: int) -> None:
    assert kind("x").exit_code == code


def test_exit_codes_are_those_that_are_documented() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0, "USER": 1, "USAGE": 2, "CHECK_FAILED": 3, "APPROVAL_MISSING": 4, "DIGEST_WRONG": 5,
        "NOT_MEASURED": 6, "INTERRUPTED": 130,
    }  # fmt: skip
