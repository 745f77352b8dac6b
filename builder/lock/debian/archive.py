"""Debian's archives, read and resolved: verified releases, their indexes by digest, and closures with durable URLs.

All IO goes through the fetcher that is handed in. A release is trusted by its signature and an index by the release.
"""

from __future__ import annotations

import lzma
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

from builder.errors import EnvbuildError
from builder.fetch import Source
from builder.lock.artifact import DebianPackage
from builder.lock.debian.closure import Chosen, Closure, Records, closure_key
from builder.lock.debian.needs import needs_within
from builder.lock.debian.packages import BinaryPackage, PackagesIndex
from builder.lock.debian.release import RELEASE_LIMIT, IndexFile, Keyring, Release, verify_release
from builder.lock.debian.solve import requested_packages, solve
from builder.lock.debian.suites import ARCHITECTURES, Archive, find_suite
from builder.lock.debian.universe import Universe
from builder.oci.digest import Digest

SNAPSHOT_DELAY = timedelta(hours=24)
"""From a release's date to the timestamp of its snapshot URLs.

The snapshot service answers for the last state that it took at or before a timestamp, and takes one about every six
hours. A release's own date is too early: its files get there hours later. A superseded file leaves the archive
36 hours after the release that dropped it at the earliest (the archive's StayOfExecution), and releases of unstable
are six hours apart, so there are up to some 42 hours to be met. A day leaves room on both sides.
"""

_KEPT_UNIVERSES = 4
"""Parsed at a time: two suites for both architectures, of some 45 MB each."""
_KEPT = "debian-closures"
_CHUNK = 1 << 20
_INDEX_LIMIT = 1 << 30
"""Bytes of an uncompressed index whose size the release does not tell."""
_DECODER_MEMORY = 80 << 20
"""Bytes; `xz -9` needs 65 MiB to be read, Debian's indexes 9."""


class Fetches(Protocol):
    """What is needed of `builder.fetch.Fetcher`."""

    def read(self, urls: Sequence[str], limit: int) -> bytes:
        """A small document that has no digest."""

    def blob(self, source: Source) -> Path:
        """A file that has one, verified."""


@dataclass(frozen=True, slots=True)
class ArchiveState:
    """The state of one archive that a resolution has used."""

    url: str
    """Of its repository."""
    codename: str
    """Such as `bookworm-security`."""
    date: datetime
    """In UTC, as the archive says."""
    digest: Digest
    """Of its InRelease file."""


@dataclass(frozen=True, slots=True)
class Resolution:
    """A closure, and the archives that it comes from."""

    suite: str
    architecture: str
    packages: tuple[DebianPackage, ...]
    """Sorted by name."""
    archives: tuple[ArchiveState, ...]
    roots: tuple[str, ...] = ()
    """Those of the packages that were asked for, or that nothing needs; sorted."""


