"""The records of the runs of stages: what is known when one begins, and what came of it. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from builder.history.content import Content
from builder.history.folder import STEPS_FILE
from builder.history.record import Code, Commit, Log, RunRecord
from builder.oci.canonical import canonical_json
from builder.pipeline.execute import Outcome
from builder.pipeline.stage import ResolvedStage


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What the runs of one `repro` have in common."""

    project: str
    version: str
    who: Mapping[str, str]
    commit: Commit | None = None
    patch: bytes | None = None
    host: Mapping[str, Any] = field(default_factory=dict)
    parent: str | None = None
    why: str = ""
    """Why it is run now; without it the stage's own rationale is told."""
    no_check: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Begun:
    """What a stage is run with."""

    stage: ResolvedStage
    key: str
    inputs: Mapping[str, Content]
    """By target."""
    lock: str
    """The digest of its environment's lock."""
    image: str
    """The digest of its image."""


def begin_record(begun: Begun, circumstances: Circumstances, now: datetime, digits: str) -> RunRecord:
    """The record of a run that begins; `digits` are six random hexadecimal ones."""
    stage = begun.stage
    held = any(port.contract for port in (*stage.inputs, *stage.outputs))
    return RunRecord(
        id=run_id(now, stage.name, digits),
        kind="stage",
        command=stage.name,
        state="running",
        start=time_text(now),
        project=circumstances.project,
        version=circumstances.version,
        run=stage.arguments,
        params=stage.parameters,
        seed=stage.seed,
        data={port.path: begun.inputs[port.target] for port in stage.inputs},
        code=Code(_digest(stage.code.files), stage.code.files, stage.code.found),
        commit=circumstances.commit,
        environment=stage.environment.name,
        lock=begun.lock,
        image=begun.image,
        platform=stage.platform,
        stage_key=f"sha256:{begun.key}",
        owner=stage.owner,
        why=circumstances.why or stage.why,
        who=circumstances.who,
        parent=circumstances.parent,
        checks="skipped" if held and circumstances.no_check else None,
        host=circumstances.host,
        notes=circumstances.notes,
    )


def finished_record(record: RunRecord, outcome: Outcome, now: datetime, seconds: float, log: Log) -> RunRecord:
    """The record of a run that has ended by itself. `seconds` are all that it took, by a clock that never goes back."""
    failure = (outcome.failure.what, *outcome.failure.why) if outcome.failure else ()
    return replace(
        record,
        state="finished",
        end=time_text(now),
        duration=round(seconds if outcome.duration is None else outcome.duration, 3),
        exit_code=outcome.exit_code or (int(outcome.failure.exit_code) if outcome.failure else 0),
        signal=outcome.signal,
        peak_memory=outcome.peak_memory,
        metrics=outcome.metrics,
        steps=STEPS_FILE if outcome.steps else None,
        outputs=outcome.outputs,
        log=log,
        notes=(*record.notes, *outcome.notes, *failure, *_clock(record, now)),
    )


def killed_record(record: RunRecord, now: datetime, seconds: float, log: Log, note: str) -> RunRecord:
    """The record of a run that was ended from outside."""
    return replace(
        record,
        state="killed",
        end=time_text(now),
        duration=round(seconds, 3),
        log=log,
        notes=(*record.notes, note, *_clock(record, now)),
    )


def run_id(now: datetime, name: str, digits: str) -> str:
    """When it began, what was run, and something random."""
    safe = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "stage"
    return f"{now.astimezone(UTC):%Y%m%dT%H%M%SZ}-{safe}-{digits}"


def time_text(now: datetime) -> str:
    """RFC 3339 in UTC, with milliseconds."""
    return now.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _digest(files: Mapping[str, str]) -> str:
    return "sha256:" + hashlib.sha256(canonical_json(dict(files))).hexdigest()


def _clock(record: RunRecord, now: datetime) -> tuple[str, ...]:
    if time_text(now) >= record.start:
        return ()
    return ("the clock of the machine went back while it ran; its duration is by another one",)
