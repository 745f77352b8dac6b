"""Pickles in files, whatever wraps them: several in a row, compressed, in a zip (PyTorch), in a tar, in a NumPy file.

Nothing is loaded. What cannot be followed is a finding of its own: the program that loads it may be less careful.
"""

from __future__ import annotations

import bz2
import functools
import gzip
import io
import lzma
import re
import struct
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError, one_line
from builder.layers.zip_reader import ZipReader
from builder.oci.tar_entries import TarError, TarReader
from builder.records.scan.blocks import Block, Wanted
from builder.records.scan.finding import Finding
from builder.records.scan.pickle_imports import judge
from builder.records.scan.pickle_machine import Machine
from builder.records.scan.pickle_values import Import, MalformedPickleError, TooLargeError

PICKLE_SUFFIXES = frozenset(("pkl", "pickle", "pck", "pcl", "joblib", "dill", "cloudpickle"))
"""Of files that hold pickles, and nothing else."""
_OTHER_ARCHIVES = frozenset(
    (
        "zip",
        "whl",
        "egg",
        "jar",
        "war",
        "apk",
        "docx",
        "xlsx",
        "pptx",
        "odt",
        "ods",
        "odp",
        "epub",
        "nupkg",
        "vsix",
        "kmz",
    )
)
"""Suffixes of archives that nobody loads as a model."""

_LARGEST_INFLATED = 8 << 30
_LONGEST_HEADER = 1 << 16
_MOST_IN_A_ROW = 10_000
_NPY = b"\x93NUMPY"
_ZIP, _HDF5 = b"PK\3\4", b"\x89HDF\r\n\x1a\n"
_BINARY_PICKLE = re.compile(rb"\x80[\x02-\x05]")
_TAR_MEMBERS = ("pickle", "storages", "tensors", "sys_info")
"""Of PyTorch's old archives."""
_SERIOUS = ("dangerous", "hidden")
_LAMBDA = re.compile(rb"\"class_name\":\s{0,4}\"Lambda\"")
_OBJECTS = re.compile(r"'[|<>=]?O\d{0,2}'")
"""The type of objects in the description of an array."""
_REACHING = ("os", "posix", "nt", "subprocess", "builtins", "__builtin__")
_HIDDEN_CALL = Wanted(
    re.compile(
        rb"c[a-z_]{2,12}\n[A-Za-z_]\w{2,40}\n|\x8c[\x02-\x12][a-z_]{2,12}(?:\x94|q.)?\x8c[\x03-\x20][a-z_]{3}",
        re.DOTALL,
    ),
    (
        *(f"c{module}\n".encode() for module in _REACHING),
        *(b"\x8c" + bytes([len(module)]) + module.encode() for module in _REACHING),
    ),
)
"""An import of something dangerous, among bytes that are no instructions to those who load the file as it is meant."""


def find_in_pickles(stream: io.BufferedReader, path: Path | None, suffix: str, place: str = "") -> Iterator[Finding]:
    """What pickles in a file do, if it holds some. `stream` is buffered and at its start; `path` is the same file.

    Without a path, an archive is not looked into.
    """
    head = stream.peek(16)[:16]
    if head.startswith(_ZIP):
        yield from _in_zip(path, suffix) if path else _unreadable("an archive inside an archive", place)
    elif head.startswith(_NPY):
        yield from _in_numpy(stream, place)
    elif head.startswith(_HDF5):
        yield from _in_keras(iter(lambda: stream.read(1 << 20), b""), place)
    elif (inflated := _inflated(stream, head)) is not None and not place:
        yield from _guarded(lambda: _plain(_buffered(inflated), "", place), place, suffix in PICKLE_SUFFIXES)
    elif suffix == "tar":
        yield from _in_tar(stream)
    else:
        yield from _plain(stream, suffix, place)


