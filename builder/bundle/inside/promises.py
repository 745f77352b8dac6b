"""Holding a project's data to their contracts before an image is made of it; nothing is held twice.

What came of it is kept in the store by the digests of contract and data and the revision of the rules, and stands in
the image, so it is the same whichever command makes the image. Which data must keep their promise is the command's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from builder.bundle.inside.documents import Contents
from builder.bundle.inside.privacy import check_denied
from builder.bundle.inside.promised import Promise, contract_places
from builder.bundle.parts.data import data_files
from builder.bundle.parts.tables import file_names, named_files
from builder.errors import (
    CheckFailedError,
    DigestMismatchError,
    EnvbuildError,
    NotMeasuredError,
    command_text,
    shortened,
)
from builder.fetch import Fetcher
from builder.image.kept import keep_value, known_value
from builder.lock.data.document import DataLock
from builder.spec import LoadedProject

if TYPE_CHECKING:
    from builder.data.evidence import Evidence

_RECORDS = "data-checks"


@dataclass(frozen=True, slots=True)
class Checking:
    """How data are held to their contracts."""

    skipped: bool = False
    """Not at all, which is recorded."""
    names: frozenset[str] | None = None
    """The data that must keep their promise; None for all. What came of others is recorded, and stops nothing."""
    now: datetime | None = None
    """The time that how fresh they are is told by; without it, that is not looked at."""

    def asks_for(self, promise: Promise) -> bool:
        """Whether some data of a contract must keep it."""
        return self.names is None or not self.names.isdisjoint(promise.tables)


ALL = Checking()
"""All data must keep their promise, as far as that does not depend on the day."""


def with_promises(contents: Contents, loaded: LoadedProject, fetcher: Fetcher, checking: Checking) -> Contents:
    """What goes into a bundle, with the contracts of its data and what came of them.

    Raises: CheckFailedError, if data break their contract, or are of a class that may not be packed; NotMeasuredError,
        if a rule could not be evaluated; EnvbuildError, if a contract cannot be read; DigestMismatchError.
    """
    project = loaded.project
    deny = project.privacy.deny if project.privacy else ()
    if not deny and not any(data.contract for data in project.data.values()):
        return contents
    promises = read_promises(loaded, contents.data)
    if not checking.skipped:
        keeper = Keeper(loaded, contents.data, fetcher, checking)
        promises = [replace(one, evidence=keeper.evidence(one)) for one in promises]
        _stop(promises, keeper, loaded, checking)
    with_them = replace(contents, promises=tuple(promises), notes=(*contents.notes, *_notes(promises)))
    return check_denied(with_them, loaded, deny, fetcher.store) if deny else with_them


def read_promises(loaded: LoadedProject, data: DataLock) -> list[Promise]:
    """The contracts of the project, in the order of their places; `data` is what it has locked.

    Raises: EnvbuildError, if one cannot be read, or does not say which table data are.
    """
    from builder.data.contract.read import read_contract
    from builder.data.promised import contract_users, data_groups

    users = contract_users(loaded.project)
    promises = []
    for source, place in contract_places(list(users)).items():
        contract = read_contract(loaded.folder / source)
        content = contract.file.read_bytes()
        for tables in data_groups(contract.contract, users[source]):
            digests = {name: data.data[name].digest for name in tables}
            promises.append(Promise(contract, content, source, place, tables, digests))
    return promises


def _notes(promises: Sequence[Promise]) -> Iterator[str]:
    skipped = ", ".join(f"`{name}`" for one in promises if one.evidence is None for name in one.tables)
    if skipped:
        yield f"these data were not held to their contracts: {skipped}"


def _stop(promises: Sequence[Promise], keeper: Keeper, loaded: LoadedProject, checking: Checking) -> None:
    """Raises: CheckFailedError, NotMeasuredError, if data that must keep their promise do not."""
    reasons: dict[str, list[str]] = {"violated": [], "not-evaluated": []}
    for one in promises:
        if one.evidence is None or not checking.asks_for(one):
            continue
        found = [one.evidence, *keeper.of_the_day(one, checking.now)]
        for evidence in found:
            if evidence.result != "passed":
                reasons[evidence.result] += [f"`{one.source}`: {reason}" for reason in evidence.reasons]
    hint = f"{command_text('data', 'check', loaded.folder)} tells all of it; `--no-check` goes on, and that is recorded"
    if reasons["violated"]:
        told = [*reasons["violated"], *reasons["not-evaluated"]]
        raise CheckFailedError(f"the data of `{loaded.file}` are not what is promised of them", shortened(told), hint)
    if reasons["not-evaluated"]:
        what = f"not everything that is promised of the data of `{loaded.file}` could be checked"
        raise NotMeasuredError(what, shortened(reasons["not-evaluated"]), hint)


@dataclass(frozen=True, slots=True)
class Keeper:
    """Evaluates contracts, and keeps what came of them."""

    loaded: LoadedProject
    data: DataLock
    fetcher: Fetcher
    checking: Checking

    def evidence(self, promise: Promise) -> Evidence:
        """What came of a contract, whatever the day. Raises: DigestMismatchError, if data are others than locked."""
        from builder.data.evidence import REVISION, Evidence, evaluate, not_evaluated

        entries = self.data.data
        key = {
            "data-check": REVISION,
            "contract": str(promise.loaded.digest),
            "tables": {
                table: [str(promise.digests[name]), *file_names(entries[name])[:1]]
                for name, table in promise.tables.items()
            },
        }
        store = self.fetcher.store
        value = known_value(store, _RECORDS, key)
        if value is not None:
            return Evidence.from_value(value)
        try:
            with self.files(promise) as files:
                found = evaluate(promise.loaded, files)
        except EnvbuildError as error:
            if isinstance(error, DigestMismatchError) and self.checking.asks_for(promise):
                raise
            return not_evaluated(f"{', '.join(promise.tables)}: {error.what}")
        if not found.is_of_machine:
            keep_value(store, _RECORDS, key, found.to_value())
        return found

    def of_the_day(self, promise: Promise, now: datetime | None) -> Iterator[Evidence]:
        """What came of the rules that depend on the day, which is never kept."""
        from builder.data.evidence import depends_on_day, evaluate_day, not_evaluated

        if now is None or not depends_on_day(promise.loaded.contract):
            return
        try:
            with self.files(promise) as files:
                yield evaluate_day(promise.loaded, files, now)
        except DigestMismatchError:
            raise
        except EnvbuildError as error:
            yield not_evaluated(f"{', '.join(promise.tables)}: {error.what}")

    @contextmanager
    def files(self, promise: Promise) -> Iterator[Mapping[str, Sequence[Path]]]:
        """The files of each table of a contract: the project's own, or fetched."""
        entries = self.data.data
        with self.fetcher.store.scratch() as folder:
            yield {
                table: named_files(
                    entries[name],
                    data_files(name, entries[name], self.loaded.folder, self.fetcher),
                    folder / name,
                )
                for name, table in promise.tables.items()
            }
