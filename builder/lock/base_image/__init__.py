"""Images of registries as base: pinned by digest, with the C library and the Python that are in them."""

from builder.lock.base_image.pinned import BaseImage

__all__ = ["BaseImage"]
