"""What running stages needs of this machine: the engine, images of environments, data, limits, who and where."""

from __future__ import annotations

import functools
import hashlib
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from builder.cli.audit_trail import record_event
from builder.cli.machine import current_lock, host_platform, make_fetcher, make_workshop
from builder.cli.output import Output, printable, show_error
from builder.cli.running import check_gpus
from builder.cli.wheels import ensure_built_wheels
from builder.errors import EnvbuildError

if TYPE_CHECKING:
    from builder.fetch import Fetcher
    from builder.history.record import RunRecord
    from builder.image.workshop import Workshop
    from builder.pipeline.bench import Bench, EnvironmentImage
    from builder.pipeline.recording import Circumstances
    from builder.pipeline.schedule import Capacity
    from builder.pipeline.shared import Shared
    from builder.pipeline.stage import Port, ResolvedStage
    from builder.run.gpu import Gpus
    from builder.run.interface import Engine
    from builder.spec import LoadedProject

_GPUS = Path("/proc/driver/nvidia/gpus")
_LABEL = "dev.envbuild.project"
_LAST = 20
"""Lines of a log that are shown of a stage that failed."""
_LAST_BYTES = 1 << 14
_NO_MODULE = re.compile(r"ModuleNotFoundError: No module named '([^']{1,200})'")


@dataclass(frozen=True, slots=True)
class Limits:
    """What the user says of the machine and of this run."""

    engine: str | None = None
    cpu: float | None = None
    memory: int | None = None
    gpus: Gpus | None = None
    why: str = ""
    cache: str | None = None
    no_check: bool = False
    offline: bool = False
    parent: str | None = None
    """What the runs are a part of; a name of its own without it."""


def make_bench(loaded: LoadedProject, limits: Limits, output: Output, screen: StageScreen) -> Bench:
    """Raises: EnvbuildError, if the shared cache can be none."""
    from builder.pipeline.bench import Bench

    workshop = make_workshop(output, offline=limits.offline)
    quiet = make_fetcher(workshop.store, Output(quiet=True), offline=limits.offline)  # for children, which have no line
    engine = _EngineOfStages(limits.engine, output)
    label = hashlib.sha256(os.fsencode(loaded.folder.resolve())).hexdigest()[:32]
    bench = Bench(
        workshop.store,
        capacity_of(limits),
        engine.fresh,
        lambda: engine.chosen.name != "embedded",
        image=_Images(workshop, engine, output).of,
        source=_Sources(loaded, quiet).of,
        circumstances=functools.partial(_circumstances, loaded, limits, engine),
        tidy=functools.partial(_tidy, engine, workshop, f"{_LABEL}={label}"),
        screen=screen,
        now=lambda: datetime.now(UTC),
        told=functools.partial(_audit, loaded, engine),
        labels={_LABEL: label},
    )
    return replace(bench, shared=_shared(limits.cache, workshop, output)) if limits.cache else bench


def capacity_of(limits: Limits) -> Capacity:
    """What stages may take: this machine's own, or what the user says."""
    from builder.history.host import host_facts
    from builder.pipeline.schedule import Capacity

    facts = host_facts()
    count = len(list(_GPUS.glob("*")))
    gpus = tuple(map(str, range(count)))
    if limits.gpus is not None:
        wanted = range(count if limits.gpus.count is None else limits.gpus.count)
        gpus = limits.gpus.devices or tuple(map(str, wanted))
    return Capacity(limits.cpu or float(facts["cpus"]), limits.memory or facts["memory"], gpus)


class StageScreen:
    """Shows on standard error what goes on; what several stages print has their names before it."""

    def __init__(self, output: Output, *, several: bool) -> None:
        self._output = output
        self._several = several
        self._begun: dict[str, bytes] = {}

    def say(self, text: str) -> None:
        """A line of envbuild's own."""
        self._output.say(text)

    def printed(self, name: str, data: bytes) -> None:
        """What a stage prints: as it is where it is the only one, else by lines."""
        if self._output.quiet:
            return
        if not self._several:
            sys.stderr.flush()
            _write(data)
            return
        *lines, rest = (self._begun.get(name, b"") + data).split(b"\n")
        self._begun[name] = rest[-_LAST_BYTES:]
        for line in lines:
            self._line(name, line)

    def ended(self, name: str, error: EnvbuildError | None, log: Path | None) -> None:
        """A stage prints nothing more; of one that failed the last lines and why."""
        rest = self._begun.pop(name, b"")
        if rest:
            self._line(name, rest)
        if error is None:
            return
        text = _last_words(log) if log else ""
        missing = _NO_MODULE.search(text)
        if missing and error.hint is None:
            hint = f"Only the code that is found or declared is there: name the files of `{missing[1]}` in `code`"
            error = _retold(error, hint)
        if log and (self._several or self._output.quiet):
            show_log(text)
        show_error(error if log is None else _retold(error, error.hint, f"its log is `{log}`"))

    def _line(self, name: str, line: bytes) -> None:
        text = line.rstrip(b"\r").rpartition(b"\r")[2].decode("utf-8", "replace").expandtabs()
        self._output.say(f"[{name}] {text}")


def _retold(error: EnvbuildError, hint: str | None, *why: str) -> EnvbuildError:
    """The same error with another hint, and more causes."""
    return type(error)(error.what, (*error.why, *why), hint)


def show_log(text: str) -> None:
    """The last lines of a log, without commands to the terminal."""
    for line in text.splitlines()[-_LAST:]:
        sys.stderr.write(f"  {printable(line.expandtabs())}\n")


