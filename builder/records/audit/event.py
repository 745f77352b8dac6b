"""One event of an audit trail, and its bytes. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from builder.errors import EnvbuildError
from builder.oci.canonical import canonical_json, parse_json
from builder.oci.digest import Digest

EVENT_FORMAT = 1
EVENT_LIMIT = 1 << 16
"""Bytes of an event at most."""
NAMESPACE = "envbuild-audit"
"""What signatures of events are for (`ssh-keygen -Y sign -n`), so that none made for something else is taken."""

_ACTION = re.compile(r"[a-z]+(?:-[a-z]+){0,4}")
_NAME = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_KEYS = {"format", "action", "subject", "actor", "time", "parents", "details"}
_ACTOR_KEYS = {"name", "email", "key"}


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did something."""

    name: str
    email: str = ""
    key: str = ""
    """The fingerprint of the SSH key that signs for them (`SHA256:…`), if one does."""

    def __str__(self) -> str:
        """As git shows a person."""
        return f"{self.name} <{self.email}>" if self.email else self.name


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was done."""

    action: str
    """A word: `bundled`, `signed`, `pushed`, `run`, `scanned`, `reproduced`, `approved`."""
    name: str
    """What it was done with, as people call it: `penguins:1.0`."""
    digest: str | None
    """Of that, `sha256:…`; None where there is none yet."""
    actor: Actor
    time: str
    """By the clock of the actor's machine, in UTC: `2026-01-31T23:59:59Z`."""
    parents: tuple[str, ...] = ()
    """The names of the last events that were known, sorted."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """JSON values; nothing secret."""

    def to_bytes(self) -> bytes:
        """Its file. Raises: EnvbuildError, if it is too large."""
        data = canonical_json(
            {
                "format": EVENT_FORMAT,
                "action": self.action,
                "subject": {"name": self.name, "digest": self.digest},
                "actor": {"name": self.actor.name, "email": self.actor.email, "key": self.actor.key},
                "time": self.time,
                "parents": list(self.parents),
                "details": dict(self.details),
            }
        )
        if len(data) > EVENT_LIMIT:
            raise EnvbuildError("the event is too large for the audit trail", f"it has {len(data)} bytes")
        return data


def event_name(data: bytes) -> str:
    """What an event of these bytes is called: their SHA-256, hexadecimal."""
    return Digest.of(data).hex


def parse_event(data: bytes) -> Event:
    """The event in a file that came from anywhere.

    Raises: EnvbuildError, if it is none, or is written in another way than this one.
    """
    document = parse_json(data, "it")
    try:
        event = _event(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EnvbuildError("it is no event of an audit trail", str(error)) from error
    if event.to_bytes() != data:
        raise EnvbuildError("it is not written as events are", "canonical JSON is expected")
    return event


def _event(document: Any) -> Event:
    if document.keys() != _KEYS or document["format"] != EVENT_FORMAT:
        raise ValueError(f"it has not the keys of format {EVENT_FORMAT}")
    actor, subject = document["actor"], document["subject"]
    if actor.keys() != _ACTOR_KEYS or subject.keys() != {"name", "digest"}:
        raise ValueError("`actor` or `subject` has other keys")
    parents, details = document["parents"], document["details"]
    texts = [document["action"], document["time"], subject["name"], *actor.values(), *parents]
    if not all(isinstance(text, str) for text in texts) or not isinstance(details, dict):
        raise TypeError("a value is of another type")
    if parents != sorted(set(parents)) or not all(map(_NAME.fullmatch, parents)):
        raise ValueError("`parents` are not sorted names of events")
    digest = subject["digest"]
    if digest is not None and not _DIGEST.fullmatch(digest):
        raise ValueError("`digest` is none")
    if not _TIME.fullmatch(document["time"]) or not _is_time(document["time"]):
        raise ValueError("`time` is none in UTC, to the second")
    return Event(
        check_action(document["action"]), subject["name"], digest, Actor(**actor), document["time"], tuple(parents),
        details,
    )  # fmt: skip


def check_action(text: str) -> str:
    """`text`, if it is a word for an action. Raises: EnvbuildError."""
    if len(text) > 60 or not _ACTION.fullmatch(text):
        raise EnvbuildError(f"`{text[:60]}` is no word for an action", hint="Lower-case letters, as in `approved`")
    return text


def _is_time(text: str) -> bool:
    try:
        datetime.strptime(text, "%Y-%m-%dT%H:%M:%S%z")
    except ValueError:
        return False
    return True
