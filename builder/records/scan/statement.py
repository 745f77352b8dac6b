"""A scan's report as a record inside a bundle, as a statement to attach to it, and as SARIF for CI services. Pure.

The statement is in-toto's (Statement v1) with a test result (test-result v0.1) that has the report's own fields beside
the standard ones, so that readers of test results understand it too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from builder.errors import EnvbuildError
from builder.oci.attachments import Attachment
from builder.oci.canonical import parse_json, readable_json
from builder.oci.digest import Digest
from builder.records.in_toto import TEST_RESULT, statement_document, unsigned
from builder.records.record import JSON, Record
from builder.records.scan.finding import LEVELS, RULES
from builder.records.scan.report import Report
from builder.spec.project import Allowance

SCAN_FILE = "scan.json"
SCANNER = "https://envbuild.dev/scan/v1"
"""What tells this test result from others: the name of its configuration."""
_FORMAT = 1


def scan_record(report: Report, allowances: Sequence[Allowance], places: Mapping[str, str]) -> Record:
    """The document of a bundle. `places` says which folder of the project each folder of the image is."""
    allowed = [{"rule": one.rule, "path": one.path, "reason": one.reason} for one in allowances]
    document = {"format": _FORMAT, **report.to_dict(), "allowances": allowed, "places": dict(places)}
    return Record(SCAN_FILE, "scan", JSON, readable_json(document))


def recorded_allowances(data: bytes) -> tuple[tuple[Allowance, ...], dict[str, str]]:
    """The allowances, and the places, of a document that `scan_record` made.

    Raises: EnvbuildError, if it is none.
    """
    document = parse_json(data, f"`{SCAN_FILE}`")
    try:
        allowances = tuple(Allowance(**one) for one in document["allowances"])
        places = dict(document["places"])
    except (TypeError, KeyError, ValueError) as error:
        raise EnvbuildError(f"`{SCAN_FILE}` of the bundle is not as it should be") from error
    texts = (*places, *places.values(), *(text for one in allowances for text in (one.rule, one.path, one.reason)))
    if document.get("format") != _FORMAT or not all(isinstance(text, str) for text in texts):
        raise EnvbuildError(f"`{SCAN_FILE}` of the bundle is not as it should be")
    return allowances, places


def scan_attachment(report: Report, subjects: Mapping[str, Digest]) -> Attachment:
    """The statement about these digests, by their names."""
    from builder.records.scan.advice import all_rules

    outcome = "FAILED" if report.stopping else "WARNED" if report.levels["low"] else "PASSED"
    rules = sorted({found.finding.rule for found in report.found if not found.reason})
    failed = sorted({found.finding.rule for found in report.stopping})
    passed = [name for name, _ in all_rules() if name not in rules]
    predicate = {
        "result": outcome,
        "configuration": [{"name": SCANNER, "uri": SCANNER, "annotations": {"rules": RULES}}],
        "passedTests": passed,
        "warnedTests": [name for name in rules if name not in failed],
        "failedTests": failed,
        **report.to_dict(),
    }
    return unsigned(statement_document(sorted(subjects.items()), TEST_RESULT, predicate))


@dataclass(frozen=True, slots=True)
class StatedScan:
    """What a statement says that was found."""

    findings: tuple[tuple[str, str], ...]
    """Level and what it is, of those that nothing allows."""
    not_measured: tuple[str, ...]


def stated_scan(predicate: Any) -> StatedScan | None:
    """What the predicate of a statement says; None of a test result that is of another tool.

    Raises: EnvbuildError, if it is not as it should be.
    """
    try:
        is_ours = predicate["configuration"][0]["name"] == SCANNER
    except (TypeError, KeyError, IndexError):
        return None
    return _stated(predicate) if is_ours else None


def recorded_scan(data: bytes) -> StatedScan:
    """What the record inside a bundle says. Raises: EnvbuildError, if it is not as it should be."""
    return _stated(parse_json(data, f"`{SCAN_FILE}`"))


def _stated(report: Any) -> StatedScan:
    try:
        findings = [one for one in report["findings"] if one["allowed"] is not True]
        if not all(one["level"] in LEVELS for one in findings):
            raise EnvbuildError("the record of a scan has a level that is not known")
        return StatedScan(
            tuple((str(one["level"]), f"{one['rule']} in `{one['path']}`") for one in findings),
            tuple(f"`{one['path']}`: {one['reason']}" for one in report["notMeasured"]),
        )
    except (TypeError, KeyError) as error:
        raise EnvbuildError("the record of a scan is not as it should be") from error


_SARIF_LEVELS = {"high": "error", "medium": "warning", "low": "note"}


def sarif(report: Report, version: str) -> bytes:
    """The report in the Static Analysis Results Interchange Format 2.1.0, which CI services show at the lines."""
    from builder.records.scan.advice import advice, all_rules

    rules = [
        {"id": name, "shortDescription": {"text": what}, "help": {"text": advice(name)}} for name, what in all_rules()
    ]
    driver = {"name": "envbuild scan", "version": version, "informationUri": "https://envbuild.dev", "rules": rules}
    return readable_json(
        {
            "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "version": "2.1.0",
            "runs": [{"tool": {"driver": driver}, "results": [_result(found.to_dict()) for found in report.found]}],
        }
    )


def _result(found: Mapping[str, Any]) -> dict[str, Any]:
    from urllib.parse import quote

    region = (
        {"region": {"startLine": found["line"]}} if "line" in found and "cell" not in found.get("place", "") else {}
    )
    place = f" ({found['place']})" if "place" in found else ""
    suppressed = {"suppressions": [{"kind": "external", "justification": found["reason"]}]} if found["allowed"] else {}
    return {
        "ruleId": found["rule"],
        "level": _SARIF_LEVELS[found["level"]],
        "message": {"text": found["message"] + place},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": quote(found["path"])}, **region}}],
        **suppressed,
    }
