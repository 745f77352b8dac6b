from __future__ import annotations

import pytest

from builder.run.killed import explain


@pytest.mark.parametrize(
    ("code", "limit", "out_of_memory", "expected"),
    [
        (0, 60 << 20, False, None),
        (9, 60 << 20, None, None),
        (137, 60 << 20, None, "killed by signal 9, probably because it used more memory than `--memory 60m` allows"),
        (137, 60 << 20, True, "`--memory 60m`"),
        (137, None, True, "more memory than there is"),
        (1, 2 << 30, True, "a process of the command was killed by signal 9, because it used more memory than"),
    ],
)
def test_a_lack_of_memory_names_the_limit(code, limit, out_of_memory, expected):
    text = explain(code, limit, out_of_memory)
    assert text is None if expected is None else expected in text


@pytest.mark.parametrize(("limit", "out_of_memory"), [(None, None), (1 << 20, False)])
def test_nothing_is_guessed_of_a_kill_that_has_another_cause(limit, out_of_memory):
    assert explain(137, limit, out_of_memory) == "error: the command was killed by signal 9"
