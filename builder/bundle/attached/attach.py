"""Attaching records to a bundle, and reading what is attached: in a file, in a folder, in a registry.

In a file or a folder, what is attached is in a list that `index.json` names; in a registry, it is its referrers.
Nothing of the bundle itself changes, so neither does its digest.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from builder.bundle.attached.listed import Found, found_in_registry, read_record
from builder.bundle.reading.reader import Bundle, open_bundle
from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.archive import ArchiveReader, bundle_blobs, index_document, read_index, stream_archive
from builder.oci.attachments import (
    ALL_LIMIT,
    Attachment,
    Draft,
    attached_entry,
    is_record,
    named_list,
    subject_of,
    write_attachment,
    write_list,
)
from builder.oci.digest import Digest
from builder.oci.documents import MANIFESTS, Descriptor, Manifest
from builder.oci.layout import Layout, copy_blob, replacing, write_atomically
from builder.oci.registry.layout import RegistryLayout

if TYPE_CHECKING:
    from builder.oci.registry import Reference, Registries


@dataclass(frozen=True, slots=True)
class Remote:
    """A name in a registry, and what asks it."""

    reference: Reference
    registries: Registries


Place: TypeAlias = Path | Remote
"""Where a bundle is: a file, a folder, or a registry."""


def attach(place: Place, subject: Descriptor, attachments: Sequence[Attachment]) -> list[Descriptor]:
    """Attach records to a bundle, or to an image or an artifact in it; how they are listed now.

    What is attached already is not attached again. A file is replaced at the end: a crash leaves the old one or the
    new one.

    Raises: EnvbuildError, if the place does not hold `subject` or cannot be written; DigestMismatchError.
    """
    return attach_all(place, [(subject, attachments)])


def attach_all(place: Place, groups: Sequence[tuple[Descriptor, Sequence[Attachment]]]) -> list[Descriptor]:
    """As `attach`, to several subjects of a bundle; a file is written once.

    Raises: EnvbuildError, DigestMismatchError.
    """
    if isinstance(place, Remote):
        return [one for subject, attachments in groups for one in _attach_in_registry(place, subject, attachments)]
    with _held(place.resolve()) as path:
        bundle = open_bundle(path)
        draft = Draft(bundle.layout)
        new = [
            write_attachment(draft, _subject(bundle, subject), attachment)
            for subject, attachments in groups
            for attachment in attachments
        ]
        attached = write_list(draft, [*(entry for entry, _, _ in _checked(bundle)), *new])
        if draft.added:
            index = index_document(bundle.top, attached)
            if isinstance(bundle.layout, ArchiveReader):
                _rewrite(bundle.layout, draft, bundle_blobs(draft, bundle.top, attached), index)
            else:
                _extend(path, draft, index)
    return new


def attached(source: Bundle | Place, subject: Digest) -> list[tuple[Descriptor, Attachment]]:
    """What is attached to a digest, sorted by digest; each was checked to name it as its subject.

    In a registry, what cannot be read is left out. Raises: as `found`.
    """
    return list(found(source if isinstance(source, Bundle) else _opened(source), subject).records)


def found(bundle: Bundle, subject: Digest) -> Found:
    """What is attached to a digest of a bundle, and in a registry, where it is anybody's, what could not be read.

    Raises: EnvbuildError, if in a file or a folder a record cannot be read, is attached to something else, or they are
    too many or too large; DigestMismatchError, if one is not what its digest says.
    """
    if isinstance(bundle.layout, RegistryLayout):
        return found_in_registry(bundle.layout, subject)
    checked = [(entry, manifest) for entry, manifest, about in _checked(bundle) if about == subject]
    records = [(entry, manifest.layers[0]) for entry, manifest in checked if is_record(manifest)]
    size = sum(blob.size for _, blob in records)
    if size > ALL_LIMIT:
        raise EnvbuildError(f"too much is attached to {subject}", f"it takes {size} bytes")
    ordered = sorted(records, key=lambda record: record[0].digest)
    return Found(tuple((entry, read_record(bundle.layout, entry, blob)) for entry, blob in ordered))


def attached_by_subject(bundle: Bundle) -> dict[Digest, list[Descriptor]]:
    """What is attached in a bundle, as a list names it, by subject.

    Raises: EnvbuildError, if something is attached to what is not in it; DigestMismatchError.
    """
    by_subject: dict[Digest, list[Descriptor]] = {}
    for entry, _, about in _checked(bundle):
        by_subject.setdefault(about, []).append(entry)
    return by_subject


def _opened(place: Place) -> Bundle:
    if not isinstance(place, Remote):
        return open_bundle(place)
    from builder.bundle.reading.reader import read_bundle

    layout = RegistryLayout(place.registries, place.reference)
    return read_bundle(layout, layout.top)


def _subject(bundle: Bundle, subject: Descriptor) -> Descriptor:
    """`subject` as the bundle has it. Raises: EnvbuildError, if it does not."""
    for one in bundle.subjects:
        if one.digest == subject.digest:
            return one
    raise EnvbuildError(f"nothing can be attached to {subject.digest}", f"it is not in `{bundle.name}`")


def _checked(bundle: Bundle) -> Iterator[tuple[Descriptor, Manifest, Digest]]:
    """What is attached in a bundle in a file or a folder, and to what."""
    subjects = {one.digest for one in bundle.subjects}
    for listed in bundle.attached:
        if listed.media_type not in MANIFESTS:
            raise EnvbuildError(f"{listed.digest} is no record", f"it is of the type {listed.media_type[:100]!r}")
        manifest = bundle.layout.manifest(listed)
        about = subject_of(listed, manifest).digest
        if about not in subjects:
            raise DigestMismatchError(f"{listed.digest} is attached to something else", f"its subject is {about}")
        yield attached_entry(listed, manifest), manifest, about


def _rewrite(archive: ArchiveReader, draft: Draft, blobs: Iterable[Descriptor], index: bytes) -> None:
    """Replace an archive by one of these blobs, as far as they are there: a thin bundle is without some layers."""
    path = archive.file_path
    with replacing(path) as file:
        os.fchmod(file.fileno(), stat.S_IMODE(path.stat().st_mode))
        there = [blob for blob in blobs if draft.has(blob.digest, blob.size)]
        stream_archive(file, draft, there, {**archive.documents(), "index.json": index})


def _extend(path: Path, draft: Draft, index: bytes) -> None:
    """Write what is new into a folder, its `index.json` behind that; the list that it named before is not kept."""
    layout = Layout(path)
    layout.create()
    before = named_list(read_index((path / "index.json").read_bytes(), str(path)).annotations)
    for digest, data in draft.added.items():
        copy_blob(draft, layout, Descriptor("", digest, len(data)))
    write_atomically(path / "index.json", index)
    if before:
        layout.discard(before.digest)
    shutil.rmtree(layout.temporary)


def _attach_in_registry(place: Remote, subject: Descriptor, attachments: Sequence[Attachment]) -> list[Descriptor]:
    from builder.oci.registry.push import Origin, push_attached

    if not place.registries.has(place.reference, subject, pushing=True):
        raise EnvbuildError(f"nothing can be attached to {subject.digest}", f"it is not in `{place.reference}`")
    draft = Draft()
    new = [write_attachment(draft, subject, attachment) for attachment in attachments]
    push_attached(place.registries, place.reference, Origin(draft, attached={subject.digest: new}))
    return new


@contextmanager
def _held(path: Path) -> Iterator[Path]:
    """A file or a folder that nobody else attaches to meanwhile."""
    while True:
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise EnvbuildError(f"nothing can be attached to `{path}`", error.strerror or str(error)) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(descriptor), path.stat()):  # else somebody has replaced it
                yield path
                return
        finally:
            os.close(descriptor)
