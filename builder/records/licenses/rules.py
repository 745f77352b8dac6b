"""The rules that a project holds the licences of its packages to. Pure."""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from builder.errors import CheckFailedError, NotMeasuredError, shortened
from builder.records.licenses.expression import NOASSERTION, permits, terms


@dataclass(frozen=True, slots=True)
class LicenseRules:
    """Which licences packages may have, as SPDX identifiers or globs of them; case does not count."""

    deny: tuple[str, ...] = ()
    """No package may be under one of these alone."""
    allow: tuple[str, ...] = ()
    """Every package must be under one of these, if any is named."""
    ignore: Mapping[str, str] = field(default_factory=dict)
    """Packages that are not held to it, by name."""

    def accepts(self, licence: str) -> bool:
        """Whether one licence of an expression, with its exception, may be."""
        if _matches(licence, self.deny):
            return False
        return not self.allow or _matches(licence, self.allow)


class Licensed(Protocol):
    """A package, and what it is licensed under."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def version(self) -> str:
        """Its version."""

    @property
    def license(self) -> str:
        """An SPDX expression, or `NOASSERTION`."""


@dataclass(frozen=True, slots=True, order=True)
class Refused:
    """A package whose licence cannot be met without one that is not accepted."""

    package: str
    """Its name and version."""
    license: str
    because: tuple[str, ...]
    """The licences that are not accepted."""


@dataclass(frozen=True, slots=True)
class LicenseVerdict:
    """What came of the rules on one platform."""

    platform: str
    refused: tuple[Refused, ...] = ()
    unknown: tuple[str, ...] = ()
    """Packages of whose licence nothing is known: name and version."""


def judge(rules: LicenseRules, platform: str, packages: Iterable[Licensed]) -> LicenseVerdict:
    """Hold the packages of one platform to the rules."""
    refused, unknown = [], []
    for package in packages:
        if package.name in rules.ignore:
            continue
        named = f"{package.name} {package.version}"
        if package.license == NOASSERTION:
            unknown.append(named)
        elif not permits(package.license, rules.accepts):
            because = tuple(one for one in dict.fromkeys(terms(package.license)) if not rules.accepts(one))
            refused.append(Refused(named, package.license, because))
    return LicenseVerdict(platform, tuple(sorted(refused)), tuple(sorted(unknown)))


def enforce(rules: LicenseRules, verdicts: Sequence[LicenseVerdict]) -> tuple[str, ...]:
    """The packages of whose licence nothing is known, where the rules only deny.

    Raises: CheckFailedError, if a package is refused; NotMeasuredError, if the rules allow some licences only, and
    nothing is known of a package's.
    """
    refused: dict[Refused, list[str]] = {}
    for verdict in verdicts:
        for one in verdict.refused:
            refused.setdefault(one, []).append(verdict.platform)
    unknown = tuple(sorted({name for verdict in verdicts for name in verdict.unknown}))
    if refused:
        causes = [
            f"{one.package} on {', '.join(where)}: {short(', '.join(one.because))}, in `{short(one.license)}`"
            for one, where in sorted(refused.items())
        ]
        hint = "Replace it, or name it under `licenses.ignore` with the reason why it may be there"
        raise CheckFailedError("the licence of a package is not accepted", shortened(causes), hint)
    if unknown and rules.allow:
        hint = "Read what they say in `/bundle/LICENSES.md`, and name those that may be there under `licenses.ignore`"
        causes = [f"{name} does not say it in SPDX's words" for name in unknown]
        raise NotMeasuredError("it is not known whether the licence of a package is allowed", shortened(causes), hint)
    return unknown if rules.deny else ()


def _matches(licence: str, patterns: Iterable[str]) -> bool:
    """Whether a pattern means a licence: with its exception, without it, or without the `+` of later versions."""
    base = licence.partition(" WITH ")[0]
    names = {licence.lower(), base.lower(), base.removesuffix("+").lower()}
    return any(fnmatch.fnmatchcase(name, pattern.lower()) for pattern in patterns for name in names)


def short(text: str) -> str:
    """An expression in few characters."""
    return text if len(text) <= 200 else text[:199] + "…"
