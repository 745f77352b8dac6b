"""`dvc.yaml` as stages (https://doc.dvc.org/user-guide/project-structure/dvcyaml-files); DVC itself is not needed.

What a stage reads are its inputs, but for the scripts that its command names: those are code, and what they import with
them. `dvc.lock` is not taken: its MD5s say nothing of the environment, which stages here depend on.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.bundle.parts.parameters import read_parameters
from builder.errors import EnvbuildError
from builder.lock.data.hashing import shown
from builder.lock.data.local import check_inside
from builder.pipeline.imported.dvc_stage import Converter, Place
from builder.pipeline.imported.result import Imported, Note, stage_name
from builder.pipeline.imported.template import MOST_STAGES, has_references, loops, merged, resolved
from builder.spec.reader import Reader, SpecError

PARAMETERS_FILE = "params.yaml"
_SIZE_LIMIT = 1 << 20


_WHOLE = {
    "params": "stages say which parameters they read",
    "metrics": "list the file under `metrics` of the stage that writes it",
    "plots": "`envbuild runs plot` draws metrics of runs",
    "artifacts": "`model:` in `envbuild.yaml` names the model",
    "datasets": "declare them under `data:`",
    "desc": "",
}
"""Keys beside `stages` that are not taken, and what stands for them."""


@dataclass(slots=True)
class _Import:
    """One import at work."""

    file: Path
    place: Place
    lines: Mapping[str, int]
    notes: list[Note] = field(default_factory=list)

    def note(self, key: str, message: str, hint: str = "") -> None:
        """Tell of something that is not taken as it stands."""
        line = key
        while line and line not in self.lines:
            line = line[: max(line.rfind("."), line.rfind("["), 0)]
        self.notes.append(Note(shown(self.file), self.lines.get(line, 1), key, message, hint))


def import_dvc(file: Path, project: Path) -> Imported:
    """The stages of a `dvc.yaml`, for a project in the folder `project`.

    Raises: SpecError, EnvbuildError, if it is no such file, or its folder is not in the project.
    """
    document, lines = read_document(file)
    work = _Import(file, Place.of(file.parent, project), lines)
    for name in document:
        if name in _WHOLE:
            work.note(name, "it is not taken", _WHOLE[name])
        elif name not in ("stages", "vars"):
            work.note(name, "this key is not known")
    stages = document.get("stages") or {}
    if not isinstance(stages, Mapping):
        raise EnvbuildError(f"`{shown(file)}` has no stages", "its `stages` is no mapping")
    variables = _variables(document.get("vars"), work, "vars", _defaults(file.parent, work))
    converted = _convert(stages, variables, work)
    if (file.parent / "dvc.lock").is_file():
        work.note("stages", "`dvc.lock` is not taken", "`envbuild repro` runs each stage once, then only what changed")
    return Imported(converted, tuple(sorted(set(work.notes))))


def _convert(stages: Mapping[str, Any], variables: Mapping[str, Any], work: _Import) -> dict[str, dict[str, Any]]:
    single = list(_expanded(stages, variables, work))
    outputs = {path for _, stage, _ in single for path in work.place.outputs_of(stage)}
    converted: dict[str, dict[str, Any]] = {}
    for name, stage, key in single:
        one = Converter(work.place, outputs, lambda below, *rest, key=key: work.note(f"{key}{below}", *rest))
        taken = one.stage(stage)
        if taken is not None:
            converted[stage_name(name, converted)] = taken
    return converted


def _expanded(
    stages: Mapping[str, Any], variables: Mapping[str, Any], work: _Import
) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Each stage by itself, with its references replaced, and its key in the document."""
    count = 0
    for name, declared in stages.items():
        key = f"stages.{name}"
        if not isinstance(declared, Mapping):
            work.note(key, "it is no mapping, so it is left out")
            continue
        try:
            for single, body, own in loops(name, declared, variables):
                count += 1
                if count > MOST_STAGES:
                    raise EnvbuildError(f"`{shown(work.file)}` stands for more than {MOST_STAGES} stages")
                local = merged(_variables(body.get("vars"), work, f"{key}.vars", variables), own)
                if has_references(body.get("cmd")):
                    hint = "they follow no file any more: let the program read `params`, or import again"
                    work.note(f"{key}.cmd", "values of `${…}` were written into the command", hint)
                plain = {one: value for one, value in body.items() if one not in ("vars", "cmd")}
                command = resolved(body.get("cmd"), local, command=True)
                yield single, {**resolved(plain, local), "cmd": command}, key + (".do" if "do" in declared else "")
        except ValueError as error:
            work.note(key, f"it is left out: {error}", "write this stage by hand")


def _defaults(folder: Path, work: _Import) -> dict[str, Any]:
    """The variables of `params.yaml`, which DVC reads unasked."""
    return _read_variables(folder, PARAMETERS_FILE, work, "vars") if (folder / PARAMETERS_FILE).is_file() else {}


def _variables(declared: Any, work: _Import, key: str, before: Mapping[str, Any]) -> dict[str, Any]:
    """The variables with those that `vars` declares: values, or files (`params.json:train,seed`)."""
    result = dict(before)
    for number, one in enumerate(declared if isinstance(declared, (list, tuple)) else ()):
        if isinstance(one, Mapping):
            result = merged(result, one)
        elif isinstance(one, str):
            path, _, names = one.partition(":")
            found = _read_variables(work.file.parent, path, work, f"{key}[{number}]")
            result = merged(
                result, {name: found[name] for name in names.split(",") if name in found} if names else found
            )
    return result


def _read_variables(folder: Path, path: str, work: _Import, key: str) -> dict[str, Any]:
    try:
        work.place.path(path)
        check_inside(folder / path, work.place.project)
        return read_parameters(folder / path)
    except (EnvbuildError, ValueError) as error:
        work.note(key, f"the variables of `{path}` are not read: {str(error).splitlines()[0]}")
        return {}


def read_document(file: Path) -> tuple[dict[str, Any], Mapping[str, int]]:
    """A YAML mapping of another tool as plain data, and the line of each key, strictly and bounded.

    Raises: SpecError, EnvbuildError.
    """
    try:
        with open(file, "rb") as stream:
            data = stream.read(_SIZE_LIMIT + 1)
    except OSError as error:
        raise EnvbuildError(f"`{shown(file)}` cannot be read", error.strerror or str(error)) from error
    reader = Reader(shown(file), file.parent)
    value = reader.read_plain(data)
    if reader.problems:
        raise SpecError(reader.file, reader.problems)
    if not isinstance(value, dict):
        raise EnvbuildError(f"`{shown(file)}` is no mapping of keys to values")
    return _with_merges(value), {place.removeprefix("."): line for place, line in reader.lines.items()}


def _with_merges(value: Any) -> Any:
    """The same with what `<<` merges into a mapping; its own keys go before."""
    if isinstance(value, list):
        return [_with_merges(one) for one in value]
    if not isinstance(value, dict):
        return value
    bases = value.get("<<", ())
    result: dict[str, Any] = {}
    for base in reversed(bases if isinstance(bases, list) else [bases] if bases else []):
        result |= _with_merges(base) if isinstance(base, dict) else {}
    return result | {name: _with_merges(one) for name, one in value.items() if name != "<<"}
