"""Reports as Markdown, for a pull request or a page: what data and contract say stays text. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from builder.data.check.outcome import CheckReport, Outcome, place_of, result_text
from builder.data.check.render.words import counts_text, row_text, status_text
from builder.records.markdown import code, plain

_MOST_ROWS = 3
"""Of a rule, in its cell."""


def as_markdown(reports: Sequence[CheckReport]) -> str:
    """A section for each contract: a table of the rules, what did not pass first."""
    return "\n".join(line for report in reports for line in _lines(report))


def _lines(report: CheckReport) -> Iterator[str]:
    yield f"## {plain(report.contract)} {plain(report.version)}\n"
    yield f"{counts_text(report)}. Contract {code(report.file.name)}, {code(str(report.digest))}.\n"
    for table in report.tables:
        names = ", ".join(code(file.path.name) for file in table.files)
        extra = f"; not in the contract: {', '.join(map(code, table.extra))}" if table.extra else ""
        yield f"- {code(table.name)}: {table.rows} rows in {names}{extra}"
    yield ""
    if report.outcomes:
        yield "| result | column | rule | found |\n| --- | --- | --- | --- |"
    for status in ("violated", "not-evaluated", "passed", "told"):
        for outcome in report.outcomes:
            if outcome.status == status:
                yield _row(outcome)
    yield ""


def _row(outcome: Outcome) -> str:
    rows = "; ".join(row_text(sample) for sample in outcome.samples[:_MOST_ROWS])
    found = result_text(outcome) + (f" ({rows})" if rows else "")
    return f"| {status_text(outcome)} | {code(place_of(outcome))} | {plain(outcome.text)} | {plain(found)} |"
