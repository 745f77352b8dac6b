"""What a registry lists as attached, which is anybody's who can push there: what cannot be read of it is left and told.

A malformed record keeps nobody from the good ones, and makes nothing pass that would not without it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from builder.errors import EnvbuildError
from builder.oci.attachments import ALL_LIMIT, ATTACHMENT_LIMIT, Attachment, attached_entry, is_record, subject_of
from builder.oci.digest import Digest
from builder.oci.documents import MANIFESTS, Descriptor
from builder.oci.layout import Layout
from builder.oci.registry.failure import RefusedError
from builder.oci.registry.layout import RegistryLayout
from builder.oci.registry.patience import TransientError

_AT_ONCE = 4
_A = TypeVar("_A")
_B = TypeVar("_B")


@dataclass(frozen=True, slots=True)
class Found:
    """What is attached to a digest."""

    records: tuple[tuple[Descriptor, Attachment], ...]
    """Sorted by digest; each names it as its subject."""
    unread: tuple[str, ...] = ()
    """Why others are not among them; a sentence each."""


def found_in_registry(layout: RegistryLayout, subject: Digest) -> Found:
    """What is attached to a digest, as far as it can be read; the smallest first, where all of it is too large.

    Raises: EnvbuildError, if the registry cannot be asked.
    """
    listed = layout.referrers(subject)
    unread = list(listed.unread)

    def described(entry: Descriptor) -> tuple[Descriptor, Descriptor] | None:
        if entry.media_type not in MANIFESTS:
            return None
        manifest = layout.manifest(entry)
        if (about := subject_of(entry, manifest).digest) != subject:
            raise EnvbuildError(f"{entry.digest} is attached to something else", f"its subject is {about}")
        return (attached_entry(entry, manifest), manifest.layers[0]) if is_record(manifest) else None

    def read(record: tuple[Descriptor, Descriptor]) -> tuple[Descriptor, Attachment]:
        return record[0], read_record(layout, *record)

    records = [record for record in _each(described, listed.entries, unread) if record]
    affordable, size = [], 0
    for record in sorted(records, key=lambda record: (record[1].size, record[0].digest)):
        size += record[1].size
        if size > ALL_LIMIT:
            unread.append(f"more than {ALL_LIMIT} bytes are attached")
            break
        affordable.append(record)
    done = sorted(_each(read, affordable, unread), key=lambda record: record[0].digest)
    return Found(tuple(done), tuple(unread))


def read_record(layout: Layout, entry: Descriptor, blob: Descriptor) -> Attachment:
    """What a list names as `entry`, with its one blob.

    Raises: EnvbuildError, if it is too large; DigestMismatchError.
    """
    data = layout.read(blob, ATTACHMENT_LIMIT)
    return Attachment(entry.artifact_type or "", blob.media_type, data, entry.annotations)


def _each(ask: Callable[[_A], _B], things: Sequence[_A], unread: list[str]) -> Iterator[_B]:
    """What comes of each thing; why nothing does of some is added to `unread`."""

    def tried(thing: _A) -> _B | EnvbuildError:
        try:
            return ask(thing)
        except (TransientError, RefusedError):  # the registry's, and of no one record
            raise
        except EnvbuildError as error:
            return error

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        for result in pool.map(tried, things):
            if isinstance(result, EnvbuildError):
                unread.append(": ".join((result.what, *filter(None, result.why))))
            else:
                yield result
