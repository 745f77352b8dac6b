from __future__ import annotations

from dataclasses import replace

from made_runs import LAST

from builder.history.export.table import csv_bytes


def test_a_row_has_nothing_that_a_terminal_takes_for_a_command() -> None:
    odd = replace(LAST, why="all\nof \x1b[2J it", params={"a\x9b": "\x07"})
    data = csv_bytes([(odd, ())]).decode()
    assert "all\nof \N{REPLACEMENT CHARACTER}[2J it" in data
    assert not {"\x1b", "\x9b", "\x07"} & set(data)
