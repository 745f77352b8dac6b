"""Packages themselves, where a channel does not tell enough of them: hashes, and what `info/index.json` says."""

from __future__ import annotations

import hashlib
import io
import json
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, cast

from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch import Fetcher, Source
from builder.lock.artifact import CondaPackage
from builder.lock.conda.records import UNKNOWN
from builder.oci.digest import Digest

LARGEST = 16 << 30
"""Bytes of a package whose size nobody tells."""
_INDEX = "info/index.json"
_INDEX_LIMIT = 4 << 20
_READ_LIMIT = 256 << 20
"""Bytes that are decompressed at most to find the index; in old packages it may stand anywhere."""
_WINDOW = 128 << 20
_PARALLEL = 8
_CHUNK = 1 << 20


def completed(packages: Iterable[CondaPackage], fetcher: Fetcher) -> list[CondaPackage]:
    """The packages with both hashes and size; those that lack one are fetched.

    Raises: EnvbuildError, if one cannot be had; DigestMismatchError.
    """
    with ThreadPoolExecutor(_PARALLEL) as pool:
        return list(pool.map(lambda package: _completed(package, fetcher), packages))


def _completed(package: CondaPackage, fetcher: Fetcher) -> CondaPackage:
    if package.digest != UNKNOWN and package.md5 and package.size:
        return package
    digest, path = fetched(
        package.url, package.md5 or None, None if package.digest == UNKNOWN else package.digest.hex, fetcher
    )
    return replace(package, digest=digest, md5=md5_of(path), size=path.stat().st_size)


def fetched(url: str, md5: str | None, sha256: str | None, fetcher: Fetcher) -> tuple[Digest, Path]:
    """A package of which at least one hash is known, or none at all.

    Raises: EnvbuildError, if it cannot be had; DigestMismatchError, if it is another one.
    """
    name = url.rpartition("/")[2]
    if sha256:
        digest = Digest(sha256)
        path = fetcher.blob(Source(digest, None, (url,), name))
    else:
        digest, path = fetcher.discover((url,), name, LARGEST)
    if md5 and md5_of(path) != md5:
        raise DigestMismatchError(f"`{name}` has another md5 than was told", f"it is {md5_of(path)}, told was {md5}")
    return digest, path


def md5_of(path: Path) -> str:
    """In hexadecimal."""
    checksum = hashlib.md5(usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK):
            checksum.update(chunk)
    return checksum.hexdigest()


def read_index(path: Path, file_name: str) -> Mapping[str, Any]:
    """What the `info/index.json` of a package says.

    Raises: EnvbuildError, if it is damaged or has none.
    """
    import zstandard

    try:
        with open(path, "rb") as file:
            data = _of_conda(file) if file_name.endswith(".conda") else _of_tar_bz2(file)
        document = json.loads(data)
        if not isinstance(document, dict):
            raise TypeError("it is not an object")
        return document
    except (
        OSError,
        ValueError,
        TypeError,
        RuntimeError,
        EOFError,
        NotImplementedError,
        lzma.LZMAError,
        zlib.error,
    ) as error:
        raise EnvbuildError(f"the conda package `{file_name}` cannot be read", str(error)) from error
    except (zipfile.BadZipFile, tarfile.TarError, zstandard.ZstdError) as error:
        raise EnvbuildError(f"the conda package `{file_name}` is damaged", str(error)) from error


def _of_conda(file: IO[bytes]) -> bytes:
    import zstandard

    with zipfile.ZipFile(file) as archive:
        names = [name for name in archive.namelist() if name.startswith("info-") and name.endswith(".tar.zst")]
        if len(names) != 1:
            raise ValueError("it has no part with its metadata")
        with archive.open(names[0]) as member:
            plain = zstandard.ZstdDecompressor(max_window_size=_WINDOW).stream_reader(member)
            return _of_tar(cast("IO[bytes]", plain))


def _of_tar_bz2(file: IO[bytes]) -> bytes:
    import bz2

    with bz2.BZ2File(file) as plain:
        return _of_tar(plain)


def _of_tar(plain: IO[bytes]) -> bytes:
    with tarfile.open(fileobj=cast("IO[bytes]", _Bounded(plain)), mode="r|") as archive:
        for member in archive:
            if member.name == _INDEX and member.isfile():
                if member.size > _INDEX_LIMIT:
                    raise ValueError(f"its `{_INDEX}` is larger than {_INDEX_LIMIT} bytes")
                content = archive.extractfile(member) or io.BytesIO()
                return content.read()
    raise ValueError(f"it has no `{_INDEX}`")


class _Bounded:
    """A stream that refuses to give more than is read of a package."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._left = _READ_LIMIT

    def read(self, size: int = -1) -> bytes:
        data = self._stream.read(min(size if size >= 0 else _READ_LIMIT, self._left + 1))
        self._left -= len(data)
        if self._left < 0:
            raise ValueError(f"its `{_INDEX}` is not within its first {_READ_LIMIT} bytes")
        return data
