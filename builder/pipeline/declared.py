"""The stages of a project as steps with their ports, and the rules of their graph. Needs no file but the spec."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from builder.errors import EnvbuildError
from builder.layers.files import check_path
from builder.pipeline.graph import Node, Places, find_cycle, find_needs, normal, order_of, parents
from builder.pipeline.parameters import wanted_keys
from builder.pipeline.stage import Port
from builder.pipeline.step import Modules, Report, Step
from builder.spec import LoadedProject
from builder.spec.data_url import is_path, is_pointer, split_glob
from builder.spec.fields import missing_file
from builder.spec.load import LOCK_FOLDER, PROJECT_FILE, project_error
from builder.spec.reader import nearest
from builder.spec.stages import Stage

RUNS_FOLDER = "runs"
_APP, _DATA = "/app", "/data"


@dataclass(frozen=True, slots=True)
class Problems:
    """What is wrong with a project's stages, all of it told together."""

    loaded: LoadedProject
    found: list[tuple[str, str, str | None]] = field(default_factory=list)

    def of(self, stage: str) -> Report:
        """What reports the problems of one stage."""

        def report(key: str, message: str, hint: str | None = None) -> None:
            self.found.append((f"stages.{stage}.{key}", message, hint))

        return report

    def settle(self) -> None:
        """Raises: SpecError, if anything was reported."""
        if self.found:
            raise project_error(self.loaded, self.found)


@dataclass(frozen=True, slots=True)
class Declared:
    """The stages of a project."""

    steps: Mapping[str, Step]
    """In order: each behind those that it waits for."""
    needs: Mapping[str, tuple[str, ...]]
    """For each those that it waits for, sorted."""


def declare(loaded: LoadedProject, modules: Modules | None = None) -> Declared:
    """The stages in order. Raises: SpecError, with every problem of their graph."""
    problems = Problems(loaded)
    steps: dict[str, Step] = {}
    for name in sorted(loaded.project.stages):
        step = _step(loaded, name, modules, problems)
        if step:
            steps[name] = step
    nodes = [_node(step) for step in steps.values()]
    needs = find_needs(nodes)
    _check_outputs(nodes, problems)
    _check_protected(loaded, steps, problems)
    _check_circles(nodes, needs, problems)
    problems.settle()
    return Declared({name: steps[name] for name in order_of(needs)}, needs)


def check_known(names: Collection[str], declared: Declared) -> None:
    """Raises: EnvbuildError, if one of these is no stage."""
    unknown = [name for name in sorted(names) if name not in declared.steps]
    if unknown:
        hint = nearest(unknown[0], declared.steps)
        raise EnvbuildError(f"there is no stage `{unknown[0]}`", hint=hint[:1].upper() + hint[1:] if hint else None)


def _step(loaded: LoadedProject, name: str, modules: Modules | None, problems: Problems) -> Step | None:
    stage, report = loaded.project.stages[name], problems.of(name)
    if stage.uses is not None:
        if modules is None:
            report("uses", "modules are not taken here", None)
            return None
        return modules(name, stage, report)
    contracts = _contracts(loaded.folder, stage, report)
    inputs = tuple(_ports("inputs", tuple(stage.inputs), report, loaded.project.data))
    outputs = tuple(_ports("outputs", (*stage.outputs, *stage.metrics), report, {}))
    known = {port.name for port in (*inputs, *outputs)}
    for unknown in sorted(contracts.keys() - known):
        report(f"contracts.{unknown}", f"`{unknown}` is neither an input nor an output of it", nearest(unknown, known))
    held = {**_data_contracts(loaded, inputs), **contracts}
    return Step(
        name,
        stage,
        tuple(replace(port, contract=held.get(port.name)) for port in inputs),
        tuple(replace(port, contract=held.get(port.name)) for port in outputs),
        frozenset(map(normal, stage.metrics)),
    )


def _ports(key: str, declared: tuple[str, ...], report: Report, data: Mapping[str, object]) -> Iterator[Port]:
    """Each once, in order."""
    seen = set()
    for number, text in enumerate(declared):
        path = text if text in data else normal(text)
        if path in seen:  # a file of metrics may stand among the outputs
            continue
        seen.add(path)
        try:
            check_path(path)
        except EnvbuildError as error:
            report(f"{key}[{number}]", error.what, "; ".join(error.why) or None)
            continue
        if path in data:
            yield Port(path, path, f"{_DATA}/{path}", "data")
        else:
            yield Port(path, path, f"{_APP}/{path}")


