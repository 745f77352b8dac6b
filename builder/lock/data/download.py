"""What is elsewhere, as an entry: streamed once through SHA-256 into the store, so that the bytes are there too."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from urllib.parse import quote

from builder.errors import EnvbuildError
from builder.fetch import Fetcher, Source
from builder.fetch.failure import InterruptedTransferError, TransportError
from builder.fetch.redaction import without_credentials_in
from builder.fetch.remote import RemoteFile, list_remote, pinned_revision
from builder.fetch.transport import Transport
from builder.lock.data.artifact import artifact_entry, unpack_artifact
from builder.lock.data.entry import DataEntry, LockedFile, check_manifest, check_path, folder_entry
from builder.lock.data.local import pattern_of
from builder.oci.digest import Digest
from builder.oci.layout import CHUNK
from builder.progress import Progress
from builder.spec.data_url import (
    at_revision,
    hub_repository,
    hub_revision,
    is_artifact,
    is_object,
    is_verbatim,
    split_glob,
)

_PARALLEL = 8
_ATTEMPTS = 4


@dataclass(frozen=True, slots=True)
class Downloader:
    """Reads what has no digest yet."""

    fetcher: Fetcher
    progress: Progress

    def read(self, url: str, digest: Digest | None = None) -> DataEntry:
        """The entry of what is at `url`; `digest` is that of a file, where it is known.

        Raises: EnvbuildError, if it cannot be had; DigestMismatchError.
        """
        if is_artifact(url):
            return artifact_entry(url, self.fetcher)
        pinned = self._pinned(url)
        source = pinned or url
        folder = split_glob(source)[0] if "*" in source else source
        found = self._listed(folder, url) if is_object(url) else None
        if found is None:
            file = self.file(source, url, digest)
            return DataEntry(url, "file", file.digest, file.size, pinned=pinned)
        pattern = pattern_of(source)
        wanted = [file for file in found if pattern is None or pattern.matches(file.path)]
        if not wanted:
            raise EnvbuildError(f"`{url}` matches no file")
        entry = folder_entry(url, "folder" if pattern is None else "glob", self._files(wanted, url))
        return replace(entry, pinned=pinned)

    def file(self, source: str, label: str, digest: Digest | None = None, path: str = "") -> LockedFile:
        """One file at `source`, now in the store.

        Raises: EnvbuildError, if it cannot be had; DigestMismatchError, if its digest is another.
        """
        if digest is not None:
            blob = self.fetcher.blob(Source(digest, None, (source,), label))
            return LockedFile(path, digest, blob.stat().st_size)
        transport = Transport(self.fetcher.mirrors)
        self.progress.start(label)
        try:
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    return self._stream(transport, source, label, path)
                except InterruptedTransferError:  # begun anew: without a digest, nothing tells two versions apart
                    if attempt == _ATTEMPTS:
                        raise
                    time.sleep(0.2 * 2**attempt)
            raise AssertionError
        except TransportError as error:
            raise _failure(label, source, error) from error
        finally:
            self.progress.finish(label)

    def _stream(self, transport: Transport, source: str, label: str, path: str) -> LockedFile:
        with self.fetcher.store.new_blob() as blob:
            for place in self.fetcher.mirrors.candidates(source):
                with transport.open(place) as body:
                    while data := body.read(CHUNK):
                        blob.write(data)
                        self.progress.advance(label, len(data))
            return LockedFile(path, blob.commit(), blob.size)

    def _files(self, found: Iterable[RemoteFile], url: str) -> tuple[LockedFile, ...]:
        found = sorted(found, key=lambda file: file.path)
        try:
            check_manifest([LockedFile(check_path(file.path), Digest("0" * 64), 0) for file in found])
        except ValueError as error:
            raise EnvbuildError(f"`{url}` cannot be locked as a folder", str(error)) from error
        pool = ThreadPoolExecutor(_PARALLEL)
        try:
            return tuple(pool.map(lambda file: self.file(file.url, file.url, None, file.path), found))
        finally:
            pool.shutdown(cancel_futures=True)

    def _listed(self, folder: str, url: str) -> tuple[RemoteFile, ...] | None:
        try:
            return list_remote(folder)
        except TransportError as error:
            raise _failure(url, folder, error) from error

    def _pinned(self, url: str) -> str | None:
        """The URL at the commit that its revision stands for now, if that is another."""
        if not url.startswith("hf:"):
            return None
        from urllib.parse import unquote

        kind, name = hub_repository(url)
        revision = hub_revision(url)
        try:
            commit = pinned_revision(url, kind, name, unquote(revision) if revision else None)
            pinned = at_revision(url, quote(commit, safe=""))
        except TransportError as error:
            raise _failure(url, url, error) from error
        return pinned if pinned != url else None


def fetch_files(fetcher: Fetcher, files: Iterable[LockedFile], bases: Sequence[str], name: str) -> None:
    """Have the files of a folder in the store, verified; those that are missing are fetched from below `bases`.

    Raises: EnvbuildError, DigestMismatchError.
    """
    files = tuple(files)
    for base in filter(is_artifact, () if fetcher.offline else bases):
        unpack_artifact(base, files, fetcher)
    sources = [
        Source(file.digest, file.size, tuple(below(base, file.path) for base in bases), f"{name}: {file.path}")
        for file in files
    ]
    if not bases and not all(fetcher.store.has(source.digest, source.size or 0) for source in sources):
        raise EnvbuildError(
            f"{name} is neither in the project nor in the store, and no URL is known for it",
            hint="Get its files first (with DVC: `dvc pull`), or run `envbuild lock`",
        )
    fetcher.blobs(sources)


def base_url(url: str) -> str:
    """The folder that the files of a folder's or glob's URL are below, with a slash at its end."""
    return (split_glob(url)[0] if "*" in url else url).rstrip("/") + "/"


def below(base: str, path: str) -> str:
    """The URL of a file below a folder's."""
    return base + (path if is_verbatim(base) else quote(path))


def _failure(label: str, source: str, error: TransportError) -> EnvbuildError:
    what = f"`{without_credentials_in(label)}` could not be read"
    reason, _, command = str(error).partition(": `pip install ")
    if command:
        return EnvbuildError(what, reason, f"Install it: `pip install {command}")
    shown = without_credentials_in(source)
    return EnvbuildError(what, f"{shown}: {error}" if shown != label else str(error))
