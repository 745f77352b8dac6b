"""A command's run, recorded: what is known before it, the command with its log, and what came of it."""

from __future__ import annotations

import functools
import json
import os
import signal
import stat
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.errors import EnvbuildError
from builder.history.content import Content
from builder.history.folder import STEPS_FILE, OpenRun, new_run_id, time_text
from builder.history.layout import RECORD_FILE, RECORD_LIMIT
from builder.history.log import logged
from builder.history.metrics import SUFFIXES, read_metrics
from builder.history.record import Code, RunRecord
from builder.oci.store import Store
from builder.resources import templates_folder

if TYPE_CHECKING:
    from types import ModuleType

    from builder.history.repository import State
    from builder.run.prepare import Wish

_METRICS = tuple(f"metrics{suffix}" for suffix in SUFFIXES)


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a run before it begins, besides what was wished."""

    document: Mapping[str, Any]
    """The `bundle.json` of the image."""
    image: str
    """The digest of its manifest."""
    platform: str
    environment: str = ""
    """Its name."""
    repository: State | None = None
    """None, if it is not the run of a project."""
    who: Mapping[str, str] | None = None
    host: Mapping[str, Any] | None = None
    why: str = ""
    parent: str | None = None
    code: Mapping[str, str] | None = None
    """The SHA-256 of each file of code that the command depends on, where that is known."""


def first_record(wish: Wish, known: Known, now: datetime) -> RunRecord:
    """The record of a run that begins now."""
    document, name = known.document, wish.command or ""
    command = document["commands"][name]
    state = known.repository
    return RunRecord(
        id=new_run_id(name, now),
        kind="command",
        command=name,
        state="running",
        start=time_text(now),
        project=str(document.get("name") or ""),
        version=str(document.get("version") or ""),
        run=tuple(command["run"]),
        arguments=wish.arguments,
        params=_parameters(command, wish.parameters),
        seed=command.get("seed") if wish.seed is None else wish.seed,
        data={one: content for one in command.get("inputs") or () if (content := _data(document["data"][one]))},
        code=Code(found="mounted") if wish.code else _code(document, known),
        commit=state.commit if state else None,
        environment=known.environment,
        lock=document.get("lock"),
        image=known.image,
        platform=known.platform,
        why=known.why,
        who=known.who or {},
        parent=known.parent,
        checks="skipped" if wish.no_check else None,
        host=known.host or {},
        notes=state.notes if state else (),
    )


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has ended."""

    code: int
    """Its exit code."""
    record: RunRecord
    failure: EnvbuildError | None = None
    """Why the record could not be written, if it could not."""


@dataclass(frozen=True, slots=True)
class Recorder:
    """Runs a command and records it."""

    out: Path
    """What is `/out` for the command."""
    store: Store
    """Keeps its outputs."""
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    clock: Callable[[], float] = time.monotonic

    def run(self, run: OpenRun, command: Callable[[], int]) -> Ended:
        """Run `command`, which gives its exit code, and finish the run.

        Raises: whatever `command` raises; a run that then never began leaves no folder.
        """
        record = run.record
        before, started = _Before.of(self.out, record.command), self.clock()
        try:
            with logged(run.log) as capture:
                code = command()
        except BaseException as error:
            if capture.log is None or not capture.log.size:
                run.discard()
            else:
                note = f"it was not seen to its end: {str(error) or type(error).__name__}"
                with suppress(EnvbuildError):
                    run.finish(replace(record, state="killed", log=capture.log, notes=(*record.notes, note)))
            raise
        duration = self.clock() - started
        ended = replace(record, log=capture.log, notes=tuple(filter(None, (*record.notes, capture.note))))
        record, steps = self._ended(ended, before, code, duration)
        try:
            run.finish(record, {STEPS_FILE: steps} if steps else None)
        except EnvbuildError as error:
            return Ended(code, record, error)
        return Ended(code, record)

    def _ended(self, record: RunRecord, before: _Before, code: int, duration: float) -> tuple[RunRecord, bytes]:
        """The record of what came of it, and its metrics by step."""
        told = before.told()
        end, notes = time_text(self.now()), list(record.notes)
        if end < record.start:
            notes.append(f"the clock went back while it ran: it ended at {end}")
        metrics = read_metrics(before.metrics(told))
        steps = metrics.steps()
        record = replace(
            record,
            state="killed" if code == 128 + signal.SIGKILL and not told else "finished",
            end=end,
            duration=round(duration, 3),
            exit_code=code,
            signal=_signal(code, told),
            peak_memory=_whole(told.get("peak_memory")),
            metrics=metrics.final,
            steps=STEPS_FILE if steps else None,
            outputs=self._outputs(told, notes) if code == 0 else {},
            notes=(*notes, *metrics.notes),
        )
        return record, steps

    def _outputs(self, told: Mapping[str, Any], notes: list[str]) -> dict[str, Content]:
        """What the command wrote, by the names of its outputs, kept in the store.

        They are hashed here once more: the record that the launcher leaves is in reach of the command.
        """
        from builder.history.kept import keep_all

        outputs = told.get("outputs")
        names = [name for name in outputs if _is_plain(name)] if isinstance(outputs, dict) else []
        found: dict[str, Content] = {}
        for name in sorted(names):
            try:
                found.update(keep_all(self.store, self.out, [name], move=False))
            except EnvbuildError as error:
                notes.append(f"the output `{name}` is not kept: {'; '.join((error.what, *error.why))}")
        return found


