"""One stage of a `dvc.yaml`, its references replaced, as one of `envbuild.yaml`. Pure but for asking what is there."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from builder.errors import EnvbuildError
from builder.layers.files import check_path
from builder.lock.data.hashing import shown
from builder.pipeline.imported.result import command_of
from builder.spec.stages import METRICS_SUFFIXES

_PARAMETERS = (".yaml", ".yml", ".json", ".toml")
_SCRIPTS = (".py", ".sh", ".r", ".jl", ".pl", ".js")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_DEFAULT_PARAMETERS = "params.yaml"
_NOT_TAKEN = {
    "persist": "its old content is not there when the stage runs: it starts with nothing",
    "remote": "`envbuild repro` shares outputs by one cache for all",
    "push": "`envbuild repro` shares outputs by one cache for all",
}
"""Of an output."""
_TAKEN = ("cmd", "deps", "outs", "params", "metrics", "plots", "wdir", "always_changed", "desc", "frozen")


class Note(Protocol):
    """Tells of something that is not taken as it stands: a key below the stage, what, and what to do."""

    def __call__(self, below: str, message: str, hint: str = "") -> None:
        """Tell of it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a `dvc.yaml` is in a project."""

    project: Path
    folder: str
    """Its folder, as a normal path in the project; empty for the project's own."""

    @classmethod
    def of(cls, folder: Path, project: Path) -> Place:
        """Raises: EnvbuildError, if it is not inside."""
        try:
            below = folder.resolve().relative_to(project.resolve()).as_posix()
        except ValueError as error:
            what = f"`{shown(folder)}` is not in the project `{shown(project)}`"
            raise EnvbuildError(what, hint="Name an `envbuild.yaml` in that folder, or above it, with `-o`") from error
        return cls(project, "" if below == "." else below)

    def path(self, text: str, working: str = "") -> str:
        """A path of the stage as one of the project. Raises: ValueError, if it cannot be one."""
        if _URL.match(text):
            raise ValueError("it is a URL")
        path = posixpath.normpath(posixpath.join(self.folder, working, text))
        if path == ".":
            raise ValueError("it is the project's own folder")
        try:
            return check_path(path)
        except EnvbuildError as error:
            raise ValueError("it is outside of the project") from error

    def outputs_of(self, stage: Mapping[str, Any]) -> Iterator[str]:
        """What a stage writes, as far as it is in the project."""
        working = str(stage.get("wdir") or "")
        for group in ("outs", "metrics", "plots"):
            for path, _ in entries(stage.get(group)):
                try:
                    yield self.path(path, working)
                except ValueError:
                    continue


