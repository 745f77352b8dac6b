"""Reading the files of parameters that stages name, each once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.bundle.parts.parameters import read_parameters
from builder.errors import EnvbuildError
from builder.layers.files import check_path
from builder.pipeline.graph import normal
from builder.pipeline.parameters import merge, select, wanted_keys
from builder.pipeline.step import Report, Step
from builder.spec.fields import missing_file


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a stage is given."""

    values: Mapping[str, Any] = field(default_factory=dict)
    """Of all files together, nested as in them."""
    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """The declared keys alone, by the path of the file."""


class ParameterFiles:
    """The files of parameters of a project."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._read: dict[str, dict[str, Any] | EnvbuildError] = {}

    def of(self, step: Step, report: Report) -> Parameters:
        """The parameters of a step; what is wrong with them is reported."""
        if step.module:
            return Parameters(step.module.parameters, step.module.parameter_files)
        is_one = isinstance(step.stage.params, str)
        files = {}
        for path, keys in wanted_keys(step.stage.params, report).items():
            place = "params" if is_one else f"params.{path}"
            document = self._document(path, report, place)
            if document is not None:
                files[normal(path)] = document if keys is None else select(document, keys, report, place)
        return Parameters(merge(files, report), files)

    def _document(self, path: str, report: Report, place: str) -> dict[str, Any] | None:
        if path not in self._read:
            self._read[path] = self._load(path)
        document = self._read[path]
        if isinstance(document, EnvbuildError):
            report(place, "; ".join((document.what, *document.why)), document.hint)
            return None
        return document

    def _load(self, path: str) -> dict[str, Any] | EnvbuildError:
        try:
            check_path(normal(path))
            missing = missing_file(self._folder, path)
            return EnvbuildError(missing) if missing else read_parameters(self._folder / path)
        except EnvbuildError as error:
            return error
