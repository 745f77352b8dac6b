from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from builder.errors import EnvbuildError
from builder.records.audit.event import EVENT_LIMIT, Actor, Event, event_name
from builder.records.audit.folder import add_event, make_trail, read_folder
from builder.records.audit.trail import Trail, check_signatures, check_trail, read_trail

EVENT = Event("run", "penguins:1.0", "sha256:" + "a" * 64, Actor("Ann"), "2026-01-31T12:00:00Z")


def made(*events: Event) -> dict[str, bytes]:
    """Files of events, each behind the one before."""
    files: dict[str, bytes] = {}
    for event in events:
        data = replace(event, parents=tuple(list(files)[-1:])).to_bytes()
        files[event_name(data)] = data
    return files


def messages(trail: Trail, *expected: str) -> list[tuple[str, str]]:
    return [(finding.kind, finding.message) for finding in check_trail(trail, expected)]


THREE = made(EVENT, replace(EVENT, action="pushed"), replace(EVENT, action="approved"))
FIRST, SECOND, THIRD = THREE


def test_a_whole_trail_has_nothing_to_find_and_one_last_event():
    trail = read_trail(THREE, {})
    assert messages(trail, THIRD, FIRST[:12]) == []
    assert trail.heads == (THIRD,)
    assert [event.action for _, event in trail.ordered()] == ["run", "pushed", "approved"]


def test_an_event_that_was_changed_is_told_by_its_name():
    data = THREE[SECOND].replace(b"pushed", b"signed")
    assert messages(read_trail({**THREE, SECOND: data}, {})) == [
        ("digest", f"it was changed: its content's SHA-256 is {event_name(data)}")
    ]


def test_an_event_that_is_missing_is_told_by_those_behind_it():
    trail = read_trail({name: data for name, data in THREE.items() if name != SECOND}, {})
    assert messages(trail) == [("check", f"the event {SECOND} before it is missing")]


def test_a_last_event_that_is_missing_is_told_by_whoever_expects_it():
    trail = read_trail({name: data for name, data in THREE.items() if name != THIRD}, {})
    assert messages(trail) == []
    assert messages(trail, THIRD) == [("check", f"the event {THIRD} that was expected is missing")]


def test_a_time_before_that_of_a_parent_is_a_note():
    trail = read_trail(made(EVENT, replace(EVENT, time="2025-01-01T00:00:00Z")), {})
    assert [kind for kind, _ in messages(trail)] == ["note"]


def test_order_is_by_parents_then_by_time_whatever_the_order_of_files():
    branch = replace(EVENT, action="signed", time="2026-01-31T11:00:00Z", parents=(FIRST,))
    files = {**THREE, event_name(branch.to_bytes()): branch.to_bytes()}
    for some in (files, dict(reversed(files.items()))):
        trail = read_trail(some, {})
        assert [event.action for _, event in trail.ordered()] == ["run", "signed", "pushed", "approved"]
        assert len(trail.heads) == 2


def test_signatures_are_checked_where_they_are_and_missed_where_a_key_is_named():
    files = made(EVENT, replace(EVENT, actor=Actor("Ann", "", "SHA256:x")), replace(EVENT, action="signed"))
    first, second, _ = files
    trail = read_trail(files, {first: b"bad", "0" * 64: b"of nothing"})
    assert [finding.message for finding in trail.findings] == ["its event is missing"]
    found = list(check_signatures(trail, lambda _, data, signature: f"{signature!r} of {event_name(data)[:4]}"))
    assert [(finding.kind, finding.message) for finding in found] == [
        ("signature", f"b'bad' of {first[:4]}"),
        ("signature", "the signature of the key SHA256:x is missing"),
    ]
    assert second in found[1].file


def test_events_are_added_behind_all_that_were_last(tmp_path):
    first = add_event(tmp_path / "audit", EVENT)
    second = add_event(tmp_path / "audit", EVENT)
    trail = read_folder(tmp_path / "audit")
    assert trail.events[second].parents == (first,)
    assert first != second
    assert messages(trail) == []
    assert sorted(path.suffix for path in (tmp_path / "audit").iterdir()) == [".json"] * 3


def _add(folder: Path) -> str:
    return add_event(folder, EVENT)


def test_processes_that_add_the_same_at_once_lose_no_event(tmp_path):
    with ProcessPoolExecutor(4) as pool:
        names = list(pool.map(_add, [tmp_path] * 40))
    trail = read_folder(tmp_path)
    assert len(set(names)) == 40
    assert set(names) == trail.events.keys()
    assert messages(trail) == []


def test_files_that_are_no_events_are_found_without_being_followed_or_held(tmp_path):
    make_trail(tmp_path)
    (tmp_path / f"{'1' * 64}.json").symlink_to("/etc/passwd")
    (tmp_path / f"{'2' * 64}.json").write_bytes(b"[" * EVENT_LIMIT)
    with open(tmp_path / f"{'3' * 64}.json", "wb") as file:
        file.truncate(1 << 40)
    os.mkfifo(tmp_path / f"{'4' * 64}.json")
    (tmp_path / f"{'5' * 64}.json").mkdir()
    (tmp_path / "renamed.json").write_bytes(EVENT.to_bytes())
    (tmp_path / "README.md").write_bytes(b"what this is")
    found = {finding.file[0]: (finding.kind, finding.message) for finding in read_folder(tmp_path).findings}
    assert found["1"] == ("check", "it is a link")
    assert found["2"][0] == "digest"
    assert found["3"] == ("check", f"it is larger than the {EVENT_LIMIT} bytes of an event")
    assert found["4"] == found["5"] == ("check", "it is no regular file")
    assert found["r"] == ("check", "its name is not that of an event")
    assert len(found) == 6


def test_deep_json_with_its_right_name_is_a_finding_and_no_crash():
    data = b"[" * EVENT_LIMIT
    (finding,) = read_trail({event_name(data): data}, {}).findings
    assert (finding.kind, finding.message.startswith("it is not valid JSON")) == ("check", True)


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "audit").write_bytes(b"a file")
    with pytest.raises(EnvbuildError, match="nothing can be added"):
        add_event(tmp_path / "audit", EVENT)


def test_an_event_that_cannot_be_signed_is_not_written(tmp_path):
    def fail(_: bytes) -> bytes:
        raise EnvbuildError("no key")

    with pytest.raises(EnvbuildError, match="no key"):
        add_event(tmp_path, EVENT, fail)
    assert [path.name for path in tmp_path.iterdir()] == ["trail.json"]
