"""The layers of a bundle on its environment: model, data, code, documents; made where the store does not have them."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from typing import Any

from builder.bundle.form import DOCUMENTS_LAYER, LICENSES_LAYER
from builder.bundle.inside.documents import Contents
from builder.bundle.parts.code import below, content_digest
from builder.bundle.parts.data import MOST_LAYERS, PackedData, layer_groups
from builder.errors import EnvbuildError
from builder.image.kept import kept_layer
from builder.image.skeleton import BUNDLE, CODE, DATA, LICENSES, MODEL
from builder.layers.files import FileEntry, FileTree, Kind, parents
from builder.layers.interface import Directory
from builder.layers.join import LARGE, Fresh, Layer, write_layer, write_plain_layer
from builder.oci.documents import MOUNTED_LAYERS
from builder.oci.store import Store

MOST_WEIGHTS = 32
"""Layers of large files of a model at most: an image cannot have any number of layers."""
_OTHERS = 3
"""Layers that are neither model nor data."""
_LEAST_ROOM = 4
"""Layers for model and data that a full base has room for too: less is planned on it than fits."""


def own_layers(
    store: Store, contents: Contents, documents: Sequence[FileEntry], settled: Mapping[str, Directory], below_them: int
) -> list[tuple[str, Layer]]:
    """What goes on the environment, lowest first: what a layer is called in the image's history, and the layer.

    `settled` are directories of the base, which keep their owners and modes. Where there are many layers `below_them`,
    the model and the data have fewer.

    Raises: EnvbuildError, if a file changes meanwhile.
    """
    room = max(_LEAST_ROOM, MOUNTED_LAYERS - _OTHERS - below_them)
    data = data_layers(store, contents.packed, settled.get(DATA, Directory(DATA, 0o1777)), room // 2)
    code, bundle = (settled.get(path, Directory(path)) for path in (CODE, BUNDLE))
    of_licenses = [one for one in documents if one.path.startswith(LICENSES)]
    added = [
        *_model_layers(store, below(MODEL, contents.model), settled.get(MODEL, Directory(MODEL)), room - len(data)),
        *data,
        ("code", files_layer(store, below(CODE, contents.code), code)),
        (LICENSES_LAYER, files_layer(store, of_licenses, bundle)),
        (DOCUMENTS_LAYER, files_layer(store, [one for one in documents if one not in of_licenses], bundle)),
    ]
    return [(name, layer) for name, layer in added if layer is not None]


def _model_layers(
    store: Store, files: Sequence[FileEntry], root: Directory, most: int
) -> list[tuple[str, Layer | None]]:
    """Of weights: each large file alone, and above them what is small and changes more often."""
    layers = []
    for group in model_groups(files, most - 1):
        alone = group[0].path.removeprefix(f"{MODEL}/") if len(group) == 1 and group[0].size >= LARGE else ""
        name = f"model {alone}" if alone else "model"
        layers.append((name, files_layer(store, group, root, compress=False)))
    return layers


def model_groups(files: Sequence[FileEntry], most: int = MOST_WEIGHTS) -> list[list[FileEntry]]:
    """Which files of a model share a layer: all that are small; a large one is alone, so that its layer never changes.

    Of many large files, those are put together that are smallest together, until there are `most` groups of them, or
    `MOST_WEIGHTS`.
    """
    ordered = sorted(files, key=lambda file: file.path.encode())
    large = [(file.size, number, [file]) for number, file in enumerate(ordered) if file.size >= LARGE]
    heapq.heapify(large)
    while len(large) > max(1, min(most, MOST_WEIGHTS)):
        first, second = heapq.heappop(large), heapq.heappop(large)
        heapq.heappush(large, (first[0] + second[0], min(first[1], second[1]), first[2] + second[2]))
    small = [file for file in ordered if file.size < LARGE]
    return [group for _, _, group in sorted(large, key=lambda one: one[1])] + ([small] if small else [])


def data_layers(
    store: Store, packed: Sequence[PackedData], root: Directory, most: int = MOST_LAYERS
) -> list[tuple[str, Layer | None]]:
    """Of packed data, verified while they are written; `most` at most.

    Raises: EnvbuildError, DigestMismatchError, if a file is not what it was when it was locked.
    """
    return [
        (name, files_layer(store, [file for one in group for file in one.files], root, compress=False))
        for name, group in layer_groups(packed, most)
    ]


def files_layer(store: Store, files: Sequence[FileEntry], root: Directory, *, compress: bool = True) -> Layer | None:
    """A layer of files below `root`; None of none. Raises: EnvbuildError, if one changes meanwhile."""
    if not files:
        return None
    tree = FileTree(files)
    empty = {entry.path for entry in files if entry.kind is Kind.DIRECTORY}
    folders = ({parent for entry in files for parent in parents(entry.path)} | empty) - {root.path}
    directories = [root, *(Directory(path) for path in sorted(folders, key=str.encode))]
    key: dict[str, Any] = {"files": str(content_digest(files)), "root": root.path}
    key |= {"compress": True} if compress else {"form": "tar"}
    if root != Directory(root.path):
        key["directory"] = [root.mode, root.uid, root.gid]

    def make() -> Layer:
        layer = (
            write_layer(store, directories, [Fresh(tree)]) if compress else write_plain_layer(store, directories, tree)
        )
        if str(content_digest(files)) != key["files"]:
            raise EnvbuildError(
                f"files of `/{root.path}` changed while they were packed",
                hint="Run the command again when nothing writes to them",
            )
        return layer

    return kept_layer(store, key, make)
