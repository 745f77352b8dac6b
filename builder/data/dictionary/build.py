"""A dictionary from its sources: what is said in one place stands beside what is said in another. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from builder.data.contract.document import Property
from builder.data.dictionary.entries import ROLES, ColumnEntry, Dataset, Dictionary, Gap, TableEntry
from builder.data.dictionary.glossary import Glossary
from builder.data.dictionary.sources import Source, Uncontracted
from builder.data.dictionary.terms import terms_of
from builder.data.dictionary.uses import dataset
from builder.data.dictionary.words import (
    allowed_of,
    flattened,
    key_of,
    limits_of,
    links_of,
    made_of,
    patterns_of,
    team_of,
)
from builder.errors import EnvbuildError

_NUMBERS = ("number", "integer")


class Anchors:
    """Names of places in a page: each is given once."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def __call__(self, *names: str) -> str:
        """A name made of letters, digits and hyphens."""
        base = "-".join(re.sub(r"\W+", "-", name.casefold()).strip("-") or "x" for name in names)
        anchor, number = base, 2
        while anchor in self._given:
            anchor, number = f"{base}-{number}", number + 1
        self._given.add(anchor)
        return anchor


def build_dictionary(sources: Sequence[Source | Uncontracted], glossaries: Sequence[Glossary] = ()) -> Dictionary:
    """The dictionary of some sources; those of one table of one contract make one entry.

    Raises: EnvbuildError, if a contract has a `feature` that is none.
    """
    anchors = Anchors()
    grouped: dict[tuple[str, str, str], list[Source]] = {}
    for source in sources:
        if isinstance(source, Source):
            which = (source.contract.contract.id, str(source.contract.digest), source.table.name)
            grouped.setdefault(which, []).append(source)
    tables = [_table(group, anchors) for group in grouped.values()]
    projects = list(dict.fromkeys(each.project.name for each in sources if each.project))
    tables, terms = terms_of(tables, glossaries, anchors)
    return Dictionary(", ".join(projects) or "Contracts", tuple(tables), tuple(terms), tuple(_others(sources)))


def _table(sources: Sequence[Source], anchors: Anchors) -> TableEntry:
    """One table, and everything that is held to it."""
    loaded, table = sources[0].contract, sources[0].table
    contract = loaded.contract
    used = [dataset(each.project, each.data) for each in sources if each.project and each.data]
    contacts = [", ".join(each.project.project.contacts) for each in sources if each.project]
    owner = _text(table.custom("owner")) or team_of(contract) or next(filter(None, contacts), "")
    entry = TableEntry(
        anchors("table", table.name),
        table.name,
        contract.id,
        contract.version,
        contract.status,
        str(loaded.digest),
        sources[0].file,
        table.business_name,
        table.description,
        table.data_granularity_description or "",
        owner,
        datasets=tuple(used),
        links=links_of((*table.authoritative_definitions, *contract.authoritative_definitions)),
        gaps=tuple(_table_gaps(table.description, owner)),
    )
    columns = [_column(sources[0], entry, *each, anchors=anchors) for each in flattened(table.properties)]
    return replace(entry, columns=tuple(_with_models(columns, used)))


def _table_gaps(description: str, owner: str) -> Iterator[str]:
    if not description:
        yield "no description"
    if not owner:
        yield "no owner"


def _column(source: Source, table: TableEntry, name: str, column: Property, *, anchors: Anchors) -> ColumnEntry:
    role, models = _feature(source, column)
    limits = ", ".join(filter(None, (limits_of(column.logical_type_options), *patterns_of(column))))
    entry = ColumnEntry(
        anchors(table.name, name),
        name,
        column.physical_name if column.physical_name != column.name else None,
        column.business_name,
        column.description,
        column.unit,
        column.logical_type or column.physical_type,
        allowed_of(column),
        limits,
        column.required or column.primary_key,
        column.unique or (column.primary_key and len(source.table.primary_key) == 1),
        key_of(source.table, column),
        column.classification,
        _text(column.custom("privacyRole")) or None,
        _text(column.custom("owner")) or table.owner,
        made_of(column),
        column.transform_source_objects,
        role,
        models,
        tuple(each.synonym for each in column.synonyms),
        links_of(column.authoritative_definitions),
        column.deprecated,
    )
    return replace(entry, gaps=tuple(_column_gaps(entry)))


def _column_gaps(column: ColumnEntry) -> Iterator[str]:
    """What is not said. Numbers that are names need no unit."""
    is_name = column.key or column.role == "identifier" or column.allowed
    if not column.meaning:
        yield "no description"
    if column.type in _NUMBERS and not column.unit and not is_name:
        yield "no unit"
    if not column.owner:
        yield "no owner"
    if not column.classification:
        yield "no classification"


def _feature(source: Source, column: Property) -> tuple[str | None, tuple[str, ...]]:
    """The role of a column and the models that it is kept to, if it is: `target`, or `{role: target, models: [a]}`."""
    given = column.custom("feature")
    if given is None:
        return None, ()
    role = given.get("role") if isinstance(given, Mapping) else given
    models = given.get("models", []) if isinstance(given, Mapping) else []
    if role not in ROLES or not isinstance(models, list):
        raise EnvbuildError(
            f"`{source.contract.file}`: `feature` of the column `{column.name}` is not understood",
            hint=f"One of {', '.join(ROLES)}; or `{{role: feature, models: [PROJECT]}}`",
        )
    return str(role), tuple(map(str, models))


def _with_models(columns: Sequence[ColumnEntry], used: Iterable[Dataset]) -> Iterator[ColumnEntry]:
    """Each column with its models: those of the data, of columns with a role; of all where none has one."""
    models = tuple(dict.fromkeys(model for each in used for model in each.models))
    catalogued = any(each.role for each in columns)
    for each in columns:
        yield replace(each, models=each.models or (models if each.role or not catalogued else ()))


def _others(sources: Sequence[Source | Uncontracted]) -> Iterator[Gap]:
    """Data without a contract, files that could not be read, and columns of which no contract tells."""
    for each in sources:
        if each.project is None or each.data is None:
            continue
        place = f"data `{each.data}` of {each.project.name}"
        if isinstance(each, Uncontracted):
            yield Gap(place, ("no contract",))
            continue
        if each.unread:
            yield Gap(place, (f"its columns are not known: {each.unread}",))
        told = {column.column for column in each.table.properties}
        for name in each.columns or ():
            if name not in told:
                yield Gap(f"{each.table.name}.{name}", (f"in {each.data} of {each.project.name}, not in the contract",))


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
