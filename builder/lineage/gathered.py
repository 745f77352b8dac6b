"""Reading what is known of lineage from a project's folder, the store and bundles."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.history.content import Content, Row
from builder.history.index import open_index
from builder.history.kept.place import Kept
from builder.lineage.graph import THING, Lineage
from builder.lineage.naming import Names
from builder.lineage.sources import Rows, of_events, of_run, of_stages, readings_of_events, readings_of_run, references
from builder.lineage.things import Activity, Reading
from builder.lock.data.document import DATA_LOCK_FILE
from builder.oci.store import Store
from builder.records.audit.event import Event
from builder.spec.load import LOCK_FOLDER

STAGES_LOCK_FILE = "stages.lock.json"
_LIMIT = 64 << 20
"""Bytes of a lock at most."""


@dataclass(frozen=True, slots=True)
class Project:
    """What one project's folder tells."""

    name: str
    runs: tuple[Activity, ...] = ()
    """The latest first."""
    stages: tuple[Activity, ...] = ()
    """By its lock of stages."""
    data: dict[str, str] = field(default_factory=dict)
    """The hexadecimal digest of locked data, by name."""
    events: tuple[Event, ...] = ()
    failures: tuple[str, ...] = ()
    """What could not be read."""

    def readings(self, things: Container[str]) -> Iterator[Reading]:
        """Who read one of these things, by their nodes."""
        for activity in self.runs:
            yield from readings_of_run(activity, things)
        yield from (one for one in readings_of_events(self.events, self.name) if f"{THING}{one.sha256}" in things)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a project is, and what is its own on this machine."""

    folder: Path
    name: str
    index: Path | None = None
    """The file of the index of its runs; None for none that is kept."""
    trail: Path | None = None
    """Its audit trail, if it has one."""

    @property
    def lock(self) -> Path:
        """Its folder of locks."""
        return self.folder / LOCK_FOLDER


def read_project(place: Place, store: Store) -> Project:
    """What the runs of a project, its locks and its audit trail tell. Raises: EnvbuildError, if one cannot be read."""
    rows, name, lock = kept_rows(store), place.name, place.lock
    with open_index(place.folder, place.index) as index:
        failures = [f"`runs/{one.folder}` cannot be read: {one.problem}" for one in index.broken()]
        runs = tuple(of_run(told, name, told["changed"], rows) for told in index.told())
    stages, problem = _document(lock / STAGES_LOCK_FILE)
    data, other = _document(lock / DATA_LOCK_FILE)
    failures += [text for text in (problem, other) if text]
    return Project(
        name, runs, tuple(of_stages(stages, name, rows)), _locked(data), tuple(_events(place.trail)), tuple(failures)
    )


def lineage_of(projects: Sequence[Project], images: Iterable[Activity]) -> tuple[Lineage, Names]:
    """Everything in one graph, and what things are called in it. What was kept of images counts more than events."""
    runs = [activity for project in projects for activity in project.runs]
    stages = [activity for project in projects for activity in project.stages]
    told = [activity for project in projects for activity in of_events(project.events)]
    data = {name: sha256 for project in reversed(projects) for name, sha256 in project.data.items()}
    places = dict(place for project in projects for place in references(project.events))
    return Lineage.of([*runs, *stages, *images, *told]), Names(data, places)


def kept_rows(store: Store) -> Rows:
    """Finds the files of folders that the store keeps a list of."""
    kept = Kept.of(store)

    def rows(content: Content) -> Sequence[Row] | None:
        return kept.rows(content)

    return rows


def _events(trail: Path | None) -> Iterator[Event]:
    if trail is None:
        return
    from builder.records.audit.folder import read_folder

    yield from (event for _, event in read_folder(trail).ordered())


def _document(path: Path) -> tuple[Any, str | None]:
    """A lock as JSON data, None where there is none; and what is wrong with it."""
    try:
        if path.stat().st_size > _LIMIT:
            return None, f"`{path}` is too large"
        return json.loads(path.read_bytes()), None
    except FileNotFoundError:
        return None, None
    except (OSError, ValueError, RecursionError) as error:
        return None, f"`{path}` cannot be read: {error}"


def _locked(document: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    with suppress(AttributeError, TypeError, KeyError, EnvbuildError):
        found = {str(name): str(entry["sha256"]) for name, entry in document["data"].items()}
    return found
