"""What was pulled from a registry, as images that can be packed: under the name that they give themselves."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from builder.bundle.build import Built, index_images
from builder.bundle.reading.reader import Bundle
from builder.errors import EnvbuildError
from builder.image.kept import Image, read_image
from builder.oci.attachments import write_list
from builder.oci.digest import Digest
from builder.oci.documents import INDEXES, MANIFESTS, MEDIA_TYPE_INDEX, Descriptor, name_annotations
from builder.oci.registry.reference import Reference, is_tag
from builder.oci.store import Store

_TITLE, _VERSION = "org.opencontainers.image.title", "org.opencontainers.image.version"


def pulled_images(store: Store, top: Descriptor, reference: Reference, records: Iterable[Descriptor] = ()) -> Built:
    """The images of `top`, which are in the store. What was a bundle of ours gives that bundle again.

    `records` are attached to it.

    Raises: EnvbuildError, if it is no image, or an index that a bundle cannot have; DigestMismatchError.
    """
    entries = store.index(top).manifests if top.media_type in INDEXES else (top,)
    if top.media_type not in {MEDIA_TYPE_INDEX, *MANIFESTS} or any(
        entry.media_type not in MANIFESTS for entry in entries
    ):
        raise EnvbuildError(f"`{reference}` cannot be written as a bundle", "it is no plain index of images")
    images = [read_image(store, entry) for entry in entries if not entry.is_artifact]
    if not images:
        raise EnvbuildError(f"`{reference}` holds no image")
    name = _name(images[0], reference)
    attached = write_list(store, records)
    if top.media_type not in INDEXES:
        descriptor = Descriptor(top.media_type, top.digest, top.size, platform=images[0].config.platform)
        built = index_images(store, name, [Image(descriptor, images[0].manifest, images[0].config)])
        return replace(built, attached=attached)
    index = Descriptor(top.media_type, top.digest, top.size, name_annotations(name))
    return Built(name, index, tuple(sorted(images, key=lambda image: image.config.platform)), attached)


def with_name(bundle: Bundle, reference: Reference) -> Bundle:
    """A bundle that was read from a registry under the name that it gives itself."""
    name = _name(bundle.images[min(bundle.images)], reference)
    return replace(bundle, top=replace(bundle.top, annotations=name_annotations(name)))


def subjects(store: Store, top: Descriptor) -> tuple[Digest, ...]:
    """What records can be attached to of what was pulled: `top`, and what it lists if it is an index."""
    listed = store.index(top).manifests if top.media_type in INDEXES else ()
    return tuple({one.digest: one for one in (top, *listed)})


def _name(image: Image, reference: Reference) -> str:
    """`name:tag` of the labels that a bundle has, else of the reference."""
    title, version = image.config.labels.get(_TITLE, ""), image.config.labels.get(_VERSION, "")
    if is_tag(title) and is_tag(version):
        return f"{title}:{version}"
    return f"{reference.repository.rpartition('/')[2]}:{reference.tag or 'latest'}"
