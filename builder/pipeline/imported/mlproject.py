"""`MLproject` as stages (https://mlflow.org/docs/latest/projects.html); MLflow itself is not needed.

An entry point is a stage. Its parameters go to a file each stage reads, `params/NAME.yaml`, and reach the command as
environment variables. What it reads and writes an MLproject does not say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.lock.data.hashing import shown
from builder.lock.data.local import check_inside
from builder.pipeline.imported.dvc import read_document
from builder.pipeline.imported.dvc_stage import Place
from builder.pipeline.imported.result import Imported, Note, command_of, stage_name

PROJECT_FILE = "MLproject"
_PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_-]*)\}")
_TYPES = ("string", "float", "path", "uri")
_KEYS = ("name", "entry_points", "conda_env", "python_env", "docker_env")


@dataclass(slots=True)
class _Import:
    file: Path
    place: Place
    lines: Mapping[str, int]
    notes: list[Note] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)

    def note(self, key: str, message: str, hint: str = "") -> None:
        """Tell of something that is not taken as it stands."""
        line = key
        while line and line not in self.lines:
            line = line.rpartition(".")[0]
        self.notes.append(Note(shown(self.file), self.lines.get(line, 1), key, message, hint))


def import_mlproject(file: Path, project: Path) -> Imported:
    """The entry points of an `MLproject`, for a project in the folder `project`.

    Raises: SpecError, EnvbuildError, if it is no such file, or its folder is not in the project.
    """
    document, lines = read_document(file)
    work = _Import(file, Place.of(file.parent, project), lines)
    for name in document:
        if name not in _KEYS:
            work.note(name, "it is not taken")
    points = document.get("entry_points") or {}
    if not isinstance(points, Mapping):
        raise EnvbuildError(f"`{shown(file)}` has no entry points", "its `entry_points` is no mapping")
    stages: dict[str, dict[str, Any]] = {}
    for name, point in points.items():
        taken = _stage(name, point, work, stage_name(name, stages))
        if taken:
            stages[stage_name(name, stages)] = taken
    if stages:
        hint = "write them into the stages, or nothing is kept of what they make"
        work.note("entry_points", "what the stages read and write is said nowhere: `inputs`, `outputs`", hint)
    environment = _environment(document, work)
    return Imported(stages, tuple(sorted(work.notes)), work.files, environment)


def _stage(name: str, point: Any, work: _Import, stage: str) -> dict[str, Any] | None:
    key = f"entry_points.{name}"
    if not isinstance(point, Mapping) or not isinstance(point.get("command"), str) or not point["command"].strip():
        work.note(key, "an entry point without a command is left out")
        return None
    declared = point.get("parameters") or {}
    values = _values(declared if isinstance(declared, Mapping) else {}, work, key)
    names = set(_PLACEHOLDER.findall(point["command"]))
    for unknown in sorted(names - values.keys()):
        work.note(f"{key}.command", f"`{{{unknown}}}` is no parameter, and left as it is")
    known = names & values.keys()
    line = _PLACEHOLDER.sub(lambda match: _variable(match[1]) if match[1] in known else match[0], point["command"])
    folder = work.place.folder
    made: dict[str, Any] = {"run": command_of(f"cd {folder} && {line.strip()}" if folder else line)}
    if values:
        path = "/".join(part for part in (folder, "params", f"{stage}.yaml") if part)
        work.files[path] = _yaml(values)
        made["params"] = path
    return made


def _values(declared: Mapping[str, Any], work: _Import, key: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, one in declared.items():
        place = f"{key}.parameters.{name}"
        kind, default = (one.get("type", "string"), one.get("default")) if isinstance(one, Mapping) else (one, None)
        if kind not in _TYPES:
            work.note(place, f"the type `{kind}` is not known, and not checked")
        if kind in ("path", "uri"):
            work.note(
                place, f"a parameter of the type `{kind}` names what is read", "declare it in `inputs`, or `data:`"
            )
        if default is None:
            work.note(place, "it has no default, so it is empty", "give it a value in the file of parameters")
        values[name] = "" if default is None else default
    return values


def _environment(document: Mapping[str, Any], work: _Import) -> Mapping[str, Any] | None:
    """The environment that the project names, as `environment:` has it."""
    for name in ("python_env", "conda_env"):
        path = document.get(name)
        if not isinstance(path, str):
            continue
        try:
            below = work.place.path(path)
            check_inside(work.file.parent / path, work.place.project)
            found, _ = read_document(work.file.parent / path)
        except (EnvbuildError, ValueError) as error:
            work.note(name, f"the environment is not taken: {str(error).splitlines()[0]}")
            return None
        return {"conda": {"file": below}} if name == "conda_env" else _python(found, work)
    docker = document.get("docker_env")
    if isinstance(docker, Mapping) and isinstance(docker.get("image"), str):
        for name in sorted(docker.keys() - {"image"}):
            work.note(f"docker_env.{name}", "it is not taken")
        return {"base": {"image": docker["image"]}}
    return None


def _python(found: Mapping[str, Any], work: _Import) -> Mapping[str, Any]:
    version = re.match(r"\d+\.\d+", str(found.get("python", "")))
    if version is None:
        work.note("python_env", "it names no version of Python", "3.11 is written: correct it")
    lines = [str(one) for one in found.get("dependencies") or () if isinstance(one, (str, int, float))]
    files = [line.split(maxsplit=1)[1] for line in lines if re.match(r"(-r|--requirement)\s+\S", line)]
    plain = [line for line in lines if not line.startswith("-")]
    others = [line for line in lines if line.startswith("-") and not re.match(r"(-r|--requirement)\s+\S", line)]
    for line in (*others, *files[1:]):
        work.note("python_env", f"`{line}` of its dependencies is not taken", "put it into the file of requirements")
    pypi: dict[str, Any] = {"file": work.place.path(files[0])} if files else {}
    if plain:
        pypi["requirements"] = plain
    return {"python": version[0] if version else "3.11", **({"pypi": pypi} if pypi else {})}


def _variable(name: str) -> str:
    """A parameter in a command, as `envbuild` gives it to programs."""
    return f'"$ENVBUILD_PARAM_{re.sub(r"[^A-Z0-9]", "_", name.upper())}"'


def _yaml(values: Mapping[str, Any]) -> bytes:
    import yaml

    return yaml.safe_dump(dict(values), allow_unicode=True, sort_keys=False).encode()
