from __future__ import annotations

import pytest

from builder.run.reproduce.chosen import chosen_runs, not_repeated

TRAIN, SERVE = {"command": "train", "seed": 1}, {"command": "serve", "seed": 2}


@pytest.mark.parametrize(
    ("records", "commands", "repeated", "not_measured"),
    [
        ([TRAIN, SERVE], (), [TRAIN, SERVE], []),
        ([TRAIN, SERVE], ("serve",), [SERVE], []),
        ([TRAIN], ("serve",), [], ["run serve"]),
        ([TRAIN], ("train", "serve"), [TRAIN], ["run serve"]),
        ([], ("train",), [], ["run train"]),
        ([], (), [], ["run"]),
    ],
    ids=["all", "one", "none-of-it", "some-of-it", "none-but-asked", "none"],
)
def test_what_is_asked_for_is_repeated_or_not_measured(records, commands, repeated, not_measured):
    chosen, checks = chosen_runs(records, commands)
    assert chosen == repeated
    assert [check.name for check in checks] == not_measured
    assert all(check.outcome == "not measured" and check.reason for check in checks)


def test_what_cannot_be_repeated_says_why():
    (check,) = not_repeated([TRAIN], "no image")
    assert (check.name, check.outcome, check.reason) == ("run train", "not measured", "no image")
