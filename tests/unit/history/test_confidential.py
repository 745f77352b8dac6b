from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from builder.errors import CheckFailedError
from builder.history.confidential import check_no_secret
from builder.history.record import RunRecord

TOKEN = "ghp_" + "aB3dE5fG7hJ9kL1mN3pQ5rS7tU9vW1xY3z05"
RECORD = RunRecord("20260131T235959Z-train-3f9a01", "command", "train", "running", "2026-01-31T23:59:59.000Z")


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"params": {"hub": {"token": TOKEN}}}, "the parameter `hub.token`"),
        ({"arguments": ("--token", TOKEN)}, "argument 1"),
        ({"run": ("python", "-m", "a", TOKEN)}, "argument 3"),
        ({"why": f"with {TOKEN}"}, "the reason (`--why`)"),
    ],
)
def test_a_run_that_is_given_a_secret_is_not_begun_and_nothing_tells_it(given: dict[str, Any], named: str) -> None:
    with pytest.raises(CheckFailedError, match="seems to be a secret") as caught:
        check_no_secret(replace(RECORD, **given))
    assert caught.value.what.startswith(named)
    assert TOKEN not in str(caught.value)


def test_what_people_give_is_no_secret() -> None:
    given = {"lr": 0.1, "name": "baseline", "digest": "sha256:" + 64 * "a", "path": "out/model/weights-1234567890.bin"}
    check_no_secret(replace(RECORD, params=given, arguments=("--epochs", "3"), why="a try with more trees"))
