"""What came of holding data to their contract, as the store keeps it and a bundle has it.

It is a function of contract, data and rules. What depends on the day (how fresh data are, SQL that asks for the time)
is evaluated each time, and not in it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from builder.data.contract.document import Contract, SchemaObject
from builder.data.contract.read import LoadedContract
from builder.data.tables.reasons import NO_ROOM, TOO_LONG
from builder.oci.digest import Digest
from builder.records.in_toto import TEST_RESULT, statement_document

if TYPE_CHECKING:
    from builder.data.check.outcome import Outcome
    from builder.data.tables import Limits

Result = Literal["passed", "violated", "not-evaluated"]
REVISION = 1
"""Of what is kept: another one when rules, profiles or guesses would come out otherwise."""
CHECKER = "https://envbuild.dev/data-check/v1"
"""What tells this test result from others: the name of its configuration."""
_AGES = ("freshness", "latency", "retention")
"""Service levels that are told by the time."""
_CLOCK = re.compile(
    r"\b(?:now|today|(?:get_)?current_\w+|localtime(?:stamp)?|transaction_timestamp|\w*random|\w*uuid\w*|\w*sample"
    r"|age(?=\s*\())\b",
    re.IGNORECASE,
)
"""What SQL asks the time or chance with."""
_NO_DAY = datetime(1970, 1, 1, tzinfo=UTC)
_TOLD_RULES = ("id", "table", "column", "kind", "text", "severity", "status", "measured", "threshold", "unit")
_COUNTED = ("violations", "rows", "reason")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What came of it."""

    result: Result
    rules: tuple[Mapping[str, Any], ...] = ()
    """What came of each rule, without rows."""
    reasons: tuple[str, ...] = ()
    """Of what did not pass, a line each."""
    of_the_day: tuple[str, ...] = ()
    """The rules that are evaluated each time, by their ids."""
    rows: Mapping[str, int] = field(default_factory=dict)
    """Of each table."""
    profiles: Mapping[str, str] = field(default_factory=dict)
    """Of each table, as a file has it."""

    @property
    def is_of_machine(self) -> bool:
        """Whether a rule was not evaluated for want of time or room, which another machine may have."""
        unmeasured = (str(rule.get("reason", "")) for rule in self.rules if rule["status"] == "not-evaluated")
        return any(reason.startswith((TOO_LONG, NO_ROOM)) for reason in unmeasured)

    def to_value(self) -> dict[str, Any]:
        """As it is kept."""
        return {
            "result": self.result,
            "rules": list(self.rules),
            "reasons": list(self.reasons),
            "of-the-day": list(self.of_the_day),
            "rows": dict(self.rows),
            "profiles": dict(self.profiles),
        }

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> Evidence:
        """From what was kept."""
        return cls(
            value["result"],
            tuple(value["rules"]),
            tuple(value["reasons"]),
            tuple(value["of-the-day"]),
            value["rows"],
            value["profiles"],
        )


Files = Mapping[str, Sequence[Path]]
"""The files of each table of a contract, by its name."""


def evaluate(loaded: LoadedContract, files: Files, limits: Limits | None = None) -> Evidence:
    """Hold the files to their contract, whatever the day, and describe them.

    Raises: EnvbuildError, if a file cannot be read.
    """
    from builder.data.check import check_contract
    from builder.data.check.outcome import reason_text

    report = check_contract(loaded, files, _NO_DAY, limits)
    dated = [each for each in report.outcomes if _is_dated(each)]
    lasting = [each for each in report.outcomes if each not in dated]
    bad = [each for each in lasting if each.counts and each.status in ("violated", "not-evaluated")]
    bad.sort(key=lambda each: each.status != "violated")
    return Evidence(
        _worst([each.status for each in bad]),
        tuple(_rule(each.to_dict()) for each in lasting),
        tuple(map(reason_text, bad)),
        tuple(each.id for each in dated),
        {table.name: table.rows for table in report.tables},
        _profiles(loaded, files),
    )


