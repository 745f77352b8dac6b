"""What a difference between two contracts means, and for whom. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["breaking", "compatible", "cosmetic"]
KINDS: tuple[Kind, ...] = ("breaking", "compatible", "cosmetic")
Side = Literal["producer", "consumer"]
PRODUCER: tuple[Side, ...] = ("producer",)
CONSUMER: tuple[Side, ...] = ("consumer",)
BOTH: tuple[Side, ...] = ("producer", "consumer")


@dataclass(frozen=True, slots=True)
class Change:
    """One difference."""

    place: str
    """`TABLE`, `TABLE.COLUMN`; empty for the contract itself."""
    what: str
    """What is different, with both values."""
    reason: str
    """Why it counts as it does."""
    kind: Kind
    breaks: tuple[Side, ...] = ()
    """Whom a breaking one breaks: who makes the data, who uses them, or both."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "kind": self.kind,
            "breaks": list(self.breaks),
            "place": self.place,
            "what": self.what,
            "reason": self.reason,
        }


Changes = Iterator[Change]


def breaking(place: str, what: str, breaks: tuple[Side, ...], reason: str) -> Change:
    """A change after which something that held does not."""
    return Change(place, what, reason, "breaking", breaks)


def narrowed(place: str, what: str) -> Change:
    """More is promised than before."""
    return breaking(place, what, PRODUCER, "data that kept the old promise may break the new one")


def widened(place: str, what: str) -> Change:
    """Less is promised than before."""
    return breaking(place, what, CONSUMER, "what users relied on is no longer promised")


def other(place: str, what: str) -> Change:
    """Neither promise follows from the other."""
    return breaking(place, what, BOTH, "neither promise follows from the other")


def compatible(place: str, what: str, reason: str) -> Change:
    """A change that neither side can trip over."""
    return Change(place, what, reason, "compatible")


def cosmetic(place: str, what: str) -> Change:
    """A change of words."""
    return Change(place, what, "no promise is in it", "cosmetic")


def shown(value: Any) -> str:
    """A value as a contract has it, short."""
    import json

    text = json.dumps(value, ensure_ascii=False, default=str) if not isinstance(value, str) else value
    return f"`{text[:77]}…`" if len(text) > 78 else f"`{text}`"


def switched(name: str, old: Any, new: Any) -> str:
    """The words for a value that changed."""
    nothing: tuple[Any, ...] = (None, "", (), [], {})
    if old in nothing:
        return f"`{name}` is new: {shown(new)}"
    return f"`{name}` is gone: {shown(old)}" if new in nothing else f"`{name}` from {shown(old)} to {shown(new)}"


def customs(properties: tuple[Any, ...]) -> Mapping[str, Any]:
    """Custom properties by name."""
    return {each.property: each.value for each in properties}
