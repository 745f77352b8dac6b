"""The rules of a policy about what a bundle is made of. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from typing import Any

from builder.errors import shortened
from builder.records.licenses.rules import LicenseRules, judge, short
from builder.records.policy.document import BaseImage, ContractRule, Ignored, LicenseRule, ScanRule, Vulnerabilities
from builder.records.policy.outcome import Outcome, Result, joined
from builder.records.scan.statement import StatedScan
from builder.records.signing.statement import Statement
from builder.records.vulnerabilities.affected import DEBIAN, PYPI, Package
from builder.records.vulnerabilities.lookup import Lookup, Vulnerability
from builder.records.vulnerabilities.severity import Severity

_SCAN_LEVELS = ("none", "low", "medium", "high")


@dataclass(frozen=True, slots=True)
class Base:
    """What an image stands on."""

    name: str
    digest: str = ""
    """Of an image's manifest; empty for a Debian suite."""


@dataclass(frozen=True, slots=True, order=True)
class Licensed:
    """A package, and the SPDX expression of its licence."""

    name: str
    version: str
    license: str


@dataclass(frozen=True, slots=True)
class InstalledPackages:
    """The packages of all images of a bundle."""

    packages: frozenset[Package]
    conda: int = 0
    """How many conda packages there are, which no ecosystem of OSV has."""
    unknown: tuple[str, ...] = ()
    """Why some could not be told."""


def check_builders(globs: Sequence[str], provenance: Sequence[Sequence[Statement]]) -> Outcome:
    """Whether a provenance of each thing, signed by somebody trusted, names a builder that may be.

    `provenance` are those of the bundle, or of each of its images.
    """
    named = [sorted({_builder(statement.predicate) for statement in group} - {""}) for group in provenance]
    if not named or not all(named):
        reason = "no provenance that names its builder is signed by those under `signatures`"
        return Outcome("builders", Result.MISSING, (reason,))
    good = [[name for name in names if any(fnmatchcase(name, glob) for glob in globs)] for names in named]
    failed = [f"it was built by {', '.join(names)}" for names, some in zip(named, good, strict=True) if not some]
    told = ", ".join(sorted({some[0] for some in good if some}))
    return joined("builders", failed, (), f"built by {told}")


def _builder(predicate: Mapping[str, Any]) -> str:
    details = predicate.get("runDetails")
    builder = details.get("builder") if isinstance(details, dict) else None
    return str(builder.get("id", "")) if isinstance(builder, dict) else ""


def check_bases(allowed: Sequence[BaseImage], bases: Sequence[Base] | None) -> Outcome:
    """Whether every image stands on a base that may be; None where no lock tells."""
    if bases is None:
        return Outcome("bases", Result.NOT_MEASURED, ("no lock inside tells what the images stand on",))
    bad = [base for base in bases if not any(_matches(base, one) for one in allowed)]
    failed = [f"an image stands on {base.name} {base.digest}".strip() for base in bad]
    return joined("bases", failed, (), "every image stands on a base that may be used")


def _matches(base: Base, allowed: BaseImage) -> bool:
    return fnmatchcase(base.name, allowed.name) and fnmatchcase(base.digest, allowed.digest)


def check_licenses(rules: LicenseRule, packages: Sequence[Licensed] | None) -> Outcome:
    """Whether every package has a licence that may be; None where no record inside tells.

    A licence of which nothing is known may be any, so it is not measured, unless the rules take that.
    """
    if packages is None:
        return Outcome("licenses", Result.NOT_MEASURED, ("no record inside tells what packages are licensed under",))
    asked = [one for one in packages if one.name not in rules.ignore]
    verdict = judge(LicenseRules(rules.deny, rules.allow), "", asked)
    failed = [f"{one.package} is under {short(one.license)}" for one in verdict.refused]
    silent = () if rules.unknown else verdict.unknown
    unknown = [f"{name} does not say its licence in SPDX's words" for name in silent]
    return joined("licenses", shortened(failed), shortened(unknown), f"{len(asked)} packages have licences that may be")


def check_scan(rule: ScanRule, scans: Sequence[StatedScan]) -> Outcome:
    """Whether scans were made, and found nothing above a level."""
    if not scans:
        return Outcome("scan", Result.NOT_MEASURED, ("there is no record of a scan",))
    most = _SCAN_LEVELS.index(rule.at_most)
    found = [(level, text) for scan in scans for level, text in scan.findings]
    failed = [f"{level}: {text}" for level, text in found if level not in _SCAN_LEVELS[: most + 1]]
    not_measured = [reason for scan in scans for reason in scan.not_measured]
    return joined("scan", shortened(failed), shortened(not_measured), f"nothing above {rule.at_most} was found")


def check_contracts(rule: ContractRule, data: Mapping[str, str]) -> Outcome:
    """Whether data keep their contracts: `data` has what came of each, empty where there is no contract."""
    silent = [f"the data `{name}` have no contract" for name, result in data.items() if not result]
    failed = [f"the data `{name}` break their contract" for name, result in data.items() if result == "violated"]
    unknown = [
        f"the data `{name}` were not held to their contract: {result}"
        for name, result in data.items()
        if result not in ("", "passed", "violated")
    ]
    failed += silent if rule.required else []
    kept = sum(result == "passed" for result in data.values())
    return joined("contracts", shortened(failed), shortened(unknown), f"{kept} of {len(data)} data keep a contract")


def check_vulnerabilities(rule: Vulnerabilities, installed: InstalledPackages, lookup: Lookup, today: date) -> Outcome:
    """Whether no package has a known vulnerability above a severity; what could not be looked up is not measured."""
    ignored = [one for one in rule.ignore if one.holds(today)]
    found = [one for one in lookup.vulnerabilities if not _is_ignored(one, ignored)]
    most = Severity[rule.at_most.upper()]
    failed = [_told(one) for one in found if one.severity is not None and one.severity > most]
    unknown = [_told(one) for one in found if one.severity is None]
    passed = f"{len(installed.packages)} packages have no known vulnerability above {rule.at_most}"
    not_measured = [*unknown, *_not_covered(rule, installed, lookup)]
    return joined("vulnerabilities", shortened(failed), shortened(not_measured), passed)


def wanted(rule: Vulnerabilities, installed: InstalledPackages) -> frozenset[Package]:
    """The packages that are to be looked up."""
    skipped = {{"python": PYPI, "debian": DEBIAN}.get(kind) for kind in rule.skip}
    return frozenset(one for one in installed.packages if one.ecosystem.partition(":")[0] not in skipped)


def _not_covered(rule: Vulnerabilities, installed: InstalledPackages, lookup: Lookup) -> Iterator[str]:
    for ecosystem in sorted({package.ecosystem for package in wanted(rule, installed)} - lookup.ecosystems):
        yield f"the database has nothing about {ecosystem}"
    if installed.conda and "conda" not in rule.skip:
        taken = "`skip: [conda]` takes that"
        yield f"there is no database of conda packages, of which there are {installed.conda}: {taken}"
    yield from installed.unknown


def _is_ignored(one: Vulnerability, ignored: Sequence[Ignored]) -> bool:
    return any(each.id in one.ids for each in ignored)


def _told(one: Vulnerability) -> str:
    also = f" ({', '.join(one.ids[1:4])})" if len(one.ids) > 1 else ""
    if one.why_unknown:
        return f"{one.package}: {one.name}{also}: {one.why_unknown}"
    level = one.severity.word if one.severity is not None else "of unknown severity"
    return f"{one.package}: {one.name}{also} is {level}"
