"""A comparison in Prometheus's text format, for a textfile collector. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from builder.data.drift.outcome import Drift, Measure


def prometheus_text(drift: Drift) -> str:
    """Gauges of each measure, whether it is violated, and whether it could not be evaluated."""
    measures = drift.measures
    had = [each for each in measures if each.value is not None]
    held = [each for each in measures if each.threshold is not None]
    families = [
        ("envbuild_drift_value", "How far a column is from its reference, by metric.", [
            (_labels(drift, each), each.value or 0.0) for each in had
        ]),
        ("envbuild_drift_violated", "Whether a limit of drift is violated.", [
            (_labels(drift, each), float(each.state == "violated")) for each in held if each.state != "not-evaluated"
        ]),
        ("envbuild_drift_not_evaluated", "Whether a limit of drift could not be evaluated.", [
            (_labels(drift, each), float(each.state == "not-evaluated")) for each in held
        ]),
        ("envbuild_drift_rows", "Rows of both sides.", [
            (_label("table", drift.table) + "," + _label("side", side), float(rows))
            for side, rows in (("reference", drift.reference_rows), ("new", drift.new_rows))
        ]),
    ]  # fmt: skip
    return "".join(line + "\n" for family in families for line in _family(*family))


def _family(name: str, meaning: str, samples: list[tuple[str, float]]) -> Iterator[str]:
    if samples:
        yield f"# HELP {name} {meaning}"
        yield f"# TYPE {name} gauge"
        yield from (f"{name}{{{labels}}} {value!r}" for labels, value in samples)


def _labels(drift: Drift, measure: Measure) -> str:
    pairs = (("table", drift.table), ("column", measure.column), ("metric", measure.metric))
    return ",".join(_label(*pair) for pair in pairs)


def _label(name: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'{name}="{escaped}"'
