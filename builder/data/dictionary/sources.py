"""Where a dictionary comes from: projects and contracts, and the heads of files that are here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.data.contract import SchemaObject
from builder.data.contract.read import LoadedContract, read_contract
from builder.data.promised import named_table, promised_file, table_names
from builder.errors import EnvbuildError
from builder.spec.load import PROJECT_FILE, LoadedProject, load_project
from builder.spec.project import DataReference


@dataclass(frozen=True, slots=True)
class Uncontracted:
    """Data of a project of which nothing is promised."""

    project: LoadedProject
    data: str


@dataclass(frozen=True, slots=True)
class Source:
    """A table of a contract."""

    contract: LoadedContract
    table: SchemaObject
    file: str
    """The contract's, from the project's folder; of one by itself, as it was named."""
    project: LoadedProject | None = None
    data: str | None = None
    """The name in the project."""
    columns: tuple[str, ...] | None = None
    """Those of the file, if it is here and could be read."""
    unread: str = ""
    """Why it could not."""


def collect(paths: Sequence[Path]) -> list[Source | Uncontracted]:
    """What projects and contract files say. Raises: EnvbuildError, SpecError."""
    return [source for path in paths for source in _sources(path)]


def _sources(path: Path) -> Iterator[Source | Uncontracted]:
    if path.is_dir() or path.name == PROJECT_FILE or not path.exists():
        yield from _of_project(load_project(path))
    else:
        loaded = read_contract(path)
        shown = path.name if path.is_absolute() else path.as_posix()
        yield from (Source(loaded, table, shown) for table in loaded.contract.schema)


def _of_project(project: LoadedProject) -> Iterator[Source | Uncontracted]:
    """What is told of the data of a project, and the other tables of their contracts."""
    read: dict[str, LoadedContract] = {}
    told: set[tuple[str, str]] = set()
    for name, reference in project.project.data.items():
        if reference.contract is None:
            yield Uncontracted(project, name)
            continue
        if reference.contract not in read:
            read[reference.contract] = read_contract(project.folder / reference.contract)
        loaded = read[reference.contract]
        table = named_table(loaded.contract, table_names(loaded.contract, [name])[name])
        told.add((reference.contract, table.name))
        columns, unread = _columns(project.folder, reference, table)
        yield Source(loaded, table, reference.contract, project, name, columns, unread)
    for file, loaded in read.items():
        others = (each for each in loaded.contract.schema if (file, each.name) not in told)
        yield from (Source(loaded, table, file, project) for table in others)


def _columns(folder: Path, reference: DataReference, table: SchemaObject) -> tuple[tuple[str, ...] | None, str]:
    """The columns of a file that is here, or why they are not known; both empty for what is elsewhere."""
    from builder.data.tables.database import Database

    path = folder / reference.url
    if not reference.is_path or not path.is_file():
        return None, ""
    try:
        with Database.opened({table.name: promised_file(table, [path])}) as database:
            return tuple(each.name for each in database.tables[table.name].columns), ""
    except EnvbuildError as error:
        return None, "; ".join((error.what, *error.why))