def evaluate_day(loaded: LoadedContract, files: Files, now: datetime) -> Evidence:
    """Hold the files to what depends on the day alone. Raises: EnvbuildError, if a file cannot be read."""
    from builder.data.check import check_contract
    from builder.data.check.outcome import reason_text

    report = check_contract(replace(loaded, contract=_of_the_day(loaded.contract)), files, now)
    dated = [each for each in report.outcomes if _is_dated(each)]
    bad = [each for each in dated if each.counts and each.status in ("violated", "not-evaluated")]
    return Evidence(_worst([each.status for each in bad]), reasons=tuple(map(reason_text, bad)))


def depends_on_day(contract: Contract) -> bool:
    """Whether what comes of it is another one on another day."""
    return any(each.property.lower() in _AGES for each in contract.sla_properties) or bool(_clocked(contract))


def not_evaluated(reason: str) -> Evidence:
    """What is known of data that could not be had, or read."""
    return Evidence("not-evaluated", reasons=(reason,))


def statement(loaded: LoadedContract, data: Mapping[str, Digest], evidence: Evidence) -> dict[str, Any]:
    """The in-toto statement (test-result v0.1) about data: which contract, and what came of each rule."""
    outcome = {"passed": "PASSED", "violated": "FAILED", "not-evaluated": "FAILED"}[evidence.result]
    named = {status: [rule["id"] for rule in evidence.rules if _standing(rule) == status] for status in _STANDINGS}
    contract = {
        "name": loaded.contract.id,
        "digest": {"sha256": loaded.digest.hex},
        "annotations": {"version": loaded.contract.version},
    }
    predicate = {
        "result": "WARNED" if outcome == "PASSED" and named["warned"] else outcome,
        "configuration": [{"name": CHECKER, "uri": CHECKER, "annotations": {"rules": REVISION}}, contract],
        "passedTests": named["passed"],
        "warnedTests": named["warned"],
        "failedTests": named["failed"],
        "notEvaluated": named["not-evaluated"],
        "evaluatedEachTime": list(evidence.of_the_day),
        "verdict": evidence.result,
        "reasons": list(evidence.reasons) if evidence.rules else [],  # else they tell of this machine
        "rows": dict(evidence.rows),
        "rules": list(evidence.rules),
    }
    return statement_document(sorted(data.items()), TEST_RESULT, predicate)


_STANDINGS = ("passed", "warned", "failed", "not-evaluated", "told")


def _standing(rule: Mapping[str, Any]) -> str:
    status = str(rule["status"])
    if status == "violated":
        return "failed" if rule["severity"] == "error" else "warned"
    return status


def _rule(outcome: Mapping[str, Any]) -> dict[str, Any]:
    return {key: outcome[key] for key in (*_TOLD_RULES, *_COUNTED) if outcome[key] not in (None, "")}


def _worst(statuses: Iterable[str]) -> Result:
    found = set(statuses)
    return "violated" if "violated" in found else "not-evaluated" if found else "passed"


def _is_dated(outcome: Outcome) -> bool:
    return outcome.kind in _AGES or bool(_CLOCK.search(outcome.query))


def _clocked(contract: Contract) -> list[str]:
    """The queries that ask for the time."""
    rules = (
        rule
        for table in contract.schema
        for rule in (*table.quality, *(each for column in table.properties for each in column.quality))
    )
    return [rule.query for rule in rules if rule.query and _CLOCK.search(rule.query)]


def _of_the_day(contract: Contract) -> Contract:
    """The contract with little else than what depends on the day, so that little else is looked at again."""
    fresh = tuple(each for each in contract.sla_properties if each.property.lower() in _AGES)
    return replace(contract, sla_properties=fresh, schema=tuple(map(_bare, contract.schema)))


def _bare(table: SchemaObject) -> SchemaObject:
    """A table with the types of its columns, as queries need them, and its own queries."""
    columns = tuple(
        replace(
            column,
            required=False, unique=False, primary_key=False, relationships=(), enum=(),
            quality=tuple(rule for rule in column.quality if rule.type == "sql"),
            logical_type_options={
                key: value for key, value in column.logical_type_options.items() if key == "format"
            },
        )
        for column in table.properties
    )  # fmt: skip
    own = tuple(rule for rule in table.quality if rule.type == "sql")
    return replace(table, properties=columns, quality=own, relationships=())


def _profiles(loaded: LoadedContract, files: Files) -> dict[str, str]:
    from builder.data.profile import profile_files

    return {name: profile_files(loaded, paths, table=name).to_bytes().decode() for name, paths in files.items()}