def _plain(stream: io.BufferedReader, suffix: str, place: str) -> Iterator[Finding]:
    """Of pickles in a row. What is no pickle has no finding, unless its name or its beginning say that it is one."""
    is_named = suffix in PICKLE_SUFFIXES
    promises = is_named or _BINARY_PICKLE.match(stream.peek(2)[:2]) is not None
    imports: dict[Import, None] = {}
    trailing, done, problem = _Trailing(), 0, ""
    try:
        while stream.peek(1)[:1] and done < _MOST_IN_A_ROW:
            here: dict[Import, None] = {}
            Machine(stream, functools.partial(_note, here), trailing).run()
            imports |= here
            done += 1
    except MalformedPickleError as error:
        imports |= {found: None for found in here if not done or judge(found) in _SERIOUS}
        problem = str(error) if promises and not done else ""
    except TooLargeError as error:
        imports, problem = imports | here, str(error)
    if promises:
        for data in iter(lambda: stream.read(1 << 20), b""):
            trailing(data)
    else:
        imports = {found: None for found in imports if judge(found) in _SERIOUS}
    yield from _judged(imports, place)
    if trailing.found:
        yield Finding(
            "pickle-dangerous-import", "high", "an import of something dangerous, among other bytes", place=place
        )
    if problem and (is_named or imports):
        yield from _unreadable(problem, place)


def _note(imports: dict[Import, None], found: Import) -> None:
    if len(imports) < 10_000:
        imports[found] = None


class _Trailing:
    """Looks for imports among bytes that are handed to it in pieces."""

    def __init__(self) -> None:
        self._tail = b""
        self.found = False

    def __call__(self, data: bytes) -> None:
        if not self.found:
            text = self._tail + data
            self.found = any(Block(text, 0, len(text), 1).matches(_HIDDEN_CALL))
            self._tail = text[-128:]


def _judged(imports: Iterable[Import], place: str) -> Iterator[Finding]:
    for found in imports:
        judgement = judge(found)
        subject = one_line(str(found), "?")[:200]
        if judgement == "dangerous":
            yield Finding("pickle-dangerous-import", "high", f"loading it uses `{subject}`", None, place, subject)
        elif judgement == "hidden":
            yield Finding("pickle-hidden-import", "high", "it imports a name that it computes first", None, place)
        elif judgement == "unknown":
            what = f"loading it uses `{subject}`, which is not known to be safe"
            yield Finding("pickle-unknown-import", "medium", what, None, place, subject)


def _unreadable(why: str, place: str) -> Iterator[Finding]:
    yield Finding("pickle-unreadable", "medium", f"what it would do cannot be told: {why}", None, place)


def _guarded(findings: Callable[[], Iterable[Finding]], place: str, promises: bool) -> Iterator[Finding]:
    """The findings, and one more if what wraps the pickle is damaged where a pickle is promised."""
    try:
        yield from findings()
    except (OSError, EOFError, zlib.error, lzma.LZMAError, _TooMuchError) as error:
        if promises or isinstance(error, _TooMuchError):
            yield from _unreadable(f"it is compressed and damaged, or too large ({type(error).__name__})", place)


class _TooMuchError(Exception):
    """More was inflated than is looked at."""


class _Bounded(io.RawIOBase):
    """A raw stream over pieces of bytes, or over a file, that gives a bounded number of them."""

    def __init__(self, pieces: Iterator[bytes], limit: int = _LARGEST_INFLATED) -> None:
        super().__init__()
        self._pieces, self._left, self._ready = pieces, limit, b""

    def readable(self) -> bool:
        """Always."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes."""
        while not self._ready:
            try:
                self._ready = next(self._pieces)
            except StopIteration:
                return 0
        data, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        self._left -= len(data)
        if self._left < 0:
            raise _TooMuchError
        buffer[: len(data)] = data
        return len(data)


def _buffered(pieces: Iterator[bytes]) -> io.BufferedReader:
    return io.BufferedReader(_Bounded(pieces), 1 << 18)


