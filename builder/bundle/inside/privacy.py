"""Data of a class that may not be packed: told by the files that are packed, not by what is declared of them alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from builder.bundle.inside.documents import Contents
from builder.bundle.inside.promised import promises_by_data
from builder.bundle.parts.tables import file_names, named_file
from builder.errors import CheckFailedError, EnvbuildError, NotMeasuredError, shortened
from builder.image.kept import kept_value
from builder.layers.files import FileEntry, Kind
from builder.oci.store import Store
from builder.spec import LoadedProject

if TYPE_CHECKING:
    from builder.data.denied import SeenColumn

_RECORDS = "data-columns"
_HINT = "Leave the data out of the image with `--thin`, or pack what `envbuild data anonymize` makes of them"


def check_denied(contents: Contents, loaded: LoadedProject, deny: Sequence[str], store: Store) -> Contents:
    """What goes into a bundle, with what is to be told of columns that nobody says the class of.

    Raises: CheckFailedError, if a file that is packed has a column of a denied class; NotMeasuredError, if one that
        may have some cannot be read.
    """
    from builder.data.denied import denied_names, judge_columns

    promises = promises_by_data(contents.promises)
    tables = {name: one.loaded.contract.table(one.tables[name]) for name, one in promises.items()}
    reasons, unknown, notes = [], [], []
    for one in contents.packed:
        table = tables.get(one.name)
        for name, file in zip(file_names(one.entry), one.files, strict=False):
            seen = _seen(file, name, store)
            if seen is None:
                if table is not None and denied_names([table], deny):
                    unknown.append(f"data `{one.name}`: `{name}` cannot be read as a table")
                continue
            found = judge_columns(seen, table, deny)
            reasons += [f"data `{one.name}`: {reason}" for reason in found.reasons]
            if found.undocumented:
                notes.append(_undocumented(one.name, found.undocumented))
    names = denied_names([table for table in tables.values() if table], deny)
    reasons += list(_of_model(contents.model, names, store))
    told = f"`{loaded.file}` has data in it that `privacy.deny` keeps out"
    if reasons:
        raise CheckFailedError(told, shortened(list(dict.fromkeys(reasons))), _HINT)
    if unknown:
        raise NotMeasuredError(f"whether {told} is not known", shortened(unknown), _HINT)
    return replace(contents, notes=(*contents.notes, *dict.fromkeys(notes)))


def _undocumented(name: str, columns: Sequence[str]) -> str:
    listed = ", ".join(f"`{column}`" for column in columns[:10])
    more = f" and {len(columns) - 10} more" if len(columns) > 10 else ""
    return f"no contract says the class of these columns of the data `{name}`, which are packed: {listed}{more}"


def _of_model(model: Sequence[FileEntry], names: dict[str, str], store: Store) -> Iterator[str]:
    """Tables among the files of a model, samples of what it was trained on, that have a column of a denied name."""
    for file in model if names else ():
        for column in _seen(file, file.path, store) or ():
            if column.name.lower() in names:
                yield f"model `{file.path}`: column `{column.name}` is {names[column.name.lower()]}"


def _seen(file: FileEntry, name: str, store: Store) -> tuple[SeenColumn, ...] | None:
    """The columns of a file, which is looked into once; None of what is no table, or cannot be read as one."""
    from builder.data.denied import SeenColumn, look_into
    from builder.data.evidence import REVISION
    from builder.data.tables.files import format_of

    if file.kind is not Kind.FILE or file.source is None:
        return None
    source = file.source
    try:
        format_of(Path(name))

        def look() -> list[list[str]]:
            with store.scratch() as folder:
                return [column.to_value() for column in look_into([named_file(source, name, folder)])]

        key = {"columns": REVISION, "digest": str(file.digest), "ending": "".join(PurePosixPath(name).suffixes)}
        values = kept_value(store, _RECORDS, key, look) if file.digest else look()
    except EnvbuildError:
        return None
    return tuple(SeenColumn(*value) for value in values)
