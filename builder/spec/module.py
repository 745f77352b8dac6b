"""`module.yaml`: a stage that others use, with what it takes and gives declared. Pure."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from builder.errors import one_line
from builder.spec.command_line import command_problems, split_command
from builder.spec.environment import ENVIRONMENT_FILE
from builder.spec.fields import Form, key, missing_file
from builder.spec.stages import METRICS_SUFFIXES, Resources

MODULE_FILE = "module.yaml"

ParameterType = Literal["string", "integer", "number", "boolean", "list"]

_PATH_PATTERN = r"(?!/)(?!.*(?:^|/)\.\.(?:/|$)).+"
_PATH = Form(_PATH_PATTERN, "a path inside the module")
_FILE = Form(_PATH_PATTERN, "a path inside the module", missing_file=missing_file)
_TEXT = Form(r"(?:.|\n)+", "a text that is not empty")
_NAME = Form(r"[a-z0-9]+(?:[._-][a-z0-9]+)*", "a name of lower-case letters, digits and single `.`, `_`, `-` between")
_PARAMETER = Form(r"[A-Za-z_][A-Za-z0-9_-]*", "a name of letters, digits, `_` and `-`")
_VARIABLE = Form(r"[A-Za-z_][A-Za-z0-9_]*", "the name of an environment variable")


def _missing_environment(folder: Path, path: str) -> str | None:
    is_there = (folder / path / ENVIRONMENT_FILE).is_file()
    return None if is_there else f"`{path}` has no `{ENVIRONMENT_FILE}`"


_FOLDER = Form(_PATH_PATTERN, "a folder inside the module", missing_file=_missing_environment)
_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "list": (list, tuple),
}


@dataclass(frozen=True, slots=True)
class ModuleInput:
    """Something that a module reads."""

    path: str = key("Where its code finds it, below `/app`.", form=_PATH)
    kind: Literal["file", "folder"] = key("What it is.", default="file")
    description: str = key("What it holds, in a sentence.", default="")
    contract: str | None = key("The data contract that it must keep.", default=None, form=_FILE)
    optional: bool = key("Whether a stage may leave it out.", default=False)


@dataclass(frozen=True, slots=True)
class ModuleOutput:
    """Something that a module writes."""

    path: str = key("Where its code writes it, below `/app`.", form=_PATH)
    kind: Literal["file", "folder"] = key("What it is.", default="file")
    description: str = key("What it holds, in a sentence.", default="")
    contract: str | None = key("The data contract that it keeps.", default=None, form=_FILE)
    optional: bool = key("Whether a stage may leave it out; it is then thrown away.", default=False)
    metrics: bool = key("Whether it is a file of metrics (`.json`, `.jsonl`, `.csv`).", default=False)

    def problems(self) -> Iterable[tuple[str, str, str | None]]:
        """What single keys cannot tell."""
        if self.metrics and self.path and not self.path.endswith(METRICS_SUFFIXES):
            yield "path", f"`{self.path}` is no file of metrics", f"one of {', '.join(METRICS_SUFFIXES)}"


@dataclass(frozen=True, slots=True)
class ModuleParameter:
    """A parameter of a module."""

    type: ParameterType = key("What its values are.")
    default: Any = key("Its value where a stage gives none.", default=None)
    required: bool | None = key(
        "Whether each stage must give it; by default, if it has no `default`. What is neither given nor has a default "
        "is not there.",
        default=None,
    )
    description: str = key("What it does, in a sentence.", default="")
    minimum: float | None = key("The least number that it may be.", default=None)
    maximum: float | None = key("The greatest number that it may be.", default=None)
    values: tuple[Any, ...] = key("The only values that it may have.", default=())

    @property
    def is_required(self) -> bool:
        """Whether each stage must give it."""
        return self.default is None if self.required is None else self.required

    def refusal(self, value: Any) -> str | None:
        """Why it cannot have a value, None if it can."""
        expected = _TYPES[self.type]
        if not isinstance(value, expected) or (isinstance(value, bool) and self.type != "boolean"):
            return f"`{_shown(value)}` is not of the type `{self.type}`"
        if isinstance(value, float) and not math.isfinite(value):
            return f"`{value}` is no finite number"
        if self.values and value not in self.values:
            return f"`{_shown(value)}` is not one of {', '.join(f'`{_shown(one)}`' for one in self.values[:20])}"
        number: Any = value
        if self.minimum is not None and number < self.minimum:
            return f"{value} is less than {self.minimum:g}"
        if self.maximum is not None and number > self.maximum:
            return f"{value} is more than {self.maximum:g}"
        return None

    def problems(self) -> Iterable[tuple[str, str, str | None]]:
        """What single keys cannot tell."""
        if self.type is None:
            return
        for name in ("minimum", "maximum"):
            if getattr(self, name) is not None and self.type not in ("integer", "number"):
                yield name, f"it is of numbers, not of the type `{self.type}`", None
                return
        for number, value in enumerate(self.values):
            refused = ModuleParameter(self.type).refusal(value)
            if refused:
                yield f"values[{number}]", refused, None
                return
        refused = self.refusal(self.default) if self.default is not None else None
        if refused:
            yield "default", refused, None
        if self.required and self.default is not None:
            yield "required", "what has a default need not be given", "leave out one of the two"


@dataclass(frozen=True, slots=True)
class ModuleDocument:
    """A stage that projects use by `uses`: its command, its environment, and what it takes and gives."""

    name: str = key("What it is called.", form=_NAME)
    run: str | tuple[str, ...] = key(
        "The program and its arguments; no shell is involved. Its folder is `/app`, the module's inside the image.",
        form=_TEXT,
    )
    version: str = key("Its version, for people: what is used is pinned by commit or digest.", default="")
    description: str = key("What it does, in a sentence.", default="")
    owner: str = key("Who answers for it.", default="")
    why: str = key("Why it is done so.", default="")
    license: str = key("Its licence, as SPDX names it.", default="")
    environment: str | None = key(
        "The folder in the module that has its `environment.yaml` and lock; without one, it runs in that of the "
        "project. A stage's own `environment` goes before both.",
        default=None,
        form=_FOLDER,
    )
    inputs: Mapping[str, ModuleInput] = key("What it reads, by name.", default=dict, key_form=_NAME)
    outputs: Mapping[str, ModuleOutput] = key("What it writes, by name.", default=dict, key_form=_NAME)
    params: Mapping[str, ModuleParameter] = key(
        "Its parameters, by name; its code finds them in the file `ENVBUILD_PARAMS` and in `ENVBUILD_PARAM_<NAME>`.",
        default=dict,
        key_form=_PARAMETER,
    )
    code: tuple[str, ...] | None = key(
        "The files that it runs, as globs; without it, those that its command names and that they import.",
        default=None,
        form=_PATH,
    )
    resources: Resources = key("What it needs of the machine, if a stage does not say it.", default=Resources)
    env: Mapping[str, str] = key(
        "Environment variables for it; a stage may set them, and others.", default=dict, key_form=_VARIABLE
    )
    network: bool = key("Whether it may reach the network; the stage must allow it too.", default=False)
    deterministic: bool = key(
        "Whether the same inputs, code, parameters and seed give outputs of the same bytes.", default=False
    )
    tolerances: Mapping[str, float] = key(
        "How far each metric may be from the recorded one, as an absolute difference, when it is run again.",
        default=dict,
    )

    def problems(self) -> Iterable[tuple[str, str, str | None]]:
        """What single keys cannot tell."""
        if self.run is not None:
            yield from command_problems(self.run)
        for name, value in self.tolerances.items():
            if value < 0:
                yield f"tolerances.{name}", "a tolerance is not negative", None
        yield from self._clashes()

    def _clashes(self) -> Iterator[tuple[str, str, str | None]]:
        """Paths that are one, or of which one is inside another."""
        places: dict[str, str] = {}
        for group in ("inputs", "outputs"):
            for name, port in getattr(self, group).items():
                path = posixpath.normpath(port.path) if port and port.path else ""
                if path == ".":
                    yield f"{group}.{name}.path", "the module's own folder cannot be one", None
                elif path:
                    above = (other for other in places if f"{path}/".startswith(f"{other}/"))
                    below = (other for other in places if f"{other}/".startswith(f"{path}/"))
                    clash = next(iter((*above, *below)), None)
                    if clash is not None:
                        yield f"{group}.{name}.path", f"`{path}` is, holds or is in `{clash}`, {places[clash]}", None
                    places.setdefault(path, f"its {group[:-1]} `{name}`")

    @property
    def arguments(self) -> tuple[str, ...]:
        """`run` as a list."""
        return split_command(self.run)


def _shown(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    text = one_line(text[:80])
    return text + ("…" if len(str(value)) > 80 else "")
