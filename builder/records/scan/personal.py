"""Looking for data about people in text, and telling of it by column: how many, in how many rows. Never a value."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from builder.errors import one_line
from builder.records.scan.blocks import Block, Stream, blocks
from builder.records.scan.finding import Finding
from builder.records.scan.personal_rules import PERSONAL_RULES, PersonalRule, looks_personal, shape
from builder.records.scan.samples import LINES, MOST_TEXT, TABLES

_ENOUGH = 10_000
"""Of one kind; then it is clear, and nothing more is counted."""
_KEY = re.compile(rb"\"([^\"\\\n]{1,80})\"\s{0,4}:\s{0,4}[\[\"]?[^:{}\n]{0,80}$")


@dataclass(slots=True)
class _Seen:
    """What was seen of one kind."""

    alike: int = 0
    """What the pattern matches."""
    found: int = 0
    columns: Counter[str] = field(default_factory=Counter)
    line: int = 0
    """Of the first."""


@dataclass(frozen=True, slots=True)
class _Table:
    """What tells the column of a match."""

    header: list[str]
    suffix: str


def find_personal(stream: Stream, suffix: str) -> Iterator[Finding]:
    """Data about people in a text. Beyond `MOST_TEXT` nothing is looked at."""
    seen = {rule.name: _Seen() for rule in PERSONAL_RULES}
    header: list[str] = []
    rows = read = 0
    for block in blocks(stream):
        if not rows and suffix in TABLES:
            header = _fields(block.data.partition(b"\n")[0], suffix)
        shapes = shape(block.data)
        for rule in PERSONAL_RULES:
            _look(rule, block, shapes, seen[rule.name], _Table(header, suffix))
        rows += block.data.count(b"\n", block.start, block.stop)
        read += block.stop - block.start
        if read > MOST_TEXT:
            break
    for rule in PERSONAL_RULES:
        yield from _told(
            rule, seen[rule.name], max(1, rows - bool(header)) if suffix in TABLES or suffix in LINES else 0
        )


def _look(rule: PersonalRule, block: Block, shapes: bytes, seen: _Seen, table: _Table) -> None:
    if seen.found >= _ENOUGH:
        return
    for match in block.matches(rule.wanted, shapes):
        seen.alike += 1
        if rule.check(match[0]):
            seen.found += 1
            seen.line = seen.line or block.line(match.start())
            seen.columns[_column(match, table)] += 1
            if seen.found >= _ENOUGH:
                return


def _told(rule: PersonalRule, seen: _Seen, rows: int) -> Iterator[Finding]:
    """Findings of one kind: one a column, the most frequent first. Few of many that look alike are chance."""
    if not seen.found or seen.found < rule.share * seen.alike:
        return
    level = rule.level if seen.found >= rule.many else "low"
    for column, count in sorted(seen.columns.items(), key=lambda item: (-item[1], item[0]))[:10]:
        number = f"more than {count}" if seen.found >= _ENOUGH else str(count)
        of = f" in {rows} rows" if rows else ""
        place = f"column {column}" if column else ""
        yield Finding(f"personal-{rule.name}", level, f"{rule.what}: {number}{of}", seen.line, place)


def _column(match: re.Match[bytes], table: _Table) -> str:
    """The name of the column, or the key, that a match is under; empty where there is none."""
    text, header, suffix = match.string, table.header, table.suffix
    begin = text.rfind(b"\n", max(0, match.start() - 4096), match.start()) + 1 or max(0, match.start() - 4096)
    if suffix not in TABLES:
        key = _KEY.search(text[max(begin, match.start() - 200) : match.start()])
        return _name(key[1].decode("utf-8", "replace")) if key else ""
    number = len(_fields(text[begin : match.start()] + b".", suffix)) - 1
    if number < len(header):
        return _name(header[number]) or str(number + 1)
    return str(number + 1)


def _fields(line: bytes, suffix: str) -> list[str]:
    try:
        text = line[:100_000].decode("utf-8-sig", "replace").strip("\r\n")
        delimiter = ";" if suffix == "csv" and text.count(";") > text.count(",") else TABLES[suffix]
        return next(csv.reader([text], delimiter=delimiter), [])
    except csv.Error:
        return []


def _name(text: str) -> str:
    """A column's name for a message; one that is data itself is not told."""
    plain = one_line(text.strip(), "?")[:80]
    return "" if looks_personal(plain) else plain
