"""Stages that were imported, as text of an `envbuild.yaml`; and where in one they go without changing a word of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.layers.files import check_path
from builder.lock.data.hashing import shown
from builder.oci.layout import write_atomically
from builder.pipeline.imported.result import Imported
from builder.spec.project import Project
from builder.spec.reader import Reader, SpecError

SHELL = "dash"
"""The Debian package that has `sh`."""


def stages_text(imported: Imported) -> str:
    """The block `stages:`."""
    return _yaml({"stages": {name: dict(stage) for name, stage in imported.stages.items()}})


def project_text(imported: Imported, environment: Any) -> str:
    """A whole document."""
    return _yaml({"environment": environment}) + "\n" + stages_text(imported)


def with_shell(environment: Any, imported: Imported) -> Any:
    """The environment with a shell, if a stage needs one; as it is, where it is a folder or a base image of its own."""
    if not needs_shell(imported) or not isinstance(environment, Mapping) or "base" in environment:
        return environment
    return {**environment, "debian": sorted({*environment.get("debian", ()), SHELL})}


def needs_shell(imported: Imported) -> bool:
    """Whether a stage is run by `sh`, which an image has only where its environment says so."""
    return any(stage["run"][0] == "sh" for stage in imported.stages.values() if isinstance(stage.get("run"), list))


def with_stages(text: str, imported: Imported) -> str | None:
    """A document with the stages behind what it has; None, where it has stages of its own. Raises: EnvbuildError."""
    import yaml

    try:
        node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise EnvbuildError("the `envbuild.yaml` that is there is not YAML", str(error).splitlines()[0]) from error
    if node is None or node.id != "mapping" or node.flow_style or any(key.value == "stages" for key, _ in node.value):
        return None
    return text.rstrip("\n") + "\n\n" + stages_text(imported)


def check_project(text: str, file: Path) -> None:
    """Raises: SpecError, if it would be no `envbuild.yaml` at this place."""
    reader = Reader(f"{shown(file)} (as it would be)", file.parent)
    if reader.read(text.encode(), Project) is None:
        raise SpecError(reader.file, reader.problems)


def write_import(text: str, file: Path, files: Mapping[str, bytes], *, force: bool) -> tuple[Path, ...]:
    """Write the document, after the files that its stages need. Raises: EnvbuildError, if one of those is there."""
    there = [path for path in files if (file.parent / check_path(path)).exists()]
    if there and not force:
        raise EnvbuildError(
            "the import would replace files", [f"`{path}` is there" for path in there], "Remove them, or give `--force`"
        )
    for path, data in files.items():
        place = file.parent / path
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, data)
    write_atomically(file, text.encode())
    return (*(file.parent / path for path in files), file)


def guessed_environment(folder: Path) -> Any:
    """What packages a project that has no environment yet seems to need, as `environment:` has it."""
    found = next((name for name in ("requirements.txt", "pyproject.toml") if (folder / name).is_file()), None)
    return {"python": "3.11", **({"pypi": {"file": found}} if found else {})}


def _yaml(value: Any) -> str:
    import yaml

    text: str = yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=120, indent=2)
    return text
