"""Reports as a table for a terminal. Pure; what is not printable in it is the printer's concern."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from builder.data.check.outcome import CheckReport, place_of, result_text
from builder.data.check.render.words import counts_text, heading, row_text, status_text

_WIDEST = 60
"""Characters of a column before the last."""


def as_table(reports: Sequence[CheckReport], *, passed: bool = False) -> str:
    """Every rule that did not pass, with its rows; with `passed` the others too; and how many there are."""
    return "".join(f"{line}\n" for report in reports for line in _lines(report, passed=passed))


def _lines(report: CheckReport, *, passed: bool) -> Iterator[str]:
    yield heading(report)
    for table in report.tables:
        names = ", ".join(file.path.name for file in table.files)
        yield f"  {table.name}: {table.rows} rows in {names}"
        if table.extra:
            yield f"  {table.name}: not in the contract: {', '.join(table.extra)}"
    shown = [each for each in report.outcomes if passed or each.status != "passed"]
    rows = [(status_text(each), place_of(each), each.text, result_text(each)) for each in shown]
    widths = [min(_WIDEST, max((len(row[column]) for row in rows), default=0)) for column in range(3)]
    for row, each in zip(rows, shown, strict=True):
        cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield ("  " + "  ".join([*cells, row[3]])).rstrip()
        for sample in each.samples:
            yield f"      {row_text(sample)}"
    yield f"  {counts_text(report)}"
