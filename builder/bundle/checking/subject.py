"""An image that is to be checked, wherever it is: in the store, in a file or folder of any tool, in a registry."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.errors import DigestMismatchError, EnvbuildError
from builder.image.kept import Image, read_image
from builder.oci.archive import ArchiveReader, read_index
from builder.oci.attachments import named_list
from builder.oci.documents import DOCUMENT_LIMIT, INDEXES, Descriptor, Platform
from builder.oci.layout import Layout, open_regular
from builder.oci.problems import Problem

if TYPE_CHECKING:
    from builder.oci.registry import Reference, Registries


@dataclass(frozen=True, slots=True)
class Subject:
    """Where an image is, and what it is called."""

    name: str
    layout: Layout
    tops: tuple[Descriptor, ...]
    """Of what it is made of: one image or index as a rule."""
    forks: bool = True
    """Whether it may be read in forked processes: what holds connections may not."""
    attached: Descriptor | None = None
    """The list of what is attached to it, of a file or a folder."""

    @property
    def roots(self) -> tuple[Descriptor, ...]:
        """Everything below which there is something to check."""
        return (*self.tops, self.attached) if self.attached else self.tops

    @property
    def digest(self) -> str:
        """What names it; of several images, one a line."""
        return "\n".join(str(top.digest) for top in self.tops if not top.is_artifact)

    def of_platforms(self, platforms: Collection[Platform]) -> Subject:
        """Its images for these platforms alone; all of them, if none is named.

        Raises: EnvbuildError, if there is none; DigestMismatchError.
        """
        if not platforms:
            return self
        found = [top for top in self.manifests() if self._platform(top) in platforms]
        if not found:
            raise EnvbuildError(f"`{self.name}` has no image for {', '.join(map(str, sorted(platforms)))}")
        return replace(self, tops=tuple(found))

    def manifests(self) -> Iterator[Descriptor]:
        """The manifest of each image, and of nothing else.

        Raises: EnvbuildError, DigestMismatchError, if an index cannot be read.
        """
        waiting, seen = list(reversed(self.tops)), set()
        while waiting:
            top = waiting.pop()
            if top.digest in seen:
                continue
            seen.add(top.digest)
            if top.media_type in INDEXES:
                waiting += reversed(self.layout.index(top).manifests)
            elif not top.is_artifact:
                yield top

    def images(self) -> tuple[Image, ...]:
        """Its images, as their documents say. Raises: EnvbuildError, DigestMismatchError, if one cannot be read."""
        return tuple(read_image(self.layout, top) for top in self.manifests())

    def docker_problems(self) -> Iterator[Problem]:
        """Where `docker load` would take another image than other readers of an archive."""
        try:
            document = self.layout.docker_manifest() if isinstance(self.layout, ArchiveReader) else None
            known = [_docker_view(image) for image in self.images()] if document is not None else []
        except DigestMismatchError:
            return  # which is told already
        except EnvbuildError as error:
            yield Problem("document", str(error))
            return
        for entry in document if isinstance(document, list) else [] if document is None else [document]:
            if not isinstance(entry, dict) or [entry.get("Config"), entry.get("Layers")] not in known:
                yield Problem("document", "`manifest.json` names another image than `index.json`")

    def _platform(self, top: Descriptor) -> Platform:
        found = top.platform or read_image(self.layout, top).config.platform
        return Platform(found.architecture, found.os)


def open_file(path: Path) -> Subject:
    """What is in a layout folder, or in an archive that is one or was made by `docker save`.

    Raises: EnvbuildError, DigestMismatchError, if it is neither.
    """
    if path.is_dir():
        with open_regular(path / "index.json") as file:
            return _of_index(str(path), Layout(path), file.read(DOCUMENT_LIMIT))
    from builder.oci.docker_archive import DockerArchive, is_docker_archive

    if is_docker_archive(path):
        archive = DockerArchive(path)
        return Subject(str(path), archive, archive.tops)
    reader = ArchiveReader(path)
    return _of_index(str(path), reader, reader.index_json())


def open_reference(reference: Reference, registries: Registries, observe: Callable[[int], None]) -> Subject:
    """What a reference names now. `observe` is told of the bytes that were received.

    Raises: EnvbuildError, if it cannot be had; DigestMismatchError.
    """
    from builder.oci.registry.layout import RegistryLayout

    layout = RegistryLayout(registries, reference, observe)
    return Subject(str(reference), layout, (layout.top,), forks=False)


def _of_index(name: str, layout: Layout, index: bytes) -> Subject:
    """What an `index.json` names, each once."""
    document = read_index(index, name)
    manifests = {manifest.digest: manifest for manifest in document.manifests}
    if not manifests:
        raise EnvbuildError(f"`{name}` holds no image")
    return Subject(name, layout, tuple(manifests.values()), attached=named_list(document.annotations))


def _docker_view(image: Image) -> list[Any]:
    blobs = [f"blobs/sha256/{blob.digest.hex}" for blob in (image.manifest.config, *image.manifest.layers)]
    return [blobs[0], blobs[1:]]
