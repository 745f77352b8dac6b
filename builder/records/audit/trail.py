"""What a set of events says together: their order, the last ones, and what is wrong with them. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from builder.errors import EnvbuildError
from builder.records.audit.event import Event, event_name, parse_event

Kind = Literal["digest", "signature", "check", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong, or worth a word."""

    kind: Kind
    """`digest` and `signature`: it was changed. `check`: it is not as it should be. `note`: no fault."""
    file: str
    """The name of the file that it is about, empty for the whole."""
    message: str

    def to_dict(self) -> dict[str, str]:
        """As `--json` has it."""
        return {"kind": self.kind, "file": self.file, "message": self.message}


@dataclass(frozen=True, slots=True)
class Trail:
    """The events of a folder, each by its name."""

    events: Mapping[str, Event] = field(default_factory=dict)
    """Those whose name is their content's digest."""
    signatures: Mapping[str, bytes] = field(default_factory=dict)
    """By the name of the event."""
    findings: tuple[Finding, ...] = ()
    """What was wrong with the files themselves."""

    @property
    def heads(self) -> tuple[str, ...]:
        """The events that no other one names as its parent, sorted."""
        named = {parent for event in self.events.values() for parent in event.parents}
        return tuple(sorted(self.events.keys() - named))

    def ordered(self) -> Iterator[tuple[str, Event]]:
        """The events, each behind its parents; else by time, then by name."""
        waiting = {name: len(self._known_parents(event)) for name, event in self.events.items()}
        children: dict[str, list[str]] = {}
        for name, event in self.events.items():
            for parent in self._known_parents(event):
                children.setdefault(parent, []).append(name)
        ready = [(self.events[name].time, name) for name, count in waiting.items() if not count]
        heapq.heapify(ready)
        while ready:
            _, name = heapq.heappop(ready)
            yield name, self.events[name]
            for child in children.get(name, ()):
                waiting[child] -= 1
                if not waiting[child]:
                    heapq.heappush(ready, (self.events[child].time, child))

    def _known_parents(self, event: Event) -> list[str]:
        return [parent for parent in event.parents if parent in self.events]


def read_trail(files: Mapping[str, bytes], signatures: Mapping[str, bytes]) -> Trail:
    """The trail in files, both by the name of the event; what is no event is a finding."""
    events, findings = {}, []
    for name, data in sorted(files.items()):
        if event_name(data) != name:
            message = f"it was changed: its content's SHA-256 is {event_name(data)}"
            findings.append(Finding("digest", f"{name}.json", message))
            continue
        try:
            events[name] = parse_event(data)
        except EnvbuildError as error:
            findings.append(Finding("check", f"{name}.json", _line(error)))
    orphans = sorted(signatures.keys() - files.keys())
    findings += [Finding("check", f"{name}.json.sig", "its event is missing") for name in orphans]
    return Trail(events, {name: data for name, data in signatures.items() if name in events}, tuple(findings))


def check_trail(trail: Trail, expected: Iterable[str] = ()) -> Iterator[Finding]:
    """Everything that is wrong with a trail but for its signatures, and notes.

    `expected` are names, or their beginnings, of events that must be in it.
    """
    yield from trail.findings
    changed = {finding.file.partition(".")[0] for finding in trail.findings}
    for name, event in trail.ordered():
        file = f"{name}.json"
        for parent in event.parents:
            if parent not in trail.events and parent not in changed:
                yield Finding("check", file, f"the event {parent} before it is missing")
            elif parent in trail.events and trail.events[parent].time > event.time:
                yield Finding("note", file, f"its time, {event.time}, is before that of its parent {parent}")
    for start in expected:
        if not any(name.startswith(start) for name in trail.events):
            yield Finding("check", "", f"the event {start} that was expected is missing")


def check_signatures(trail: Trail, verify: Callable[[Event, bytes, bytes], str | None]) -> Iterator[Finding]:
    """What is wrong with the signatures that there are; `verify` says so of an event, its bytes and its signature."""
    for name, event in trail.ordered():
        signature = trail.signatures.get(name)
        if signature is None:
            if event.actor.key:
                yield Finding("signature", f"{name}.json", f"the signature of the key {event.actor.key} is missing")
            continue
        problem = verify(event, event.to_bytes(), signature)
        if problem:
            yield Finding("signature", f"{name}.json.sig", problem)


def unsigned(trail: Trail) -> list[str]:
    """The names of events without a signature, in their order."""
    return [name for name, _ in trail.ordered() if name not in trail.signatures]


def event_as_json(name: str, event: Event, signed: bool) -> dict[str, Any]:
    """An event for `--json`."""
    return {
        "event": name,
        "time": event.time,
        "action": event.action,
        "subject": {"name": event.name, "digest": event.digest},
        "actor": {"name": event.actor.name, "email": event.actor.email, "key": event.actor.key},
        "parents": list(event.parents),
        "details": dict(event.details),
        "signed": signed,
    }


def _line(error: EnvbuildError) -> str:
    return ": ".join((error.what, *error.why))[:500]
