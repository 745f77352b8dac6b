"""Which commands make and read data, and the models that come of it. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from builder.data.dictionary.entries import Dataset
from builder.spec.load import LoadedProject
from builder.spec.project import Project


def dataset(loaded: LoadedProject, name: str) -> Dataset:
    """What is known of the data of a name."""
    project = loaded.project
    reference = project.data[name]
    users = [command for command, each in project.commands.items() if name in each.inputs]
    makes_model = any(_leads_to_model(project, command, set()) for command in users)
    made_by = next(_makers(project, name), None)
    return Dataset(
        loaded.name,
        name,
        reference.url,
        reference.description,
        reference.license,
        f"{loaded.name} {made_by}" if made_by else None,
        tuple(f"{loaded.name} {command}" for command in users),
        (loaded.name,) if makes_model else (),
    )


def _makers(project: Project, name: str) -> Iterator[str]:
    """The commands one of whose outputs is the data."""
    reference = project.data[name]
    for command, declared in project.commands.items():
        if reference.is_path and any(_is_below(reference.url, f"out/{output}") for output in declared.outputs):
            yield command


def _leads_to_model(project: Project, command: str, seen: set[str]) -> bool:
    """Whether a command makes the model, or data of which another one does."""
    if command in seen:
        return False
    seen.add(command)
    path = project.model.path if project.model else None
    outputs = project.commands[command].outputs
    if path and any(_is_below(path, place) for output in outputs for place in (f"out/{output}", output)):
        return True
    made = {name for name in project.data if command in _makers(project, name)}
    readers = [name for name, each in project.commands.items() if made.intersection(each.inputs)]
    return any(_leads_to_model(project, reader, seen) for reader in readers)


def _is_below(path: str, folder: str) -> bool:
    return f"{posixpath.normpath(path)}/".startswith(f"{folder}/")
