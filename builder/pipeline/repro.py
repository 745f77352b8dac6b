"""Making stages current: each is judged when those before it are done, and left, restored or run.

One thread decides everything; stages run in children. What is true on disk after each step is enough to go on from:
a stage's outputs are in the store before the lock says so, and the lock is written after each stage.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace

from builder.errors import EnvbuildError
from builder.history.confidential import check_no_secret
from builder.history.content import Content
from builder.history.folder import LOG_FILE, PATCH_FILE, STEPS_FILE, OpenRun
from builder.history.kept import Result
from builder.history.log import LogFile
from builder.history.record import LARGEST, Log
from builder.pipeline.bench import Bench, EnvironmentImage, Wishes
from builder.pipeline.child import Children, Ended, Event, Printed, Signalled
from builder.pipeline.execute import Outcome, Place, Task, check_kept, run_stage
from builder.pipeline.key import Parts, key_of, key_parts
from builder.pipeline.outputs import Outputs
from builder.pipeline.recording import Begun, Circumstances, begin_record, finished_record, killed_record
from builder.pipeline.report import Report, StageResult
from builder.pipeline.resolve import Pipeline
from builder.pipeline.review import Review
from builder.pipeline.schedule import Board
from builder.pipeline.stage import ResolvedStage
from builder.pipeline.stages_lock import StageEntry, StagesLock, write_stages_lock
from builder.pipeline.status import Verdict
from builder.spec.load import LOCK_FOLDER


@dataclass(slots=True)
class _Running:
    """A child's stage."""

    stage: ResolvedStage
    verdict: Verdict
    parts: Parts
    stack: ExitStack
    """Holds its scratch folder."""
    started: float
    run: OpenRun | None = None
    """None, where kept outputs are checked."""
    log: LogFile | None = None

    @property
    def recorded(self) -> tuple[OpenRun, LogFile]:
        """The run and its log. Raises: ValueError, where kept outputs are checked."""
        if self.run is None or self.log is None:
            raise ValueError(self.stage.name)
        return self.run, self.log


