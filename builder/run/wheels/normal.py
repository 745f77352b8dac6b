"""A wheel in its normal form: equal contents give equal bytes, whoever packed them on whichever day.

Entries are sorted, with the metadata last; times, modes and compression are fixed; RECORD is written anew. The encoder
is the one that layers are compressed with, whose release is pinned: zlib's bytes differ between builds of it.
"""

from __future__ import annotations

import hashlib
import re
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import deflate

from builder.errors import EnvbuildError
from builder.layers.wheel_record import format_record
from builder.layers.zip_reader import DEFLATED, STORED, Entry, ZipReader
from builder.oci.digest import Digest
from builder.oci.store import Store

FORMAT = 1
"""The revision of the rules here, which decide a wheel's bytes."""
LARGEST_FILE = 1 << 30
"""Bytes of one file, which is held in memory."""
LARGEST_WHEEL = (4 << 30) - (1 << 26)
"""Bytes of all files together: no zip64 is written."""

_LEVEL = 6
_TIME, _DATE = 0, (1 << 5) | 2  # 1980-01-02, as the files of layers have it
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_VERSION, _UNIX, _UTF8 = 20, 3 << 8, 1 << 11


@dataclass(frozen=True, slots=True)
class _Packed:
    name: bytes
    method: int
    crc: int
    body_size: int
    size: int
    mode: int
    offset: int

    @property
    def local_header(self) -> bytes:
        fields = (_VERSION, _UTF8, self.method, _TIME, _DATE, self.crc, self.body_size, self.size)
        return _LOCAL.pack(b"PK\3\4", *fields, len(self.name), 0) + self.name

    @property
    def central_header(self) -> bytes:
        fields = (_UNIX | _VERSION, _VERSION, _UTF8, self.method, _TIME, _DATE, self.crc, self.body_size, self.size)
        attributes = (stat.S_IFREG | self.mode) << 16
        return _CENTRAL.pack(b"PK\1\2", *fields, len(self.name), 0, 0, 0, 0, attributes, self.offset) + self.name


def normalised_wheel(path: Path, store: Store) -> tuple[Digest, int]:
    """The wheel at `path` in its normal form, in the store: its digest and its size in bytes.

    Raises: EnvbuildError, if it is not a wheel.
    """
    with ZipReader(path) as archive, store.new_blob() as blob:
        entries = [entry for entry in archive.read_entries(LARGEST_WHEEL) if not entry.is_directory]
        record = _record_path(entries, path.name)
        information = record.rpartition("/")[0] + "/"
        dropped = {record, f"{record}.jws", f"{record}.p7s"}
        rows: list[tuple[str, bytes, int]] = []
        packed: list[_Packed] = []

        def put(name: str, data: bytes, mode: int) -> None:
            body = bytes(deflate.deflate_compress(data, _LEVEL))
            method = DEFLATED if len(body) < len(data) else STORED
            body = body if method == DEFLATED else data
            packed.append(_Packed(name.encode(), method, zlib.crc32(data), len(body), len(data), mode, blob.size))
            blob.write(packed[-1].local_header + body)

        for entry in sorted(entries, key=lambda entry: (entry.path.startswith(information), entry.path.encode())):
            if entry.path not in dropped:
                data = b"".join(_content(archive, entry, path.name))
                rows.append((entry.path, hashlib.sha256(data).digest(), len(data)))
                put(entry.path, data, 0o755 if entry.is_executable else 0o644)
        put(record, format_record(rows, record), 0o644)
        start, directory = blob.size, b"".join(file.central_header for file in packed)
        count = len(packed)
        if count > 0xFFFE:
            raise EnvbuildError(f"the wheel `{path.name}` is too large", f"it has {count} files")
        blob.write(directory + _END.pack(b"PK\5\6", 0, 0, count, count, len(directory), start, 0))
        return blob.commit(), blob.size


def _content(archive: ZipReader, entry: Entry, name: str) -> Iterator[bytes]:
    if entry.size > LARGEST_FILE:
        raise EnvbuildError(f"the wheel `{name}` is too large", f"`{entry.path}` has {entry.size} bytes")
    return archive.content(entry)


def _record_path(entries: list[Entry], name: str) -> str:
    paths = [entry.path for entry in entries if re.fullmatch(r"[^/]+\.dist-info/RECORD", entry.path)]
    if len(paths) != 1:
        raise EnvbuildError(f"`{name}` is not a wheel", f"it has {len(paths)} files `RECORD` instead of one")
    return paths[0]
