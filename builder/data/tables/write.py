"""Writing a table to a file, in the format that its name says: whole or not at all, and never held in memory."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from builder.data.tables.database import Database, QueryError
from builder.data.tables.files import format_of
from builder.data.tables.sql import literal
from builder.errors import EnvbuildError
from builder.oci.layout import replacing

_PRIVATE = 0o600
_NUMBER = '"\x01row"'
"""A name that no column has."""
_BATCH_ROWS = 1 << 16
"""Of an Arrow record batch: where one ends must not depend on how the rows come."""
_OPTIONS = {
    "csv": "FORMAT csv, HEADER true",
    "json": "FORMAT json",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}
_COMPRESSIONS = {".gz": "gzip", ".zst": "zstd"}


def write_table(database: Database, query: str, target: Path, *, private: bool = False) -> int:
    """Write the rows of a query's answer, in its order, to a file that takes the place of `target` at the end.

    CSV is UTF-8 with a header, commas (tabs in `.tsv`) and LF; what is missing is an empty field. A private file is
    for its owner alone. Returns how many rows there are.

    Raises: QueryError; EnvbuildError, if the name says no format, or the file cannot be written.
    """
    form = format_of(target)
    draft = database.scratch / "written"
    try:
        with replacing(target) as file:
            if private:
                os.fchmod(file.fileno(), _PRIVATE)
            if form == "arrow":
                return _write_arrow(database, query, file)
            rows = _sorted(query) if form == "parquet" else query
            copy = f"COPY ({rows}) TO {literal(draft)} ({_options(form, target)})"
            written = database.row(copy)[0]
            with draft.open("rb") as source:
                shutil.copyfileobj(source, file, 1 << 20)
            return int(written)
    except OSError as error:
        raise EnvbuildError(f"`{target}` cannot be written", error.strerror or str(error)) from error
    finally:
        draft.unlink(missing_ok=True)


def _sorted(query: str) -> str:
    """The same rows, in the same order, in even pieces: else where row groups end depends on the number of threads."""
    numbered = f"SELECT *, row_number() OVER () AS {_NUMBER} FROM ({query})"
    return f"SELECT * EXCLUDE ({_NUMBER}) FROM ({numbered}) ORDER BY {_NUMBER}"


def _options(form: str, target: Path) -> str:
    options = [_OPTIONS[form]]
    suffixes = [suffix.lower() for suffix in target.suffixes]
    if ".tsv" in suffixes[-2:]:
        options.append("DELIMITER '\t'")
    if form != "parquet" and suffixes[-1] in _COMPRESSIONS:
        options.append(f"COMPRESSION {_COMPRESSIONS[suffixes[-1]]}")
    return ", ".join(options)


def _write_arrow(database: Database, query: str, file: IO[bytes]) -> int:
    """An Arrow file (IPC), batch after batch."""
    pa = _pyarrow()
    reader = database.arrow_reader(query)
    rows = 0
    with pa.ipc.new_file(file, reader.schema) as writer:
        for batch in _even(pa, reader):
            writer.write_table(batch)
            rows += batch.num_rows
    return rows


def _even(pa: Any, reader: Any) -> Iterator[Any]:
    """The rows of a reader in tables of one size, the last one smaller."""
    kept = reader.schema.empty_table()
    for batch in _batches(pa, reader):
        kept = pa.concat_tables([kept, pa.Table.from_batches([batch])])
        while kept.num_rows >= _BATCH_ROWS:
            yield kept.slice(0, _BATCH_ROWS).combine_chunks()
            kept = kept.slice(_BATCH_ROWS)
    if kept.num_rows:
        yield kept.combine_chunks()


def _batches(pa: Any, reader: Any) -> Iterator[Any]:
    try:
        yield from reader
    except (pa.ArrowException, OSError) as error:
        raise QueryError("a query failed", str(error).partition("\n")[0]) from error


def _pyarrow() -> Any:
    try:
        import pyarrow as pa
        import pyarrow.ipc
    except ImportError as error:
        raise EnvbuildError(
            "Arrow files need pyarrow", hint="Install it: `pip install envbuild[arrow]`; or take Parquet"
        ) from error
    return pa
