"""Data with a contract, and what a bundle says of them: contract, result, profile, card. Pure."""

from __future__ import annotations

import hashlib
import json
import posixpath
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from builder.oci.canonical import parse_json, readable_json
from builder.oci.digest import Digest
from builder.records.record import JSON, MARKDOWN, YAML, Record
from builder.records.subject import Dataset, Subject
from builder.spec.data_url import is_path

if TYPE_CHECKING:
    from builder.data.card import CardFacts
    from builder.data.contract.read import LoadedContract
    from builder.data.evidence import Evidence

CONTRACT_ROLE, CHECK_ROLE, PROFILE_ROLE, CARD_ROLE = "contract", "data-check", "profile", "data-card"
SKIPPED = "skipped"
"""What is recorded of data that were not held to their contract."""


@dataclass(frozen=True, slots=True)
class Promise:
    """A contract, the data that it is of, and what came of holding them to it."""

    loaded: LoadedContract
    data: bytes
    """The contract's file."""
    source: str
    """Where the contract is in the project."""
    place: str
    """Where it is in the bundle's folder: `contracts/train.yaml`."""
    tables: Mapping[str, str]
    """The contract's table of each data entry."""
    digests: Mapping[str, Digest]
    """Of each data entry."""
    evidence: Evidence | None = None
    """None where it was skipped."""

    @property
    def result(self) -> str:
        """`passed`, `violated`, `not-evaluated` or `skipped`."""
        return self.evidence.result if self.evidence else SKIPPED

    @property
    def check(self) -> str:
        """Where the result is in the bundle's folder: one for the data that were held to the contract together."""
        return f"checks/{min(self.tables)}.json"


def promises_by_data(promises: Sequence[Promise]) -> dict[str, Promise]:
    """The promise of each data entry that has one; sorted by name."""
    return dict(sorted((name, promise) for promise in promises for name in promise.tables))


def contract_places(sources: Collection[str]) -> dict[str, str]:
    """Where in the bundle's folder each contract of the project goes: under its own name, unless others have it too."""
    stems = [posixpath.splitext(posixpath.basename(source))[0] for source in sources]
    result = {}
    for source, stem in zip(sources, stems, strict=True):
        prefix = f"{hashlib.sha256(source.encode()).hexdigest()[:8]}-" if stems.count(stem) > 1 else ""
        result[source] = f"contracts/{prefix}{posixpath.basename(source)}"
    return result


def data_fields(name: str, promise: Promise | None) -> dict[str, Any]:
    """What `bundle.json` says of data besides which bytes they are."""
    if promise is None:
        return {}
    record = {"check": promise.check} if promise.evidence else {}
    return {"contract": promise.place, "table": promise.tables[name], "checks": promise.result, **record}


def was_skipped(document: Mapping[str, Any]) -> bool:
    """Whether a `bundle.json` says that data were not held to their contracts."""
    return any(entry.get("checks") == SKIPPED for entry in document.get("data", {}).values())


def stated_check(name: str, entry: Mapping[str, Any], documents: Mapping[str, bytes]) -> str:
    """What the documents of a bundle say came of holding data to their contract; empty where they have none.

    `entry` is that of the data in `bundle.json`. A result that is not of these data and of the contract inside is none.

    Raises: EnvbuildError, if it is no JSON.
    """
    place, result, check = entry.get("contract"), str(entry.get("checks") or SKIPPED), str(entry.get("check"))
    if not place:
        return ""
    if result == SKIPPED or check not in documents or str(place) not in documents:
        return result if result != "passed" else "there is no record of it"
    try:
        statement = parse_json(documents[check], f"`{check}`")
        named = {subject["name"]: subject["digest"]["sha256"] for subject in statement["subject"]}
        contract = statement["predicate"]["configuration"][1]["digest"]["sha256"]
        is_of_these = (named[name], contract) == (entry["sha256"], Digest.of(documents[str(place)]).hex)
        return str(statement["predicate"]["verdict"]) if is_of_these else "the record is of other data"
    except (KeyError, TypeError, IndexError):
        return "the record of it is not as it should be"


def dataset_facts(dataset: Dataset, promise: Promise) -> Dataset:
    """A data set with what its contract says of it."""
    from builder.data.card import described, terms_of

    contract, name = promise.loaded.contract, promise.tables[dataset.name]
    table = contract.table(name)
    if table is None:
        return dataset
    data = {each: entry for entry, each in promise.tables.items()}
    rows = promise.evidence.rows.get(name) if promise.evidence else None
    columns, terms = described(contract, table, data), terms_of(contract, table)
    return replace(dataset, columns=columns, rows=rows, terms=terms)


def promise_records(promises: Sequence[Promise], subject: Subject) -> Iterator[Record]:
    """The contracts, what came of each, and of each data set its profile and its card."""
    from builder.data.card import data_card
    from builder.data.evidence import statement

    datasets = {dataset.name: dataset for dataset in subject.datasets}
    for place, content in {promise.place: promise.data for promise in promises}.items():
        yield Record(place, CONTRACT_ROLE, JSON if place.endswith(".json") else YAML, content)
    for promise in promises:
        if promise.evidence is not None:
            document = statement(promise.loaded, promise.digests, promise.evidence)
            yield Record(promise.check, CHECK_ROLE, JSON, readable_json(document))
        for name in sorted(promise.tables):
            profile = profile_of(promise, name)
            if profile is not None:
                yield Record(f"profiles/{name}.json", PROFILE_ROLE, JSON, profile.encode())
            card = data_card(card_facts(datasets[name], subject, promise, profile))
            yield Record(card_place(name), CARD_ROLE, MARKDOWN, card)


def card_place(name: str) -> str:
    """Where the card of a data set is in the bundle's folder."""
    return f"data-cards/{name}.md"


def profile_of(promise: Promise, name: str) -> str | None:
    """The profile of a data set, as a file has it; None if there is none."""
    return promise.evidence.profiles.get(promise.tables[name]) if promise.evidence else None


def card_facts(dataset: Dataset, subject: Subject, promise: Promise | None, profile: str | None) -> CardFacts:
    """What the card of a data set is made of."""
    from builder.data.card import CardFacts
    from builder.data.profile import Profile

    return CardFacts(
        dataset.name,
        dataset.description,
        dataset.entry.url if is_path(dataset.entry.url) else dataset.place,
        dataset.license,
        str(dataset.entry.digest),
        dataset.entry.size,
        subject.contacts,
        promise.loaded if promise else None,
        promise.loaded.contract.table(promise.tables[dataset.name]) if promise else None,
        promise.evidence if promise else None,
        Profile.from_dict(json.loads(profile)) if profile is not None else None,
    )
