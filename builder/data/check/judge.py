"""What was measured, held to the threshold. Pure."""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Any

from builder.data.check.evaluate import Measured
from builder.data.check.outcome import Outcome, Sample, Status
from builder.data.check.planning.service_levels import AGE
from builder.data.check.rule import Known, Query, Repeated, Rows, Rule, Told
from builder.data.privacy.mask import MASK

_COUNTS = re.compile(
    r"\s*select\s+count\s*\([^()]*\)\s+from\b(?!.*\b(?:union|except|intersect)\b)", re.IGNORECASE | re.DOTALL
)
_NO_ROWS = "the table has no rows"


def judged(rule: Rule, measured: Measured, rows: int, now: float) -> Outcome:
    """The outcome of a rule, as yet without samples; `now` in seconds since 1970."""
    if isinstance(rule.measure, Told):
        return outcome_of(rule, "told", reason="a text for people, which no machine evaluates", rows=rows)
    if measured.refused:
        return outcome_of(rule, "not-evaluated", reason=measured.refused, rows=rows)
    number = _number(measured.value)
    if number is None:
        reason = "there is no value" if measured.value is None else "it gives no number"
        return outcome_of(rule, "not-evaluated", reason=reason, rows=rows)
    return _compared(rule, measured, number, rows, now)


def _compared(rule: Rule, measured: Measured, number: float, rows: int, now: float) -> Outcome:
    violations = int(number) if isinstance(rule.measure, Rows) else measured.violations
    value, unit = number, rule.unit
    if unit == "percent":
        value = float(f"{100 * (violations or 0) / rows:.12g}") if rows else 0
    elif unit == AGE:
        value, unit = round(now - number), "seconds"
    try:
        holds = rule.threshold.holds(value)
    except TypeError:
        reason = f"{value} cannot be compared with {rule.threshold}"
        return outcome_of(rule, "not-evaluated", reason=reason, rows=rows)
    return outcome_of(
        rule,
        "passed" if holds else "violated",
        measured=MASK if _is_value(rule) else value,
        unit=unit,
        violations=violations,
        reason=_note(rule, rows),
        rows=rows,
    )


def _note(rule: Rule, rows: int) -> str:
    if isinstance(rule.measure, Known):
        return rule.measure.reason
    return _NO_ROWS if not rows and isinstance(rule.measure, (Rows, Repeated)) else ""


def _is_value(rule: Rule) -> bool:
    """Whether what a query gives could be a value that is for nobody's eyes, and no count."""
    return isinstance(rule.measure, Query) and rule.masked and not _COUNTS.match(rule.measure.text)


def _number(value: Any) -> int | float | None:
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
    if not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(f"{value:.12g}") if isinstance(value, float) else int(value)


def outcome_of(
    rule: Rule,
    status: Status,
    *,
    measured: float | str | None = None,
    unit: str | None = None,
    violations: int | None = None,
    rows: int | None = None,
    reason: str = "",
    samples: tuple[Sample, ...] = (),
) -> Outcome:
    """What came of a rule."""
    return Outcome(
        id=rule.id,
        table=rule.table,
        column=rule.column,
        kind=rule.kind,
        text=rule.text,
        severity=rule.severity,
        status=status,
        measured=measured,
        threshold=None if isinstance(rule.measure, Told) or status == "told" else rule.threshold.to_dict(),
        unit=rule.unit if unit is None else unit,
        violations=violations,
        rows=rows,
        samples=samples,
        reason=reason,
        line=rule.line,
        query=rule.measure.text if isinstance(rule.measure, Query) else "",
    )