def entries(declared: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The paths of a list in which some have settings: `[a, {b: {cache: false}}]`."""
    for one in declared if isinstance(declared, list) else [declared] if isinstance(declared, str) else ():
        if isinstance(one, str):
            yield one, {}
        elif isinstance(one, Mapping):
            for path, settings in one.items():
                yield str(path), settings if isinstance(settings, Mapping) else {}


@dataclass(slots=True)
class Converter:
    """Makes one stage."""

    place: Place
    outputs: Collection[str]
    """Of all stages."""
    note: Note
    working: str = ""
    made: dict[str, Any] = field(default_factory=dict)

    def stage(self, stage: Mapping[str, Any]) -> dict[str, Any] | None:
        """As `stages:` has it; None, if it is left out."""
        self.working = str(stage.get("wdir") or "")
        if stage.get("frozen"):
            self.note(
                ".frozen", "a frozen stage is left out: its outputs are read as they are", "keep them in the project"
            )
            return None
        for name in stage:
            if name not in _TAKEN:
                self.note(f".{name}", "it is not taken")
        if not self._command(stage.get("cmd")):
            self.note(".cmd", "a stage without a command is left out")
            return None
        self._inputs(stage.get("deps"))
        self._outputs(stage)
        self._parameters(stage.get("params"))
        if stage.get("always_changed"):
            self.made["always"] = True
        if isinstance(stage.get("desc"), str) and stage["desc"].strip():
            self.made["why"] = stage["desc"].strip()
        return self.made

    def _command(self, declared: Any) -> bool:
        lines = [declared] if isinstance(declared, str) else declared if isinstance(declared, list) else []
        lines = [line.strip() for line in lines if isinstance(line, str) and line.strip()]
        if not lines:
            return False
        text = lines[0] if len(lines) == 1 else " && ".join(f"( {line} )" for line in lines)
        folder = posixpath.normpath(posixpath.join(self.place.folder, self.working))
        if folder != ".":
            text = f"cd {shlex.quote(folder)} && {text if len(lines) > 1 or not _has_operator(text) else f'( {text} )'}"
        self.made["run"] = command_of(text)
        return True

    def _inputs(self, declared: Any) -> None:
        words = re.split(
            r"[\s;&|()<>]+", " ".join(self.made["run"]) if isinstance(self.made["run"], list) else self.made["run"]
        )
        inputs = []
        for number, (text, _) in enumerate(entries(declared)):
            path = self._path(
                text, f".deps[{number}]", "an input", "declare it under `data:` and read it at /data/NAME"
            )
            if path is None:
                continue
            is_script = text in words and text.lower().endswith(_SCRIPTS) and path not in self.outputs
            if not is_script:  # a script that the command names is code, which is found
                inputs.append(path)
                self._tell_of_pointer(path, f".deps[{number}]")
        if inputs:
            self.made["inputs"] = list(dict.fromkeys(inputs))

    def _tell_of_pointer(self, path: str, key: str) -> None:
        if (self.place.project / f"{path}.dvc").is_file():
            name = re.sub(r"[^a-z0-9]+", "-", posixpath.basename(path).partition(".")[0].lower()).strip("-") or "data"
            hint = f"to have it fetched, declare `data: {{{name}: {{url: {path}.dvc}}}}` and read it at /data/{name}"
            self.note(key, f"`{path}` is read as it is in the project, which `dvc pull` puts there", hint)

    def _outputs(self, stage: Mapping[str, Any]) -> None:
        outputs, metrics = [], []
        for group in ("outs", "metrics", "plots"):
            for number, (text, settings) in enumerate(entries(stage.get(group))):
                key = f".{group}[{number}]"
                path = self._path(text, key, "an output", "let the stage write into the project")
                if path is None:
                    continue
                for name, hint in _NOT_TAKEN.items():
                    if settings.get(name) not in (None, False) or (name == "push" and settings.get(name) is False):
                        self.note(key, f"`{name}` of `{text}` is not taken", hint)
                if group == "metrics" and path.endswith(METRICS_SUFFIXES):
                    metrics.append(path)
                    continue
                if group == "metrics":
                    hint = f"write one of {', '.join(METRICS_SUFFIXES)}"
                    self.note(key, f"`{text}` is kept as an output, but no metrics are read of it", hint)
                outputs.append(path)
        if outputs:
            self.made["outputs"] = list(dict.fromkeys(outputs))
        if metrics:
            self.made["metrics"] = list(dict.fromkeys(metrics))

    def _parameters(self, declared: Any) -> None:
        found: dict[str, Any] = {}
        for number, one in enumerate(declared if isinstance(declared, list) else ()):
            groups = one if isinstance(one, Mapping) else {_DEFAULT_PARAMETERS: [one]}
            for file, keys in groups.items():
                key = f".params[{number}]"
                path = self._path(str(file), key, "a file of parameters", "keep it in the project")
                if path is None:
                    continue
                if not path.endswith(_PARAMETERS):
                    self.made["inputs"] = [*self.made.get("inputs", ()), path]
                    hint = f"keep parameters in one of {', '.join(_PARAMETERS)}"
                    self.note(key, f"no keys are read of `{path}`: all of it is an input", hint)
                elif not keys or found.get(path, ()) is None:
                    found[path] = None
                else:
                    named = keys if isinstance(keys, list) else [keys]
                    found[path] = list(dict.fromkeys([*found.get(path, ()), *map(str, named)]))
        if found:
            self.made["params"] = found

    def _path(self, text: str, key: str, what: str, hint: str) -> str | None:
        try:
            return self.place.path(text, self.working)
        except ValueError as error:
            self.note(key, f"`{text}` is left out as {what}: {error}", hint)
            return None


def _has_operator(text: str) -> bool:
    return re.search(r"[|;&\n]", text) is not None
