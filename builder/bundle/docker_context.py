"""The build context of a project or an environment: what Docker, without envbuild, builds its image from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from builder.bundle.build import USUAL, Choice, gather, image_labels, image_ports, image_variables
from builder.bundle.inside.documents import bundle_files
from builder.fetch import Fetcher
from builder.image.dockerfile import Addition
from builder.image.skeleton import BUNDLE, DATA
from builder.layers.files import FileEntry
from builder.lock.document import Lock
from builder.spec import LoadedProject


def project_addition(loaded: LoadedProject, lock: Lock, fetcher: Fetcher, choice: Choice = USUAL) -> Addition:
    """What a project puts on its environment, as its native image has it.

    Raises: EnvbuildError, as `gather` does.
    """
    contents = gather(loaded, lock, fetcher, choice)
    documents = bundle_files(loaded.project, loaded.name, lock, contents)
    return Addition(
        contents.model,
        contents.code,
        _within(BUNDLE, documents),
        image_labels(loaded),
        image_variables(contents),
        tuple(image_ports(loaded)),
        _within(DATA, (file for one in contents.packed for file in one.files)),
    )


def _within(folder: str, entries: Iterable[FileEntry]) -> tuple[FileEntry, ...]:
    """Entries below a folder of the image, relative to it."""
    return tuple(replace(entry, path=entry.path.removeprefix(f"{folder}/")) for entry in entries)