class Repro:
    """One `repro` of a pipeline."""

    def __init__(self, pipeline: Pipeline, lock: StagesLock, bench: Bench, wishes: Wishes) -> None:
        self._pipeline, self._bench, self._wishes = pipeline, bench, wishes
        self._folder = pipeline.loaded.folder
        self._lock = lock
        self._stages = {stage.name: stage for stage in pipeline.stages}
        self._outputs = Outputs(bench.store, bench.shared, pipeline, bench.screen)
        self._review = Review(pipeline, lock, lambda key: self._kept(key))
        self._asking: ResolvedStage | None = None
        resources = {stage.name: stage.resources for stage in pipeline.stages}
        needs = {stage.name: pipeline.needs[stage.name] for stage in pipeline.stages}
        self._board = Board(needs, resources, bench.capacity, wishes.jobs)
        self._children = Children()
        self._running: dict[str, _Running] = {}
        self._verdicts: dict[str, Verdict] = {}
        self._checked: set[str] = set()
        """Stages whose kept outputs, and inputs, keep their contracts."""
        self._results: dict[str, StageResult] = {}
        self._circumstances: Circumstances | None = None
        self._signal = 0
        self._is_untidy = False
        """Whether a child was killed, which may have left a container."""

    def run(self) -> Report:
        """Make the stages current, as far as that goes; what failed is in the report."""
        with self._children:
            self._advance()
            while self._children.running:
                for event in self._children.wait():
                    self._take(event)
                self._advance()
            if self._is_untidy:
                self._bench.tidy()
        for name, cause in self._board.left().items():
            reason = f"`{cause}` failed" if cause else "interrupted" if self._signal else "another stage failed"
            self._results[name] = StageResult(name, "not-run", (reason,))
        return Report(tuple(self._results[name] for name in self._stages), self._signal)

    @property
    def _stopping(self) -> bool:
        return bool(self._signal or (self._board.failed and not self._wishes.keep_going))

    def _advance(self) -> None:
        """Begin whatever can be begun."""
        moved = True
        while moved:
            moved = False
            for name in self._board.ready():
                if self._stopping:
                    return
                moved |= self._considered(self._stages[name])

    def _considered(self, stage: ResolvedStage) -> bool:
        """Do what can be done for a stage now; whether it is done with."""
        try:
            verdict = self._verdict(stage)
            if verdict.state == "current":
                if self._wishes.share and verdict.key:
                    self._outputs.share_kept(verdict.key)
                entry = self._lock.stages.get(stage.name)
                self._end(StageResult(stage.name, "current", key=verdict.key, run=entry.run if entry else None))
                return True
            if verdict.state == "restorable" and (not self._is_held(stage) or stage.name in self._checked):
                self._restore(stage, verdict)
                return True
            if self._board.fits(stage.name):
                self._begin(stage, verdict)
        except (EnvbuildError, OSError) as error:
            self._fail(stage, _told(error))
            return True
        return False

    def _verdict(self, stage: ResolvedStage) -> Verdict:
        if stage.name not in self._verdicts:
            self._asking = stage
            verdict = self._review.of(stage)
            if stage.name in self._wishes.force:
                verdict = replace(verdict, state="stale", reasons=verdict.reasons or ("forced",))
            elif verdict.state == "restorable" and not self._outputs.are_at_hand(verdict.outputs or {}):
                verdict = replace(verdict, state="stale")
            self._verdicts[stage.name] = verdict
        return self._verdicts[stage.name]

    def _kept(self, key: str) -> Mapping[str, Content] | None:
        result = self._outputs.result_of(key, self._asking.outputs if self._asking else None)
        return result.outputs if result else None

    def _is_held(self, stage: ResolvedStage) -> bool:
        return not self._wishes.no_check and any(port.contract for port in (*stage.inputs, *stage.outputs))

    # What is kept

    def _restore(self, stage: ResolvedStage, verdict: Verdict) -> None:
        outputs, key = verdict.outputs or {}, verdict.key or ""
        result, entry = self._outputs.result_of(key), self._lock.stages.get(stage.name)
        run = result.run if result else entry.run if entry and entry.key == key else None
        self._outputs.place(outputs)
        self._outputs.share_kept(key)
        self._settle(stage, verdict.parts or {}, outputs, run)
        self._bench.screen.say(f"restored `{stage.name}`")
        metrics = result.metrics if result else {}
        self._end(StageResult(stage.name, "restored", verdict.reasons, key, run, metrics=metrics))

    def _settle(self, stage: ResolvedStage, parts: Parts, outputs: Mapping[str, Content], run: str | None) -> None:
        """Write down that a stage's outputs are in the project."""
        self._review.made(stage, outputs)
        entry = StageEntry(key_of(parts), parts, outputs, run, self._review.contracts(stage))
        self._lock = self._lock.with_entry(stage.name, entry).only(self._pipeline.loaded.project.stages)
        write_stages_lock(self._folder / LOCK_FOLDER, self._lock)

    # Children

    def _begin(self, stage: ResolvedStage, verdict: Verdict) -> None:
        """Start a child that runs a stage, or checks what is kept of it."""
        bench, stack = self._bench, ExitStack()
        inputs = self._review.inputs(stage)
        parts = verdict.parts or key_parts(stage, inputs)
        gpus = self._board.begin(stage.name)
        running = _Running(stage, verdict, parts, stack, time.monotonic())
        try:
            scratch = stack.enter_context(bench.store.scratch())
            task = Task(stage, inputs, bench.source, bench.store, scratch, bench.now(), self._wishes.no_check)
            if verdict.state == "restorable":
                outputs = verdict.outputs or {}
                here = {path: self._folder / path for path, one in outputs.items() if self._outputs.is_here(path, one)}
                self._children.start(stage.name, lambda: check_kept(task, outputs, here), scratch / "report")
            else:
                environment = self._prepared(stage)
                self._open(running, inputs, environment)
                place = Place(bench.engine, environment.image, bench.own_group(), gpus, bench.labels)
                bench.screen.say(f"running `{stage.name}`: {', '.join(verdict.reasons)}")
                self._children.start(stage.name, lambda: run_stage(task, place), scratch / "report")
        except BaseException:
            if running.run:
                running.run.discard()
            stack.close()
            raise
        self._running[stage.name] = running

    def _prepared(self, stage: ResolvedStage) -> EnvironmentImage:
        if self._circumstances is None:
            self._bench.tidy()
            self._circumstances = self._bench.circumstances()
        return self._bench.image(stage)

    def _open(self, running: _Running, inputs: Mapping[str, Content], environment: EnvironmentImage) -> None:
        """Begin the run's record."""
        if self._circumstances is None:
            raise ValueError(running.stage.name)
        digest = str(environment.image.descriptor.digest)
        begun = Begun(running.stage, key_of(running.parts), inputs, environment.lock, digest)
        record = begin_record(begun, self._circumstances, self._bench.now(), secrets.token_hex(3))
        check_no_secret(record)
        patch = self._circumstances.patch
        running.run = OpenRun.begin(self._folder, record, {PATCH_FILE: patch} if patch else {})
        running.log = LogFile(running.run.log)

    def _take(self, event: Event) -> None:
        if isinstance(event, Printed):
            running = self._running[event.name]
            if running.log:
                running.log.write(event.data)
            self._bench.screen.printed(event.name, event.data)
        elif isinstance(event, Signalled):
            self._interrupt(event.number)
        else:
            self._ended(event)

    def _interrupt(self, number: int) -> None:
        names = ", ".join(f"`{name}`" for name in self._children.running)
        if self._signal:
            self._children.kill()
            return
        self._signal = number
        if names:
            self._bench.screen.say(f"interrupted: waiting for {names} to end; once more kills")
        self._children.forward(number)

    def _ended(self, event: Ended) -> None:
        running = self._running.pop(event.name)
        stage = running.stage
        try:
            if running.run is None:
                self._take_check(running, event.report)
            elif self._signal or event.report is None:
                self._take_killed(running)
            else:
                outcome = event.report if isinstance(event.report, Outcome) else Outcome(0, failure=event.report)
                self._take_outcome(running, outcome)
        except (EnvbuildError, OSError) as error:
            self._fail(stage, _told(error), running)
        finally:
            if running.log:
                running.log.close()
            running.stack.close()
            self._is_untidy |= event.report is None

    def _take_check(self, running: _Running, report: object) -> None:
        """The contracts of what is kept were looked at; what keeps them is restored at the next look."""
        name = running.stage.name
        self._board.running.pop(name, None)
        if isinstance(report, EnvbuildError):
            self._fail(running.stage, report)
        elif not self._signal:
            self._checked.add(name)

    def _take_killed(self, running: _Running) -> None:
        run, log = running.recorded
        note = "it was interrupted" if self._signal else "the process that ran it was killed"
        record = killed_record(run.record, self._bench.now(), time.monotonic() - running.started, _log(log), note)
        run.finish(record)
        self._bench.told(record)
        error = None if self._signal else EnvbuildError(f"the stage `{running.stage.name}` was killed", note)
        self._bench.screen.ended(running.stage.name, error, run.log)
        result = StageResult(running.stage.name, "killed", running.verdict.reasons, key_of(running.parts), record.id)
        self._end(replace(result, duration=record.duration, error=error))

    def _take_outcome(self, running: _Running, outcome: Outcome) -> None:
        run, log = running.recorded
        stage, key = running.stage, key_of(running.parts)
        targets = {port.target: outcome.outputs[port.path] for port in stage.outputs if port.path in outcome.outputs}
        if not outcome.failure:
            outcome = replace(outcome, notes=(*outcome.notes, *self._outputs.broken_promises(stage, key, targets)))
        record = finished_record(run.record, outcome, self._bench.now(), time.monotonic() - running.started, _log(log))
        run.finish(record, {STEPS_FILE: outcome.steps} if outcome.steps else {})
        self._bench.told(record)
        for note in outcome.notes:
            if note != LARGEST:  # nothing to act upon
                self._bench.screen.say(f"note: `{stage.name}`: {note}")
        if outcome.failure or outcome.exit_code:
            self._fail(stage, outcome.failure or _failure(stage, outcome), running)
            return
        result = Result(targets, record.id, dict(outcome.metrics))
        self._outputs.keep(key, result)
        try:
            self._outputs.place(outcome.outputs)
        except EnvbuildError as error:
            hint = "What the stage wrote is kept: when there is room for it, `envbuild repro` lays it out"
            raise EnvbuildError(error.what, error.why, hint) from error
        self._settle(stage, running.parts, outcome.outputs, record.id)
        self._bench.screen.ended(stage.name, None, None)
        self._bench.screen.say(f"done `{stage.name}` in {record.duration or 0:.1f} s: run {record.id}")
        told = StageResult(stage.name, "ran", running.verdict.reasons, key, record.id, record.duration, 0)
        self._end(replace(told, metrics=outcome.metrics))
        self._outputs.share(key, result)

    def _fail(self, stage: ResolvedStage, error: EnvbuildError, running: _Running | None = None) -> None:
        run = running.run if running else None
        record = run.record if run else None
        self._bench.screen.ended(stage.name, error, run.log if run and record and record.exit_code else None)
        verdict = self._verdicts.get(stage.name)
        result = StageResult(stage.name, "failed", verdict.reasons if verdict else (), verdict.key if verdict else None)
        if record:
            result = replace(result, run=record.id, duration=record.duration, exit_code=record.exit_code)
        self._end(replace(result, error=error))

    def _end(self, result: StageResult) -> None:
        self._results[result.stage] = result
        self._board.end(result.stage, is_done=result.state in ("current", "restored", "ran"))


def _log(log: LogFile) -> Log:
    return Log(LOG_FILE, log.size, log.cut)


_NOT_FOUND = 127
"""The exit code that says that a program is not there."""
_SHELLS = {"sh": "dash", "bash": "bash"}
"""Debian's packages of shells."""


def _failure(stage: ResolvedStage, outcome: Outcome) -> EnvbuildError:
    ended = f"signal {outcome.signal}" if outcome.signal else f"exit code {outcome.exit_code}"
    program = stage.arguments[0] if stage.arguments else ""
    hint = _SHELLS.get(program) if outcome.exit_code == _NOT_FOUND else None
    return EnvbuildError(
        f"the stage `{stage.name}` failed with {ended}",
        hint=f"Images have no shell that is not asked for: `debian: [{hint}]`" if hint else None,
    )


def _told(error: EnvbuildError | OSError) -> EnvbuildError:
    if isinstance(error, EnvbuildError):
        return error
    return EnvbuildError(f"`{error.filename}`: {error.strerror}" if error.filename else str(error))
