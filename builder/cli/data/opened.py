"""What commands of `envbuild data` are asked about: contracts with the files of their tables, of a project or loose."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.errors import EnvbuildError, command_text
from builder.spec.load import PROJECT_FILE

if TYPE_CHECKING:
    from builder.data.contract.read import LoadedContract
    from builder.fetch import Fetcher
    from builder.lock.data.entry import DataEntry
    from builder.spec import DataReference, LoadedProject


@dataclass(frozen=True, slots=True)
class Opened:
    """A contract and the files of its tables."""

    loaded: LoadedContract
    files: Mapping[str, Sequence[Path]]
    """By the name of the table in the contract."""
    absent: Mapping[str, str]
    """Tables whose files are not on this machine, and why."""


class TableFileType(click.ParamType):  # type: ignore[type-arg]
    """`TABLE=FILE`."""

    name = "table"

    def convert(
        self, value: str | tuple[str, Path], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, Path]:
        """The name and the path."""
        if isinstance(value, tuple):
            return value
        name, separator, path = value.partition("=")
        if not (name and separator and path):
            self.fail(f"`{value}` is not TABLE=FILE", param, ctx)
        return name, Path(path)


def opened_loose(contract: Path, path: Path | None, data: Sequence[tuple[str, Path]]) -> Opened:
    """A contract with the files that are named: of tables, and one whose table is that of its name, or the only one.

    Raises: EnvbuildError, if one is not there, or no table of the contract.
    """
    from builder.data.contract.read import read_contract
    from builder.data.promised import table_of_file
    from builder.data.tables.files import table_paths

    loaded = read_contract(contract)
    files: dict[str, Sequence[Path]] = {}
    if path is not None:
        _there(path)
        data = [*data, (table_of_file(loaded.contract, path).name, path)]
    for name, file in data:
        if name in files:
            raise EnvbuildError(f"the table `{name}` is named twice")
        files[name] = table_paths(_there(file))
    return Opened(loaded, files, {})


def opened_project(loaded: LoadedProject, fetcher: Fetcher, folder: Path) -> list[Opened]:
    """The contracts of a project, each with all data that name it; links are made in `folder`, for as long as it is.

    Raises: EnvbuildError, if there is no contract, or one cannot be read.
    """
    from builder.data.contract.read import read_contract
    from builder.data.promised import contract_users, data_groups

    users = contract_users(loaded.project)
    if not users:
        hint = f"Write one with {command_text('data', 'infer', 'FILE')} and name it as `contract` of the data"
        raise EnvbuildError(f"no data of `{loaded.file}` have a contract", hint=hint)
    result = []
    for source, names in users.items():
        contract = read_contract(loaded.folder / source)
        groups = data_groups(contract.contract, names)
        result += [_opened(contract, tables, loaded, fetcher, folder) for tables in groups]
    return result


def _opened(
    contract: LoadedContract, tables: Mapping[str, str], loaded: LoadedProject, fetcher: Fetcher, folder: Path
) -> Opened:
    """A contract and the data that are held to it together; `tables` by their names."""
    files: dict[str, Sequence[Path]] = {}
    absent: dict[str, str] = {}
    for name, table in tables.items():
        try:
            files[table] = _files(name, loaded, fetcher, folder / name)
        except EnvbuildError as error:
            absent[table] = "; ".join([error.what, *error.why])
    return Opened(contract, files, absent)


def is_project(path: Path) -> bool:
    """Whether a path is that of a project."""
    return path.name == PROJECT_FILE or (path / PROJECT_FILE).is_file()


def _there(path: Path) -> Path:
    if not path.exists() and not any(letter in path.name for letter in "*?["):
        raise EnvbuildError(f"`{path}` is not there")
    return path


def _files(name: str, loaded: LoadedProject, fetcher: Fetcher, folder: Path) -> Sequence[Path]:
    """The files of data as they are in the working tree, else the locked ones: of the store, or fetched."""
    reference = loaded.project.data[name]
    local = _local(reference, loaded.folder)
    if local:
        return local
    from builder.bundle.parts.data import data_files
    from builder.bundle.parts.tables import named_files

    entry = _entry(name, loaded)
    return named_files(entry, data_files(name, entry, loaded.folder, fetcher), folder)


def _entry(name: str, loaded: LoadedProject) -> DataEntry:
    from builder.lock.data.locking import entries

    entry = entries(loaded).data.get(name)
    if entry is None:
        raise EnvbuildError(f"the data `{name}` are not here, and not locked", hint=f"{command_text('lock')} does it")
    return entry


def _local(reference: DataReference, folder: Path) -> Sequence[Path]:
    """The files of a path of the project, or of a `file:` URL; none if they are elsewhere."""
    from builder.data.tables.files import table_paths
    from builder.lock.data.hashing import walk
    from builder.lock.data.local import check_inside, local_path, pattern_of
    from builder.spec.data_url import is_glob, is_pointer

    if is_pointer(reference.url):
        return ()
    path = local_path(reference.url, folder)
    if path is None or not path.exists():
        return ()
    if reference.is_path:
        check_inside(path, folder)
    if not is_glob(reference.url):
        return table_paths(path)
    pattern = pattern_of(reference.url)
    return [path / found.path for found in walk(path) if pattern is None or pattern.matches(found.path)]