def _inflated(stream: io.BufferedReader, head: bytes) -> Iterator[bytes] | None:
    """The content of a compressed file, as joblib writes them; None of one that is not compressed."""
    if head.startswith(b"\x1f\x8b"):
        return _in_pieces(gzip.GzipFile(fileobj=stream, mode="rb"))
    if head.startswith(b"BZh"):
        return _in_pieces(bz2.BZ2File(stream))
    if head.startswith((b"\xfd7zXZ\0", b"\x5d\0\0")):
        return _in_pieces(lzma.LZMAFile(stream))
    if head[:1] == b"\x78" and len(head) > 1 and int.from_bytes(head[:2], "big") % 31 == 0:
        return _zlib_pieces(stream)
    return _cannot_inflate() if head.startswith(b"\x04\x22\x4d\x18") else None


def _in_pieces(file: gzip.GzipFile | bz2.BZ2File | lzma.LZMAFile) -> Iterator[bytes]:
    return iter(lambda: file.read(1 << 18), b"")


def _cannot_inflate() -> Iterator[bytes]:
    raise OSError("LZ4 is not read")
    yield b""


def _zlib_pieces(stream: io.BufferedReader) -> Iterator[bytes]:
    inflater = zlib.decompressobj()
    while data := inflater.unconsumed_tail or stream.read(1 << 16):
        if piece := inflater.decompress(data, 1 << 18):
            yield piece
        if inflater.eof:
            return


def _in_zip(path: Path, suffix: str) -> Iterator[Finding]:
    """Of PyTorch's archives, NumPy's, Keras's, and whatever else is a zip."""
    try:
        with ZipReader(path) as archive:
            for entry in archive.read_entries():
                if not entry.is_directory:
                    member = _suffix(entry.path)
                    stream = _buffered(archive.content(entry))
                    if member == "json":
                        yield from _in_keras(iter(lambda stream=stream: stream.read(1 << 20), b""), entry.path)  # type: ignore[misc]
                    elif member in PICKLE_SUFFIXES | {"npy"} or _BINARY_PICKLE.match(stream.peek(2)[:2]):
                        yield from find_in_pickles(stream, None, member, entry.path)
    except (EnvbuildError, OSError, struct.error, _TooMuchError) as error:
        why = error.why[0] if isinstance(error, EnvbuildError) and error.why else type(error).__name__
        if suffix not in _OTHER_ARCHIVES:
            yield from _unreadable(f"the archive is damaged or odd: {why}", "")


def _in_tar(stream: io.BufferedReader) -> Iterator[Finding]:
    """Of the archives that PyTorch wrote before 2017."""
    reader = TarReader(stream)
    try:
        for entry in reader:
            member = entry.path.decode("utf-8", "replace")
            inner = _buffered(reader.content())
            if member in _TAR_MEMBERS:
                yield from _plain(inner, "pkl", member)
            elif _suffix(member) in PICKLE_SUFFIXES or _BINARY_PICKLE.match(inner.peek(2)[:2]):
                yield from _plain(inner, _suffix(member), member)
    except (TarError, OSError, _TooMuchError):
        return


def _in_numpy(stream: io.BufferedReader, place: str) -> Iterator[Finding]:
    """An array of objects is a pickle behind the header (NEP 1)."""
    head = stream.read(8)
    form = "<H" if head[6:7] == b"\x01" else "<I"
    try:
        (length,) = struct.unpack(form, stream.read(struct.calcsize(form)))
    except struct.error:
        length = 0
    header = stream.read(min(length, _LONGEST_HEADER)).decode("latin-1")
    if length > _LONGEST_HEADER or "'descr'" not in header:
        yield from _unreadable("the header of its array is damaged", place)
    elif _OBJECTS.search(header):
        yield from _plain(stream, "pkl", place)


def _in_keras(pieces: Iterator[bytes], place: str) -> Iterator[Finding]:
    """Keras keeps functions as bytecode in its configuration."""
    tail = b""
    for data in pieces:
        if _LAMBDA.search(tail + data):
            yield Finding("keras-lambda", "high", "a layer that runs code of its own", None, place)
            return
        tail = data[-64:]


def _suffix(path: str) -> str:
    return path.rpartition("/")[2].rpartition(".")[2].lower() if "." in path.rpartition("/")[2] else ""
