"""Whether stages are current: what each would be made of now, what it was made of, what has to be done. Pure.

What is asked of the project and the store is handed in. A stage whose outputs are known without running it (they are
here, or kept under its key) lets those behind it be judged; behind any other, nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from builder.history.content import Content
from builder.pipeline.changes import differences, missing_or_changed
from builder.pipeline.key import Parts, key_of, key_parts
from builder.pipeline.stage import ResolvedStage
from builder.pipeline.stages_lock import StageEntry

State = Literal["current", "restorable", "stale", "unknown"]

Kept = Callable[[str], "Mapping[str, Content] | None"]
"""The outputs that are kept under a stage's key, by target; None where none are."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What is true of a stage."""

    stage: str
    state: State
    """`restorable`: not as it should be, but nothing has to be run: the outputs are kept, or here.

    `unknown`: something that it reads or writes cannot be read.
    """
    reasons: tuple[str, ...]
    """Why it is not current, a clause each."""
    parts: Parts | None
    """What its key is of; None where an input is not known yet."""
    outputs: Mapping[str, Content] | None
    """What its outputs are once it is current, by path; None where it must be run to know it."""

    @property
    def key(self) -> str | None:
        """Its key, None where an input is not known yet."""
        return None if self.parts is None else key_of(self.parts)

    def to_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {"stage": self.stage, "state": self.state, "reasons": list(self.reasons), "key": self.key}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a stage is judged by."""

    inputs: Mapping[str, Content | None]
    """By target; None for what is not there, or not known before another stage has been run."""
    outputs: Mapping[str, Content | None]
    """What is in the project where outputs belong, by path."""
    contracts: Mapping[str, str]
    """The SHA-256 of each contract that it is held to, by the path of the input or output."""
    entry: StageEntry | None
    """How it was last made."""
    waits_for: tuple[str, ...] = ()
    """Stages that must be run before it."""


def judge(stage: ResolvedStage, evidence: Evidence, kept: Kept = lambda _: None) -> Verdict:
    """What is true of one stage."""
    inputs = {target: content for target, content in evidence.inputs.items() if content is not None}
    is_known = len(inputs) == len(evidence.inputs) and not evidence.waits_for
    parts = key_parts(stage, inputs) if is_known else None
    reasons = tuple(_reasons(stage, evidence, parts))
    outputs = None if parts is None or stage.always else _known_outputs(stage, evidence, key_of(parts), kept)
    if stage.always and not evidence.waits_for and evidence.entry is None:
        reasons = ("never run",)
    if not reasons:
        return Verdict(stage.name, "current", (), parts, outputs)
    return Verdict(stage.name, "stale" if outputs is None else "restorable", reasons, parts, outputs)


def _reasons(stage: ResolvedStage, evidence: Evidence, parts: Parts | None) -> list[str]:
    entry = evidence.entry
    reasons = [f"stage `{name}` is stale" for name in evidence.waits_for]
    if entry is None:
        return [*reasons, "never run"]
    if stage.always:
        reasons.append("always")
    paths = {port.target: port.path for port in (*stage.inputs, *stage.outputs)}
    reasons += differences(entry.parts, parts or _parts_as_far_as_known(stage, evidence), stage.code.found, paths)
    made = {port.path: entry.outputs[port.path] for port in stage.outputs if port.path in entry.outputs}
    lost = [port.path for port in stage.outputs if port.path not in made and port.target in entry.parts["outputs"]]
    reasons += missing_or_changed(made, evidence.outputs)
    reasons += [f"output {path} is missing" for path in lost]
    reasons += [
        f"contract of {path} changed"
        for path, digest in sorted(evidence.contracts.items())
        if entry.contracts.get(path) != digest
    ]
    return reasons


def _parts_as_far_as_known(stage: ResolvedStage, evidence: Evidence) -> Parts:
    """The parts with inputs that are not known taken for unchanged: what they wait for is said already."""
    before = evidence.entry.parts["inputs"] if evidence.entry else {}
    none = Content("file", "", 0)
    known = {port.target: evidence.inputs[port.target] or none for port in stage.inputs}
    parts = {**key_parts(stage, known)}
    unknown = [target for target, content in evidence.inputs.items() if content is None and target in before]
    parts["inputs"] = {**parts["inputs"], **{target: before[target] for target in unknown}}
    return parts


def _known_outputs(stage: ResolvedStage, evidence: Evidence, key: str, kept: Kept) -> Mapping[str, Content] | None:
    entry = evidence.entry
    if entry and entry.key == key:
        made = {port.path: entry.outputs[port.path] for port in stage.outputs if port.path in entry.outputs}
        if len(made) == len(stage.outputs) and not list(missing_or_changed(made, evidence.outputs)):
            return made
    results = kept(key)
    if results is None or any(port.target not in results for port in stage.outputs):
        return None
    return {port.path: results[port.target] for port in stage.outputs}
