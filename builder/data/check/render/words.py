"""Words that every format of a report has. Pure."""

from __future__ import annotations

from builder.data.check.outcome import CheckReport, Outcome, Sample

STATUS = {"violated": "VIOLATED", "not-evaluated": "NOT EVALUATED", "passed": "passed", "told": "told"}


def heading(report: CheckReport) -> str:
    """Which contract it is."""
    return f"{report.contract} {report.version} ({report.file.name})"


def status_text(outcome: Outcome) -> str:
    """How it came out; with its severity where that is not an error."""
    return STATUS[outcome.status] + ("" if outcome.counts else f" ({outcome.severity})")


def row_text(sample: Sample) -> str:
    """`row 7: -1`."""
    return f"row {sample.row}: {'no value' if sample.value is None else sample.value}"


def counts_text(report: CheckReport) -> str:
    """`2 violated, 1 not evaluated, 20 passed`."""
    counts = report.counts
    named = [f"{counts[status]} {status.replace('-', ' ')}" for status in ("violated", "not-evaluated", "passed")]
    return ", ".join(named) + (f", {counts['told']} for people to read" if counts["told"] else "")
