"""A small image of this machine's own Python and shell."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from builder.oci.digest import Digest
from builder.oci.documents import (
    MEDIA_TYPE_CONFIG,
    MEDIA_TYPE_LAYER_GZIP,
    MEDIA_TYPE_MANIFEST,
    Descriptor,
    ImageConfig,
    Manifest,
    Platform,
)
from builder.oci.store import Store
from builder.run.interface import LocalImage

PYTHON = "/usr/bin/python"
_SKIPPED = {"test", "idlelib", "ensurepip", "site-packages", "dist-packages", "__pycache__", "tkinter", "lib2to3"}
_TOOLS = ("sh", "cat", "sleep")

Entry = tuple[tarfile.TarInfo, bytes]


def layer(entries: Sequence[Entry]) -> tuple[bytes, bytes]:
    """The gzip blob and the tar of a layer."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return gzip.compress(buffer.getvalue(), 1, mtime=0), buffer.getvalue()


def file(name: str, data: bytes = b"", **fields: object) -> Entry:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    info.mode = 0o644
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def folder(name: str, mode: int = 0o755, **fields: object) -> Entry:
    return file(name, type=tarfile.DIRTYPE, mode=mode, **fields)


class Images:
    """Makes images in a store."""

    file = staticmethod(file)
    folder = staticmethod(folder)
    layer = staticmethod(layer)

    def __init__(self, store: Store, base: tuple[bytes, bytes]) -> None:
        self.store = store
        self.base = base

    def image(
        self, *layers: Sequence[Entry], blobs: Sequence[tuple[bytes, bytes]] = (), **config: object
    ) -> LocalImage:
        pairs = [self.base, *blobs, *(layer(entries) for entries in layers)]
        descriptors = []
        for blob, _ in pairs:
            descriptors.append(Descriptor(MEDIA_TYPE_LAYER_GZIP, self.store.write(blob), len(blob)))
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        diff_ids = tuple(Digest(hashlib.sha256(tar).hexdigest()) for _, tar in pairs)
        image_config = ImageConfig(Platform(machine), "1970-01-01T00:00:00Z", diff_ids, ("",) * len(pairs))
        image_config = replace(image_config, env=("PATH=/usr/bin:/bin",))
        image_config = replace(image_config, **config)  # type: ignore[arg-type]
        data = image_config.to_bytes()
        manifest = Manifest(Descriptor(MEDIA_TYPE_CONFIG, self.store.write(data), len(data)), tuple(descriptors))
        data = manifest.to_bytes()
        descriptor = Descriptor(MEDIA_TYPE_MANIFEST, self.store.write(data), len(data))
        return LocalImage(self.store, descriptor, manifest, image_config, "test")


def base_layer() -> tuple[bytes, bytes]:
    """The layer that all images have in common."""
    python = os.path.realpath(sys.executable)
    library = Path(sysconfig.get_path("stdlib"))
    entries = [folder(name) for name in ("etc", "usr", "usr/bin", "out", "data")] + [folder("tmp", 0o1777)]
    entries += [
        file("etc/passwd", b"root:x:0:0::/:/bin/sh\nuser:x:1000:1001::/:/bin/sh\n"),
        file("etc/group", b"team:x:77:\n"),
    ]
    entries.append(file("bin", type=tarfile.SYMTYPE, linkname="usr/bin"))
    binaries = {tool: os.path.realpath(shutil.which(tool) or tool) for tool in _TOOLS} | {"python": python}
    for name, path in binaries.items():
        entries.append(file(f"usr/bin/{name}", Path(path).read_bytes(), mode=0o755))
    for path in sorted(_libraries(list(binaries.values()))):
        entries.append(file(path.lstrip("/"), Path(path).read_bytes(), mode=0o755))
    for root, folders, names in os.walk(library):
        folders[:] = [name for name in folders if name not in _SKIPPED and not name.startswith("config-")]
        for name in names:
            source = Path(root, name)
            target = f"usr/lib/{library.name}/{source.relative_to(library)}"
            entries.append(file(target, source.read_bytes(), mode=0o644))
    return layer(entries)


def _libraries(binaries: list[str]) -> set[str]:
    text = subprocess.run(["ldd", *binaries], capture_output=True, text=True, check=True).stdout
    return {
        word for line in text.splitlines() for word in line.split() if word.startswith("/") and not word.endswith(":")
    }
