"""The build context of a project or an environment: what Docker, without envbuild, builds its image from."""

from __future__ import annotations

from dataclasses import replace

from builder.bundle.build import gather, image_labels, image_ports, image_variables
from builder.bundle.documents import bundle_files
from builder.fetch import Fetcher
from builder.image.dockerfile import Addition
from builder.image.skeleton import BUNDLE
from builder.lock.document import Lock
from builder.spec import LoadedProject


def project_addition(loaded: LoadedProject, lock: Lock, fetcher: Fetcher) -> Addition:
    """What a project puts on its environment, as its native image has it.

    Raises: EnvbuildError, as `gather` does.
    """
    contents = gather(loaded, lock, fetcher)
    documents = bundle_files(loaded.project, loaded.name, lock, contents)
    return Addition(
        contents.model,
        contents.code,
        tuple(replace(entry, path=entry.path.removeprefix(f"{BUNDLE}/")) for entry in documents),
        image_labels(loaded),
        image_variables(contents),
        tuple(image_ports(loaded)),
    )
