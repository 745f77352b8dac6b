"""What is attached to an image in a registry: its referrers (OCI distribution-spec 1.1, "Listing Referrers").

A registry that has the API keeps the list itself. Where there is none, the list is an index under a tag that is made of
the subject's digest, which whoever attaches something has to keep ("Referrers Tag Schema").

Whoever can push may attach, so what is listed is anybody's: what cannot be read of it is left where it is, and keeps
nobody from the rest.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urljoin, urlsplit

from builder.errors import EnvbuildError
from builder.oci.attachments import ALL_LIMIT, MOST_ATTACHED, attached_entry, is_record, subject_of
from builder.oci.canonical import parse_json
from builder.oci.digest import Digest
from builder.oci.documents import DOCUMENT_LIMIT, MANIFESTS, MEDIA_TYPE_INDEX, Descriptor, Index, Manifest
from builder.oci.registry.client import Registries
from builder.oci.registry.failure import RefusedError
from builder.oci.registry.patience import TransientError
from builder.oci.registry.receive import receive
from builder.oci.registry.reference import Reference
from builder.oci.registry.session import Answer, Request, Session
from builder.oci.store import Store

_NO_API = (400, 404, 405, 406)
"""What registries without the API answer; go-containerregistry takes them for the same."""
_NEXT = re.compile(r'<([^<>]*)>\s*;[^,]*\brel="?next\b')
_MOST_PAGES = 100
_ATTEMPTS = 5
"""Times that a list is written again where another writer has got in between."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository, as whoever only reads or also pushes."""

    registries: Registries
    place: Reference
    """Which image it names says nothing here."""
    pushing: bool = False

    @property
    def session(self) -> Session:
        """What asks it."""
        return self.registries.session(self.place, self.pushing)


@dataclass(frozen=True, slots=True)
class Listed:
    """What a registry says is attached to a digest. None of it is checked yet."""

    entries: tuple[Descriptor, ...]
    """Each once, and no more than a bundle may have."""
    unread: tuple[str, ...] = ()
    """Why others are not among them; a sentence each."""


def referrers(repository: Repository, subject: Digest) -> Listed:
    """What the registry says is attached to a digest. Raises: EnvbuildError, if there is no list that can be read."""
    found: dict[Digest, Descriptor] = {}
    unread: dict[str, None] = {}
    listed = _of_api(repository, subject)
    for value in _of_tag(repository, subject) if listed is None else listed:
        try:
            entry = Descriptor.from_dict(value)
        except EnvbuildError as error:
            unread[f"something listed is no record: {error.what}"] = None
            continue
        if entry.digest not in found and len(found) == MOST_ATTACHED:
            unread[f"more than {MOST_ATTACHED} records are attached"] = None
            break
        found.setdefault(entry.digest, entry)
    return Listed(tuple(found.values()), tuple(unread))


@dataclass(frozen=True, slots=True)
class Records:
    """What is attached in a registry and was copied."""

    entries: tuple[Descriptor, ...] = ()
    """As lists name them; they are in the store."""
    left: int = 0
    """How many were left: of another form, as of several blobs or large, malformed, missing, or of something else."""
    fetched: int = 0
    """Bytes of blobs that were received."""


def pull_attached(repository: Repository, subjects: Iterable[Digest], store: Store) -> Records:
    """Copy into the store what is attached to `subjects`, as far as it can be read and a bundle may have it.

    Raises: EnvbuildError, if the registry cannot be asked.
    """
    found: dict[Digest, Descriptor] = {}
    left = fetched = size = 0
    for subject in subjects:
        listed = referrers(repository, subject)
        left += len(listed.unread)
        for entry in listed.entries:
            try:
                record = _read_record(repository, subject, entry, store)
                size += record.size
                if len(found) == MOST_ATTACHED or size > ALL_LIMIT:
                    raise EnvbuildError("it is more than a bundle may have")
                fetched += sum(_receive(repository, blob, store) for blob in record.blobs)
            except (TransientError, RefusedError):
                raise
            except EnvbuildError:
                left += 1
                continue
            store.write(record.document)
            found[entry.digest] = attached_entry(entry, record.manifest)
    return Records(tuple(found.values()), left, fetched)


@dataclass(frozen=True, slots=True)
class _Record:
    """The manifest of a record."""

    document: bytes
    manifest: Manifest

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        return self.manifest.config, *self.manifest.layers

    @property
    def size(self) -> int:
        """Bytes of its blobs."""
        return sum(blob.size for blob in self.blobs)


def _read_record(repository: Repository, subject: Digest, listed: Descriptor, store: Store) -> _Record:
    """What a list names. Raises: EnvbuildError, if it is not attached to `subject`, or of another form."""
    if listed.media_type not in MANIFESTS:
        raise EnvbuildError(f"{listed.digest} is no record")
    if store.has(listed.digest, listed.size):
        data = store.read(listed)
    else:
        data = repository.registries.manifest(replace(repository.place, tag=None, digest=listed.digest)).data
    manifest = Manifest.from_bytes(data)
    about = subject_of(listed, manifest).digest
    if len(data) != listed.size or about != subject or not is_record(manifest):
        raise EnvbuildError(f"{listed.digest} is no record of {subject}")
    return _Record(data, manifest)


