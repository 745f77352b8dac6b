"""What a module takes and gives, before and now: what changed, in words. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from builder.errors import one_line
from builder.lock.modules import Interface

_WORDS = {"inputs": "input", "outputs": "output", "params": "parameter"}
_LONGEST = 60


def interface_changes(before: Interface, now: Interface) -> tuple[str, ...]:
    """A clause for each difference, inputs first."""
    return tuple(clause for group in _WORDS for clause in _changes(group, before[group], now[group]))


def _changes(group: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*before, *now}):
        what = f"{_WORDS[group]} `{name}`"
        if name not in before:
            yield f"{what} is new{', and required' if _is_required(group, now[name]) else ''}"
        elif name not in now:
            yield f"{what} is gone"
        else:
            old, new = before[name], now[name]
            for key in sorted({*old, *new}):
                if not _same(old.get(key), new.get(key)):
                    yield f"{what}: {key} {_shown(key, old.get(key))} → {_shown(key, new.get(key))}"


def _is_required(group: str, declared: Mapping[str, Any]) -> bool:
    return bool(declared.get("required") if group == "params" else not declared.get("optional"))


def _same(one: Any, other: Any) -> bool:
    """As values of parameters: 1, 1.0 and true are not the same."""
    return json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)


def _shown(key: str, value: Any) -> str:
    if value is None:
        return "none"
    if key == "contract":
        return f"sha256 {str(value)[:8]}…"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = one_line(text)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
