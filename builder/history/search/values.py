"""Values in an expression: numbers, times, durations, sizes, digests. Pure."""

from __future__ import annotations

import re

from builder.history.search.facts import Kind

_NUMBER = re.compile(r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]{1,4})?")
_UNIT = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)\s?([A-Za-z]+)")
_SECONDS: dict[str, float] = {"ms": 0.001, "s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "d": 86400}
_BYTES: dict[str, float] = {
    "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40, "kb": 10**3, "mb": 10**6, "gb": 10**9,
    "tb": 10**12, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}  # fmt: skip
_UNITS: dict[Kind, dict[str, float]] = {"duration": _SECONDS, "size": _BYTES}
_TIME = re.compile(r"[0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2}(?:T[0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?)?)?)?")


class ValueFormError(Exception):
    """A value cannot be what its name needs."""

    def __init__(self, text: str, hint: str | None = None, *, of_operator: bool = False) -> None:
        super().__init__(text)
        self.text, self.hint = text, hint
        self.of_operator = of_operator
        """Whether it is the operator that is wrong."""


def amount_of(text: str, kind: Kind) -> float | None:
    """The number that a text is; of a duration in seconds, of a size in bytes. None if it is none."""
    if _NUMBER.fullmatch(text):
        return float(text)
    if text.lower() in ("inf", "+inf", "infinity", "-inf", "-infinity") and kind == "plain":
        return float(text)
    units = _UNITS.get(kind)
    found = _UNIT.fullmatch(text) if units else None
    if units is None or found is None or found[2].lower() not in units:
        return None
    return float(found[1]) * units[found[2].lower()]


def checked_digest(text: str) -> str:
    """The first digits of a digest, hexadecimal. Raises: ValueFormError."""
    digits = text.lower().removeprefix("sha256:")
    if not digits or digits.strip("0123456789abcdef"):
        raise ValueFormError(f"`{text}` is no digest", "Write `sha256:` and its first digits")
    return digits


def checked_time(text: str) -> str:
    """The beginning of a time as records have it: `2026`, `2026-01-31`, `2026-01-31T12:30`. Raises: ValueFormError."""
    start = text.strip().upper().replace(" ", "T").removesuffix("Z")
    if not _TIME.fullmatch(start):
        raise ValueFormError(f"`{text}` is no time", "Write a day or a minute in UTC: `2026-01-31T12:30`")
    return start
