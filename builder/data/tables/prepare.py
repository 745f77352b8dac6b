"""Files of rows as DuckDB reads them: looked at first, so that nothing half is read as if it were whole.

What DuckDB does not read, or not reliably, is copied to the scratch folder in a form that it does: text of another
encoding as UTF-8, Arrow as Parquet. A compressed file is read through once, for a cut one ends without a word.
"""

from __future__ import annotations

import codecs
import gzip
import io
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from builder.data.tables.dialect import (
    DELIMITERS,
    HEAD,
    Dialect,
    DialectError,
    encoding_of,
    read_dialect,
    shown_encoding,
)
from builder.data.tables.files import TableError, TableFile, compression_of, is_tabbed
from builder.data.tables.sql import listed, literal

_CHUNK = 1 << 20
ENCODING_HINT = "Save it as UTF-8, or say what it is in the contract: the table's custom property `encoding`"
_AS_IS = ("utf-8", "utf-8-sig", "ascii")
"""Encodings that need no copy."""
_LONGEST_OBJECT = 16 << 20


def prepare(file: TableFile, scratch: Path) -> tuple[str, list[Path]]:
    """The SQL that reads a file's rows, for `FROM`, and the paths that it reads. Raises: TableError."""
    if not file.paths:
        raise TableError("a table has no file")
    for path in file.paths:
        _check_there(path)
    return _FORMATS[file.format](file, scratch)


def _csv(file: TableFile, scratch: Path) -> tuple[str, list[Path]]:
    paths, dialects = [], []
    for number, path in enumerate(file.paths):
        ready, dialect = _csv_file(path, file.encoding, scratch / f"{number}.csv")
        paths.append(ready)
        dialects.append(dialect)
        if dialect != dialects[0]:
            raise TableError(
                f"`{path}` is not of the same table as `{file.paths[0]}`",
                _difference(dialects[0], dialect),
                "Files of one table have the same columns in the same order, parted in the same way",
            )
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in dialects[0].columns)
    options = f"delim = {literal(dialects[0].delimiter)}, quote = '\"', escape = '\"', columns = {{{columns}}}"
    return f"read_csv({_list(paths)}, auto_detect = false, header = true, hive_partitioning = false, {options})", paths


def _csv_file(path: Path, declared: str, copy: Path) -> tuple[Path, Dialect]:
    """A CSV file that DuckDB reads, and how it is written."""
    with text_of(path) as stream:
        head = _read(stream, HEAD)
    encoding = encoding_of(head, declared)
    delimiters = ("\t",) if is_tabbed(path) else DELIMITERS
    try:
        dialect = read_dialect(head, encoding, whole=len(head) < HEAD, delimiters=delimiters)
    except DialectError as error:
        raise TableError(f"`{path}` cannot be read as csv", str(error), _hint(str(error))) from error
    if codecs.lookup(encoding).name not in _AS_IS:
        _recode(path, encoding, copy)
        return copy, dialect
    _check_compressed(path)
    return _literal_path(path, copy), dialect


def _hint(problem: str) -> str | None:
    if "has no name" in problem:
        return "Give each column a name; pandas writes none for its index: `to_csv(…, index=False)`"
    if "is not UTF-8" in problem:
        return ENCODING_HINT
    return None


def _difference(first: Dialect, other: Dialect) -> str:
    if first.columns == other.columns:
        return f"its columns are parted by {other.delimiter!r}, there by {first.delimiter!r}"
    missing = [f"`{name}` is missing" for name in first.columns if name not in other.columns]
    more = [f"`{name}` is only here" for name in other.columns if name not in first.columns]
    return ", ".join((missing + more)[:5]) or "its columns stand in another order"


def _json(file: TableFile, scratch: Path) -> tuple[str, list[Path]]:
    paths, forms = [], []
    for number, path in enumerate(file.paths):
        with text_of(path) as stream:
            head = _read(stream, HEAD)
        encoding = encoding_of(head, file.encoding)
        if not head.strip().removeprefix(b"\xef\xbb\xbf"):
            raise TableError(f"`{path}` cannot be read as json", "it is empty: it tells no columns")
        ready = scratch / f"{number}.json"
        if codecs.lookup(encoding).name in _AS_IS:
            ready = _literal_path(path, ready)
            _check_compressed(path)
        else:
            _recode(path, encoding, ready)
        forms.append(_json_form(path, ready))
        paths.append(ready)
    if len(set(forms)) > 1:
        raise TableError(f"`{file.paths[-1]}` is not of the same table", "some files are one array, some are lines")
    # All rows tell what the columns are, since a type or a key that comes late would break a query; dates stay text.
    options = f"format = '{forms[0]}', records = 'true', sample_size = -1, hive_partitioning = false"
    files = f"maximum_sample_files = {len(paths)}, maximum_object_size = {_LONGEST_OBJECT}"
    return f"read_json({_list(paths)}, {options}, {files})", paths