@dataclass(frozen=True, slots=True)
class _Before:
    """What was in the folder of outputs before the run: only what changed since is of the run."""

    out: Path
    command: str
    identities: Mapping[str, tuple[int, ...] | None]

    @classmethod
    def of(cls, out: Path, command: str) -> _Before:
        return cls(out, command, {name: _identity(out / name) for name in (RECORD_FILE, *_METRICS)})

    def changed(self, name: str) -> bool:
        identity = _identity(self.out / name)
        return identity is not None and identity != self.identities[name]

    def told(self) -> dict[str, Any]:
        """What the launcher recorded at the end; empty, if it was killed. It may be anything: the command can write it.

        A record that is not at its end is of no use: what is known at the start is known here.
        """
        if not self.changed(RECORD_FILE):
            return {}
        with suppress(OSError, ValueError, RecursionError):
            descriptor = os.open(self.out / RECORD_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as file:
                value = json.loads(file.read(RECORD_LIMIT))
            if isinstance(value, dict) and value.get("command") == self.command and value.get("state") == "finished":
                return value
        return {}

    def metrics(self, told: Mapping[str, Any]) -> dict[str, Path]:
        """The files of metrics that the run wrote, by the names to call them."""
        found = {name: self.out / name for name in _METRICS if self.changed(name)}
        steps = told.get("steps")
        if isinstance(steps, str) and steps.startswith("runs/") and _is_plain(steps[5:]):
            found[steps] = self.out / steps
        return {name: path for name, path in found.items() if not path.is_symlink()}


def _identity(path: Path) -> tuple[int, ...] | None:
    """Of a regular file."""
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size) if stat.S_ISREG(status.st_mode) else None


def _is_plain(name: Any) -> bool:
    """Whether it is one part of a path."""
    return isinstance(name, str) and bool(name) and "/" not in name and "\0" not in name and name not in (".", "..")


def _signal(code: int, told: Mapping[str, Any]) -> str | None:
    """The signal that ended it. A program may end with such a code by itself: the launcher knows."""
    if told:
        return told["signal"] if told.get("signal") in signal.Signals.__members__ else None
    with suppress(ValueError):
        return signal.Signals(code - 128).name
    return None


def _whole(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _code(document: Mapping[str, Any], known: Known) -> Code:
    return Code(document.get("code"), known.code, "packed" if known.code is None else "imports")


def _data(entry: Mapping[str, Any]) -> Content | None:
    """What the launcher holds the data to: by digest and size."""
    digest, size = entry.get("sha256"), entry.get("size")
    if not isinstance(digest, str) or not isinstance(size, int):
        return None
    kind = entry.get("kind", "file")
    value = {"kind": "file" if kind == "file" else "folder", "sha256": digest.removeprefix("sha256:"), "size": size}
    return Content.from_dict(value)


def _parameters(command: Mapping[str, Any], given: tuple[str, ...]) -> dict[str, Any]:
    """The parameters as the launcher will have them: read by its own rules. What it will refuse is left as it was."""
    parameters: dict[str, Any] = json.loads(json.dumps(command.get("parameters") or {}))
    for assignment in given:
        name, _, text = assignment.partition("=")
        with suppress(_launcher().LauncherError):
            _launcher().set_parameter(parameters, name, text)
    return parameters


@functools.cache
def _launcher() -> ModuleType:
    import importlib.util
    import sys

    spec = importlib.util.spec_from_file_location("envbuild_launcher", templates_folder() / "launcher.py")
    if spec is None or spec.loader is None:
        raise EnvbuildError("the launcher is not installed")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look there
    spec.loader.exec_module(module)
    return module
