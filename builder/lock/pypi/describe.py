"""What chosen files ask for and how they are licensed: read of the metadata beside them, or of the files themselves."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from builder.errors import DigestMismatchError
from builder.fetch import Fetcher
from builder.lock.artifact import Sdist, Wheel
from builder.lock.interface import Target
from builder.lock.pypi.edges import asked_extras, edges
from builder.lock.pypi.found import Found, public_url
from builder.lock.pypi.metadata import METADATA_LIMIT, Metadata, parse_metadata, sdist_metadata, wheel_metadata
from builder.lock.pypi.tags import marker_environment
from builder.oci.digest import Digest

_PARALLEL = 16
_KIND = "metadata"
"""Of the store's records."""


@dataclass(frozen=True, slots=True)
class Describer:
    """Makes artifacts of files. What was read once is kept beside the store."""

    fetcher: Fetcher

    def __call__(
        self, found: Iterable[Found], asked: Iterable[str], target: Target, indexes: Iterable[str]
    ) -> tuple[Wheel | Sdist, ...]:
        """The artifacts, sorted by name.

        `asked` are the requirements from outside, whose extras are followed; `indexes` are the URLs of the indexes
        that the spec names, whose files keep their URL.

        Raises: EnvbuildError, if a file cannot be had or read.
        """
        files, kept_indexes = sorted(found), tuple(indexes)
        metadata = self.metadata(files)
        with ThreadPoolExecutor(_PARALLEL) as pool:
            sizes = list(pool.map(self._size, files))
        environment = marker_environment(target.python, target.machine)
        asks = edges(metadata, asked_extras(asked, environment), environment)
        return tuple(
            _artifact(file, size, self._url(file, kept_indexes), asks[file.name], metadata[file.name].license)
            for file, size in zip(files, sizes, strict=True)
        )

    def metadata(self, found: Iterable[Found]) -> dict[str, Metadata]:
        """What the files say of themselves, by the name of the package.

        Raises: EnvbuildError, if a file cannot be had or read.
        """
        files = list(found)
        return {file.name: known for file, known in zip(files, self._read_all(files), strict=True)}

    def metadata_of(self, file: Found) -> Metadata:
        """What one file says of itself; it is not fetched where that stands beside it.

        Raises: EnvbuildError, if it cannot be had or read.
        """
        return self._without_file(file) or self._of_file(file, self.fetcher.blob(file.source))

    def _url(self, file: Found, indexes: tuple[str, ...]) -> str:
        return public_url(replace(file, url=self.fetcher.mirrors.published(file.url)), indexes)

    def _size(self, file: Found) -> int:
        """Of the index, of the file where it is here, of the server that has it, or of what that sends."""
        path = self.fetcher.store.path(file.digest)
        known = file.size if file.size is not None or path.exists() else self.fetcher.size(file.source)
        return known if known is not None else self.fetcher.blob(file.source).stat().st_size

    def _read_all(self, files: list[Found]) -> list[Metadata]:
        """Of each file: kept, beside it, or in it; the last are fetched together, as a build needs them anyway."""
        with ThreadPoolExecutor(_PARALLEL) as pool:
            known = list(pool.map(self._without_file, files))
        missing = [file for file, metadata in zip(files, known, strict=True) if metadata is None]
        paths = self.fetcher.blobs(file.source for file in missing)
        return [
            metadata or self._of_file(file, paths[file.digest]) for file, metadata in zip(files, known, strict=True)
        ]

    def _without_file(self, file: Found) -> Metadata | None:
        store = self.fetcher.store
        for key in (_key(file), _key(file, file.url)):
            kept = Metadata.from_record(store.record(_KIND, key))
            if kept is not None:
                return kept
        if not file.is_wheel or _is_present(self.fetcher, file):
            return None
        data = self.fetcher.beside(file.source, ".metadata", METADATA_LIMIT)
        if data is None:
            return None
        metadata = _checked(file, data)
        if metadata is not None:
            store.keep_record(_KIND, _key(file, file.url), metadata.to_record())
        return metadata

    def _of_file(self, file: Found, path: Path) -> Metadata:
        if file.is_wheel:
            metadata = wheel_metadata(path, file.file_name)
        else:
            metadata = sdist_metadata(path, file.file_name) or Metadata(file.name, file.version, complete=False)
        self.fetcher.store.keep_record(_KIND, _key(file), metadata.to_record())
        return metadata


def _artifact(file: Found, size: int, url: str, asks: tuple[str, ...], license: str) -> Wheel | Sdist:  # noqa: A002
    if file.is_wheel:
        return Wheel(file.name, file.version, file.file_name, file.digest, size, url, asks, license)
    return Sdist(file.name, file.version, file.file_name, file.digest, size, url, asks, license, file.subdirectory)


def _checked(file: Found, data: bytes) -> Metadata | None:
    """The metadata that stood beside a file; None if it is another project's, as a page of an error is.

    Raises: DigestMismatchError, if the index promised other bytes.
    """
    if file.metadata is not None and Digest.of(data) != file.metadata:
        raise DigestMismatchError(
            f"the metadata of `{file.file_name}` is not what its index promised",
            f"its sha256 is {Digest.of(data).hex}, where {file.metadata.hex} is expected",
        )
    metadata = parse_metadata(data)
    return metadata if metadata.name == file.name else None


def _key(file: Found, url: str = "") -> str:
    """Under which metadata is kept: what was read of the file itself is true of it wherever it comes from."""
    if not url:
        return file.digest.hex
    host = urlsplit(url).netloc.rpartition("@")[2]
    return f"{file.digest.hex}-{hashlib.sha256(host.encode()).hexdigest()[:16]}"


def _is_present(fetcher: Fetcher, file: Found) -> bool:
    return file.size is not None and fetcher.store.has(file.digest, file.size)
