"""Arrow files (IPC: the file form, which Feather is, and the stream form) as Parquet, batch after batch."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from builder.data.tables.files import TableError
from builder.errors import EnvbuildError

_ROWS = 100_000
_BYTES = 32 << 20
"""Of what is written at once."""
_FILE = b"ARROW1"
_FEATHER_1 = b"FEA1"
_END = b"\xff\xff\xff\xff\x00\x00\x00\x00"
"""Of a stream."""


def pyarrow() -> Any:
    """The library. Raises: EnvbuildError, if it is not installed."""
    try:
        import pyarrow as pa
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as error:
        raise EnvbuildError(
            "Arrow files need pyarrow", hint="Install it: `pip install 'envbuild[arrow]'`; or take Parquet"
        ) from error
    return pa


def arrow_to_parquet(path: Path, copy: Path) -> None:
    """Write the rows of an Arrow file, in order, to a Parquet file. Raises: TableError."""
    pa = pyarrow()
    try:
        with path.open("rb") as stream:
            schema, batches = _opened(pa, stream)
            _check_names(path, schema.names)
            with pa.parquet.ParquetWriter(copy, schema, compression="zstd", store_schema=False) as writer:
                for table in _joined(pa, schema, batches):
                    writer.write_table(table)
    except (pa.ArrowException, OSError, ValueError) as error:
        why = str(error).partition("\n")[0] if isinstance(error, _BrokenError) else _why(pa, error)
        raise TableError(f"`{path}` cannot be read as arrow", why) from error


class _BrokenError(ValueError):
    pass


def _why(pa: Any, error: Exception) -> str:
    if isinstance(error, (NotImplementedError, pa.ArrowNotImplementedError)):
        return "it has a column of a type that Parquet does not have"
    return "it is damaged, or cut"


def _opened(pa: Any, stream: IO[bytes]) -> tuple[Any, Iterator[Any]]:
    start = stream.read(len(_FILE))
    stream.seek(0)
    if start[:4] == _FEATHER_1:
        raise _BrokenError("it is of Feather's first version; write it again: `pyarrow.feather.write_feather(…)`")
    if start == _FILE:
        reader = pa.ipc.open_file(stream)
        return reader.schema, (reader.get_batch(number) for number in range(reader.num_record_batches))
    reader = pa.ipc.open_stream(stream)
    return reader.schema, _to_the_end(reader, stream)


def _to_the_end(reader: Any, stream: IO[bytes]) -> Iterator[Any]:
    """The batches of a stream, which must not just stop."""
    yield from reader
    stream.seek(-len(_END), 2)
    if stream.read() != _END:
        raise _BrokenError("the stream has no end mark: it may be cut")


def _joined(pa: Any, schema: Any, batches: Iterator[Any]) -> Iterator[Any]:
    """Batches as tables of some size: many small ones would make a slow file."""
    held: list[Any] = []
    for batch in batches:
        batch.validate(full=True)
        held.append(batch)
        if sum(each.num_rows for each in held) >= _ROWS or sum(each.nbytes for each in held) >= _BYTES:
            yield pa.Table.from_batches(held, schema)
            held = []
    yield pa.Table.from_batches(held, schema)


def _check_names(path: Path, names: list[str]) -> None:
    seen = set()
    for name in names:
        if name.casefold() in seen:
            raise TableError(f"`{path}` cannot be read as arrow", f"the column `{name}` stands twice")
        seen.add(name.casefold())