class Archives:
    """Resolves against one state of the archives: each release is read once, and each index is parsed once.

    Safe for several threads, of which one works at a time.
    """

    def __init__(
        self, fetcher: Fetches, now: datetime, keyring: Keyring | None = None, records: Records | None = None
    ) -> None:
        """`now` has a time zone; `keyring` is Debian's if None; `records` keep what was solved."""
        self._fetcher = fetcher
        self._records = records
        self._lock = threading.Lock()
        self._now = now
        self._keyring = keyring or Keyring.shipped()
        self._releases: dict[Archive, tuple[Release, Digest]] = {}
        self._universes: dict[tuple[str, str], Universe] = {}

    def resolve(self, suite: str, architecture: str, names: Sequence[str]) -> Resolution:
        """The closure of `names` for a suite and an architecture, either of which need not be the host's.

        Raises: EnvbuildError, if a name is unknown or the closure is impossible, or an archive cannot be had or is
        malformed or expired; DigestMismatchError, if a signature or a digest is wrong.
        """
        archives = find_suite(suite).archives
        if architecture not in ARCHITECTURES:
            raise EnvbuildError(
                f"`{architecture[:80]}` is not an architecture that can be locked for",
                hint=f"Use {' or '.join(f'`{name}`' for name in ARCHITECTURES)}",
            )
        with self._lock:
            closure = self._closure(suite, architecture, names)
        packages = tuple(self._locked(package, archives[package.archive]) for package in closure.packages)
        states = tuple(self._state(archive) for archive in archives)
        return Resolution(suite, architecture, packages, states, closure.roots)

    def _closure(self, suite: str, architecture: str, names: Sequence[str]) -> Closure:
        """The closure: that which was kept, where the indexes are the same."""
        if self._records is None:
            return self._solved(suite, architecture, names)
        indexes = [self._listed(archive, architecture).digest for archive in find_suite(suite).archives]
        key = closure_key(architecture, names, indexes)
        value = self._records.record(_KEPT, key)
        if value is not None:
            with suppress(KeyError, TypeError, ValueError, EnvbuildError):
                return Closure.from_value(value)
        closure = self._solved(suite, architecture, names)
        self._records.keep_record(_KEPT, key, closure.to_value())
        return closure

    def _solved(self, suite: str, architecture: str, names: Sequence[str]) -> Closure:
        universe = self._universe(suite, architecture)
        chosen = solve(universe, names)
        needs = needs_within(chosen, (package.name for package in requested_packages(universe, names)), architecture)
        packages = tuple(
            _chosen(package, universe.position(package), needs.dependencies[package.name]) for package in chosen
        )
        return Closure(packages, needs.roots)

    def _universe(self, suite: str, architecture: str) -> Universe:
        key = suite, architecture
        if key not in self._universes:
            archives = find_suite(suite).archives
            for archive in archives:
                self._release(archive)
            while len(self._universes) >= _KEPT_UNIVERSES:
                del self._universes[next(iter(self._universes))]
            self._universes[key] = Universe([self._index(a, architecture) for a in archives], architecture)
        return self._universes[key]

    def _release(self, archive: Archive) -> tuple[Release, Digest]:
        if archive not in self._releases:
            url = f"{archive.repository.url}/dists/{archive.codename}/InRelease"
            raw = self._fetcher.read([url], RELEASE_LIMIT)
            what = f"The InRelease file of Debian's archive `{archive.codename}`"
            release = verify_release(raw, archive.codename, self._now, self._keyring, what)
            self._releases[archive] = release, Digest.of(raw)
        return self._releases[archive]

    def _listed(self, archive: Archive, architecture: str) -> IndexFile:
        """The index of an architecture, as the release lists it."""
        release, _ = self._release(archive)
        listed = release.indexes.get(f"main/binary-{architecture}/Packages.xz")
        if listed is None:
            what = _index_name(archive, architecture)
            raise EnvbuildError(f"{what} is not there", "the InRelease file does not list it")
        return listed

    def _index(self, archive: Archive, architecture: str) -> PackagesIndex:
        release, _ = self._release(archive)
        folder, what = f"main/binary-{architecture}", _index_name(archive, architecture)
        listed = self._listed(archive, architecture)
        root = f"{archive.repository.url}/dists/{archive.codename}/{folder}"
        by_hash = (f"{root}/by-hash/SHA256/{listed.digest.hex}",) if release.by_hash else ()
        source = Source(
            listed.digest, listed.size, (*by_hash, f"{root}/Packages.xz"), f"{archive.codename} {architecture} packages"
        )
        path = self._fetcher.blob(source)
        uncompressed = release.indexes.get(f"{folder}/Packages")
        limit = min(uncompressed.size, _INDEX_LIMIT) if uncompressed else _INDEX_LIMIT
        return PackagesIndex(_decompressed(path, limit, what), what, architecture)

    def _locked(self, package: Chosen, archive: Archive) -> DebianPackage:
        release, _ = self._release(archive)
        timestamp = (release.date.astimezone(UTC) + SNAPSHOT_DELAY).strftime("%Y%m%dT%H%M%SZ")
        urls = (
            f"{archive.repository.url}/{package.path}",
            f"{archive.repository.snapshot_url}/{timestamp}/{package.path}",
        )
        return DebianPackage(
            package.name, package.version, package.architecture, package.digest, package.size, urls,
            package.dependencies,
        )  # fmt: skip

    def _state(self, archive: Archive) -> ArchiveState:
        release, digest = self._release(archive)
        return ArchiveState(archive.repository.url, archive.codename, release.date, digest)


def _chosen(package: BinaryPackage, archive: int, dependencies: tuple[str, ...]) -> Chosen:
    where = package.location()
    return Chosen(
        package.name, package.version, package.architecture, where.path, where.size, where.digest, archive, dependencies
    )  # fmt: skip


def _index_name(archive: Archive, architecture: str) -> str:
    return f"The index of packages for {architecture} in Debian's archive `{archive.codename}`"


def resolve(suite: str, architecture: str, names: Sequence[str], fetcher: Fetches, now: datetime) -> Resolution:
    """`Archives.resolve` for a single target."""
    return Archives(fetcher, now).resolve(suite, architecture, names)


def _decompressed(path: Path, limit: int, what: str) -> Iterator[bytes]:
    """The content of an xz file, in chunks.

    Raises: EnvbuildError, if it is damaged or holds more than `limit` bytes.
    """
    decoder = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_DECODER_MEMORY)
    total = 0
    with open(path, "rb") as file:
        while not decoder.eof:
            data = file.read(_CHUNK) if decoder.needs_input else b""
            if decoder.needs_input and not data:
                raise EnvbuildError(f"{what} is cut short")
            try:
                chunk = decoder.decompress(data, _CHUNK)
            except lzma.LZMAError as error:
                raise EnvbuildError(f"{what} cannot be decompressed", str(error)) from error
            total += len(chunk)
            if total > limit:
                raise EnvbuildError(f"{what} is larger than its release says", f"more than {limit} bytes")
            yield chunk
