"""Metrics out of the files that commands write: `.json` (final values), `.jsonl` and `.csv` (by step).

The files come from anybody's code: what cannot be a metric is left out and noted, and nothing here is unbounded.
"""

from __future__ import annotations

import csv
import json
import math
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from builder.errors import one_line

SUFFIXES = (".json", ".jsonl", ".csv")
FILE_LIMIT = 64 << 20
"""Bytes of a file by step that are read; of a larger one nothing is."""
JSON_LIMIT = 8 << 20
MOST_NAMES = 1000
MOST_VALUES = 200_000
"""Values by step that are kept; of more, every second row, fourth row and so on."""
_LINE_LIMIT = 1 << 20
_NAME_LIMIT = 200
_TEXT_LIMIT = 200
_MOST_NOTES = 20
_DEPTH = 20
STEP = "step"

Value = float | str
Row = tuple[float, dict[str, Value]]
"""A step, and the metrics at it."""


@dataclass(slots=True)
class Metrics:
    """What files of metrics tell."""

    final: dict[str, Value] = field(default_factory=dict)
    """The last value of each; what is no finite number as a word (`NaN`, `Infinity`) or a text."""
    rows: list[Row] = field(default_factory=list)
    """By step, in the order of the files."""
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        """Say what was odd, once, and not without end."""
        if text not in self.notes and len(self.notes) < _MOST_NOTES:
            self.notes.append(text)

    def steps(self) -> bytes:
        """One JSON object a line; empty without any."""
        lines = (json.dumps({STEP: _short(step), **values}, ensure_ascii=False) for step, values in self.rows)
        return "".join(f"{line}\n" for line in lines).encode("utf-8", "replace")


def read_metrics(files: Mapping[str, Path]) -> Metrics:
    """The metrics in these files, by the names that notes call them. A `.json` has the last word on final values."""
    metrics = Metrics()
    for name, path in sorted(files.items(), key=lambda item: item[0].endswith(".json")):
        try:
            _read_file(name, path, metrics)
        except (OSError, ValueError, RecursionError, csv.Error) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            metrics.note(f"the metrics in `{name}` are not recorded: {one_line(str(why)[:_TEXT_LIMIT], '�')}")
    return metrics


def read_steps(path: Path) -> list[Row]:
    """The metrics by step of a run's own file; nothing where there is none, or it is none."""
    return read_metrics({path.name: path}).rows


def _read_file(name: str, path: Path, metrics: Metrics) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        raise ValueError("it is no regular file")
    with os.fdopen(descriptor, "rb") as file:
        limit = JSON_LIMIT if name.endswith(".json") else FILE_LIMIT
        if status.st_size > limit:
            raise ValueError(f"it has {status.st_size} bytes, and at most {limit} are read")
        if name.endswith(".json"):
            _read_json(name, file.read(limit), metrics)
        else:
            objects = _csv_rows(file) if name.endswith(".csv") else _json_lines(name, file, metrics)
            _read_rows(name, objects, metrics)


def _read_json(name: str, data: bytes, metrics: Metrics) -> None:
    value = json.loads(data, parse_constant=str)
    if not isinstance(value, dict):
        raise ValueError("it is no JSON object")
    for key, one in _leaves(name, value, metrics):
        metrics.final[key] = one


def _read_rows(name: str, objects: Iterable[Mapping[str, Any]], metrics: Metrics) -> None:
    counts: dict[str, int] = {}
    rows, stride, kept = [], 1, 0
    for number, one in enumerate(objects):
        step = _number(one.get(STEP))
        values = dict(_leaves(name, {key: value for key, value in one.items() if key != STEP}, metrics))
        if not values:
            continue
        metrics.final |= values
        for key in values:
            counts[key] = counts.get(key, 0) + 1
        if number % stride:
            continue
        rows.append((max(map(counts.__getitem__, values)) if step is None else step, values))
        kept += len(values)
        if kept > MOST_VALUES:
            rows, stride = rows[::2], stride * 2
            kept = sum(len(values) for _, values in rows)
    if stride > 1:
        metrics.note(f"`{name}` has more than {MOST_VALUES} values: every {stride}th row is recorded")
    metrics.rows += rows


def _json_lines(name: str, file: IO[bytes], metrics: Metrics) -> Iterator[dict[str, Any]]:
    for line in _lines(file):
        if not line.strip():
            continue
        try:
            value = json.loads(line, parse_constant=str)
        except (ValueError, RecursionError):
            metrics.note(f"a line of `{name}` is no JSON, and left out")
            continue
        if isinstance(value, dict):
            yield value
        else:
            metrics.note(f"a line of `{name}` is no JSON object, and left out")


def _csv_rows(file: IO[bytes]) -> Iterator[dict[str, Any]]:
    lines = (line.decode("utf-8", "replace") for line in _lines(file))
    reader = csv.reader(lines)
    header = [name.strip().removeprefix("\ufeff") for name in next(reader, [])]
    if len(header) > MOST_NAMES:
        raise ValueError(f"it has {len(header)} columns, and at most {MOST_NAMES} are read")
    for row in reader:
        pairs = zip(header, row, strict=False)
        yield {name: _parsed(text) for name, text in pairs if text.strip()}


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    while line := file.readline(_LINE_LIMIT + 1):
        if len(line) > _LINE_LIMIT:
            raise ValueError(f"a line has more than {_LINE_LIMIT} bytes")
        yield line


def _leaves(name: str, group: Mapping[str, Any], metrics: Metrics, prefix: str = "") -> Iterator[tuple[str, Value]]:
    """Every metric of an object, dotted inside a group; each that cannot be one is noted."""
    for key, value in group.items():
        label = f"{prefix}{key}"
        if isinstance(value, Mapping):
            if prefix.count(".") < _DEPTH:
                yield from _leaves(name, value, metrics, f"{label}.")
            continue
        if not _is_name(label):
            metrics.note(f"a metric of `{name}` has no name, or an odd one, and is left out")
        elif value is None or isinstance(value, list):
            metrics.note(f"`{label}` of `{name}` is neither a number nor a text, and is left out")
        elif label not in metrics.final and len(metrics.final) >= MOST_NAMES:
            metrics.note(f"`{name}` has more than {MOST_NAMES} metrics; the rest is left out")
        else:
            one = _value(value)
            if isinstance(one, str):
                metrics.note(f"`{label}` of `{name}` is no finite number: `{one[:40]}`")
            yield label, one


def _is_name(label: str) -> bool:
    return 0 < len(label) <= _NAME_LIMIT and label.isprintable() and label.strip() == label


def _value(value: Any) -> Value:
    number = _number(value)
    if number is not None:
        return number
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, int):  # of more digits than a number has
        return "Infinity" if value > 0 else "-Infinity"
    return one_line(str(value)[:_TEXT_LIMIT], "�")


def _number(value: Any) -> float | None:
    """A finite number, as it is."""
    try:
        return value if isinstance(value, (int, float)) and math.isfinite(value) else None
    except OverflowError:
        return None


def _parsed(text: str) -> Value:
    try:
        return float(text)
    except ValueError:
        return text.strip()


def _short(step: float) -> float:
    return int(step) if step == int(step) else step
