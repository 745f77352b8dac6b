"""Packing built images into one file or folder that changes hands."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from builder.bundle.build import Built
from builder.errors import EnvbuildError
from builder.oci.archive import DockerEntry, bundle_blobs, write_archive, write_layout
from builder.oci.digest import Digest
from builder.oci.documents import pinned_name
from builder.oci.store import Store
from builder.progress import Progress


def pack(
    built: Built, store: Store, target: Path, progress: Progress, left_out: Collection[Digest] = frozenset()
) -> int:
    """Write a bundle to `target`: an archive if its name ends in `.tar`, else a layout folder. Returns its bytes.

    An archive's `manifest.json`, which is for the classic Docker Engine, names the first platform; there is none where
    layers are `left_out`, as it could load no such archive.

    Raises: EnvbuildError, if the target cannot be written.
    """
    check_target(target)
    if target.suffix == ".tar":
        image = built.images[0]
        names = (built.name, pinned_name(built.name, image.descriptor.digest))
        docker = None if left_out else DockerEntry(image.manifest, names)
        write_archive(target, store, built.index, docker, progress, left_out, built.attached)
        return target.stat().st_size
    write_layout(target, store, built.index, left_out, built.attached)
    blobs = bundle_blobs(store, built.index, built.attached)
    return sum(blob.size for blob in blobs if blob.digest not in left_out)


def check_target(target: Path) -> None:
    """Refuse a place to which no bundle can be written; to be asked before anything is fetched or built for it.

    Raises: EnvbuildError.
    """
    if not target.absolute().parent.is_dir():
        raise EnvbuildError(f"`{target.parent}` is not a folder", hint="Make it, or name another with `-o`")
    if not os.access(target.absolute().parent, os.W_OK):
        raise EnvbuildError(f"nothing can be written to `{target.parent}`", hint="Name another folder with `-o`")
    if target.suffix == ".tar":
        if target.is_dir():
            raise EnvbuildError(f"`{target}` is a folder", hint="Name a file with `-o`")
        return
    if target.suffix in (".zip", ".gz", ".tgz", ".xz", ".zst", ".oci"):
        raise EnvbuildError(f"`{target}` cannot be written", "a bundle is a `.tar` file or a folder")
    if target.exists() and not (target / "oci-layout").is_file() and (target.is_file() or any(target.iterdir())):
        raise EnvbuildError(f"`{target}` is there and is no bundle", hint="Name another, or one that ends in `.tar`")
