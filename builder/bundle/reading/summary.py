"""What is in a bundle, as one JSON value. Of the layers only the small one of documents is read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from builder.bundle.attached.attach import attached
from builder.bundle.reading.fetches import will_fetch
from builder.bundle.reading.lineage import lineage_in
from builder.bundle.reading.reader import Bundle, read_document, read_documents
from builder.bundle.thin import missing_layers
from builder.image.kept import Image
from builder.oci.digest import Digest
from builder.oci.documents import Descriptor
from builder.oci.layout import Layout


def summarise(bundle: Bundle, *, with_records: bool = False) -> dict[str, Any]:
    """Name, digests, platforms with their layers, commands, data, model, and what is fetched elsewhere, of a bundle.

    With `with_records`, also its records, those inside and those attached, and whether they are what is said of them.

    Raises: EnvbuildError, DigestMismatchError, if its documents are damaged.
    """
    images = {str(platform): image for platform, image in sorted(bundle.images.items())}
    first = next(iter(images.values()))
    document = read_document(bundle.layout, first)
    return {
        "name": bundle.name,
        "digest": str(bundle.top.digest),
        "description": document.get("description", ""),
        "lock": document.get("lock"),
        "code": document.get("code"),
        "model": document.get("model"),
        "data": document.get("data", {}),
        "commands": document.get("commands", {}),
        "platforms": {name: _image(image, bundle.layout) for name, image in images.items()},
        "artifacts": [_artifact(bundle.layout, descriptor) for descriptor in bundle.artifacts],
        "lineage": lineage_in(bundle),
        "fetches": [{"what": one.what, "urls": list(one.urls), "size": one.size} for one in will_fetch(bundle)],
        **(_all_records(bundle, document) if with_records else {}),
    }


def _image(image: Image, layout: Layout) -> dict[str, Any]:
    names = (*image.config.history, *[""] * len(image.layers))  # of images that other tools made, some tell nothing
    missing = missing_layers(layout, image)
    absent = {layer.digest for layer in missing}
    return {
        "digest": str(image.descriptor.digest),
        "created": image.config.created,
        "user": image.config.user,
        "size": sum(layer.descriptor.size for layer in image.layers),
        "missing": {"layers": len(missing), "size": sum(layer.size for layer in missing)},
        "layers": [
            {
                "name": name,
                "digest": str(layer.descriptor.digest),
                "diff_id": str(layer.diff_id),
                "size": layer.descriptor.size,
                "inside": layer.descriptor.digest not in absent,
            }
            for name, layer in zip(names, image.layers, strict=False)
        ],
    }


def _artifact(layout: Layout, descriptor: Descriptor) -> dict[str, Any]:
    manifest = layout.manifest(descriptor)
    return {
        "type": manifest.artifact_type or manifest.config.media_type,
        "digest": str(descriptor.digest),
        "blobs": [
            {
                "mediaType": blob.media_type,
                "digest": str(blob.digest),
                "size": blob.size,
                "annotations": dict(blob.annotations),
            }
            for blob in manifest.layers
        ],
    }


def _all_records(bundle: Bundle, document: Mapping[str, Any]) -> dict[str, Any]:
    listed = document.get("records")
    records = [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    files = read_documents(bundle) if records else {}
    return {"records": [_record(entry, files) for entry in records], "attached": list(_attached(bundle))}


def _record(entry: Mapping[str, Any], files: Mapping[str, bytes]) -> dict[str, Any]:
    """A record as `bundle.json` lists it, and whether it is there with this digest and size."""
    data = files.get(str(entry.get("path")))
    holds = data is not None and (str(Digest.of(data)), len(data)) == (entry.get("digest"), entry.get("size"))
    return {**{key: entry.get(key) for key in ("path", "role", "mediaType", "digest", "size")}, "holds": holds}


def _attached(bundle: Bundle) -> Iterator[dict[str, Any]]:
    """What is attached to the bundle, to its images and artifacts; each was checked to be so."""
    for subject in bundle.subjects:
        for descriptor, attachment in attached(bundle, subject.digest):
            yield {
                "type": attachment.artifact_type,
                "mediaType": attachment.media_type,
                "digest": str(descriptor.digest),
                "subject": str(subject.digest),
                "size": len(attachment.data),
                "annotations": dict(attachment.annotations),
            }
