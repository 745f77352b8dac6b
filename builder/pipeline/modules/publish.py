"""A module as an artifact of a registry: its files as one tar archive, of the same bytes wherever it is made."""

from __future__ import annotations

import tarfile
from pathlib import Path
from typing import IO, cast

from builder.bundle.parts.code import code_files
from builder.errors import EnvbuildError
from builder.layers.files import Kind
from builder.layers.interface import PACKAGE_MTIME
from builder.oci.documents import MEDIA_TYPE_MANIFEST, Descriptor, Manifest
from builder.oci.store import Store
from builder.pipeline.modules.read import load_module
from builder.pipeline.modules.source import Source

MODULE_ARTIFACT = "application/vnd.envbuild.module.v1"
_ARCHIVE = "application/vnd.oci.image.layer.v1.tar"
_EMPTY = "application/vnd.oci.empty.v1+json"


def module_artifact(folder: Path, store: Store) -> tuple[Descriptor, str]:
    """The manifest of a module, in the store with all that it lists, and the module's version.

    Files that `.gitignore` and `.envbuildignore` leave out are not in it.

    Raises: SpecError, EnvbuildError, if the folder is no module, or holds links.
    """
    module = load_module(Source("path", folder.name), folder)
    layer = _archive(folder, store)
    config = Descriptor(_EMPTY, store.write(b"{}"), 2)
    annotations = {"org.opencontainers.image.title": module.document.name}
    data = Manifest(config, (layer,), annotations, MODULE_ARTIFACT).to_bytes()
    return Descriptor(MEDIA_TYPE_MANIFEST, store.write(data), len(data)), module.document.version


def _archive(folder: Path, store: Store) -> Descriptor:
    with store.new_blob() as blob:
        with tarfile.open(fileobj=cast("IO[bytes]", blob), mode="w|", format=tarfile.PAX_FORMAT) as archive:
            for entry in code_files(folder, ("**",)):
                if entry.kind is not Kind.FILE or entry.source is None:
                    raise EnvbuildError(f"`{folder / entry.path}` is a link, which no module may have")
                info = tarfile.TarInfo(entry.path)
                info.size, info.mode, info.mtime = entry.size, entry.mode, PACKAGE_MTIME
                with open(entry.source, "rb") as file:
                    archive.addfile(info, file)
        return Descriptor(_ARCHIVE, blob.commit(), blob.size)
