"""Fetching by digest into the store: resumable, in parallel, never trusted until its digest is checked."""

from __future__ import annotations

import hashlib
import itertools
import os
import time
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO
from urllib.parse import urlsplit, urlunsplit

from builder.errors import DigestMismatchError, EnvbuildError, NotMeasuredError
from builder.fetch.artifact import SCHEME, Artifacts
from builder.fetch.download import Download, hash_of
from builder.fetch.failure import NETWORK_HINT, RangeError, TransportError, hint_for
from builder.fetch.mirrors import PYPI_FILES, Mirrors
from builder.fetch.project_name import normalised
from builder.fetch.redaction import without_credentials_in
from builder.fetch.simple_page import ACCEPTED, PAGE_LIMIT, PageError, parse_page
from builder.fetch.source import Source
from builder.fetch.transport import Transport
from builder.oci.digest import Digest
from builder.oci.layout import CHUNK, partial_file
from builder.oci.store import Store
from builder.progress import Progress, Silent

PARALLEL = 8
_LONGEST_DOCUMENT = 900.0
"""Seconds that a document without a digest may take to come."""


class MissingDocumentError(EnvbuildError):
    """The servers answer, and have no such document."""


class Fetcher:
    """Fetches into a store. Safe for several threads and processes on one store."""

    def __init__(
        self,
        store: Store,
        mirrors: Mirrors,
        progress: Progress | None = None,
        offline: bool = False,
        transport: Transport | None = None,
    ) -> None:
        self._store = store
        self._mirrors = mirrors
        self._transport = transport or Transport(mirrors)
        self._progress = progress or Silent()
        self._offline = offline
        self._downloads = Download(self._transport, self._progress)

    @property
    def store(self) -> Store:
        """Where what is fetched goes."""
        return self._store

    @property
    def mirrors(self) -> Mirrors:
        """Where this machine asks instead."""
        return self._mirrors

    @property
    def offline(self) -> bool:
        """Whether nothing may be asked for."""
        return self._offline

    @property
    def artifacts(self) -> Artifacts:
        """What reads artifacts of registries. Raises: EnvbuildError, if nothing may be asked for."""
        if self._offline:
            raise EnvbuildError("a registry is to be asked for data, and this run is offline")
        return self._transport.artifacts

    def authorization(self, url: str) -> str | None:
        """The Authorization header that a URL is sent first, for a program that asks itself."""
        return self._transport.authorization(url)

    def with_indexes(self, indexes: Mapping[str, str]) -> Fetcher:
        """One that knows the URLs of a spec's indexes by name, and so the credentials that variables name."""
        mirrors = self._mirrors.with_indexes(indexes)
        transport = self._transport.with_mirrors(mirrors)
        return Fetcher(self._store, mirrors, self._progress, self._offline, transport)

    def read(self, urls: Sequence[str], limit: int, accept: str | None = None) -> bytes:
        """A small document that has no digest, of `limit` bytes at most, from the first URL that answers.

        `accept` says which media types are understood (RFC 9110, section 12.5.1).

        Raises: EnvbuildError, with what each URL answered; MissingDocumentError, if none of them has it.
        """
        if self._offline:
            raise EnvbuildError(f"`{without_credentials_in(urls[0])}` is needed, and this run is offline")
        failures: dict[str, TransportError] = {}
        for url in itertools.chain.from_iterable(map(self._mirrors.candidates, urls)):
            try:
                return self._read(url, limit, accept)
            except TransportError as error:
                failures[without_credentials_in(url)] = error
        kind = MissingDocumentError if all(error.status in (404, 410) for error in failures.values()) else EnvbuildError
        causes = [f"{url}: {error}" for url, error in failures.items()]
        raise kind("a document could not be fetched", causes, hint_for(failures.values()))

    def beside(self, source: Source, suffix: str, limit: int) -> bytes | None:
        """What stands beside a file under its name and `suffix`, of `limit` bytes at most; None if it is nowhere.

        It has no digest: only what decides nothing may be read so.
        """
        if self._offline:
            return None
        for url in source.urls:
            with suppress(TransportError):
                for place in self._candidates(url, source):
                    parts = urlsplit(place)
                    return self._read(urlunsplit(parts._replace(path=parts.path + suffix, fragment="")), limit)
        return None

    def size(self, source: Source) -> int | None:
        """The bytes of a file, as its server tells beforehand; None where that is not told."""
        if self._offline:
            return None
        for url in source.urls:
            with suppress(TransportError):
                for place in self._candidates(url, source):
                    with self._transport.open(place) as body:
                        return body.size
        return None

    def probe(self, source: Source) -> None:
        """Ask whether a file can still be had: for its last byte, so that the connection can serve the next question.

        Raises: EnvbuildError, if every URL answers that it is gone or another one; NotMeasuredError, if one does not
        answer at all, so that nobody knows.
        """
        failures: list[TransportError] = []
        for url in source.urls:
            try:
                if url.startswith(SCHEME):
                    self._transport.artifacts.probe(url)
                    return
                for place in self._candidates(url, source):
                    with self._transport.open(place, max((source.size or 0) - 1, 0)) as body:
                        if source.size is not None and body.size not in (None, source.size):
                            raise TransportError(f"it has {body.size} bytes, where {source.size} are expected", 404)
                        if body.offset:
                            body.read(1)
                    return
            except RangeError:
                failures.append(TransportError(f"it has less than the {source.size} bytes that are expected", 404))
            except TransportError as error:
                failures.append(error)
        silent = any(error.status not in (404, 410) for error in failures)
        kind = NotMeasuredError if silent else EnvbuildError
        what = "cannot be asked for" if silent else "can no longer be had"
        texts = [f"{without_credentials_in(url)}: {error}" for url, error in zip(source.urls, failures, strict=False)]
        raise kind(f"{source.name} {what}", texts)

    def blob(self, source: Source) -> Path:
        """The verified file of `source` in the store, fetched if it is not there.

        Raises: EnvbuildError, if no URL gives it (MissingDocumentError, if all answer that they have no such file);
        DigestMismatchError, if what they give has another digest.
        """
        path = self._store.path(source.digest)
        if self._present(source):
            return path
        if self._offline:
            raise EnvbuildError(f"{source.name} is not in the store, and this run is offline", source.urls)
        with partial_file(self._store.partial_path(source.digest.hex)) as file:
            if not self._present(source):
                self._progress.start(source.name, source.size)
                try:
                    self._download(source, file)
                except BaseException:
                    if file.seek(0, os.SEEK_END) == 0:  # there is nothing to resume
                        Path(file.name).unlink(missing_ok=True)
                    raise
                finally:
                    self._progress.finish(source.name)
                os.chmod(file.name, 0o644)
                os.replace(file.name, path)
            else:
                Path(file.name).unlink(missing_ok=True)
        return path

    def discover(self, urls: Sequence[str], name: str, limit: int) -> tuple[Digest, Path]:
        """A file whose digest nobody tells, of `limit` bytes at most: its digest, and where it is in the store.

        Raises: EnvbuildError, with what each URL answered.
        """
        if self._offline:
            raise EnvbuildError(f"{name} is needed, and this run is offline")
        failures = []
        for url in itertools.chain.from_iterable(map(self._mirrors.candidates, urls)):
            try:
                with self._store.scratch() as folder:
                    digest = self._receive_unknown(url, folder / "file", limit)
                    os.chmod(folder / "file", 0o644)
                    os.replace(folder / "file", self._store.path(digest))
                return digest, self._store.path(digest)
            except TransportError as error:
                failures.append(f"{without_credentials_in(url)}: {error}")
        raise EnvbuildError(f"{name} could not be fetched", failures, NETWORK_HINT)

    def _receive_unknown(self, url: str, path: Path, limit: int) -> Digest:
        checksum, size = hashlib.sha256(), 0
        with self._transport.open(url) as body, open(path, "wb") as file:
            while chunk := body.read(CHUNK):
                checksum.update(chunk)
                size += len(chunk)
                if size > limit:
                    raise TransportError(f"more than {limit} bytes were sent")
                file.write(chunk)
        return Digest(checksum.hexdigest())

    def blobs(self, sources: Iterable[Source]) -> dict[Digest, Path]:
        """The verified files of all sources, fetched in parallel; the first that fails stops the others."""
        wanted = {source.digest: source for source in sources}
        missing = [source for source in wanted.values() if not self._present(source)]
        if missing:
            self._fetch_all(sorted(missing, key=lambda source: -(source.size or 0)))
        return {digest: self._store.path(digest) for digest in wanted}

    def _fetch_all(self, sources: Iterable[Source]) -> None:
        self._downloads.stopped.clear()
        with ThreadPoolExecutor(PARALLEL) as pool:
            futures = [pool.submit(self.blob, source) for source in sources]
            try:
                for future in as_completed(futures):
                    future.result()
            except BaseException:
                self._downloads.stopped.set()
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def _present(self, source: Source) -> bool:
        if source.size is not None:
            return self._store.has(source.digest, source.size)
        try:
            with open(self._store.path(source.digest), "rb") as file:
                return hash_of(file).hexdigest() == source.digest.hex
        except FileNotFoundError:
            return False

    def _download(self, source: Source, file: BinaryIO) -> None:
        failures: list[str] = []
        errors: list[TransportError] = []
        wrong = False
        for url in source.urls:
            try:
                places = tuple(self._candidates(url, source))
            except TransportError as error:
                failures.append(f"{without_credentials_in(url)}: {error}")
                errors.append(error)
                continue
            for place in places:
                try:
                    self._downloads.receive(source, place, file)
                    return
                except TransportError as error:
                    failures.append(f"{without_credentials_in(place)}: {error}")
                    errors.append(error)
                except DigestMismatchError as error:
                    wrong = True
                    file.truncate(0)
                    failures.append(f"{without_credentials_in(place)}: {error.what}")
        gone = all(error.status in (404, 410) for error in errors)
        kind = DigestMismatchError if wrong else MissingDocumentError if gone else EnvbuildError
        raise kind(f"{source.name} could not be fetched", failures, None if wrong else hint_for(errors, source.urls))

    def _candidates(self, url: str, source: Source) -> Iterable[str]:
        if url.startswith(PYPI_FILES) and self._mirrors.python_index:
            yield self._file_on_index(self._mirrors.python_index, url, source.digest)
            return
        yield from self._mirrors.candidates(url)

    def _file_on_index(self, index: str, url: str, digest: Digest) -> str:
        """Where a mirror of PyPI keeps a file: asked of its index (PEP 691, PEP 503), chosen by digest.

        Raises: TransportError, if the index cannot be read or has no such file.
        """
        page = f"{index}{normalised(url.rpartition('/')[2].partition('-')[0])}/"
        data = self._read(page, PAGE_LIMIT, ACCEPTED)
        try:
            found = next((file.url for file in parse_page(data, page) if file.sha256 == digest.hex), None)
        except PageError as error:
            raise TransportError(f"the page `{page}` of the index cannot be read") from error
        if found is None:
            raise TransportError(f"the page `{page}` of the index has no file of this sha256", 404)
        return found

    def _read(self, url: str, limit: int, accept: str | None = None) -> bytes:
        with self._transport.open(url, accept=accept, packed=accept is not None) as body:
            data, start = bytearray(), time.monotonic()
            while chunk := body.read(CHUNK):
                data += chunk
                if time.monotonic() - start > _LONGEST_DOCUMENT:
                    raise TransportError(f"it was not sent within {_LONGEST_DOCUMENT / 60:.0f} minutes")
                if len(data) > limit:
                    raise TransportError(f"more than {limit} bytes were sent")
        return bytes(data)
