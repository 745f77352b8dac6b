"""The files of a module on this machine: in the project, or had from git or a registry and kept in the store.

What comes from elsewhere is files and folders alone, bounded, and below one folder; links are refused.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from builder.errors import DigestMismatchError, EnvbuildError, one_line
from builder.history.content import listing_digest
from builder.layers.tar_headers import DIRECTORY, FILE
from builder.layers.tar_reader import Stream, TarEntry, TarReader
from builder.lock.data.hashing import Hasher, shown, walk
from builder.lock.pypi.checkout import Checkout
from builder.lock.pypi.checkout_archive import checkout_archive
from builder.oci.compression import damage_errors, decompressed
from builder.oci.layout import CHUNK
from builder.oci.store import remove_tree
from builder.pipeline.modules.source import Source

if TYPE_CHECKING:
    from builder.fetch.artifact import Artifact, ArtifactFile, Artifacts

_MOST_FILES = 10_000
_MOST_BYTES = 256 << 20
"""Of a module: it is code, not data."""

Files = Iterator[tuple[TarEntry, Iterator[bytes | memoryview]]]
"""What an archive holds, in its order, each with its content, to be taken before the next."""


@dataclass(frozen=True, slots=True)
class Places:
    """Finds the folders of modules."""

    project: Path
    hasher: Hasher
    artifacts: Callable[[], Artifacts]
    """Reads registries; made when it is first needed."""

    def of(self, source: Source) -> Path:
        """The folder of a module; of one from elsewhere in the store, fetched where that does not have it.

        Raises: EnvbuildError, if it is not there, cannot be had, or leads out of the project or of itself.
        """
        if source.kind == "path":
            return folder_in_project(self.project, source)
        store = self.hasher.store
        name = f"module-{hashlib.sha256(source.pin.encode()).hexdigest()}"
        place = store.unpacked_path(name)
        with store.locked(name):
            if not place.is_dir():
                with store.scratch() as scratch:
                    self._fetch(source, scratch)
                    place.parent.mkdir(exist_ok=True)
                    os.rename(scratch, place)
        return place

    def digest(self, folder: Path) -> str:
        """The hexadecimal SHA-256 of a module's list of files."""
        hashed, _ = self.hasher.hash(folder, walk(folder), shown(folder))
        return listing_digest([(file.path, file.digest.hex, file.size) for file in hashed])

    def checked(self, source: Source, sha256: str | None) -> Path:
        """As `of`, with the files that were pinned. Raises: DigestMismatchError, if it has others."""
        folder = self.of(source)
        if sha256 is None or self.digest(folder) == sha256:
            return folder
        remove_tree(folder)  # whatever happened to it here: it is to be had again
        folder = self.of(source)
        found = self.digest(folder)
        if found != sha256:
            raise DigestMismatchError(
                f"the module `{source.pin}` is not the one that was locked",
                f"the SHA-256 of its files is {found}, where {sha256} is expected",
                "Find out who changed it before you lock again",
            )
        return folder

    def _fetch(self, source: Source, target: Path) -> None:
        room = _Room(target, source)
        if source.kind == "git":
            digest, _ = checkout_archive(source.place, self.hasher.store)
            with self.hasher.store.open(digest) as archive:
                room.unpack(_entries(archive), Checkout.parse(source.place).name)
        else:
            artifacts = self.artifacts()
            artifact = artifacts.read(source.place)
            for file in artifact.files:
                _unpack_layer(artifacts, artifact, file, room)
        room.finish()


def folder_in_project(project: Path, source: Source) -> Path:
    """The folder of a module in a project. Raises: EnvbuildError, if it is not there, or a link leads out."""
    folder = project / source.place
    if not folder.is_dir():
        raise EnvbuildError(f"there is no folder `{source.place}`")
    if not folder.resolve().is_relative_to(project.resolve()):
        raise EnvbuildError(f"the module `{source.place}` is a link that leads out of the project")
    return folder


class _Room:
    """A folder that is filled with the files of a module."""

    def __init__(self, folder: Path, source: Source) -> None:
        self._folder = folder
        self._source = source
        self._files = 0
        self._bytes = 0

    def unpack(self, files: Files, top: str = "") -> None:
        """Write what is below the folder `top` of an archive, and there in the module's own."""
        prefix = "/".join(part for part in (top, self._source.folder) if part)
        for entry, content in files:
            if entry.kind == DIRECTORY or (prefix and not entry.path.startswith(f"{prefix}/")):
                continue
            path = entry.path.removeprefix(f"{prefix}/") if prefix else entry.path
            if entry.kind != FILE:
                raise self.refused(f"`{one_line(path[:200])}` in it is a link, which no module may have")
            self.write(path, content, is_program=bool(entry.mode & 0o100))

    def write(self, path: str, content: Iterator[bytes | memoryview], *, is_program: bool) -> None:
        """Write a file, whose path is plain."""
        self._files += 1
        if self._files > _MOST_FILES:
            raise self.refused(f"it has more than {_MOST_FILES} files")
        place = self._folder / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            with open(place, "xb") as file:
                for piece in content:
                    self._bytes += len(piece)
                    if self._bytes > _MOST_BYTES:
                        raise self.refused(f"it has more than {_MOST_BYTES} bytes")
                    file.write(piece)
            place.chmod(0o755 if is_program else 0o644)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise self.refused(f"`{one_line(path[:200])}` is in it twice, or both a file and a folder") from error

    def finish(self) -> None:
        """Raises: EnvbuildError, if nothing was written."""
        if not self._files:
            where = f"its folder `{self._source.folder}`" if self._source.folder else "it"
            raise self.refused(f"{where} has no files")
        os.chmod(self._folder, 0o755)  # noqa: S103 - the programs of containers read it

    def refused(self, why: str) -> EnvbuildError:
        """That it cannot be taken."""
        return EnvbuildError(f"the module `{self._source.pin}` cannot be taken", why)


def _unpack_layer(artifacts: Artifacts, artifact: Artifact, file: ArtifactFile, room: _Room) -> None:
    try:
        with artifacts.opened(artifact, file) as stream:
            if not file.packed:
                raise room.refused("its layers are single files, where a tar archive is expected")
            archive = io.BufferedReader(cast("io.RawIOBase", decompressed(stream)), CHUNK)
            room.unpack(_entries(archive))
    except damage_errors() as error:
        raise room.refused(f"its layer {file.blob.digest} cannot be read: {error}") from error


def _entries(archive: IO[bytes]) -> Files:
    reader = TarReader(Stream(iter(lambda: archive.read(CHUNK), b"")))
    for entry in reader.entries():
        content = reader.content(entry)
        yield entry, content
        for _ in content:
            pass
