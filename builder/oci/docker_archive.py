"""Archives of `docker save` (moby, image/spec v1.2) that are no OCI layouts, read as if they were.

Such an archive has no manifest and no digests of its layers, only a config, whose diff_ids say what the layers are. A
manifest is made up from it, which names the layers by the digests of what is in the archive.
"""

from __future__ import annotations

import hashlib
import io
import os
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, cast

from builder.errors import EnvbuildError
from builder.oci.archive import FileWindow
from builder.oci.canonical import parse_json
from builder.oci.compression import compression
from builder.oci.digest import Digest
from builder.oci.documents import (
    DOCUMENT_LIMIT,
    MEDIA_TYPE_CONFIG,
    MEDIA_TYPE_LAYER,
    MEDIA_TYPE_MANIFEST,
    MOST_LAYERS,
    REF_NAME,
    Descriptor,
    Manifest,
)
from builder.oci.layer_rules import FILE, HARD_LINK, SYMBOLIC_LINK
from builder.oci.layout import CHUNK, Layout, open_regular
from builder.oci.tar_entries import SeekingTarReader, TarError, refusal

_MEMBER_LIMIT = 100_000
_MOST_LINKS = 8
"""Links that lead from one layer's name to another."""


class DockerArchive(Layout):
    """The blobs of an archive, read where they are, and the manifests that were made up."""

    def __init__(self, path: Path) -> None:
        """Reads every layer once, to know its digest.

        Raises: EnvbuildError, if it is no such archive.
        """
        super().__init__(path)
        self._file = path
        self._members = archive_members(path)
        self._places: dict[Digest, tuple[int, int]] = {}
        self._made: dict[Digest, bytes] = {}
        self.tops = tuple(map(self._top, self._entries()))
        """Of each image in it."""

    def has(self, digest: Digest, size: int) -> bool:
        """Whether the blob is there with this size in bytes."""
        made = self._made.get(digest)
        return len(made) == size if made is not None else self._places.get(digest, (0, -1))[1] == size

    def open(self, digest: Digest) -> IO[bytes]:
        """The blob as a file.

        Raises: EnvbuildError, if it is missing.
        """
        if digest in self._made:
            return io.BytesIO(self._made[digest])
        if digest not in self._places:
            raise EnvbuildError(f"blob {digest} is not in `{self._file}`")
        return cast("IO[bytes]", FileWindow(self._file, *self._places[digest]))

    def _entries(self) -> list[dict[str, Any]]:
        document = parse_json(self._small("manifest.json"), "`manifest.json`")
        if not isinstance(document, list) or not document:
            raise EnvbuildError(f"`{self._file}` names no image", "its `manifest.json` is not a list of images")
        for entry in document:
            layers = entry.get("Layers") if isinstance(entry, dict) else None
            if not isinstance(layers, list) or len(layers) > MOST_LAYERS or not isinstance(entry.get("Config"), str):
                raise EnvbuildError(f"`{self._file}` is not as `docker save` writes it", "in its `manifest.json`")
        return document

    def _top(self, entry: dict[str, Any]) -> Descriptor:
        layers = tuple(self._layer(str(name)) for name in entry["Layers"])
        manifest = Manifest(self._blob(entry["Config"], MEDIA_TYPE_CONFIG), layers).to_bytes()
        digest = Digest.of(manifest)
        self._made[digest] = manifest
        names = entry.get("RepoTags") or []
        called = {REF_NAME: str(names[0])} if isinstance(names, list) and names else {}
        return Descriptor(MEDIA_TYPE_MANIFEST, digest, len(manifest), called)

    def _layer(self, name: str) -> Descriptor:
        with self._member(name) as file:
            how = compression(io.BufferedReader(cast("Any", file)))
        return self._blob(name, f"{MEDIA_TYPE_LAYER}+{how}" if how else MEDIA_TYPE_LAYER)

    def _blob(self, name: str, media_type: str) -> Descriptor:
        checksum = hashlib.sha256()
        with self._member(name) as file:
            while chunk := file.read(CHUNK):
                checksum.update(chunk)
        digest = Digest(checksum.hexdigest())
        self._places[digest] = self._members[name]
        return Descriptor(media_type, digest, self._members[name][1])

    def _small(self, name: str) -> bytes:
        with self._member(name) as file:
            return file.read(DOCUMENT_LIMIT)

    def _member(self, name: str) -> IO[bytes]:
        if name not in self._members:
            raise EnvbuildError(f"`{self._file}` has no `{name[:100]}`", hint="It may be cut short, or be no image")
        return cast("IO[bytes]", FileWindow(self._file, *self._members[name]))


def is_docker_archive(path: Path) -> bool:
    """Whether a file is an archive of `docker save` and no OCI layout, told by its names.

    Raises: EnvbuildError, if it is no archive.
    """
    members = archive_members(path)
    return "manifest.json" in members and "index.json" not in members


def archive_members(path: Path) -> dict[str, tuple[int, int]]:
    """Where each file of an archive of `docker save` lies: offset and size in bytes; of links, what they lead to.

    Raises: EnvbuildError, if it is no archive, or has a name twice.
    """
    files: dict[str, tuple[int, int]] = {}
    links: dict[str, str] = {}
    try:
        with io.BufferedReader(cast("io.RawIOBase", open_regular(path))) as file:
            reader = SeekingTarReader(file, os.fstat(file.fileno()).st_size)
            for count, entry in enumerate(reader):
                if count >= _MEMBER_LIMIT:
                    raise EnvbuildError(f"`{path}` has more than {_MEMBER_LIMIT} entries")
                name = posixpath.normpath(os.fsdecode(entry.path))
                if name in files or name in links:
                    raise EnvbuildError(f"`{path}` has {name[:100]!r} twice")
                link = os.fsdecode(entry.link)
                if entry.kind == FILE:
                    files[name] = (reader.position, entry.size)
                elif entry.kind == SYMBOLIC_LINK:
                    links[name] = posixpath.normpath(posixpath.join(posixpath.dirname(name), link))
                elif entry.kind == HARD_LINK:
                    links[name] = posixpath.normpath(link)
    except TarError as error:
        raise EnvbuildError(f"`{path}` cannot be read as an image", *refusal(error, reader)) from error
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or str(error)
        raise EnvbuildError(f"`{path}` cannot be read as an image", why) from error
    return files | {name: files[target] for name in links if (target := _target(name, links)) in files}


def _target(name: str, links: Mapping[str, str]) -> str:
    """Where a chain of links ends."""
    for _ in range(_MOST_LINKS):
        name = links.get(name, name)
    return name
