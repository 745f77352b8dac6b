"""What has changed since a run: its code, its data, its lock. Pure, but for hashing what is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Now:
    """A project as it is."""

    lock: str
    """The digest of its lock."""
    code: Callable[[], str]
    """The digest of all its code."""
    file: Callable[[str], str | None]
    """The hexadecimal SHA-256 of a file; None where it is not there."""
    data: Mapping[str, str]
    """The hexadecimal SHA-256 of its data, by name."""


def changes_since(run: Mapping[str, Any], files: Mapping[str, str] | None, now: Now) -> list[str]:
    """What a run had and the project has no longer, a line each; nothing of what is not recorded.

    `files` is the code that the run is of, where that is known: other code may change.
    """
    return [*code_changes(run, files, now), *_data(run, now), *_lock(run, now)]


def code_changes(run: Mapping[str, Any], files: Mapping[str, str] | None, now: Now) -> Iterator[str]:
    """What of the code of a run is another now, as `changes_since` tells it."""
    if files is None:
        if run.get("code") is not None and run["code"] != now.code():
            yield "the code is another"
        return
    for path, before in sorted(files.items()):
        found = now.file(path)
        if found is None:
            yield f"`{path}` is gone"
        elif found != before:
            yield f"`{path}` has changed"


def _data(run: Mapping[str, Any], now: Now) -> Iterator[str]:
    for name, before in sorted(run["data"].items()):
        found = now.data.get(name)
        if found is None:
            yield f"the data `{name}` are declared no longer"
        elif found != before["sha256"].removeprefix("sha256:"):
            yield f"the data `{name}` have changed: sha256:{before['sha256'][:12]}…, now sha256:{found[:12]}…"


def _lock(run: Mapping[str, Any], now: Now) -> Iterator[str]:
    if run.get("lock") is not None and run["lock"] != now.lock:
        yield "the lock of its environment has changed"
