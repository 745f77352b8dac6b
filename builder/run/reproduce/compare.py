"""Two records of a run: what was asked for, the metrics within their tolerances, the outputs byte by byte. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from builder.run.reproduce.check import Check, Outcome

_WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
"""How a record has what is no number in JSON."""
_MOST_METRICS = 1000
_MOST_FILES = 20
_DEEPEST = 20
_ABSENT = object()


def compare_runs(before: Mapping[str, Any], after: Mapping[str, Any], command: Mapping[str, Any]) -> list[Check]:
    """Everything that two records of one command can be compared in; `command` is its entry in `bundle.json`."""
    name = before["command"]
    checks = [*_conditions(before, after)]
    if after.get("exit_code") != 0:
        ended = after.get("signal") or after.get("exit_code")
        return [*checks, Check(f"run {name}", "different", f"it ended with {ended}", before.get("exit_code"), ended)]
    found = _plain_metrics(after.get("metrics")) if "kind" in before else after.get("metrics")
    metrics = list(compare_metrics(before.get("metrics"), found, command.get("tolerances") or {}))
    outputs = list(compare_outputs(before, after, command))
    if any(check.required for check in (*metrics, *outputs)):
        return [*checks, *metrics, *outputs]
    if outputs and all(check.outcome == "same" for check in outputs):
        return [*checks, *metrics, *outputs]
    why = "it has no metrics, and `deterministic` is not claimed of its outputs"
    return [*checks, *metrics, *outputs, Check(f"results of {name}", "not measured", why)]


def _plain_metrics(metrics: Any) -> dict[str, Any]:
    """As the records of `runs` have them: by dotted names, without lists and what is nothing."""
    return {name: value for name, value in leaves(metrics) if value is not None and "[" not in name}


def _conditions(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[Check]:
    """What must be the same for the results to be comparable."""
    for key in ("lock", "code"):
        if before.get(key) is None:
            why = "the record does not tell: a working tree was mounted" if key == "code" else "the record has none"
            yield Check(key, "not measured", why, None, after.get(key))
        else:
            yield _plain(key, before[key], after.get(key), f"the recorded run was of another {key}")
    yield _plain("parameters", before["params"], after["params"], "the command takes others")
    yield _plain("seed", before["seed"], after["seed"], "the command takes another")
    yield _plain("arguments", list(before["arguments"]), list(after["arguments"]), "others were given")
    for name in sorted(before["data"].keys() | after["data"].keys()):
        one, other = (run["data"].get(name, {}).get("sha256") for run in (before, after))
        yield _plain(f"data {name}", one, other, "the recorded run read other bytes")
    one, other = before.get("machine"), after.get("machine")
    if one and other and one != other:
        yield Check("processor", "different", "results may differ in their last digits", one, other, required=False)


def _plain(name: str, one: Any, other: Any, why: str) -> Check:
    same = one == other
    return Check(name, "same" if same else "different", "" if same else why, one, other)


def compare_metrics(before: Any, after: Any, tolerances: Mapping[str, Any]) -> Iterator[Check]:
    """Each metric, named by its way in the JSON value (`test.accuracy`, `losses[3]`)."""
    old, new = dict(leaves(before)), dict(leaves(after))
    names = sorted(old.keys() | new.keys())
    for name in names[:_MOST_METRICS]:
        yield _metric(name, old.get(name, _ABSENT), new.get(name, _ABSENT), tolerances.get(name))
    if len(names) > _MOST_METRICS:
        more = f"there are {len(names)} of them; {_MOST_METRICS} were compared"
        yield Check("other metrics", "not measured", more)
    for name in sorted(tolerances.keys() - set(names)):
        yield Check(f"metric {name}", "not measured", "it has a tolerance, and neither run has written it")


def leaves(value: Any, name: str = "") -> Iterable[tuple[str, Any]]:
    """The single values of a JSON value with their ways; an empty list or mapping is one."""
    if isinstance(value, dict) and value and name.count(".") < _DEEPEST:
        for key, member in value.items():
            yield from leaves(member, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list) and value and name.count("[") < _DEEPEST:
        for number, member in enumerate(value):
            yield from leaves(member, f"{name}[{number}]")
    elif value is not None or name:
        yield name or "metrics", value


def _metric(name: str, old: Any, new: Any, tolerance: Any) -> Check:
    label = f"metric {name}"
    if old is _ABSENT:
        return Check(label, "different", "the recorded run did not write it", None, new)
    if new is _ABSENT:
        return Check(label, "different", "it was not written this time", old, None)
    outcome, reason = _compared(old, new, tolerance)
    return Check(label, outcome, reason, old, new)


def _compared(old: Any, new: Any, tolerance: Any) -> tuple[Outcome, str]:
    one, other = number(old), number(new)
    if one is None or other is None:
        return ("same", "") if type(old) is type(new) and old == new else ("different", "it is another value")
    if math.isnan(one) or math.isnan(other):
        both = math.isnan(one) and math.isnan(other)
        return ("same", "it is NaN both times") if both else ("different", "it is NaN one time only")
    if one == other:
        return "same", ""
    if math.isinf(one) or math.isinf(other):
        return "different", "it is infinite one time only, or with the other sign"
    distance = abs(one - other)
    if number(tolerance) is None:
        return "different", f"it differs by {distance:.6g}, and has no tolerance"
    within = distance <= float(tolerance)
    return ("same" if within else "different"), (
        f"it differs by {distance:.6g}, {'within' if within else 'more than'} the tolerance of {tolerance:g}"
    )


def number(value: Any) -> float | None:
    """A metric as a number; None for text, truth values and nothing."""
    if isinstance(value, str):
        return _WORDS.get(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return float(value)
    except OverflowError:
        return None


def compare_outputs(before: Mapping[str, Any], after: Mapping[str, Any], command: Mapping[str, Any]) -> Iterator[Check]:
    """Each declared output by its digest; a difference counts only where the command claims to be deterministic."""
    claimed = bool(command.get("deterministic"))
    old, new = before.get("outputs") or {}, after.get("outputs") or {}
    for name in command.get("outputs", ()):
        one, other = old.get(name), new.get(name)
        label = f"output {name}"
        if not (one and one.get("digest")):
            why = "the record has no digest of it: the run did not write it, or an older launcher ran it"
            yield Check(label, "not measured", why, None, _digest(other), required=claimed)
        elif not (other and other.get("digest")):
            yield Check(label, "different", "it was not written this time", _digest(one), None)
        elif one["digest"] == other["digest"]:
            yield Check(label, "same", "", one["digest"], other["digest"], required=claimed)
        else:
            why = "" if claimed else "; `deterministic` is not claimed, so this fails nothing"
            reason = f"{_differing(one.get('files'), other.get('files'))}{why}"
            yield Check(label, "different", reason, one["digest"], other["digest"], required=claimed)


def _digest(output: Any) -> Any:
    return output.get("digest") if output else None


def _differing(old: Any, new: Any) -> str:
    """Which files differ, as far as they were listed."""
    if old is None or new is None:
        return "its bytes differ"
    before, after = ({row[0]: row[1:] for row in rows} for rows in (old, new))
    words = [
        f"`{path}` {'is missing' if path not in after else 'is new' if path not in before else 'has other bytes'}"
        for path in sorted(before.keys() | after.keys())
        if before.get(path) != after.get(path)
    ]
    more = f", and {len(words) - _MOST_FILES} more" if len(words) > _MOST_FILES else ""
    return ", ".join(words[:_MOST_FILES]) + more
