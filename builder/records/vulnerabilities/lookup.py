"""Which known vulnerabilities packages have: records that mean the same, by their aliases, are one."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.records.vulnerabilities.affected import Package, is_affected, same_package
from builder.records.vulnerabilities.database import records
from builder.records.vulnerabilities.severity import Severity, severity_of


@dataclass(frozen=True, slots=True)
class Vulnerability:
    """One that a package has."""

    package: Package
    ids: tuple[str, ...]
    """Of its records and their aliases, sorted; the first record's own id first."""
    severity: Severity | None
    """None where no record tells."""
    why_unknown: str = ""
    """Why it could not be told whether the package's version is affected."""

    @property
    def name(self) -> str:
        """What to call it."""
        return self.ids[0]


@dataclass(frozen=True, slots=True)
class Lookup:
    """What came of looking packages up."""

    vulnerabilities: tuple[Vulnerability, ...]
    ecosystems: frozenset[str]
    """Those of the packages that the database knows at all."""


def look_up(paths: Sequence[Path], packages: Collection[Package]) -> Lookup:
    """The known vulnerabilities of packages. Raises: EnvbuildError, if the database cannot be read."""
    ecosystems: set[str] = set()
    found: list[Vulnerability] = []
    if packages:
        by_name: dict[str, list[Package]] = {}
        for package in packages:
            by_name.setdefault(package.name, []).append(package)
        for record in records(paths, packages, ecosystems):
            if not record.get("withdrawn"):
                found += _of_record(record, by_name)
    return Lookup(tuple(_joined(found)), frozenset(ecosystems))


def _of_record(record: Mapping[str, Any], by_name: Mapping[str, list[Package]]) -> Iterable[Vulnerability]:
    from builder.fetch.project_name import normalised

    for affected in _list(record.get("affected")):
        named = affected.get("package") if isinstance(affected, dict) else None
        if not isinstance(named, dict):
            continue
        ecosystem, name = str(named.get("ecosystem", "")), str(named.get("name", ""))
        for package in {*by_name.get(name, ()), *by_name.get(normalised(name), ())}:
            if same_package(package, ecosystem, name):
                yield from _of_package(record, affected, package)


def _of_package(record: Mapping[str, Any], affected: Mapping[str, Any], package: Package) -> Iterable[Vulnerability]:
    others = {str(each) for key in ("aliases", "upstream") for each in _list(record.get(key))} - {record["id"]}
    ids = (str(record["id"]), *sorted(others))
    try:
        if is_affected(package, affected):
            yield Vulnerability(package, ids, severity_of(record, affected))
    except EnvbuildError as error:
        yield Vulnerability(package, ids, None, str(error))


def _joined(found: Iterable[Vulnerability]) -> list[Vulnerability]:
    """One for those of a package that share an id; the highest severity that any of them tells."""
    joined: list[Vulnerability] = []
    for one in sorted(found, key=lambda one: (one.package, one.ids)):
        same = [other for other in joined if other.package == one.package and {*other.ids} & {*one.ids}]
        for other in same:
            joined.remove(other)
            levels = [level for level in (one.severity, other.severity) if level is not None]
            ids = (other.ids[0], *sorted({*one.ids, *other.ids} - {other.ids[0]}))
            why = "" if not (one.why_unknown and other.why_unknown) else one.why_unknown
            one = replace(one, ids=ids, severity=max(levels, default=None), why_unknown=why)
        joined.append(one)
    return sorted(joined, key=lambda one: (one.package, one.ids))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
