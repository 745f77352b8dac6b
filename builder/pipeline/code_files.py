"""The code of each stage: what of it was declared or found is code, and not an input, an output or a parameter."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from builder.errors import EnvbuildError
from builder.lock.data.hashing import Hasher
from builder.pipeline.code import CodeFinder
from builder.pipeline.graph import Places
from builder.pipeline.step import Report, Step
from builder.spec.reader import nearest

_APP = "/app/"


class CodeFiles:
    """The code of a project's stages."""

    def __init__(self, folder: Path, hasher: Hasher, outputs: Places) -> None:
        """`outputs` are those of all stages, with whose they are."""
        self._folder = folder
        self._hasher = hasher
        self._outputs = outputs
        self._finders: dict[Path, CodeFinder] = {}

    def of(self, step: Step, parameters: Collection[str], report: Report) -> tuple[str, ...]:
        """The files of a step, sorted, below its folder or its module's; what is wrong with them is reported."""
        root = step.module.root if step.module else self._folder
        if root not in self._finders:
            self._finders[root] = CodeFinder(root, self._hasher)
        finder = self._finders[root]
        given = _Given(step, parameters, Places(()) if step.module else self._outputs)
        found = finder.of_command(step.stage.arguments)
        if found.missing and not given.reads(found.missing):
            message = f"the file `{found.missing}` is not there"
            report("run", message, nearest(found.missing, finder.beside(found.missing)))
        if step.stage.code is None:
            return tuple(sorted(given.taken(found.files, found.mentioned, report)))
        try:
            declared = frozenset(finder.declared(step.stage.code))
        except EnvbuildError as error:
            report("code", "; ".join((error.what, *error.why)), error.hint)
            return ()
        for file in sorted({*found.programs} - declared):
            if not given.reads(file):
                report("code", f"`{file}`, which it runs, is not among these files", None)
        given.taken(found.programs, (), report)
        return tuple(sorted(file for file in declared if given.is_code(file)))

    def remember(self) -> None:
        """Keep what was found of files."""
        for finder in self._finders.values():
            finder.remember()


class _Given:
    """What a stage is given besides its code, and what stages write."""

    def __init__(self, step: Step, parameters: Collection[str], outputs: Places) -> None:
        self._name = step.name
        self._parameters = parameters
        self._inputs = Places((port.target.removeprefix(_APP), step.name) for port in step.inputs)
        own = ((port.target.removeprefix(_APP), step.name) for port in step.outputs)
        self._outputs = outputs if step.module is None else Places(own)

    def reads(self, file: str) -> bool:
        """Whether the file is an input, in one, or one of parameters."""
        return file in self._parameters or next(self._inputs.at_or_above(file), None) is not None

    def is_code(self, file: str) -> bool:
        """Whether the file is neither given otherwise nor written by a stage."""
        return not self.reads(file) and next(self._outputs.at_or_above(file), None) is None

    def taken(self, files: Collection[str], mentioned: Collection[str], report: Report) -> set[str]:
        """The code among the files; that a stage writes what this one runs is reported."""
        for file in (*files, *mentioned):
            path, owner = next(self._outputs.at_or_above(file), ("", ""))
            if self.reads(file) or not owner or (owner == self._name and file in mentioned):
                continue
            if owner == self._name:
                report("outputs", f"`{path}` would be written over `{file}`, which it runs", None)
            else:
                report("run", f"it needs `{file}`, which the stage `{owner}` writes", "Put it among `inputs`")
        return {file for file in (*files, *mentioned) if self.is_code(file)}
