"""Gathering what speaks for data about people in one column, value by value, in bounded memory. Pure."""

from __future__ import annotations

import math
import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from builder.data.privacy.kinds import FORMS, KINDS, RESTRICTED, Form, fits
from builder.data.privacy.names import is_about_something_else, kind_by_name
from builder.records.scan.blocks import Block
from builder.records.scan.finding import Level
from builder.records.scan.personal_rules import PERSONAL_RULES, shape

MOST_ROWS = 5
"""Numbers of rows that are told of a finding."""
_TRIED = 2_000
"""Values alike after which a form is given up that few of them pass."""
_FITTING = 0.8
"""Of the values of a column, how many have to fit what its name says."""
_MAY_BE_FORM = re.compile(r"(?:[^\d]{0,8}\d){6}")
_NUMERIC = re.compile(r"[-+]?\d*[.,]?\d*(?:[eE][-+]?\d+)?")
_PERSON = re.compile(r"[^\W\d_a-z][\w'\u2019.-]*,?(?: (?:\(?[^\W\d_][\w'\u2019.-]*\)?,?)){1,5}")
_LONGEST = 100_000
"""Characters of one value that are looked at."""
_KIND_OF_RULE = {
    "email": "email", "phone": "phone", "payment-card": "payment-card", "iban": "iban"
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ColumnFinding:
    """What a column seems to hold. Never a value."""

    column: str
    kind: str
    """One of `kinds.KINDS`."""
    classification: str
    level: Level
    reason: str
    values: int
    """How many values are such."""
    share: float
    """Of all that are there."""
    rows: tuple[int, ...] = ()
    """Numbers of some rows, from 1; the first ones."""


@dataclass(slots=True)
class _Seen:
    """What was seen of one form, or of one rule."""

    alike: int = 0
    passed: int = 0
    rows: list[int] = field(default_factory=list)
    different: set[str | bytes] = field(default_factory=set)
    """Some values that passed; they leave this object as a number alone."""

    def count(self, row: int, value: str | bytes, *, passes: bool) -> None:
        """One more that is alike."""
        self.alike += 1
        if passes:
            self.passed += 1
            if len(self.different) < 100:
                self.different.add(value)
            if len(self.rows) < MOST_ROWS and row not in self.rows:
                self.rows.append(row)


class Evidence:
    """What speaks for data about people in one column."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.values = 0
        """That are there."""
        named = kind_by_name(name)
        self._named, self._phrase = named or ("", "")
        self._fitting = _Seen()
        self._elsewhere = is_about_something_else(name)
        self._forms = [(form, _Seen()) for form in FORMS if form.alone or form.kind == self._named]
        self._inside = [(rule, _Seen()) for rule in PERSONAL_RULES]

    def add(self, values: Iterable[object], numbers: Iterable[int]) -> None:
        """Look at some values, of rows of these numbers."""
        texts, rows = [], []
        for row, value in zip(numbers, values, strict=False):
            text = _text(value)
            if not text:
                continue
            self.values += 1
            if self._named:
                self._fitting.count(row, text, passes=self._fits(text))
            if not self._is_whole(text, row) and len(text) >= 9 and not _NUMERIC.fullmatch(text):
                texts.append(text)
                rows.append(row)
        if texts:
            self._look_inside(texts, rows)

    def findings(self) -> list[ColumnFinding]:
        """What it seems to hold, the best founded first."""
        found = [*self._by_values(), *self._by_name(), *self._by_text()]
        kinds: dict[str, ColumnFinding] = {}
        for each in found:
            kinds.setdefault(each.kind, each)
        return list(kinds.values())

    def _fits(self, text: str) -> bool:
        if self._named == "name" and self._phrase == "name":
            return _PERSON.fullmatch(text) is not None
        return fits(self._named, text)

    def _is_whole(self, text: str, row: int) -> bool:
        """Count what a value is as a whole; whether it is something."""
        if len(text) > 80 or not ("@" in text or ":" in text or _MAY_BE_FORM.match(text)):
            return False
        passed = hopeless = False
        for form, seen in self._forms:
            if form.pattern.fullmatch(text):
                passes = form.check(text)
                seen.count(row, text, passes=passes)
                passed |= passes
                hopeless |= seen.alike == _TRIED and seen.passed < form.share / 2 * _TRIED
        if hopeless:
            self._forms = [one for one in self._forms if one[1].alike < _TRIED or one[1].passed >= one[0].share * 1000]
        return passed

    def _look_inside(self, texts: Sequence[str], rows: Sequence[int]) -> None:
        encoded = [text.encode("utf-8", "replace").replace(b"\n", b" ") for text in texts]
        starts, position = [], 0
        for each in encoded:
            starts.append(position)
            position += len(each) + 1
        data = b"\n".join(encoded)
        block, shapes = Block(data, 0, len(data), 1), shape(data)
        for rule, seen in self._inside:
            for match in block.matches(rule.wanted, shapes):
                row = rows[bisect_right(starts, match.start()) - 1]
                seen.count(row, match[0], passes=rule.check(match[0]))

    def _by_values(self) -> Iterator[ColumnFinding]:
        held = [(form, seen) for form, seen in self._forms if self._holds(form, seen)]
        held.sort(key=lambda each: -each[1].passed)
        for form, seen in held:
            country = f" ({form.country})" if form.country else ""
            checked = "pass their check" if form.kind in _CHECKED else "have their form"
            reason = f"{seen.passed} of {seen.alike} values alike {checked}: {KINDS[form.kind].what}{country}"
            yield self._found(form.kind, reason, seen)

    def _holds(self, form: Form, seen: _Seen) -> bool:
        if not seen.passed or seen.passed < form.share * seen.alike:
            return False
        if form.kind == self._named:
            return True
        if self._elsewhere and form.kind in ("national-number", "payment-card"):
            return False
        return len(seen.different) >= form.enough

    def _by_name(self) -> Iterator[ColumnFinding]:
        if self._named and self._fitting.passed >= _FITTING * self.values:
            reason = f"its name says so (`{self._phrase}`)" + ("" if self.values else "; it has no value")
            yield self._found(self._named, reason, self._fitting)

    def _by_text(self) -> Iterator[ColumnFinding]:
        for rule, seen in self._inside:
            if not seen.passed or seen.passed < rule.share * seen.alike:
                continue
            kind = _KIND_OF_RULE.get(rule.name, "national-number")
            found = self._found(kind, f"{rule.what} inside of text", seen)
            yield found if seen.passed >= rule.many else replace(found, level="low")

    def _found(self, kind: str, reason: str, seen: _Seen) -> ColumnFinding:
        classification = KINDS[kind].classification
        level: Level = "high" if classification == RESTRICTED else "medium"
        share = min(1.0, seen.passed / self.values) if self.values else 0.0
        return ColumnFinding(
            self.name, kind, classification, level, reason, seen.passed, round(share, 4), tuple(seen.rows)
        )  # fmt: skip


_CHECKED = frozenset(("iban", "payment-card", "national-number"))


def _text(value: object) -> str:
    """A value as text; empty where there is none."""
    if isinstance(value, str):
        text = value[:_LONGEST].strip()
    elif value is None or isinstance(value, (bytes, bool)) or (isinstance(value, float) and math.isnan(value)):
        return ""
    else:
        text = str(value)[:_LONGEST]
    return text[:-2] if text.endswith(".0") and text[:-2].isdecimal() else text
