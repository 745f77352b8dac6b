"""What a run can be asked for, by flat names: `metrics.auc`, `params.model.depth`, `data.train`, `outcome`. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from builder.history.record import RunRecord

Fact = str | int | float | bool | list[str | int | float | bool]
"""A list is what has several values, such as tags."""
Kind = Literal["digest", "time", "duration", "size", "plain"]
"""How a value is written in an expression, and what it means to be equal."""

FACT_LIMIT = 2000
"""Names of one run at most; what is more is not found by an expression."""
TEXT_LIMIT = 2000
"""Characters of a value that are looked at."""

_TEXTS = ("id", "kind", "command", "outcome", "start", "end", "project", "version", "environment", "lock", "image",
          "platform", "stage_key", "owner", "why", "parent", "checks", "signal")  # fmt: skip
_NUMBERS = ("seed", "duration", "peak_memory", "exit_code")
_OTHERS = ("stage", "commit", "dirty", "code", "who", "notes", "tags")
FIELDS = frozenset({*_TEXTS, *_NUMBERS, *_OTHERS})
"""Names that stand by themselves."""
GROUPS = ("metrics", "params", "data", "outputs", "host")
"""What comes before a dot."""
ALIASES = {"memory": "peak_memory", "state": "outcome"}

_KINDS: dict[str, Kind] = {
    **dict.fromkeys(("lock", "image", "stage_key", "code", "commit"), "digest"),
    **dict.fromkeys(("start", "end"), "time"),
    "duration": "duration",
    **dict.fromkeys(("peak_memory", "host.memory"), "size"),
}


def full_name(name: str) -> str:
    """A name as runs have it: one that is no field and has no group before it is that of a metric."""
    name = ALIASES.get(name, name)
    return name if name in FIELDS or (name.partition(".")[0] in GROUPS and "." in name) else f"metrics.{name}"


def kind_of(name: str) -> Kind:
    """How the values under a full name are compared."""
    if name.startswith(("data.", "outputs.")):
        return "digest"
    return _KINDS.get(name, "plain")


def facts_of(record: RunRecord, tags: Sequence[str] = ()) -> dict[str, Fact]:
    """What is known of a run; what is not known of it has no name here."""
    found = {name: value for name, value in _all(record, tags) if value is not None and value not in ("", [])}
    return dict(list(found.items())[:FACT_LIMIT])


def _all(record: RunRecord, tags: Sequence[str]) -> Iterator[tuple[str, Fact | None]]:
    for name in _TEXTS:
        yield name, _short(getattr(record, name))
    for name in _NUMBERS:
        yield name, getattr(record, name)
    if record.kind == "stage":
        yield "stage", record.command
    if record.commit is not None:
        yield "commit", _short(record.commit.id)
        yield "dirty", bool(record.commit.dirty)
    yield "code", _short(record.code.digest)
    yield "who", [_short(str(one)) for one in record.who.values()]
    yield "notes", [_short(one) for one in record.notes]
    yield "tags", list(tags)
    for name, metric in record.metrics.items():
        yield f"metrics.{name}", _scalar(metric)
    for group, contents in (("data", record.data), ("outputs", record.outputs)):
        for name, content in contents.items():
            yield f"{group}.{name}", f"sha256:{content.sha256}"
    yield from _flat("params", record.params, 0)
    yield from _flat("host", record.host, 0)


def _flat(prefix: str, value: Any, depth: int) -> Iterator[tuple[str, Fact | None]]:
    if isinstance(value, Mapping) and depth < 20:
        for name, inner in value.items():
            yield from _flat(f"{prefix}.{name}", inner, depth + 1)
    elif isinstance(value, (list, tuple)):
        yield prefix, [one for one in map(_scalar, value[:FACT_LIMIT]) if one is not None]
    else:
        yield prefix, _scalar(value)


def _scalar(value: Any) -> str | int | float | bool | None:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return _short(str(value))


def _short(text: str | None) -> str:
    return (text or "")[:TEXT_LIMIT]