def _json_form(path: Path, ready: Path) -> str:
    """Whether a file is one array, whole, or lines."""
    with text_of(ready) as stream:
        first = _read(stream, _CHUNK).removeprefix(b"\xef\xbb\xbf").lstrip()[:1]
        if first != b"[" or path.suffix.lower() != ".json":
            return "newline_delimited"
        stream.seek(0)
        last = b""
        while chunk := stream.read(_CHUNK):
            last = chunk.rstrip()[-1:] or last
    if last != b"]":
        raise TableError(f"`{path}` cannot be read as json", "its array does not end: it may be cut")
    return "array"


def _parquet(file: TableFile, scratch: Path) -> tuple[str, list[Path]]:
    for path in file.paths:
        with path.open("rb") as stream:
            start = stream.read(4)
        if start != b"PAR1":
            why = "it is encrypted" if start == b"PARE" else "its start is not that of a Parquet file"
            raise TableError(f"`{path}` cannot be read as parquet", why)
    paths = [_literal_path(path, scratch / f"{number}.parquet") for number, path in enumerate(file.paths)]
    return f"read_parquet({_list(paths)}, hive_partitioning = false)", paths


def _arrow(file: TableFile, scratch: Path) -> tuple[str, list[Path]]:
    from builder.data.tables.arrow import arrow_to_parquet

    paths = []
    for number, path in enumerate(file.paths):
        copy = scratch / f"{number}.parquet"
        arrow_to_parquet(path, copy)
        paths.append(copy)
    return f"read_parquet({_list(paths)}, hive_partitioning = false)", paths


_FORMATS = {"csv": _csv, "json": _json, "parquet": _parquet, "arrow": _arrow}


def _check_there(path: Path) -> None:
    try:
        with path.open("rb"):
            if not path.is_file():
                raise TableError(f"`{path}` cannot be read", "it is not a file")
    except OSError as error:
        raise TableError(f"`{path}` cannot be read", error.strerror or str(error)) from error


def _check_compressed(path: Path) -> None:
    if compression_of(path) == ".zst":  # gzip's end is checked by DuckDB
        with text_of(path) as stream:
            while stream.read(_CHUNK):
                pass


def _recode(path: Path, encoding: str, copy: Path) -> None:
    """A copy in UTF-8 without a mark."""
    line = 1
    decoder = codecs.getincrementaldecoder(encoding)()
    with text_of(path) as source, copy.open("w", encoding="utf-8", newline="") as target:
        try:
            while chunk := source.read(_CHUNK):
                text = decoder.decode(chunk)
                line += text.count("\n")
                target.write(text)
            target.write(decoder.decode(b"", final=True))
        except UnicodeError as error:
            raise TableError(
                f"`{path}` cannot be read", f"after line {line}, it is not {shown_encoding(encoding)}"
            ) from error


@contextmanager
def text_of(path: Path) -> Iterator[IO[bytes]]:
    """A file's bytes, decompressed. Raises: TableError, if they cannot be read to their end."""
    kind = compression_of(path)
    try:
        with path.open("rb") as raw:
            if kind == ".gz":
                yield gzip.GzipFile(fileobj=raw)  # type: ignore[misc]
            else:
                yield io.BufferedReader(_Frames(raw)) if kind == ".zst" else raw
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise TableError(f"`{path}` cannot be read", "it is not a gzip stream, or a broken or cut one") from error
    except OSError as error:
        raise TableError(f"`{path}` cannot be read", error.strerror or str(error)) from error


class _Frames(io.RawIOBase):
    """The content of a zstd file of one or several frames, whose last one has to end."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        self._left = b""
        self._frame: Any = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._left:
            if not self._fill():
                return 0
        taken = self._left[: len(buffer)]
        self._left = self._left[len(taken) :]
        buffer[: len(taken)] = taken
        return len(taken)

    def _fill(self) -> bool:
        import zstandard

        chunk = (self._frame.unused_data if self._frame and self._frame.eof else b"") or self._raw.read(1 << 16)
        if not chunk:
            if self._frame and not self._frame.eof:
                raise OSError("its zstd stream ends too early: it is cut")
            return False
        if self._frame is None or self._frame.eof:
            self._frame = zstandard.ZstdDecompressor().decompressobj()
        try:
            self._left = self._frame.decompress(chunk)
        except zstandard.ZstdError as error:
            raise OSError("it is not a zstd stream, or a broken one") from error
        return True


def _read(stream: IO[bytes], size: int) -> bytes:
    parts, missing = [], size
    while missing and (chunk := stream.read(missing)):
        parts.append(chunk)
        missing -= len(chunk)
    return b"".join(parts)


def _literal_path(path: Path, link: Path) -> Path:
    """The path, or a link to it where its own has letters that DuckDB takes for a pattern."""
    path = path.absolute()
    if not any(letter in str(path) for letter in "*?["):
        return path
    link = link.with_name(link.name + compression_of(path))
    link.symlink_to(path)
    return link


def _list(paths: list[Path]) -> str:
    return f"[{listed(paths)}]"
