"""Images that are made up: layers of a few files, and the documents that hold them together."""

from __future__ import annotations

import gzip
import io
import struct
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass, field

from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest
from builder.oci.documents import (
    MEDIA_TYPE_CONFIG,
    MEDIA_TYPE_INDEX,
    MEDIA_TYPE_LAYER_GZIP,
    MEDIA_TYPE_MANIFEST,
    Descriptor,
    ImageConfig,
    Index,
    Manifest,
    Platform,
)

MACHINES = {"amd64": 62, "arm64": 183}
TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
GLIBC = "GNU C Library (Debian GLIBC 2.36-9+deb12u9) stable release version 2.36."


def elf(*texts: str, architecture: str = "amd64", padding: int = 0) -> bytes:
    """What begins like a 64-bit ELF file and holds texts that zero bytes end, behind `padding` bytes."""
    header = b"\x7fELF\x02\x01\x01" + bytes(9) + struct.pack("<HH", 3, MACHINES[architecture])
    return header.ljust(64, b"\0") + bytes(padding) + b"".join(f"{text}\0".encode() for text in texts)


def file(path: str, content: bytes = b"", mode: int = 0o755) -> tuple[tarfile.TarInfo, bytes]:
    """A regular file."""
    info = tarfile.TarInfo(path)
    info.size, info.mode = len(content), mode
    return info, content


def link(path: str, target: str, hard: bool = False) -> tuple[tarfile.TarInfo, bytes]:
    """A symbolic or a hard link."""
    info = tarfile.TarInfo(path)
    info.type, info.linkname = tarfile.LNKTYPE if hard else tarfile.SYMTYPE, target
    return info, b""


def folder(path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> tuple[tarfile.TarInfo, bytes]:
    """A directory."""
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, mode, uid, gid
    return info, b""


def layer(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """The archive of a layer, not compressed."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return data.getvalue()


def debian_like(architecture: str = "amd64", python: str = "3.11.2", glibc: str = GLIBC) -> bytes:
    """A layer with merged folders, glibc, and a Python with its library."""
    minor = ".".join(python.split(".")[:2])
    return layer(
        link("lib", "usr/lib"),
        link("bin", "usr/bin"),
        file(f"usr/lib/{TRIPLETS[architecture]}/libc.so.6", elf(glibc, architecture=architecture)),
        file(f"usr/bin/python{minor}", elf("3.2.0", python, architecture=architecture)),
        link("usr/bin/python3", f"python{minor}"),
        file(f"usr/lib/python{minor}/os.py", b"#", 0o644),
    )


@dataclass
class Image:
    """One platform's image, and every blob of it by digest."""

    descriptor: Descriptor
    blobs: dict[Digest, bytes] = field(default_factory=dict)


def image(
    layers: Sequence[bytes],
    architecture: str = "amd64",
    compress: bool = True,
    manifest_type: str = MEDIA_TYPE_MANIFEST,
    config_type: str = MEDIA_TYPE_CONFIG,
    history: Sequence[str] = (),
    **config: object,
) -> Image:
    """An image of uncompressed layers."""
    blobs, descriptors = {}, []
    for content in layers:
        blob = gzip.compress(content, mtime=0) if compress else content
        blobs[Digest.of(blob)] = blob
        descriptors.append(Descriptor(MEDIA_TYPE_LAYER_GZIP, Digest.of(blob), len(blob)))
    diff_ids = tuple(map(Digest.of, layers))
    document = ImageConfig(
        Platform(architecture), "1980-01-02T00:00:00Z", diff_ids, tuple(history), **config
    ).to_bytes()
    blobs[Digest.of(document)] = document
    descriptor = Descriptor(config_type, Digest.of(document), len(document))
    manifest = Manifest(descriptor, tuple(descriptors)).to_bytes().replace(
        MEDIA_TYPE_MANIFEST.encode(), manifest_type.encode()
    )  # fmt: skip
    blobs[Digest.of(manifest)] = manifest
    platform = Platform(architecture)
    return Image(Descriptor(manifest_type, Digest.of(manifest), len(manifest), platform=platform), blobs)


def index(*images: Image, media_type: str = MEDIA_TYPE_INDEX) -> Image:
    """An index of images of several platforms, with an attestation among them as buildx adds it."""
    blobs = {digest: blob for one in images for digest, blob in one.blobs.items()}
    note = canonical_json({"schemaVersion": 2})
    unknown = Descriptor(MEDIA_TYPE_MANIFEST, Digest.of(note), len(note), platform=Platform("unknown", "unknown"))
    entries = (unknown, *(one.descriptor for one in images))
    data = Index(entries).to_bytes().replace(MEDIA_TYPE_INDEX.encode(), media_type.encode())
    blobs[Digest.of(data)] = data
    return Image(Descriptor(media_type, Digest.of(data), len(data)), blobs)
