"""What came of a scan: findings, what is allowed of them and why, how much was looked at and what was not. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from builder.errors import MOST_TOLD, CheckFailedError
from builder.records.scan.finding import LEVELS, RULES, STOPS, FileVerdict, Finding
from builder.spec.project import Allowance


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, and why it is allowed."""

    finding: Finding
    reason: str = ""
    """Empty where it is not allowed."""

    @property
    def stops(self) -> bool:
        """Whether it is serious, and nothing allows it."""
        return self.finding.level in STOPS and not self.reason

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        from builder.records.scan.advice import advice

        reason = {"reason": self.reason} if self.reason else {}
        return {**self.finding.to_dict(), "allowed": bool(self.reason), **reason, "advice": advice(self.finding.rule)}


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a scan."""

    found: tuple[Found, ...] = ()
    """The most serious first, then by path and line."""
    scanned: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """By what files are for: how many there were, and their bytes."""
    not_measured: tuple[tuple[str, str], ...] = ()
    """Path, and what was not looked at and why; sorted."""
    unused: tuple[Allowance, ...] = ()
    """Allowances that nothing was found for."""

    @property
    def stopping(self) -> tuple[Found, ...]:
        """The findings that stop a bundle."""
        return tuple(found for found in self.found if found.stops)

    @property
    def levels(self) -> dict[str, int]:
        """How many findings there are of each level that nothing allows."""
        counts = Counter(found.finding.level for found in self.found if not found.reason)
        return {level: counts[level] for level in LEVELS}

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be told where nothing stops."""
        low = [found.finding for found in self.found if found.finding.level == "low" and not found.reason]
        return (
            *(f"{finding.where}: {finding.message} (`{finding.rule}`, low)" for finding in low),
            *(f"`scan.allow`: nothing of `{one.rule}` was found in `{one.path}`" for one in self.unused),
        )

    def to_dict(self) -> dict[str, Any]:
        """As JSON has it."""
        return {
            "rules": RULES,
            "levels": self.levels,
            "findings": [found.to_dict() for found in self.found],
            "scanned": {role: {"files": files, "bytes": size} for role, (files, size) in sorted(self.scanned.items())},
            "notMeasured": [{"path": path, "reason": reason} for path, reason in self.not_measured],
        }

    def check(self, what: str, most: int = MOST_TOLD) -> None:
        """Raises: CheckFailedError, if something that was found stops `what`; it tells `most` findings."""
        if not self.stopping:
            return
        from builder.records.scan.advice import advice

        shown = [one.finding for one in self.stopping[:most]]
        more = len(self.stopping) - len(shown)
        first = self.stopping[0].finding
        raise CheckFailedError(
            what,
            [
                *(f"{one.where}: {one.message} (`{one.rule}`, {one.level})" for one in shown),
                *([f"{more}{' more' if shown else ''} of the levels high and medium"] if more else []),
            ],
            f"{advice(first.rule)}. What may stay is allowed in `envbuild.yaml`, with a reason: "
            f"`scan: {{allow: [{{rule: {first.rule}, path: {first.path}, reason: …}}]}}`",
        )


def make_report(
    verdicts: Iterable[FileVerdict],
    paths: Sequence[str],
    scanned: Mapping[str, tuple[int, int]],
    allowances: Sequence[Allowance] = (),
    spec_path: Callable[[str], str] = lambda path: path,
) -> Report:
    """The report on files at `paths`. `spec_path` says where in the project a path is, as allowances name it."""
    found: list[Found] = []
    not_measured: list[tuple[str, str]] = []
    used = set()
    allows = [_matcher(allowance) for allowance in allowances]
    for path, verdict in zip(paths, verdicts, strict=True):
        for finding in dict.fromkeys(verdict.at(path).findings):
            number = next((n for n, allow in enumerate(allows) if allow(finding.rule, spec_path(path))), None)
            used.add(number)
            found.append(Found(finding, allowances[number].reason if number is not None else ""))
        not_measured += [(path, reason) for reason in verdict.not_measured]
    found.sort(key=_order)
    unused = tuple(allowance for number, allowance in enumerate(allowances) if number not in used)
    return Report(_one_a_repository(found), scanned, tuple(sorted(not_measured)), unused)


def _one_a_repository(found: Iterable[Found]) -> tuple[Found, ...]:
    """Of thousands of files in one `.git`, one is told."""
    told, seen = [], set()
    for one in found:
        folder = one.finding.path.partition(".git/")[0] if one.finding.rule == "git-folder" else None
        if folder is None or folder not in seen:
            told.append(one)
            seen.add(folder)
    return tuple(told)


def _matcher(allowance: Allowance) -> Callable[[str, str], bool]:
    """Whether an allowance speaks of a rule at a path. Its path is a glob as those of `code` are."""
    from pathspec import GitIgnoreSpec

    try:
        spec = GitIgnoreSpec.from_lines([f"/{allowance.path.removeprefix('./')}"])
    except ValueError:
        return lambda _, __: False
    return lambda rule, path: rule == allowance.rule and spec.match_file(path)


def joined(reports: Sequence[Report]) -> Report:
    """The reports on the images of several platforms as one: what they have in common is told once."""
    if len(reports) == 1:
        return reports[0]
    found = dict.fromkeys(one for report in reports for one in report.found)
    order = sorted(found, key=_order)
    scanned: dict[str, tuple[int, int]] = {}
    for report in reports:
        for role, (files, size) in report.scanned.items():
            before = scanned.get(role, (0, 0))
            scanned[role] = max(before[0], files), max(before[1], size)
    unread = sorted({entry for report in reports for entry in report.not_measured})
    unused = [one for one in reports[0].unused if all(one in report.unused for report in reports)]
    return Report(tuple(order), scanned, tuple(unread), tuple(unused))


def _order(one: Found) -> tuple[int, str, int, str]:
    finding = one.finding
    return LEVELS.index(finding.level), finding.path, finding.line or 0, finding.rule
