"""The stages that use modules, as steps: each module is found, read, and held to what was pinned of it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builder.errors import DigestMismatchError, EnvbuildError
from builder.lock.data.hashing import shown
from builder.lock.modules import PinnedModule
from builder.pipeline.modules.folder import Places
from builder.pipeline.modules.interface import interface_changes
from builder.pipeline.modules.read import LoadedModule, load_module
from builder.pipeline.modules.source import Source
from builder.pipeline.modules.use import check_use, parameter_values, ports_of, stage_in_force
from builder.pipeline.step import Module, Report, Step
from builder.spec import LoadedEnvironment, LoadedProject, load_environment
from builder.spec.environment import ENVIRONMENT_FILE
from builder.spec.stages import Stage


@dataclass(slots=True)
class Taken:
    """Takes the stages of one project that use modules; called as `step.Modules` is."""

    loaded: LoadedProject
    places: Places
    pinned: Mapping[str, PinnedModule] | None
    """What was locked, which modules are then held to; None while they are locked."""
    modules: dict[str, LoadedModule] = field(default_factory=dict)
    """Those that were taken, by stage."""
    steps: dict[str, Step] = field(default_factory=dict)
    _known: dict[str, LoadedModule | EnvbuildError] = field(default_factory=dict)

    def __call__(self, name: str, stage: Stage, report: Report) -> Step | None:
        """The step of a stage; None, if it has been reported why there is none.

        Raises: DigestMismatchError, if a module is not the one that was pinned.
        """
        module = self._module(str(stage.uses), report)
        if module is None:
            return None
        check_use(stage, module.interface, report)
        if module.document.network and not stage.network:
            report("uses", "the module needs the network", "allow it with `network: true`, if you trust the module")
        environment = self._environment(stage, module, report)
        if environment is None:
            return None
        step = Step(
            name,
            stage_in_force(stage, module),
            tuple(ports_of("inputs", stage, module, self.loaded, report)),
            tuple(ports_of("outputs", stage, module, self.loaded, report)),
            frozenset(name for name, output in module.document.outputs.items() if output.metrics),
            Module(module.source.pin, module.root, environment, parameter_values(stage, module), {}),
        )
        self.modules[name], self.steps[name] = module, step
        return step

    def _module(self, uses: str, report: Report) -> LoadedModule | None:
        if uses not in self._known:
            try:
                self._known[uses] = self._read(uses)
            except DigestMismatchError:
                raise
            except EnvbuildError as error:
                self._known[uses] = error
        known = self._known[uses]
        if isinstance(known, EnvbuildError):
            report("uses", ": ".join((known.what, *known.why)), known.hint)
            return None
        return known

    def _read(self, uses: str) -> LoadedModule:
        source = Source.parse(uses)
        if self.pinned is None:
            return load_module(source, self.places.of(source))
        pin, again = self.pinned.get(uses), f"Run `envbuild lock {shown(self.loaded.folder)}`"
        if pin is None:
            raise EnvbuildError("the module is not in the lock", hint=again)
        module = load_module(source, self.places.checked(source, pin.sha256))
        changes = interface_changes(pin.interface, module.interface)
        if changes:
            raise EnvbuildError("the module is not as it was locked", "; ".join(changes), again)
        return module

    def _environment(self, stage: Stage, module: LoadedModule, report: Report) -> LoadedEnvironment | None:
        """The stage's own, else the module's, else the project's."""
        try:
            if stage.environment is None:
                return module.environment() or self.loaded.environment
            file = Path(os.path.normpath(self.loaded.folder / stage.environment / ENVIRONMENT_FILE))
            if not file.is_file():
                report("environment", f"`{stage.environment}` has no `{ENVIRONMENT_FILE}`", None)
                return None
            return load_environment(file)
        except EnvbuildError as error:
            report("uses", ": ".join((error.what, *error.why)), error.hint)
            return None
