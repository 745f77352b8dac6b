"""The glossary: what people call things, from columns and from what they wrote. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from builder.data.dictionary.entries import ColumnEntry, Link, TableEntry, Term
from builder.data.dictionary.glossary import Glossary


@dataclass(slots=True)
class _Draft:
    term: str
    meanings: list[str] = field(default_factory=list)
    synonyms: list[str] = field(default_factory=list)
    links: list[Link] = field(default_factory=list)
    columns: list[tuple[str, str]] = field(default_factory=list)


def terms_of(
    tables: Sequence[TableEntry], glossaries: Iterable[Glossary], anchors: Callable[..., str]
) -> tuple[list[TableEntry], list[Term]]:
    """The tables, whose columns name their terms, and the terms by name."""
    drafts: dict[str, _Draft] = {}
    names: dict[str, str] = {}  # of a word that is not the term itself, the term
    for glossary in glossaries:
        for each in glossary.terms:
            draft = drafts.setdefault(each.term.casefold(), _Draft(each.term))
            draft.meanings.append(each.meaning)
            draft.synonyms += each.synonyms
            draft.links += [Link(url, url) for url in each.links]
            names.update({word.casefold(): each.term.casefold() for word in each.synonyms})
    written = set(drafts)
    for table in tables:
        for column in table.columns:
            if column.business_name:
                _add(drafts, names, written, table, column)
    ordered = sorted(drafts.items(), key=lambda item: (item[0], item[1].term))
    places = {word: anchors("term", draft.term) for word, draft in ordered}
    linked = [replace(table, columns=tuple(_linked(each, names, places) for each in table.columns)) for table in tables]
    return linked, [_finished(draft, places[word]) for word, draft in ordered]


def _word(column: ColumnEntry, names: dict[str, str], known: Iterable[str]) -> str:
    """The term of a column: the one of its name, or the one that has its name as a synonym."""
    word = (column.business_name or "").casefold()
    return word if word in known else names.get(word, word)


def _add(
    drafts: dict[str, _Draft], names: dict[str, str], written: set[str], table: TableEntry, column: ColumnEntry
) -> None:
    """What a column adds to its term; what it means does not, where somebody wrote that down."""
    word = _word(column, names, written)
    draft = drafts.setdefault(word, _Draft(column.business_name or ""))
    if column.meaning and word not in written:
        draft.meanings.append(column.meaning)
    if column.business_name and column.business_name.casefold() != draft.term.casefold():
        draft.synonyms.append(column.business_name)
    draft.synonyms += column.synonyms
    draft.links += column.links
    draft.columns.append((column.anchor, f"{table.name}.{column.name}"))


def _linked(column: ColumnEntry, names: dict[str, str], places: dict[str, str]) -> ColumnEntry:
    return replace(column, term=places[_word(column, names, places)]) if column.business_name else column


def _finished(draft: _Draft, anchor: str) -> Term:
    once = [tuple(dict.fromkeys(each)) for each in (draft.meanings, draft.synonyms, draft.links, draft.columns)]
    meanings, synonyms, links, columns = once
    return Term(anchor, draft.term, meanings, synonyms, links, columns)  # type: ignore[arg-type]