def _contracts(folder: Path, stage: Stage, report: Report) -> dict[str, Path]:
    contracts = {}
    for name, path in stage.contracts.items():
        missing = missing_file(folder, path)
        if missing:
            report(f"contracts.{name}", missing, None)
        contracts[name if name in stage.inputs else normal(name)] = folder / path
    return contracts


def _data_contracts(loaded: LoadedProject, inputs: tuple[Port, ...]) -> dict[str, Path]:
    """What data are held to wherever they are read."""
    data = {port.name: loaded.project.data[port.name].contract for port in inputs if port.source == "data"}
    return {name: loaded.folder / contract for name, contract in data.items() if contract is not None}


def _node(step: Step) -> Node:
    inputs = tuple(port.path for port in step.inputs if port.source == "project")
    return Node(step.name, inputs, tuple(port.path for port in step.outputs))


def _check_outputs(nodes: list[Node], problems: Problems) -> None:
    """No output is another, or in another; no stage reads what it writes."""
    owners: dict[str, str] = {}
    for node in nodes:
        for path in node.outputs:
            if path in owners:
                problems.of(node.name)("outputs", f"`{path}` is an output of the stage `{owners[path]}` too", None)
            owners.setdefault(path, node.name)
    for node in nodes:
        for path in node.outputs:
            outer = next((folder for folder in parents(path) if folder in owners), None)
            if outer:
                whose = "another output of it" if owners[outer] == node.name else f"an output of `{owners[outer]}`"
                problems.of(node.name)("outputs", f"`{path}` is inside `{outer}`, {whose}", None)
        own = Places((path, node.name) for path in node.outputs)
        read = next((path for path in node.inputs if next(own.touching(path), None)), None)
        if read:
            problems.of(node.name)("inputs", f"it reads `{read}`, and writes it or a part of it", None)


def _check_protected(loaded: LoadedProject, steps: Mapping[str, Step], problems: Problems) -> None:
    """No stage writes over what is not written by stages."""
    places = Places(_protected(loaded, steps))
    for name, step in steps.items():
        for port in step.outputs:
            other = next(places.touching(port.path), None)
            if other:
                problems.of(name)("outputs", f"`{port.path}` would be written over `{other[0]}`, {other[1]}", None)


def _protected(loaded: LoadedProject, steps: Mapping[str, Step]) -> Iterator[tuple[str, str]]:
    yield PROJECT_FILE, "the project itself"
    yield LOCK_FOLDER, "the project's locks"
    yield RUNS_FOLDER, "the records of runs"
    yield ".git", "the repository"
    for name, reference in loaded.project.data.items():
        if is_path(reference.url):
            path = split_glob(reference.url)[0] if "*" in reference.url else reference.url
            yield normal(path.removesuffix(".dvc") if is_pointer(path) else path), f"the data `{name}`"
    shared = loaded.project.environment
    for folder in (shared if isinstance(shared, str) else None, *(step.stage.environment for step in steps.values())):
        path = normal(folder or ".")
        if path != "." and not path.startswith(("../", "/")):
            yield path, "an environment"
    for name, step in steps.items():
        if step.module is None:
            yield from ((normal(path), f"the contract of `{name}`") for path in step.stage.contracts.values())
            files = wanted_keys(step.stage.params, lambda *_: None)
            yield from ((normal(path), f"the parameters of `{name}`") for path in files)


def _check_circles(nodes: list[Node], needs: Mapping[str, tuple[str, ...]], problems: Problems) -> None:
    """No stages wait for each other; that one reads what it writes is told elsewhere."""
    way = find_cycle({name: [one for one in needed if one != name] for name, needed in needs.items()})
    if way is None:
        return
    outputs = {node.name: Places((path, node.name) for path in node.outputs) for node in nodes}
    inputs = {node.name: node.inputs for node in nodes}
    told = []
    for name, other in zip(way, (*way[1:], way[0]), strict=True):
        path = next(path for path in inputs[name] if next(outputs[other].touching(path), None))
        told.append(f"`{name}` reads `{path}` of `{other}`")
    problems.of(way[0])("inputs", f"stages wait for each other: {', '.join(told)}", None)
