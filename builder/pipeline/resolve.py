"""From a project to its stages in order, each with everything that it depends on."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.errors import EnvbuildError
from builder.lock.data.entry import DataEntry
from builder.lock.data.hashing import Hasher, shown
from builder.pipeline.code_files import CodeFiles
from builder.pipeline.contents import Contents, Inside, found_files
from builder.pipeline.declared import Problems, check_known, declare
from builder.pipeline.environments import Environments
from builder.pipeline.graph import Places, parents, with_needed
from builder.pipeline.parameter_files import ParameterFiles, Parameters
from builder.pipeline.stage import ResolvedStage, StageCode
from builder.pipeline.step import Modules, Step
from builder.spec import LoadedEnvironment, LoadedProject
from builder.spec.reader import nearest


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What resolving needs of this machine."""

    hasher: Hasher
    environment_key: Callable[[LoadedEnvironment], str]
    """The key of an environment's plan for `platform`. Raises: EnvbuildError, where its lock is stale."""
    platform: str
    """`linux/amd64`."""
    modules: Modules | None = None
    """Takes the stages that use modules."""


@dataclass(frozen=True, slots=True)
class Pipeline:
    """The stages of a project."""

    loaded: LoadedProject
    stages: tuple[ResolvedStage, ...]
    """Each behind those that it waits for."""
    needs: Mapping[str, tuple[str, ...]]
    """For each of them those that it waits for, sorted."""
    contents: Contents
    """What inputs and outputs hold."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What was found of a step besides the bytes of its files."""

    code: tuple[str, ...]
    parameters: Parameters
    environment: LoadedEnvironment


def resolve(
    loaded: LoadedProject, surroundings: Surroundings, only: Collection[str] = (), *, alone: bool = False
) -> Pipeline:
    """The stages of a project; of `only`, these and all that they wait for.

    `alone` leaves out what they wait for, and asks for no input of theirs: those are had from elsewhere.

    Raises: SpecError, with every problem; EnvbuildError, if a file cannot be read, or a lock is stale.
    """
    declared = declare(loaded, surroundings.modules)
    check_known(only, declared)
    wanted = frozenset(only) if alone else with_needed(only or declared.steps, declared.needs)
    steps = [step for name, step in declared.steps.items() if name in wanted]
    environments = Environments(loaded, surroundings.environment_key)
    problems = Problems(loaded)
    outputs = Places((port.path, step.name) for step in declared.steps.values() for port in step.outputs)
    for step in () if alone else steps:
        _check_inputs(loaded, step, outputs, problems)
    found = _look_at(problems, surroundings.hasher, outputs, steps, environments)
    contents = Contents(loaded.folder, surroundings.hasher, _data(loaded, steps, surroundings.hasher))
    hashes = _hash_code(loaded.folder, surroundings.hasher, steps, found, contents)
    stages = tuple(
        _stage(step, found[step.name], hashes[step.name], environments, surroundings.platform) for step in steps
    )
    return Pipeline(loaded, stages, {stage.name: declared.needs[stage.name] for stage in stages}, contents)


def _data(loaded: LoadedProject, steps: Sequence[Step], hasher: Hasher) -> Mapping[str, DataEntry]:
    """The data that steps read, as they are locked. Raises: StaleLockError; EnvbuildError."""
    names = sorted({port.path for step in steps for port in step.inputs if port.source == "data"})
    if not names:
        return {}
    from builder.pipeline.data import locked_data

    return locked_data(loaded, names, hasher)


def _look_at(
    problems: Problems, hasher: Hasher, outputs: Places, steps: Sequence[Step], environments: Environments
) -> dict[str, _Found]:
    """What steps name, by step. Raises: SpecError, with every problem."""
    folder = problems.loaded.folder
    code, parameters = CodeFiles(folder, hasher, outputs), ParameterFiles(folder)
    found = {}
    for step in steps:
        report = problems.of(step.name)
        values = parameters.of(step, report)
        found[step.name] = _Found(code.of(step, frozenset(values.files), report), values, environments.of(step, report))
    problems.settle()
    code.remember()
    return found


def _check_inputs(loaded: LoadedProject, step: Step, outputs: Places, problems: Problems) -> None:
    """Inputs of the project are there, or another stage writes them."""
    for port in step.inputs:
        place = loaded.folder / port.path
        if port.source == "data" or place.exists() or place.is_symlink() or next(outputs.touching(port.path), None):
            continue
        beside = place.parent.iterdir() if place.parent.is_dir() else ()
        known = [*loaded.project.data, *outputs, *(str(one.relative_to(loaded.folder)) for one in beside)]
        message = f"`{port.path}` is not there, no stage writes it, and it is no name under `data`"
        problems.of(step.name)("inputs", message, nearest(port.path, known))


def _hash_code(
    folder: Path, hasher: Hasher, steps: Sequence[Step], found: Mapping[str, _Found], contents: Contents
) -> dict[str, dict[str, str]]:
    """The SHA-256 of each file of code, by step; those of the project are hashed with its other single files."""
    ports = {port.path for step in steps for port in (*step.inputs, *step.outputs) if port.source == "project"}
    single = {path for path in ports if not any(above in ports for above in parents(path))}
    own = {path for step in steps if not step.module for path in found[step.name].code}
    try:
        hashes = {folder: contents.hash_files(single | own)}
    except EnvbuildError:  # of an input or output it is said where a stage is judged by it
        hashes = {folder: contents.hash_files(own)}
    for step in steps:
        if step.module:
            root = step.module.root
            files = found_files(root, found[step.name].code, Inside(root))
            hashed, _ = hasher.hash(root, files, shown(root))
            hashes[root] = hashes.get(root, {}) | {file.path: file.digest.hex for file in hashed}
    roots = {step.name: step.module.root if step.module else folder for step in steps}
    gone = next((path for name, root in roots.items() for path in found[name].code if path not in hashes[root]), None)
    if gone is not None:
        raise EnvbuildError(f"`{gone}` is not there any more", hint="Run the command again when nothing changes it")
    return {name: {path: hashes[root][path] for path in found[name].code} for name, root in roots.items()}


def _stage(
    step: Step, found: _Found, code: Mapping[str, str], environments: Environments, platform: str
) -> ResolvedStage:
    stage = step.stage
    return ResolvedStage(
        name=step.name,
        arguments=stage.arguments,
        inputs=step.inputs,
        outputs=step.outputs,
        metrics=step.metrics,
        parameters=found.parameters.values,
        parameter_files=found.parameters.files,
        seed=stage.seed,
        environment=found.environment,
        environment_key=environments.key(found.environment),
        platform=platform,
        code=StageCode(
            step.module.root if step.module else environments.folder,
            code,
            "imports" if stage.code is None else "declared",
        ),
        owner=stage.owner,
        why=stage.why,
        resources=stage.resources,
        variables=stage.env,
        network=stage.network,
        always=stage.always,
        deterministic=stage.deterministic,
        tolerances=stage.tolerances,
        module=step.module.pin if step.module else None,
    )
