"""Reading a bundle that came from somewhere: an archive file or a layout folder. Nothing is trusted unchecked."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from builder.bundle.documents import BUNDLE_FILE, BUNDLE_FORMAT, DOCUMENTS_LAYER
from builder.errors import EnvbuildError
from builder.image.kept import Image, read_image
from builder.oci.archive import ArchiveReader, only_entry
from builder.oci.documents import DOCUMENT_LIMIT, MEDIA_TYPE_INDEX, REF_NAME, Descriptor, Platform
from builder.oci.layout import Layout, copy_blob
from builder.oci.store import Store
from builder.oci.validate import checked_stream

_DOCUMENTS_LIMIT = 64 << 20
"""Bytes of the layer of documents at most, uncompressed."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle."""

    layout: Layout
    top: Descriptor
    """The one entry of its `index.json`."""
    images: Mapping[Platform, Image]

    @property
    def name(self) -> str:
        """`name:tag`, as its `index.json` says."""
        return self.top.annotations.get(REF_NAME, "bundle:latest")

    def image(self, platform: Platform) -> Image:
        """The image for a platform.

        Raises: EnvbuildError, if there is none.
        """
        if platform not in self.images:
            listed = ", ".join(map(str, sorted(self.images)))
            raise EnvbuildError(f"the bundle has no image for {platform}", f"it has {listed}")
        return self.images[platform]

    def import_image(self, platform: Platform, store: Store) -> Image:
        """The image for a platform with all its blobs in `store`, each checked on the way.

        Raises: EnvbuildError, DigestMismatchError.
        """
        image = self.image(platform)
        for blob in (*image.manifest.layers, image.manifest.config, image.descriptor):
            copy_blob(self.layout, store, blob)
        return image


def open_bundle(path: Path) -> Bundle:
    """The bundle in an archive file or a layout folder.

    Raises: EnvbuildError, DigestMismatchError, if it is none or its documents are damaged.
    """
    if path.is_dir():
        if not (path / "index.json").is_file():
            raise EnvbuildError(f"`{path}` is not a bundle", "it has no `index.json`")
        layout: Layout = Layout(path)
        with open(path / "index.json", "rb") as file:
            top = only_entry(file.read(DOCUMENT_LIMIT), str(path))
    else:
        layout = ArchiveReader(path)
        top = layout.top()
    manifests = layout.index(top).manifests if top.media_type == MEDIA_TYPE_INDEX else (top,)
    images = [read_image(layout, manifest) for manifest in manifests]
    return Bundle(layout, top, {image.config.platform: image for image in images})


def read_document(layout: Layout, image: Image) -> dict[str, Any]:
    """The `bundle.json` of an image; empty for an image that is no bundle.

    Raises: EnvbuildError, if it is of a format that is not known; DigestMismatchError.
    """
    if DOCUMENTS_LAYER not in image.config.history:
        return {}
    position = image.config.history.index(DOCUMENTS_LAYER)
    layer = image.layers[position]
    with checked_stream(layout, layer.descriptor, layer.diff_id, _DOCUMENTS_LIMIT) as stream:
        data = _member(stream, BUNDLE_FILE)
    document = json.loads(data)
    if not isinstance(document, dict) or document.get("format") != BUNDLE_FORMAT:
        raise EnvbuildError(
            "the bundle is of a format that this envbuild does not know", hint="Use a newer envbuild to read it"
        )
    return cast("dict[str, Any]", document)


def _member(stream: IO[bytes], name: str) -> bytes:
    found = None
    with tarfile.open(fileobj=stream, mode="r|") as archive:
        for member in archive:
            if member.name == name and member.isfile() and member.size <= DOCUMENT_LIMIT:
                file = archive.extractfile(member)
                found = file.read() if file else None
    while stream.read(1 << 20):
        pass
    if found is None:
        raise EnvbuildError(f"the bundle has no `/{name}`")
    return found
