"""Reading a bundle that came from somewhere: an archive file or a layout folder. Nothing is trusted unchecked."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from builder.bundle.form import (
    BUNDLE_FILE,
    BUNDLE_FORMAT,
    DATA_LOCK_PATH,
    DOCUMENTS_LAYER,
    LICENSES_LAYER,
    LOCK_PREFIX,
)
from builder.errors import EnvbuildError
from builder.image.config import LAUNCHER
from builder.image.kept import Image, read_image
from builder.image.skeleton import BUNDLE, DATA
from builder.layers.join import Layer
from builder.lock.data.document import DataLock
from builder.oci.archive import ArchiveReader, only_image, read_index
from builder.oci.attachments import read_list
from builder.oci.canonical import parse_json
from builder.oci.digest import Digest
from builder.oci.documents import DOCUMENT_LIMIT, INDEXES, REF_NAME, Descriptor, Platform
from builder.oci.layout import Layout, copy_blob, open_regular
from builder.oci.store import Store

if TYPE_CHECKING:
    from builder.oci.registry.layout import RegistryLayout

_DOCUMENTS_LIMIT = 64 << 20
"""Bytes of the layer of documents at most, uncompressed."""
_LOCK_LIMIT = 16 << 20
"""Bytes of a file of the lock at most: what is read of it takes many times as much."""
_MOST_MANIFESTS = 200
"""Images and artifacts of a bundle at most."""
_SMALL_LAYER = 1 << 20
"""Bytes, compressed, of a layer that is read to see whether it is the one of documents."""


@dataclass(frozen=True, slots=True)
class Bundle:
    """An opened bundle."""

    layout: Layout
    top: Descriptor
    """Of the bundle itself: the one entry of its `index.json` that is not attached to another."""
    images: Mapping[Platform, Image]
    artifacts: tuple[Descriptor, ...] = ()
    """What its index lists besides images: the model as an artifact of its own."""
    attached: tuple[Descriptor, ...] = ()
    """Manifests of records whose subject is in the bundle: provenance, signatures, scans."""

    @property
    def name(self) -> str:
        """`name:tag`, as its `index.json` says."""
        return self.top.annotations.get(REF_NAME, "bundle:latest")

    @property
    def subjects(self) -> tuple[Descriptor, ...]:
        """What records can be attached to: the bundle, each image, each artifact."""
        images = (image.descriptor for image in self.images.values())
        return tuple({one.digest: one for one in (self.top, *images, *self.artifacts)}.values())

    def referrers(self, subject: Digest | None = None) -> tuple[Descriptor, ...]:
        """What is listed as attached; of a bundle in a registry, to `subject` or else to all that can have records.

        None of it is checked yet. Raises: EnvbuildError.
        """
        if not self.layout.is_remote:
            return self.attached
        layout = cast("RegistryLayout", self.layout)
        subjects = [subject] if subject else [one.digest for one in self.subjects]
        return tuple(entry for one in subjects for entry in layout.referrers(one).entries)

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
        with open_regular(path / "index.json") as file:
            index = file.read(DOCUMENT_LIMIT)
    else:
        layout = archive = ArchiveReader(path)
        index = archive.index_json()
    document = read_index(index, str(path))
    listed = read_list(layout, document.annotations)
    others = [entry for entry in document.manifests if entry.is_artifact]
    return read_bundle(layout, only_image(document.manifests, str(path)), [*listed, *others])


def read_bundle(layout: Layout, top: Descriptor, attached: Sequence[Descriptor] = ()) -> Bundle:
    """The bundle that `top` names in a layout.

    Raises: EnvbuildError, DigestMismatchError, if it is none or its documents are damaged.
    """
    manifests = layout.index(top).manifests if top.media_type in INDEXES else (top,)
    if len(manifests) > _MOST_MANIFESTS:
        raise EnvbuildError(
            f"`{top.digest}` lists {len(manifests)} manifests", f"a bundle has {_MOST_MANIFESTS} at most"
        )
    images = [read_image(layout, manifest) for manifest in manifests if not manifest.is_artifact]
    if not images:
        raise EnvbuildError(f"`{top.annotations.get(REF_NAME) or top.digest}` holds no image")
    by_platform = {image.config.platform: image for image in images}
    if len(by_platform) != len(images):
        what = f"`{top.annotations.get(REF_NAME) or top.digest}` lists several images for one platform"
        raise EnvbuildError(what, "which of them is run would be left to who runs it")
    artifacts = tuple(manifest for manifest in manifests if manifest.is_artifact)
    return Bundle(layout, top, by_platform, artifacts, tuple(attached))


def is_bundle(image: Image) -> bool:
    """Whether an image promises the documents of a bundle: envbuild made their layer, or the launcher starts it."""
    return DOCUMENTS_LAYER in image.config.history or LAUNCHER in image.config.entrypoint


def read_document(layout: Layout, image: Image) -> dict[str, Any]:
    """The `bundle.json` of an image; empty for an image that is no bundle.

    Raises: EnvbuildError, if it is of a format that is not known; DigestMismatchError.
    """
    if not is_bundle(image):
        return {}
    data = _files(layout, image, BUNDLE_FILE, DOCUMENT_LIMIT).get(BUNDLE_FILE)
    if data is None:
        raise EnvbuildError(f"the bundle has no `/{BUNDLE_FILE}`")
    document = parse_json(data, f"`/{BUNDLE_FILE}`")
    if not isinstance(document, dict) or document.get("format") != BUNDLE_FORMAT:
        raise EnvbuildError(
            "the bundle is of a format that this envbuild does not know", hint="Use a newer envbuild to read it"
        )
    _check_document(document)
    return cast("dict[str, Any]", document)


def read_documents(bundle: Bundle) -> dict[str, bytes]:
    """The files of the bundle's own folder, by their path in it: documents, and texts of licences.

    Raises: EnvbuildError, DigestMismatchError, if their layers are damaged.
    """
    image = bundle.images[min(bundle.images)]
    found: dict[str, bytes] = {}
    for layer in _document_layers(image) if is_bundle(image) else ():
        for name, data in _files_of(bundle.layout, layer, f"{BUNDLE}/", _DOCUMENTS_LIMIT).items():
            found.setdefault(name.removeprefix(f"{BUNDLE}/"), data)
    return found


def document_file(layout: Layout, image: Image, path: str) -> bytes | None:
    """One file of the bundle's own folder, by its path in it; None where it is not there.

    Raises: EnvbuildError, DigestMismatchError, if the layer of documents is damaged.
    """
    return _files(layout, image, f"{BUNDLE}/{path}").get(f"{BUNDLE}/{path}")


def read_lock_files(bundle: Bundle) -> dict[str, bytes]:
    """The files of the lock that a bundle was made from, by name; their content is not checked against each other.

    Raises: EnvbuildError, if there is none inside; DigestMismatchError, if they are not what the bundle promises.
    """
    image = bundle.images[min(bundle.images)]
    found = _files(bundle.layout, image, LOCK_PREFIX, _LOCK_LIMIT) if is_bundle(image) else {}
    if not found:
        raise EnvbuildError(f"there is no lock in `{bundle.name}`", "it is an image, not a bundle")
    return {name.removeprefix(LOCK_PREFIX): data for name, data in found.items()}


def read_data_lock_of(layout: Layout, image: Image) -> DataLock:
    """The data lock inside an image, checked.

    Raises: EnvbuildError, if there is none inside, or it is not as it was made; DigestMismatchError.
    """
    found = _files(layout, image, DATA_LOCK_PATH) if is_bundle(image) else {}
    if DATA_LOCK_PATH not in found:
        raise EnvbuildError("the bundle has no data lock inside")
    return DataLock.from_bytes(found[DATA_LOCK_PATH], f"`/{DATA_LOCK_PATH}`")


_COMMAND_KEYS: Mapping[str, tuple[type, ...]] = {
    "run": (list,), "inputs": (list,), "outputs": (list,), "parameters": (dict,), "environment": (dict,),
    "seed": (int, type(None)), "port": (int, type(None)), "ready": (str, type(None)),
}  # fmt: skip
_DATA_NAME = re.compile(r"[a-z0-9]+(?:[._-][a-z0-9]+)*")
_DATA_KEYS: Mapping[str, tuple[type, ...]] = {
    "path": (str,), "urls": (list,), "sha256": (str,), "size": (int, type(None)), "local": (str, type(None)),
}  # fmt: skip


def _check_document(document: Mapping[str, Any]) -> None:
    """Refuse a `bundle.json` in which something is of another type than readers rely on."""
    model = document.get("model")
    if model is not None and not (isinstance(model, dict) and isinstance(model.get("digest"), str)):
        raise EnvbuildError("the bundle's `bundle.json` is not as it should be", "`model` has no digest")
    for part, keys in (("commands", _COMMAND_KEYS), ("data", _DATA_KEYS)):
        entries = document.get(part)
        for name, entry in entries.items() if isinstance(entries, dict) else [(part, None)]:
            values = {key: entry.get(key) for key in keys} if isinstance(entry, dict) else {}
            items = [item for value in values.values() if isinstance(value, list) for item in value]
            typed = bool(values) and all(isinstance(values[key], types) for key, types in keys.items())
            if (
                not typed
                or not all(isinstance(item, str) for item in items)
                or not _belongs(name, entry or {}, document)
            ):
                raise EnvbuildError("the bundle's `bundle.json` is not as it should be", f"`{name[:100]}` in `{part}`")


def _belongs(name: str, entry: Mapping[str, Any], document: Mapping[str, Any]) -> bool:
    """Whether a command names data that there are, and data a place and a digest that they can have."""
    if "run" in entry:
        return isinstance(document.get("data"), dict) and document["data"].keys() >= set(entry["inputs"])
    return (
        _DATA_NAME.fullmatch(name) is not None
        and entry["path"] == f"/{DATA}/{name}"
        and re.fullmatch(r"[0-9a-f]{64}", entry["sha256"]) is not None
        and entry.get("kind", "file") in ("file", "folder", "glob")
        and isinstance(entry.get("packed", False), bool)
        and (entry["size"] is None or entry["size"] >= 0)
    )


def _files(layout: Layout, image: Image, prefix: str, limit: int = _DOCUMENTS_LIMIT) -> dict[str, bytes]:
    """The files of the layer of documents whose paths begin with `prefix`, of at most `limit` bytes each."""
    for layer in _candidates(image):
        if found := _files_of(layout, layer, prefix, limit):
            return found
    return {}


def _files_of(layout: Layout, layer: Layer, prefix: str, limit: int) -> dict[str, bytes]:
    from builder.oci.validate import checked_stream

    with checked_stream(layout, layer.descriptor, layer.diff_id, _DOCUMENTS_LIMIT) as stream:
        return _members(stream, prefix, limit)


def _document_layers(image: Image) -> Sequence[Layer]:
    """The layers that files of the bundle's own folder are in, or may be in, the highest first."""
    named = zip(image.config.history, image.layers, strict=False)
    return [*_candidates(image), *(layer for name, layer in named if name == LICENSES_LAYER)]


def _candidates(image: Image) -> Sequence[Layer]:
    """The layers that may be the one of documents: by its history entry, else all small ones, the highest first."""
    if DOCUMENTS_LAYER not in image.config.history:  # an engine made it, of a Dockerfile
        return [layer for layer in reversed(image.layers) if _may_hold_documents(layer.descriptor)]
    position = image.config.history.index(DOCUMENTS_LAYER)
    if position >= len(image.layers):
        raise EnvbuildError("the bundle is not complete", f"it has no layer for `{DOCUMENTS_LAYER}`")
    return [image.layers[position]]


def _may_hold_documents(layer: Descriptor) -> bool:
    return layer.media_type.endswith("gzip") and layer.size <= _SMALL_LAYER


def _members(stream: IO[bytes], prefix: str, limit: int) -> dict[str, bytes]:
    found = {}
    try:
        with tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                if member.name.startswith(prefix) and member.isfile() and member.size <= limit:
                    file = archive.extractfile(member)
                    found[member.name] = file.read() if file else b""
    except (tarfile.TarError, ValueError, RecursionError) as error:
        raise EnvbuildError("the bundle's layer of documents is not a tar archive", str(error)) from error
    while stream.read(1 << 20):
        pass
    return found
