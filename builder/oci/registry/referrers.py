"""What is attached to an image in a registry: its referrers (OCI distribution-spec 1.1, "Listing Referrers").

A registry that has the API keeps the list itself. Where there is none, the list is an index under a tag that is made of
the subject's digest, which whoever attaches something has to keep ("Referrers Tag Schema").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urljoin, urlsplit

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.attachments import ALL_LIMIT, MOST_ATTACHED, attached_entry, is_record, subject_of
from builder.oci.digest import Digest
from builder.oci.documents import DOCUMENT_LIMIT, MANIFESTS, MEDIA_TYPE_INDEX, Descriptor, Index, Manifest
from builder.oci.registry.client import Registries
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


def referrers(repository: Repository, subject: Digest) -> tuple[Descriptor, ...]:
    """What the registry says is attached to a digest, each once; none of it is checked yet.

    Raises: EnvbuildError, if it cannot be had, or is more than a bundle may have.
    """
    listed = _of_api(repository, subject)
    found: dict[Digest, Descriptor] = {}
    for entry in _of_tag(repository, subject) if listed is None else listed:
        found.setdefault(entry.digest, entry)
        if len(found) > MOST_ATTACHED:
            raise _too_many(repository, subject)
    return tuple(found.values())


@dataclass(frozen=True, slots=True)
class Records:
    """What is attached in a registry and was copied."""

    entries: tuple[Descriptor, ...] = ()
    """As lists name them; they are in the store."""
    left: int = 0
    """How many were left, as they are of another form: of several blobs, large, or no manifests."""
    fetched: int = 0
    """Bytes of blobs that were received."""


def pull_attached(repository: Repository, subjects: Iterable[Digest], store: Store) -> Records:
    """Copy into the store what is attached to `subjects`.

    Raises: EnvbuildError, if it cannot be had, or is more than a bundle may have; DigestMismatchError, if something is
    not what its digest says, or is attached to something else.
    """
    found: dict[Digest, Descriptor] = {}
    left = fetched = size = 0
    for subject in subjects:
        for listed in referrers(repository, subject):
            document = _document(repository, subject, listed, store) if listed.media_type in MANIFESTS else None
            if document is None or not is_record(manifest := Manifest.from_bytes(document)):
                left += 1
                continue
            blobs = (manifest.config, *manifest.layers)
            size += sum(blob.size for blob in blobs)
            found[listed.digest] = attached_entry(listed, manifest)
            if len(found) > MOST_ATTACHED or size > ALL_LIMIT:
                raise _too_many(repository, subject)
            fetched += sum(_receive(repository, blob, store) for blob in blobs)
            store.write(document)
    return Records(tuple(found.values()), left, fetched)


def _document(repository: Repository, subject: Digest, listed: Descriptor, store: Store) -> bytes:
    """The manifest that a list names, which has to be attached to `subject`."""
    if store.has(listed.digest, listed.size):
        data = store.read(listed)
    else:
        data = repository.registries.manifest(replace(repository.place, tag=None, digest=listed.digest)).data
    name = repository.session.name
    if len(data) != listed.size:
        why = f"it has {len(data)} bytes, not {listed.size}"
        raise DigestMismatchError(f"the manifest {listed.digest} in `{name}` is not what is listed", why)
    about = subject_of(listed, Manifest.from_bytes(data)).digest
    if about != subject:
        what = f"`{name}` lists {listed.digest} as attached to {subject}"
        raise DigestMismatchError(what, f"it is attached to {about}")
    return data


def _receive(repository: Repository, blob: Descriptor, store: Store) -> int:
    if store.has(blob.digest, blob.size):
        return 0
    return receive(repository.registries, repository.place, blob, store, lambda _: None)


def keep_listed(repository: Repository, subject: Digest, attached: Sequence[Descriptor]) -> None:
    """Have manifests that were pushed, with `subject` as theirs, listed as its referrers.

    Raises: EnvbuildError, if the registry does not do it.
    """
    if attached:
        listed = {entry.digest for entry in referrers(repository, subject)}
        _add_to_tag(repository, subject, [one for one in attached if one.digest not in listed])


def _of_api(repository: Repository, subject: Digest) -> Iterator[Descriptor] | None:
    """The entries of all pages; None where the registry has no such API."""
    data, answer = _asked(repository, f"referrers/{subject}")
    kind = answer.headers.get("Content-Type", "").partition(";")[0].strip()
    if answer.status in _NO_API or kind != MEDIA_TYPE_INDEX:
        return None
    return _pages(repository, subject, data, answer)


def _pages(repository: Repository, subject: Digest, data: bytes, answer: Answer) -> Iterator[Descriptor]:
    for _ in range(_MOST_PAGES):
        yield from Index.from_bytes(data).manifests
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


def _of_tag(repository: Repository, subject: Digest) -> tuple[Descriptor, ...]:
    request = Request("GET", f"manifests/{_tag(subject)}", {"Accept": MEDIA_TYPE_INDEX})
    data, answer = repository.session.answer(request, (200, 404), DOCUMENT_LIMIT)
    try:
        return Index.from_bytes(data).manifests if answer.status == 200 else ()
    except EnvbuildError as error:
        what = f"what is attached to {subject} in `{repository.session.name}` cannot be read"
        raise EnvbuildError(what, (f"the tag `{_tag(subject)}` is no list of it", error.what)) from error


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
    known = _of_tag(repository, subject)
    digests = {entry.digest for entry in known}
    return known, [entry for entry in entries if entry.digest not in digests]


def _put_list(repository: Repository, subject: Digest, data: bytes) -> None:
    headers = {"Content-Type": MEDIA_TYPE_INDEX, "Content-Length": str(len(data))}
    request = Request("PUT", f"manifests/{_tag(subject)}", headers, lambda: (data,))
    repository.session.ask(request, (200, 201, 202, 204))


def _too_many(repository: Repository, subject: Digest) -> EnvbuildError:
    name = repository.session.name
    return EnvbuildError(f"`{name}` has too much attached to {subject}", f"{MOST_ATTACHED} records are the most")
