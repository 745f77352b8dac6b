"""All stages of a pipeline judged one behind the other, also while they are made: what is known grows as it goes.

Inputs that other stages write count as what those stages make, not as what happens to be in the project: an output
that was removed or changed by hand makes only its own stage other than current.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from builder.errors import EnvbuildError
from builder.history.content import Content
from builder.lock.data.hashing import shown
from builder.pipeline.contents import part_of
from builder.pipeline.graph import Places
from builder.pipeline.resolve import Pipeline
from builder.pipeline.stage import Port, ResolvedStage
from builder.pipeline.stages_lock import StagesLock
from builder.pipeline.status import Evidence, Kept, Verdict, judge


class Review:
    """Judges the stages of a pipeline, each after those that it waits for."""

    def __init__(self, pipeline: Pipeline, lock: StagesLock, kept: Kept = lambda _: None) -> None:
        """`lock` says how stages were last made, `kept` which outputs are kept under a key."""
        self._pipeline = pipeline
        self._lock = lock
        self._kept = kept
        self._writers = Places((port.path, stage.name) for stage in pipeline.stages for port in stage.outputs)
        self._outputs: dict[str, Mapping[str, Content] | None] = {}
        self._known: dict[str, Content] = {}
        self._contracts: dict[Path, str] = {}

    def all(self) -> tuple[Verdict, ...]:
        """What is true of each stage, in order. Raises: EnvbuildError, if an input or output cannot be read."""
        verdicts = tuple(self.of(stage) for stage in self._pipeline.stages)
        self._pipeline.contents.remember()
        return verdicts

    def as_far_as_told(self) -> tuple[Verdict, ...]:
        """The same, where a stage of which something cannot be read is `unknown`, and so are those behind it."""
        verdicts: dict[str, Verdict] = {}
        for stage in self._pipeline.stages:
            behind = [one for one in self._pipeline.needs[stage.name] if verdicts[one].state == "unknown"]
            reasons = [f"stage `{name}` cannot be told" for name in behind]
            try:
                verdicts[stage.name] = _unknown(stage, reasons) if behind else self.of(stage)
            except EnvbuildError as error:
                verdicts[stage.name] = _unknown(stage, [f"cannot be told: {'; '.join((error.what, *error.why))}"])
        self._pipeline.contents.remember()
        return tuple(verdicts.values())

    def of(self, stage: ResolvedStage) -> Verdict:
        """What is true of a stage whose predecessors were judged or made. Raises: as `all`."""
        inputs, waits_for = self._inputs(stage)
        evidence = Evidence(
            inputs,
            {port.path: self._pipeline.contents.at(port.path) for port in stage.outputs},
            self.contracts(stage),
            self._lock.stages.get(stage.name),
            waits_for,
        )
        verdict = judge(stage, evidence, self._kept)
        self._take(stage.name, verdict.outputs)
        return verdict

    def made(self, stage: ResolvedStage, outputs: Mapping[str, Content]) -> None:
        """Take it that a stage's outputs, by path, are in the project now: it was run, or they were restored."""
        for path, content in outputs.items():
            self._pipeline.contents.note(path, content)
        self._take(stage.name, outputs)

    def inputs(self, stage: ResolvedStage) -> dict[str, Content]:
        """What a stage reads, by target and in full, once its predecessors are made and in the project.

        Raises: EnvbuildError, if something is missing.
        """
        inputs = {}
        for port in stage.inputs:
            content = self._pipeline.contents.in_full(port)
            if content is None:
                raise EnvbuildError(f"the input `{port.path}` of the stage `{stage.name}` is not there")
            inputs[port.target] = content
        return inputs

    def contracts(self, stage: ResolvedStage) -> dict[str, str]:
        """The SHA-256 of each contract that a stage is held to, by the path of the input or output."""
        ports = [port for port in (*stage.inputs, *stage.outputs) if port.contract is not None]
        return {port.path: self._contract(port.contract) for port in ports if port.contract}

    def _take(self, name: str, outputs: Mapping[str, Content] | None) -> None:
        self._outputs[name] = outputs
        for path, content in (outputs or {}).items():
            here = self._pipeline.contents.at(path)
            self._known[path] = here if here and _same(here, content) else content  # here its files are listed

    def _inputs(self, stage: ResolvedStage) -> tuple[dict[str, Content | None], tuple[str, ...]]:
        """Inputs by target, and which stages must be made before all of them are known."""
        inputs: dict[str, Content | None] = {}
        waits_for: set[str] = set()
        for port in stage.inputs:
            writers = self._writers_of(port)
            unmade = {name for name in writers if self._outputs[name] is None}
            content = None if unmade else self._made(port)
            if not unmade and content is None:
                unmade = {name for name in writers if not self._in_place(name)}
                content = None if unmade else self._pipeline.contents.of(port)
            inputs[port.target] = content
            waits_for |= unmade
        return inputs, tuple(sorted(waits_for))

    def _made(self, port: Port) -> Content | None:
        return part_of(self._known, port.path) if port.source == "project" else None

    def _writers_of(self, port: Port) -> set[str]:
        return {name for _, name in self._writers.touching(port.path)} if port.source == "project" else set()

    def _in_place(self, name: str) -> bool:
        """Whether what a stage makes is in the project."""
        found = ((content, self._pipeline.contents.at(path)) for path, content in (self._outputs[name] or {}).items())
        return all(here is not None and _same(here, content) for content, here in found)

    def _contract(self, path: Path) -> str:
        if path not in self._contracts:
            try:
                self._contracts[path] = hashlib.sha256(path.read_bytes()).hexdigest()
            except OSError as error:
                raise EnvbuildError(f"`{shown(path)}` cannot be read", error.strerror or str(error)) from error
        return self._contracts[path]


def _unknown(stage: ResolvedStage, reasons: Sequence[str]) -> Verdict:
    return Verdict(stage.name, "unknown", tuple(reasons), None, None)


def _same(one: Content, other: Content) -> bool:
    return (one.kind, one.sha256) == (other.kind, other.sha256)
