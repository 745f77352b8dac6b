"""The first contract of a file: its columns, and comments that say what was seen and what is to be filled in."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from builder.data.contract.common import CustomProperty
from builder.data.contract.document import Contract, Property, SchemaObject
from builder.data.contract.quality import Quality
from builder.data.contract.write import write_contract
from builder.data.infer.columns import Column, column_of
from builder.data.infer.facts import facts_of
from builder.data.infer.ranges import rows_at_least
from builder.data.promised import file_stem
from builder.data.tables.database import Database, Limits
from builder.data.tables.files import TableFile, format_of
from builder.errors import EnvbuildError

_VERSION = "0.1.0"
_HEAD = """A first contract, made from {looked} of {file}. It says what was seen, rounded outward:
edit it to what is meant. To fill in: the description and, as a custom property, the `unit` of each column;
what the data are for (`description.purpose`) and who looks after them (`team.members`).
Check the classes of columns: those that are guessed say why, and those that are not have none."""


@dataclass(frozen=True, slots=True)
class Inferred:
    """A contract and what a person should know of its parts."""

    contract: Contract
    comments: Mapping[str, str]
    """By the way to what they are about."""

    @property
    def text(self) -> bytes:
        """The document."""
        return write_contract(self.contract, self.comments)


def infer_contract(
    path: Path,
    table: str | None = None,
    rows: int | None = None,
    encoding: str = "",
    limits: Limits | None = None,
) -> Inferred:
    """A first contract of a file of rows, by a look at its first `rows`, by default all.

    `encoding` is that of its text, as Python names it; empty for UTF-8.

    Raises: EnvbuildError, if the file is no table that can be read, or has no rows.
    """
    name = table or _name(path)
    with Database.opened({name: TableFile((path,), format_of(path), encoding=encoding)}, limits) as database:
        facts = facts_of(database, name, rows)
        total = database.total(name)
    if not total:
        raise EnvbuildError(
            f"`{path}` tells nothing about its values", "it has columns, and no row", "Take a file with some rows."
        )
    columns = [column_of(each, position) for position, each in enumerate(facts)]
    if unnamed := [number for number, each in enumerate(facts, 1) if not each.name.strip()]:
        raise EnvbuildError(f"`{path}` has a column without a name", f"it is the {unnamed[0]}. one")
    looked = f"all {total} rows" if rows is None or rows >= total else f"the first {rows} of {total} rows"
    contract = _contract(_table(path, name, columns, total), encoding)
    return Inferred(contract, _comments(path, columns, looked))


def _contract(table: SchemaObject, encoding: str) -> Contract:
    if encoding:
        table = replace(table, custom_properties=(CustomProperty("encoding", encoding),))
    identity = re.sub(r"[^A-Za-z0-9_-]+", "-", table.name).strip("-") or "table"
    return Contract("v3.1.0", "DataContract", identity, _VERSION, status="draft", name=table.name, schema=(table,))


def _table(path: Path, name: str, columns: list[Column], total: int) -> SchemaObject:
    rule = Quality(metric="rowCount", must_be_greater_or_equal_to=max(rows_at_least(total), 1))
    return SchemaObject(
        name,
        physical_name=path.name if re.fullmatch(r"[A-Za-z0-9_][^\x00-\x1f\x7f/\\:]*", path.name) else None,
        physical_type="file",
        logical_type="object",
        properties=_with_key(columns),
        quality=(rule,),
    )


def _with_key(columns: list[Column]) -> tuple[Property, ...]:
    best = min((each.key_rank for each in columns if each.key_rank is not None), default=None)
    return tuple(
        replace(each.promised, primary_key=True, primary_key_position=1)
        if best is not None and each.key_rank == best
        else each.promised
        for each in columns
    )


def _comments(path: Path, columns: list[Column], looked: str) -> dict[str, str]:
    comments = {"": _HEAD.format(looked=looked, file=_one_line(path.name)), "status": "`active` when it is agreed."}
    for number, each in enumerate(columns):
        comments[f"schema[0].properties[{number}]"] = each.comment
    return comments


def _name(path: Path) -> str:
    """The table's name: the file's, without what says its format."""
    return _one_line(file_stem(path)) or "table"


def _one_line(text: str) -> str:
    return re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029\ufeff]", " ", text).strip()
