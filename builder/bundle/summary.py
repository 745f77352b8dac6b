"""What is in a bundle, as one JSON value. Of the layers only the small one of documents is read."""

from __future__ import annotations

from typing import Any

from builder.bundle.reader import Bundle, read_document
from builder.image.kept import Image


def summarise(bundle: Bundle) -> dict[str, Any]:
    """Name, digests, platforms with their layers, commands, data and model of a bundle.

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
        "platforms": {name: _image(image) for name, image in images.items()},
    }


def _image(image: Image) -> dict[str, Any]:
    names = (*image.config.history, *[""] * len(image.layers))  # of images that other tools made, some tell nothing
    named = zip(names, image.layers, strict=False)
    return {
        "digest": str(image.descriptor.digest),
        "created": image.config.created,
        "user": image.config.user,
        "size": sum(layer.descriptor.size for layer in image.layers),
        "layers": [
            {
                "name": name,
                "digest": str(layer.descriptor.digest),
                "diff_id": str(layer.diff_id),
                "size": layer.descriptor.size,
            }
            for name, layer in named
        ],
    }
