"""The layers of a bundle on its environment: model, code, documents; each made where the store does not have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from builder.bundle.code import below, content_digest
from builder.bundle.documents import DOCUMENTS_LAYER, Contents
from builder.errors import EnvbuildError
from builder.image.kept import kept_layer
from builder.image.skeleton import BUNDLE, CODE, MODEL
from builder.layers.files import FileEntry, FileTree, parents
from builder.layers.interface import Directory
from builder.layers.join import Fresh, Layer, write_layer
from builder.oci.store import Store


def own_layers(
    store: Store, contents: Contents, documents: Sequence[FileEntry], settled: Mapping[str, Directory]
) -> list[tuple[str, Layer]]:
    """What goes on the environment, lowest first: what a layer is called in the image's history, and the layer.

    `settled` are directories of the base, which keep their owners and modes.

    Raises: EnvbuildError, if a file changes meanwhile.
    """
    model, code, bundle = (settled.get(path, Directory(path)) for path in (MODEL, CODE, BUNDLE))
    added = [
        ("model", files_layer(store, below(MODEL, contents.model), model, compress=False)),
        ("code", files_layer(store, below(CODE, contents.code), code)),
        (DOCUMENTS_LAYER, files_layer(store, documents, bundle)),
    ]
    return [(name, layer) for name, layer in added if layer is not None]


def files_layer(store: Store, files: Sequence[FileEntry], root: Directory, *, compress: bool = True) -> Layer | None:
    """A layer of files below `root`; None of none. Raises: EnvbuildError, if one changes meanwhile."""
    if not files:
        return None
    tree = FileTree(files, compress=compress)
    folders = {parent for entry in files for parent in parents(entry.path)} - {root.path}
    directories = [root, *(Directory(path) for path in sorted(folders, key=str.encode))]
    key: dict[str, Any] = {"files": str(content_digest(files)), "root": root.path, "compress": compress}
    if root != Directory(root.path):
        key["directory"] = [root.mode, root.uid, root.gid]

    def make() -> Layer:
        layer = write_layer(store, directories, [Fresh(tree)])
        if str(content_digest(files)) != key["files"]:
            raise EnvbuildError(
                f"files of `/{root.path}` changed while they were packed",
                hint="Run the command again when nothing writes to them",
            )
        return layer

    return kept_layer(store, key, make)