def _receive(repository: Repository, blob: Descriptor, store: Store) -> int:
    if store.has(blob.digest, blob.size):
        return 0
    return receive(repository.registries, repository.place, blob, store, lambda _: None)


def keep_listed(repository: Repository, subject: Digest, attached: Sequence[Descriptor]) -> None:
    """Have manifests that were pushed, with `subject` as theirs, listed as its referrers.

    Raises: EnvbuildError, if the registry does not do it.
    """
    if attached:
        listed = {entry.digest for entry in referrers(repository, subject).entries}
        _add_to_tag(repository, subject, [one for one in attached if one.digest not in listed])


def _of_api(repository: Repository, subject: Digest) -> Iterator[Any] | None:
    """The entries of all pages; None where the registry has no such API."""
    data, answer = _asked(repository, f"referrers/{subject}")
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
    if answer.status in _NO_API or kind != MEDIA_TYPE_INDEX:
        return None
    return _pages(repository, subject, data, answer)


def _pages(repository: Repository, subject: Digest, data: bytes, answer: Answer) -> Iterator[Any]:
    for _ in range(_MOST_PAGES):
        yield from _entries(repository, subject, data)
        following = _NEXT.search(answer.headers.get("Link", ""))
        if following is None:
            return
        url = urljoin(answer.url, following[1])
        if urlsplit(url)[:2] != urlsplit(answer.url)[:2]:
            raise EnvbuildError(f"`{repository.session.name}` has its referrers listed by another host")
        data, answer = _asked(repository, url)
        if answer.status != 200:
            raise EnvbuildError(f"`{repository.session.name}` does not list all referrers", f"it says {answer.status}")
    raise _too_many(repository, subject)


def _asked(repository: Repository, target: str) -> tuple[bytes, Answer]:
    request = Request("GET", target, {"Accept": MEDIA_TYPE_INDEX})
    return repository.session.answer(request, (200, *_NO_API), DOCUMENT_LIMIT)


def _tag(subject: Digest) -> str:
    return f"sha256-{subject.hex}"


def _of_tag(repository: Repository, subject: Digest) -> Sequence[Any]:
    request = Request("GET", f"manifests/{_tag(subject)}", {"Accept": MEDIA_TYPE_INDEX})
    data, answer = repository.session.answer(request, (200, 404), DOCUMENT_LIMIT)
    return _entries(repository, subject, data) if answer.status == 200 else ()


def _entries(repository: Repository, subject: Digest, data: bytes) -> list[Any]:
    """What a list has, as JSON data: one entry that is none must not hide the others. Raises: EnvbuildError."""
    try:
        document = parse_json(data, "a list")
    except EnvbuildError as error:
        document, why = None, error.what
    else:
        why = "it is no image index"
    entries = document.get("manifests") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise EnvbuildError(f"what is attached to {subject} in `{repository.session.name}` cannot be read", why)
    return entries


def _add_to_tag(repository: Repository, subject: Digest, entries: Sequence[Descriptor]) -> None:
    """Have the list under the tag name `entries`: it is read, joined, written, and read again.

    No registry promises that nobody writes between two of these; who finds an entry of theirs gone writes again.
    """
    for _ in range(_ATTEMPTS):
        known, new = _unlisted(repository, subject, entries)
        if not new:
            return
        if len(known) + len(new) > MOST_ATTACHED:
            raise _too_many(repository, subject)
        _put_list(repository, subject, Index((*known, *new)).to_bytes())
    if _unlisted(repository, subject, entries)[1]:
        raise EnvbuildError(
            f"`{repository.session.name}` does not keep what is attached to {subject}",
            f"the list under the tag `{_tag(subject)}` was written {_ATTEMPTS} times, and is another each time",
            "Run the command again when nobody else attaches something",
        )


def _unlisted(
    repository: Repository, subject: Digest, entries: Sequence[Descriptor]
) -> tuple[tuple[Descriptor, ...], list[Descriptor]]:
    """The list under the tag, and those of `entries` that it lacks."""
    known = tuple(map(Descriptor.from_dict, _of_tag(repository, subject)))
    digests = {entry.digest for entry in known}
    return known, [entry for entry in entries if entry.digest not in digests]


def _put_list(repository: Repository, subject: Digest, data: bytes) -> None:
    headers = {"Content-Type": MEDIA_TYPE_INDEX, "Content-Length": str(len(data))}
    request = Request("PUT", f"manifests/{_tag(subject)}", headers, lambda: (data,))
    repository.session.ask(request, (200, 201, 202, 204))


def _too_many(repository: Repository, subject: Digest) -> EnvbuildError:
    name = repository.session.name
    return EnvbuildError(f"`{name}` has too much attached to {subject}", f"{MOST_ATTACHED} records are the most")
