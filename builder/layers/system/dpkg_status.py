"""`/var/lib/dpkg/status.d`: which packages an image has, in the form of distroless images, which scanners read."""

from __future__ import annotations

from collections.abc import Iterable

from builder.layers.files import FileEntry
from builder.layers.system.image import Image

_FOLDER = "var/lib/dpkg/status.d"


def status_files(image: Image) -> Iterable[FileEntry]:
    """Of each package, its control paragraph and the sums of its files."""
    for name, facts in image.packages.items():
        yield FileEntry(f"{_FOLDER}/{name}", facts.paragraph.encode())
        if facts.md5sums:
            yield FileEntry(f"{_FOLDER}/{name}.md5sums", facts.md5sums.encode())
