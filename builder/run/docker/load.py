"""Loading an image into Docker Engine: only the layers that it lacks, and under every name."""

from __future__ import annotations

import itertools
import os
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from builder.errors import EnvbuildError
from builder.image.engine.messages import first_line
from builder.oci.archive import DockerEntry, write_partial_archive
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_LAYER_ZSTD, Manifest, name_annotations
from builder.run.interface import LocalImage

if TYPE_CHECKING:
    import docker

_REFUSED = "Docker Engine did not take the image"
_ZSTD = "The base has layers of zstd, which Docker Engine reads from version 23 on; Podman and the embedded engine do"
_LITTLE = 1 << 20
"""Bytes that are sent faster than the engine is asked whether it has them."""


def load_image(engine: docker.DockerClient, image: LocalImage, names: Sequence[str]) -> str:
    """Put an image into the engine where it is not there, and give it the names that it lacks; returns its id there.

    Only the layers that it lacks are sent; a classic store takes none without those above it.

    Raises: EnvbuildError, if the engine refuses.
    """
    import docker

    try:
        by_blobs = has_containerd_store(engine)
        identity = str(image.descriptor.digest if by_blobs else image.manifest.config.digest)
        if _names(engine, identity) is None:
            present = _present_blobs(engine, image) if by_blobs else _present_chain(engine, image)
            _send_missing(engine, image, names, present)
        for name in sorted(set(names) - (_names(engine, identity) or set())):
            repository, _, tag = name.rpartition(":")
            engine.images.get(identity).tag(repository, tag)
    except (docker.errors.DockerException, OSError) as error:
        raise EnvbuildError(_REFUSED, first_line(error)) from error
    return identity


def _names(engine: docker.DockerClient, identity: str) -> set[str] | None:
    """The names that the engine has an image under, or None if it does not have it."""
    import docker

    try:
        return set(engine.images.get(identity).attrs.get("RepoTags") or ())
    except docker.errors.ImageNotFound:
        return None


def _send_missing(
    engine: docker.DockerClient, image: LocalImage, names: Sequence[str], present: Collection[Digest]
) -> None:
    """Send what the engine seems to lack; where it does not take that, send everything."""
    try:
        _send(engine, image, names, present)
    except EnvbuildError:
        if not present:
            raise
        _send(engine, image, names, ())


def _send(engine: docker.DockerClient, image: LocalImage, names: Sequence[str], left_out: Collection[Digest]) -> None:
    import docker

    image.bring([layer for layer in image.manifest.layers if layer.digest not in left_out])
    top = replace(image.descriptor, annotations=name_annotations(names[0]))
    entry = DockerEntry(image.manifest, tuple(names))
    with _piped(lambda file: write_partial_archive(file, image.store, top, entry, left_out)) as stream:
        try:
            answers = [event["error"] for event in engine.api.load_image(stream) if "error" in event]  # type: ignore[no-untyped-call]
        except docker.errors.DockerException as error:
            answers = [first_line(error)]
    if answers:
        is_zstd = any(layer.media_type == MEDIA_TYPE_LAYER_ZSTD for layer in image.manifest.layers)
        raise EnvbuildError(_REFUSED, str(answers[0])[:300], _ZSTD if is_zstd else None)


@contextmanager
def _piped(write: Callable[[Any], None]) -> Iterator[Any]:
    """What `write` writes, as a file to read from; an error of `write` is raised at the end."""
    reading, writing = os.pipe()
    errors: list[Exception] = []

    def work() -> None:
        try:
            with os.fdopen(writing, "wb") as file:
                write(file)
        except BrokenPipeError:
            return
        except (EnvbuildError, OSError) as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        with os.fdopen(reading, "rb") as stream:
            yield stream
    finally:
        thread.join()
        if errors:
            raise errors[0]


def _present_blobs(engine: docker.DockerClient, image: LocalImage) -> set[Digest]:
    """The layers that a containerd store has, as far as images of it tell whose manifests are in our store."""
    found: set[Digest] = set()
    for listed in engine.api.images():
        path = image.store.path(Digest.parse(listed["Id"]))
        with suppress(FileNotFoundError, EnvbuildError):  # it may be another's image, or an index
            found.update(layer.digest for layer in Manifest.from_bytes(path.read_bytes()).layers)
    return found


def _present_chain(engine: docker.DockerClient, image: LocalImage) -> set[Digest]:
    """The lower layers that a classic store has."""
    return {layer.digest for layer in image.manifest.layers[: present_layers(engine, image)]}


def present_layers(engine: docker.DockerClient, image: LocalImage) -> int:
    """How many layers from below the engine has as one chain, by any of its images.

    Asks for images of the same name first, and for no more of them once little is left to send.
    """
    wanted = [str(diff_id) for diff_id in image.config.diff_ids]
    repository = image.name.rpartition(":")[0] + ":"
    most = 0
    for listed in sorted(engine.api.images(), key=lambda listed: not _is_of(listed, repository)):
        layers = engine.images.get(listed["Id"]).attrs.get("RootFS", {}).get("Layers") or []
        same = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(layers, wanted, strict=False))
        most = max(most, sum(1 for _ in same))
        if sum(layer.size for layer in image.manifest.layers[most:]) <= _LITTLE:
            break
    return most


def _is_of(listed: dict[str, Any], repository: str) -> bool:
    return any(str(tag).startswith(repository) for tag in listed.get("RepoTags") or ())


def has_containerd_store(engine: docker.DockerClient) -> bool:
    """Whether the engine keeps images in containerd, whose ids are digests of manifests."""
    status = engine.info().get("DriverStatus") or []
    return any("io.containerd" in str(value) for _, value in status)
