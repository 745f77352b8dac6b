"""Where outputs are kept: a store of its own below the store (or in a shared folder), which cleaning leaves alone.

Large files of it are linked into working trees, where somebody may write to them. So each blob carries a seal: the
nanoseconds of its time of change are a function of its digest. What was written to has another time, is hashed again,
and is given to nobody where it is not what it was. No record has to be kept for that, and seconds stay those in
which the file was made.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Self

from builder.errors import DigestMismatchError, EnvbuildError
from builder.history.content import Content, Row, listing_bytes
from builder.layers.files import check_path
from builder.lock.data.entry import DEEPEST
from builder.oci.canonical import parse_json
from builder.oci.digest import Digest
from builder.oci.layout import CHUNK
from builder.oci.store import Store

FOLDER = "kept"
"""Below the store's folder."""
READ_ONLY = 0o444
Observe = Callable[[int], None]
"""Is told of bytes that were moved."""
_SECOND = 1_000_000_000
_EXECUTABLE = "executable"


class Kept(Store):
    """A layout of outputs: files by digest, and the lists of folders by theirs, which are the folders'."""

    @classmethod
    def of(cls, store: Store) -> Self:
        """That of a store, made where it is not there. Raises: EnvbuildError, if it cannot be."""
        kept = cls(store.root / FOLDER)
        try:
            kept.create()
        except OSError as error:
            raise EnvbuildError(f"`{kept.root}` cannot be made", error.strerror or str(error)) from error
        return kept

    def has(self, digest: Digest, size: int) -> bool:
        """Whether the blob is there as it was kept; one that was written to since is forgotten."""
        path = self.path(digest)
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):  # somebody put it there, where machines share
                self.discard(digest)
                return False
            if not is_sealed(status, digest.hex):
                if _hash(path) != digest.hex:
                    self.discard(digest)
                    return False
                self.seal(digest)
        except FileNotFoundError:
            return False
        return status.st_size == size

    def take(self, source: IO[bytes], digest: Digest, size: int, observe: Observe = lambda _: None) -> None:
        """Keep the next `size` bytes of a stream. Raises: DigestMismatchError, if they are others; OSError."""
        with self.new_blob() as blob:
            while blob.size < size and (chunk := source.read(min(CHUNK, size - blob.size))):
                blob.write(chunk)
                observe(len(chunk))
            if blob.size != size:
                raise DigestMismatchError(f"blob {digest} is not of {size} bytes", f"{blob.size} are there")
            blob.commit(digest)
        self.seal(digest)

    def seal(self, digest: Digest) -> None:
        """Have a blob whose bytes are known to be right taken for whole. What cannot be sealed is hashed each time."""
        with suppress(PermissionError):
            os.chmod(self.path(digest), READ_ONLY)
            seal(self.path(digest), digest.hex)

    def rows(self, content: Content) -> tuple[Row, ...] | None:
        """The files of a folder, or the one of a file with no path; None where the list is not kept."""
        if content.kind == "file":
            return (("", content.sha256, content.size),)
        return content.files if content.files is not None else self._listed(Digest(content.sha256))

    def _listed(self, digest: Digest) -> tuple[Row, ...] | None:
        with suppress(FileNotFoundError, EnvbuildError):
            data = self.path(digest).read_bytes()
            return read_rows(data) if Digest.of(data) == digest else None
        return None

    def keep_list(self, content: Content) -> None:
        """Keep the list of a folder's files, so that its digest alone gives them."""
        if content.kind == "folder" and content.files is not None:
            self.seal(self.write(listing_bytes(content.files)))

    def executable(self, content: Content) -> frozenset[str]:
        """Which of the files of what was kept may be executed: paths as in `rows`."""
        found = self.record(_EXECUTABLE, content.sha256)
        return frozenset(map(str, found)) if isinstance(found, list) else frozenset()

    def keep_executable(self, content: Content, paths: Sequence[str]) -> None:
        """Note which of its files may be executed."""
        if paths:
            self.keep_record(_EXECUTABLE, content.sha256, sorted(paths))
        elif self.executable(content):
            self._record_path(_EXECUTABLE, content.sha256).unlink(missing_ok=True)


def read_rows(data: bytes) -> tuple[Row, ...]:
    """The list of a folder's files, from anywhere.

    Raises: EnvbuildError, if it is none: a path leads out, two files have one path, or one is a folder of another.
    """
    value = parse_json(data, "the list of a folder's files")
    rows = Content.from_dict(
        {"kind": "folder", "sha256": Digest.of(data).hex, "size": 0, "files": value}
    ).files  # fmt: skip
    return check_rows(rows or ())


def check_rows(rows: Sequence[Row]) -> tuple[Row, ...]:
    """`rows`, if a folder can have all of them. Raises: EnvbuildError, naming one that it cannot."""
    paths = {check_path(row[0]) for row in rows}
    if len(paths) != len(rows):
        raise EnvbuildError("a list of files has one of them twice")
    for path in paths:
        if path.count("/") > DEEPEST:
            raise EnvbuildError(
                "a list of files cannot be laid out", f"`{path[:200]}…` is in more than {DEEPEST} folders"
            )
        above = path
        while "/" in above:
            above = above.rpartition("/")[0]
            if above in paths:
                raise EnvbuildError("a list of files cannot be laid out", f"`{above[:200]}` is a file and a folder")
    return tuple(rows)


def is_sealed(status: os.stat_result, sha256: str) -> bool:
    """Whether nobody wrote to a file since it was found to have this digest."""
    return status.st_mtime_ns % _SECOND == _mark(sha256)


def seal(path: Path, sha256: str) -> None:
    """Mark a file as one of this digest."""
    seconds = path.stat().st_mtime_ns // _SECOND * _SECOND
    os.utime(path, ns=(seconds, seconds + _mark(sha256)))


def _mark(sha256: str) -> int:
    """Never 0, which is what file systems with coarse times give to any file."""
    return int(sha256[:16], 16) % (_SECOND - 1) + 1


def _hash(path: Path) -> str:
    checksum = hashlib.sha256()
    with open(path, "rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            checksum.update(chunk)
    return checksum.hexdigest()
