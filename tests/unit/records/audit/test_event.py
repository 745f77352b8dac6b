from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from builder.errors import EnvbuildError
from builder.oci.canonical import canonical_json
from builder.records.audit.event import EVENT_LIMIT, Actor, Event, event_name, parse_event

DIGEST = "sha256:" + "a" * 64
EVENT = Event("approved", "penguins:1.0", DIGEST, Actor("Ann", "ann@example.org"), "2026-01-31T23:59:59Z")


def test_an_event_is_read_as_it_was_written():
    event = replace(EVENT, parents=("1" * 64, "2" * 64), details={"note": "fine", "metrics": {"accuracy": 0.9}})
    assert parse_event(event.to_bytes()) == event
    assert re.fullmatch("[0-9a-f]{64}", event_name(event.to_bytes()))


def changed(**values: object) -> bytes:
    document = json.loads(EVENT.to_bytes())
    return canonical_json({key: value for key, value in (document | values).items() if value is not ...})


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"null",
        b"\xff",
        b"[" * 60_000,
        EVENT.to_bytes() + b"\n",
        EVENT.to_bytes().replace(b'"action"', b'"\\u0061ction"'),
        EVENT.to_bytes().replace(b"{}", b'{"a":1,"a":2}'),
        changed(format=2),
        changed(more=1),
        changed(time=...),
        changed(time="2026-13-31T23:59:59Z"),
        changed(time="2026-01-31 23:59:59"),
        changed(action="\x1b[2J"),
        changed(action=["approved"]),
        changed(parents=["../../etc/passwd"]),
        changed(parents=["2" * 64, "1" * 64]),
        changed(parents=["1" * 64, "1" * 64]),
        changed(parents="1" * 64),
        changed(details=[]),
        changed(subject={"name": "x", "digest": "sha256:1"}),
        changed(subject={"name": 1, "digest": None}),
        changed(actor={"name": "Ann", "email": ""}),
        changed(actor="Ann"),
        changed(actor={"name": "Ann", "email": "", "key": None}),
    ],
    ids=range(25),
)
def test_what_is_no_event_is_refused(data):
    with pytest.raises(EnvbuildError):
        parse_event(data)


def test_an_event_that_nobody_could_read_is_not_written():
    with pytest.raises(EnvbuildError, match="too large"):
        replace(EVENT, details={"note": "x" * EVENT_LIMIT}).to_bytes()
