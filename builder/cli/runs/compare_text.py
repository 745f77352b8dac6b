"""How runs beside each other are written: two as a short report, more as a table; for a terminal or as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from builder.cli.lock_diff_text import code
from builder.cli.output import size_text, writable
from builder.cli.runs.opened import duration_text, line_of, number_text
from builder.history.compare import CAUSES, RESULTS, Comparison, Row

if TYPE_CHECKING:
    from builder.history.compare import Value

_MOST = 50
"""Rows of one group that are written; `--json` has all."""


def as_report(found: Comparison, lock_lines: Sequence[str] = ()) -> Iterator[str]:
    """What differs, then what came of it, of two runs; lines of the lock's difference stand under the environment."""
    arrow = writable("→", "->")
    yield f"{found.runs[0]} {arrow} {found.runs[1]}"
    same = [name for name in CAUSES if name not in found.differs]
    for name in found.differs:
        yield ""
        yield f"{name}:"
        yield from _indented(_pairs(found.group(name, differing=True), arrow))
        if name == "environment":
            yield from (f"    {line}" for line in lock_lines)
    yield ""
    yield f"the same: {', '.join(same)}" if same else "nothing is the same"
    for name in RESULTS:
        rows = found.group(name)
        if rows:
            yield ""
            yield f"{name}:"
            yield from _indented(_pairs(rows, arrow))


def _indented(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    width = min(40, max(len(name) for name, _ in rows[:_MOST]))
    yield from (f"  {name:{width}}  {value}" for name, value in rows[:_MOST])
    if len(rows) > _MOST:
        yield f"  and {len(rows) - _MOST} more; `--json` has all"


def _pairs(rows: Sequence[Row], arrow: str) -> list[tuple[str, str]]:
    return [(line_of(row.name), line_of(_pair(row, arrow))) for row in rows]


def _pair(row: Row, arrow: str) -> str:
    before, after = (value_text(row, value) for value in row.values)
    if row.same:
        return f"{before} in both"
    if row.group in ("code", "data", "outputs") and None in row.values:
        return f"only in the {'second' if row.values[0] is None else 'first'}: {before if row.values[0] else after}"
    return f"{before} {arrow} {after}{_change(row)}"


def _change(row: Row) -> str:
    difference = row.difference
    if difference is None or row.name in ("seed", "exit code", "seconds", "peak memory"):
        return ""
    return f"  ({difference:+.5g})"


def value_text(row: Row, value: Value) -> str:
    """A value of a row, short enough to be read."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if row.name == "seconds" and isinstance(value, (int, float)):
        return duration_text(value)
    if isinstance(value, int) and (row.name == "peak memory" or (row.group, row.name) == ("machine", "memory")):
        return size_text(value)
    if isinstance(value, str) and (row.group in ("code", "data", "outputs", "environment")) and len(value) >= 40:
        return value[:19] if value.startswith("sha256:") else value[:12]
    return number_text(value)


def as_table(found: Comparison, *, markdown: bool = False) -> Iterator[str]:
    """A row a run: what differs between them, then their results."""
    rows = [row for name in CAUSES for row in found.group(name, differing=True)]
    rows = [row for row in rows if row.group != "code" or row.name in ("commit", "changes besides", "digest")][:_MOST]
    rows += [row for name in RESULTS for row in found.group(name) if row.name != "exit code"][:_MOST]
    quoted: Callable[[str], str] = (lambda text: code(text, table=True)) if markdown else line_of
    table = [["run", *(quoted(row.name) for row in rows)]]
    for number, run in enumerate(found.runs):
        table.append([quoted(run), *(quoted(value_text(row, row.values[number])) for row in rows)])
    if markdown:
        for number, line in enumerate(table):
            yield f"| {' | '.join(line)} |"
            yield from [f"| {' | '.join(['---'] * len(line))} |"] if number == 0 else []
        return
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for line in table:
        yield "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()


def as_markdown(found: Comparison, lock_lines: Sequence[str] = ()) -> Iterator[str]:
    """Two runs as Markdown, for a pull request; nothing that comes from a record is taken for Markdown."""
    yield f"### Runs: {code(found.runs[0])} → {code(found.runs[1])}"
    for name in (*found.differs, *RESULTS):
        rows = found.group(name, differing=name in CAUSES)
        if not rows:
            continue
        yield from ("", f"**{name}**", "", "| | before | after | |", "| --- | --- | --- | --- |")
        for row in rows[:_MOST]:
            cells = [row.name, *(value_text(row, value) for value in row.values)]
            change = _change(row).strip().strip("()")
            yield f"| {' | '.join(code(line_of(cell), table=True) for cell in cells)} | {change} |"
        if name == "environment" and lock_lines:
            yield from ("", *lock_lines)
    same = [name for name in CAUSES if name not in found.differs]
    yield from ("", f"The same: {', '.join(same) or 'nothing'}.")