def _last_words(log: Path) -> str:
    try:
        with open(log, "rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _LAST_BYTES))
            return file.read(_LAST_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _write(data: bytes) -> None:
    stream = getattr(sys.stderr, "buffer", None)
    if stream is None:
        sys.stderr.write(data.decode("utf-8", "replace"))
    else:
        stream.write(data)
        stream.flush()


class _EngineOfStages:
    """The engine, chosen when the first stage is run; each child makes its own."""

    def __init__(self, name: str | None, output: Output) -> None:
        self._name, self._output = name, output

    @functools.cached_property
    def chosen(self) -> Engine:
        """For this process. Raises: EnvbuildError, if none answers."""
        from builder.cli.engines import choose_engine

        return choose_engine(self._name, self._output)

    def fresh(self) -> Engine:
        """For a child: connections are not shared."""
        from builder.cli.engines import ENGINES

        return ENGINES[self.chosen.name]()


class _Images:
    """The images of environments, each made and loaded once."""

    def __init__(self, workshop: Workshop, engine: _EngineOfStages, output: Output) -> None:
        self._workshop, self._engine, self._output = workshop, engine, output
        self._made: dict[str, EnvironmentImage] = {}

    def of(self, stage: ResolvedStage) -> EnvironmentImage:
        """The image of a stage's environment.

        Raises: EnvbuildError, DigestMismatchError; also if the stage needs GPUs, and this machine's driver is too old.
        """
        from builder.run.gpu import Gpus

        if stage.environment_key not in self._made:
            self._made[stage.environment_key] = self._make(stage)
        made = self._made[stage.environment_key]
        gpus = Gpus(stage.resources.gpu) if stage.resources.gpu else None
        check_gpus(self._engine.chosen, made.image, gpus, self._output)
        return made

    def _make(self, stage: ResolvedStage) -> EnvironmentImage:
        from builder.bundle.build import build_environments
        from builder.pipeline.bench import EnvironmentImage
        from builder.run.docker import DockerEngine
        from builder.run.interface import LocalImage
        from builder.run.podman import PodmanEngine
        from builder.spec.environment import ENVIRONMENT_FILE

        environment, platforms = stage.environment, (host_platform(),)
        lock = current_lock(environment)
        ensure_built_wheels(lock, platforms, self._workshop, self._output, here_only=True)
        name = environment.name if environment.file.name == ENVIRONMENT_FILE else f"{environment.name}-environment"
        built = build_environments(name, lock, platforms, self._workshop)
        image = LocalImage.of(built.images[0], built.name, self._workshop)
        engine = self._engine.fresh()  # its connections are not handed on to children
        if isinstance(engine, DockerEngine | PodmanEngine):
            engine.load(image, (image.name,))
        return EnvironmentImage(image, str(lock.digest))


class _Sources:
    """Where inputs are on this machine."""

    def __init__(self, loaded: LoadedProject, fetcher: Fetcher) -> None:
        self._loaded, self._fetcher = loaded, fetcher

    def of(self, port: Port) -> Path:
        """A path of the project, or data: the project's own, else fetched. Raises: EnvbuildError."""
        from builder.bundle.inside.documents import data_reference
        from builder.lock.data.locking import entries
        from builder.run.data import data_path

        folder = self._loaded.folder
        if port.source == "project":
            return folder / port.path
        entry = entries(self._loaded).data[port.path]
        return data_path(port.path, data_reference(port.path, entry), folder, self._fetcher, lambda: entry)


def _circumstances(loaded: LoadedProject, limits: Limits, engine: _EngineOfStages) -> Circumstances:
    import secrets

    from builder.history.host import host_facts
    from builder.history.repository import read_repository, who
    from builder.pipeline.recording import Circumstances, run_id

    outputs = [path for stage in loaded.project.stages.values() for path in _paths(stage.outputs)]
    metrics = [path for stage in loaded.project.stages.values() for path in stage.metrics]
    state = read_repository(loaded.folder, [*outputs, *metrics])
    return Circumstances(
        project=loaded.name,
        version=loaded.project.version,
        who=who(os.environ, loaded.folder),
        commit=state.commit,
        patch=state.patch,
        host=host_facts(f"{engine.chosen.name} {engine.fresh().version()}".strip()),
        parent=limits.parent or run_id(datetime.now(UTC), "repro", secrets.token_hex(3)),
        why=limits.why,
        no_check=limits.no_check,
        notes=state.notes,
    )


def _paths(outputs: tuple[str, ...] | Mapping[str, str]) -> tuple[str, ...]:
    return tuple(outputs.values()) if isinstance(outputs, Mapping) else outputs


def _tidy(engine: _EngineOfStages, workshop: Workshop, label: str) -> None:
    from builder.run.interface import HasContainers

    workshop.store.drop_scratch()
    fresh = engine.fresh()
    if isinstance(fresh, HasContainers):
        fresh.remove_containers(label)


def _audit(loaded: LoadedProject, engine: _EngineOfStages, record: RunRecord) -> None:
    told = {"stage": record.command, "run": record.id, "exit-code": record.exit_code, "engine": engine.chosen.name}
    record_event("run", loaded.name, record.image, told, loaded.folder)


def _shared(text: str, workshop: Workshop, output: Output) -> Shared:
    from builder.pipeline.shared import open_shared

    def warn(what: str, error: EnvbuildError) -> None:
        output.say(f"warning: {what}: {'; '.join((error.what, *error.why))}")

    return open_shared(text, workshop.registries, warn, workshop.progress)
