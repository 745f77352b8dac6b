"""Comparing two: each a file of rows or a profile of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.data.contract.document import SchemaObject
from builder.data.contract.read import LoadedContract
from builder.data.drift.judge import judge
from builder.data.drift.outcome import Drift
from builder.data.drift.rules import Rules, rules_of
from builder.data.drift.seen import Seen, seen_profile, seen_table
from builder.data.profile import Manner, Profile, profile_table, read_profile
from builder.data.profile.files import digest_of, table_of
from builder.data.promised import promised_file, table_of_file
from builder.data.tables import ColumnReading, Database, Limits, TableFile, format_of
from builder.errors import EnvbuildError
from builder.spec.reader import nearest

_OLD, _NEW = "reference", "new"


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of it, and both sides for who wants to draw them."""

    drift: Drift
    reference: Profile
    seen: Mapping[str, Seen]


def compare(
    reference: Path,
    new: Path,
    loaded: LoadedContract | None = None,
    options: Sequence[str] = (),
    limits: Limits | None = None,
) -> Compared:
    """How far new data are from a reference; files that end in `.json` and hold one object are profiles.

    Raises: EnvbuildError, if one cannot be read, or a limit not be understood.
    """
    known = read_profile(reference) if is_profile(reference) else None
    promised = _promised(loaded, known, reference)
    rules = rules_of(promised, options)
    if known and is_profile(new):
        other = read_profile(new)
        return _judged(known, seen_profile(other, known), (other.digest, other.rows), rules)
    if known:
        with Database.opened({_NEW: _as_reference(new, known, promised)}, limits) as database:
            return _counted(database, known, rules, new)
    if is_profile(new):
        known = _profiled(reference, loaded, promised, limits)
        other = read_profile(new)
        return _judged(known, seen_profile(other, known), (other.digest, other.rows), rules)
    return _both(reference, new, loaded, promised, rules, limits)


def is_profile(path: Path) -> bool:
    """Whether a file is a profile, by its first bytes and its name."""
    if path.suffix.lower() != ".json":
        return False
    try:
        with open(path, "rb") as file:
            return b'"formatVersion"' in file.read(200)
    except OSError:
        return False


def _promised(loaded: LoadedContract | None, known: Profile | None, reference: Path) -> SchemaObject | None:
    if loaded is None:
        return None
    return table_of_file(loaded.contract, Path(known.table) if known else reference)


def _as_reference(path: Path, known: Profile, promised: SchemaObject | None) -> TableFile:
    """New data, read as the reference was: by its contract, or text as the types that the reference has."""
    if promised:
        return promised_file(promised, [path])
    format_ = format_of(path)
    types = {each.name: ColumnReading(each.type) for each in known.columns if each.kind != "other"}
    return TableFile((path,), format_, types if format_ == "csv" else {})


def _profiled(
    path: Path, loaded: LoadedContract | None, promised: SchemaObject | None, limits: Limits | None
) -> Profile:
    name, file, _ = table_of(loaded, [path], promised.name if promised else None)
    with Database.opened({name: file}, limits) as database:
        return profile_table(database, name, promised, digest=digest_of([path]), manner=Manner())


def _both(
    reference: Path,
    new: Path,
    loaded: LoadedContract | None,
    promised: SchemaObject | None,
    rules: Rules,
    limits: Limits | None,
) -> Compared:
    """Two files of rows: the statistic of Kolmogorov and Smirnov is exact."""
    known = _profiled(reference, loaded, promised, limits)
    _, file, _ = table_of(loaded, [reference], promised.name if promised else None)
    with Database.opened({_OLD: file, _NEW: _as_reference(new, known, promised)}, limits) as database:
        return _counted(database, known, rules, new, _OLD)


def _counted(database: Database, known: Profile, rules: Rules, path: Path, other: str | None = None) -> Compared:
    (rows,) = database.row(f"SELECT count(*) FROM {_NEW}")
    return _judged(known, seen_table(database, _NEW, known, other), (digest_of([path]), rows), rules)


def _judged(known: Profile, seen: Mapping[str, Seen], side: tuple[str, int], rules: Rules) -> Compared:
    unknown = sorted(rules.asked - {column.name for column in known.columns})
    if unknown:
        what = f"`--threshold` names the column `{unknown[0]}`, which the reference does not have"
        raise EnvbuildError(what, hint=nearest(unknown[0], [column.name for column in known.columns]))
    return Compared(judge(known, seen, *side, rules), known, seen)
