"""Bundles of any layers, for tests of what reads them: as a folder or as a file, well-formed or not."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from made_up_image import Image, file, folder, image, layer

from builder.oci.documents import Index
from builder.oci.layout import Layout

COMMAND: dict[str, Any] = {
    "run": ["python"], "inputs": [], "outputs": [], "parameters": {}, "environment": {}, "seed": None, "port": None,
    "ready": None, "params": None,
}  # fmt: skip
LABELS = {"dev.envbuild.lock": "sha256:" + "0" * 64}


def documents(extra: Mapping[str, bytes] | None = None, **fields: Any) -> bytes:
    """The layer of documents."""
    document = {"format": 1, "name": "a", "commands": {"train": COMMAND}, "data": {}, "model": None, **fields}
    files = {"bundle.json": json.dumps(document).encode(), **(extra or {})}
    return layer(folder("bundle"), *(file(f"bundle/{name}", data, 0o644) for name, data in files.items()))


def bundle_of(layers: Mapping[str, bytes], **options: Any) -> Image:
    """A bundle's image of layers by their names in its history, with documents on top where none are among them."""
    named = dict(layers) if "bundle documents" in layers else {**layers, "bundle documents": documents()}
    return image(list(named.values()), history=list(named), labels=LABELS, **options)


def write_folder(path: Path, made: Image, entries: Sequence[Any] = ()) -> Path:
    """As a layout folder."""
    layout = Layout(path)
    layout.create()
    for digest, data in made.blobs.items():
        layout.path(digest).write_bytes(data)
    (path / "index.json").write_bytes(Index((made.descriptor, *entries)).to_bytes())
    return path


def write_file(path: Path, made: Image, extra: Sequence[tuple[tarfile.TarInfo, bytes]] = ()) -> Path:
    """As a file."""
    members = {
        "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
        "index.json": Index((made.descriptor,)).to_bytes(),
        **{f"blobs/sha256/{digest.hex}": data for digest, data in made.blobs.items()},
    }
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in (*(file(name, data, 0o644) for name, data in members.items()), *extra):
            archive.addfile(info, io.BytesIO(data))
    return path
