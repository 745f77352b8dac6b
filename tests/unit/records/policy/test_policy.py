"""Policies: how they are read, and what comes of each rule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import pytest

from builder.errors import EnvbuildError, ExitCode
from builder.records.in_toto import PROVENANCE
from builder.records.policy.document import (
    BaseImage,
    ContractRule,
    Ignored,
    LicenseRule,
    ScanRule,
    Vulnerabilities,
    read_policy,
)
from builder.records.policy.outcome import Outcome, Result, failure
from builder.records.policy.rules import (
    Base,
    InstalledPackages,
    Licensed,
    check_bases,
    check_builders,
    check_contracts,
    check_licenses,
    check_scan,
    check_vulnerabilities,
    wanted,
)
from builder.records.scan.statement import StatedScan
from builder.records.signing.statement import Statement
from builder.records.vulnerabilities.affected import Package
from builder.records.vulnerabilities.lookup import Lookup, Vulnerability
from builder.records.vulnerabilities.severity import Severity

NUMPY = Package("PyPI", "numpy", "1.0")
OPENSSL = Package("Debian:12", "openssl", "3.0")
TODAY = date(2026, 11, 1)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("signatures: []", "it is empty, and so asks for nothing"),
        ("{}", "is missing, or else"),
        ("signatures: [{}]", "the key `keys` is missing"),
        ("signatures: [{keys: [nowhere.pub]}]", "the file `nowhere.pub` is not there"),
        ("signatures: [{keys: [a.pub], threshold: 2}]", "only 1 who could have signed"),
        ("signatures: [{keys: [a.pub], threshold: 0}]", "at least 1"),
        ("signatures: [{keys: [a.pub], revoked: a.pub}]", "belongs to `allowed-signers`"),
        ("builders: [x]", "it needs `signatures`"),
        ("signature: []", "did you mean `signatures`"),
        ("vulnerabilities: {database: gone}", "`gone` is not there"),
        ("vulnerabilities: {database: ., at-most: severe}", "is not one of"),
        ("vulnerabilities: {database: ., ignore: [{id: CVE-1}]}", "the key `reason` is missing"),
        ("vulnerabilities: {database: ., ignore: [{id: C, reason: r, until: 2026-13-01}]}", "is not a day"),
        ("scan: {at-most: high}\nscan: {}", "stands twice"),
    ],
)
def test_a_policy_that_could_ask_for_less_than_was_meant_is_refused(tmp_path, text, told):
    (tmp_path / "a.pub").touch()
    (tmp_path / "policy.yaml").write_text(text)
    with pytest.raises(EnvbuildError) as caught:
        read_policy(tmp_path / "policy.yaml")
    assert told in str(caught.value)
    assert "policy.yaml:1" in str(caught.value) or "policy.yaml:2" in str(caught.value)


@pytest.mark.parametrize(
    ("results", "code"),
    [
        ("passed", None),
        ("passed, not measured", ExitCode.NOT_MEASURED),
        ("not measured, failed", ExitCode.CHECK_FAILED),
        ("failed, missing, not measured", ExitCode.APPROVAL_MISSING),
        ("failed, missing, wrong, passed", ExitCode.DIGEST_WRONG),
    ],
)
def test_the_worst_outcome_gives_the_exit_code(results, code):
    outcomes = [Outcome(f"rule{number}", Result(name), ("why",)) for number, name in enumerate(results.split(", "))]
    error = failure("toy", outcomes)
    assert (error and error.exit_code) == code


def provenance(builder: object) -> Statement:
    return Statement((), PROVENANCE, {"runDetails": {"builder": {"id": builder}}})


@pytest.mark.parametrize(
    ("statements", "result"),
    [
        ([[provenance("https://ci.example/a")]], Result.PASSED),
        ([[provenance("https://other.example")]], Result.FAILED),
        ([[provenance("https://other.example"), provenance("https://ci.example/b")]], Result.PASSED),
        ([[provenance("https://ci.example/a")], [provenance("https://ci.example/b")]], Result.PASSED),
        ([[provenance("https://ci.example/a")], [provenance("https://other.example")]], Result.FAILED),
        ([[provenance("https://ci.example/a")], []], Result.MISSING),
        ([], Result.MISSING),
        ([[Statement((), PROVENANCE, {"runDetails": []})]], Result.MISSING),
    ],
)
def test_a_provenance_of_each_image_names_a_builder_that_may_be(statements, result):
    assert check_builders(["https://ci.example/*"], statements).result is result


@pytest.mark.parametrize(
    ("bases", "result"),
    [
        ([Base("debian:bookworm")], Result.PASSED),
        ([Base("debian:bookworm"), Base("debian:sid")], Result.FAILED),
        ([Base("registry.example/team/base:1", "sha256:aa")], Result.PASSED),
        ([Base("registry.example/team/base:1", "sha256:bb")], Result.FAILED),
        (None, Result.NOT_MEASURED),
    ],
)
def test_every_image_stands_on_a_base_that_may_be(bases, result):
    allowed = [BaseImage("debian:bookworm"), BaseImage("registry.example/team/*", "sha256:aa")]
    assert check_bases(allowed, bases).result is result


@pytest.mark.parametrize(
    ("rule", "licences", "result"),
    [
        (LicenseRule(deny=("GPL-*",)), ["MIT"], Result.PASSED),
        (LicenseRule(deny=("GPL-*",)), ["MIT", "GPL-3.0-only"], Result.FAILED),
        (LicenseRule(deny=("GPL-*",)), ["MIT OR GPL-3.0-only"], Result.PASSED),
        (LicenseRule(deny=("GPL-*",)), ["MIT AND GPL-3.0-only"], Result.FAILED),
        (LicenseRule(allow=("MIT",)), ["Apache-2.0"], Result.FAILED),
        (LicenseRule(allow=("MIT",)), ["NOASSERTION"], Result.NOT_MEASURED),
        (LicenseRule(deny=("GPL-*",)), ["NOASSERTION"], Result.NOT_MEASURED),
        (LicenseRule(deny=("GPL-*",), unknown=True), ["NOASSERTION"], Result.PASSED),
        (LicenseRule(deny=("GPL-*",), ignore={"p0": "is not shipped"}), ["GPL-3.0-only"], Result.PASSED),
        (LicenseRule(deny=("GPL-*",)), None, Result.NOT_MEASURED),
    ],
)
def test_licences_are_held_to_the_rules_and_unknown_ones_are_not_measured(rule, licences, result):
    packages = None if licences is None else [Licensed(f"p{number}", "1", one) for number, one in enumerate(licences)]
    assert check_licenses(rule, packages).result is result


@pytest.mark.parametrize(
    ("at_most", "scans", "result"),
    [
        ("low", [StatedScan((), ())], Result.PASSED),
        ("low", [StatedScan((("low", "x"),), ())], Result.PASSED),
        ("none", [StatedScan((("low", "x"),), ())], Result.FAILED),
        ("low", [StatedScan((), ()), StatedScan((("high", "x"),), ("y",))], Result.FAILED),
        ("low", [StatedScan((), ("a file was not read",))], Result.NOT_MEASURED),
        ("high", [StatedScan((("unheard-of", "x"),), ())], Result.FAILED),
        ("low", [], Result.NOT_MEASURED),
    ],
)
def test_scans_must_have_been_made_and_found_nothing_above_the_level(at_most, scans, result):
    assert check_scan(ScanRule(at_most), scans).result is result


@dataclass(frozen=True)
class Case:
    """What is found, what is asked, and what comes of it."""

    found: tuple[Vulnerability, ...] = ()
    ignore: tuple[Ignored, ...] = ()
    skip: tuple[str, ...] = ()
    conda: int = 0
    ecosystems: tuple[str, ...] = ("PyPI", "Debian:12")
    result: Result = Result.PASSED


HIGH = Vulnerability(NUMPY, ("PYSEC-1", "CVE-1"), Severity.HIGH)
UNKNOWN = Vulnerability(OPENSSL, ("DSA-1",), None)
CASES = {
    "nothing": Case(),
    "within the limit": Case((Vulnerability(NUMPY, ("A",), Severity.MEDIUM),)),
    "above the limit": Case((HIGH,), result=Result.FAILED),
    "ignored by an alias": Case((HIGH,), (Ignored("CVE-1", "not reachable"),)),
    "ignored until today": Case((HIGH,), (Ignored("CVE-1", "soon", "2026-11-01"),)),
    "ignored until yesterday": Case((HIGH,), (Ignored("CVE-1", "soon", "2026-10-31"),), result=Result.FAILED),
    "of unknown severity": Case((UNKNOWN,), result=Result.NOT_MEASURED),
    "of unknown severity, ignored": Case((UNKNOWN,), (Ignored("DSA-1", "judged by hand"),)),
    "a database without Debian": Case(ecosystems=("PyPI",), result=Result.NOT_MEASURED),
    "Debian is skipped": Case(ecosystems=("PyPI",), skip=("debian",)),
    "conda packages": Case(conda=3, result=Result.NOT_MEASURED),
    "conda is skipped": Case(conda=3, skip=("conda",)),
}


@pytest.mark.parametrize("name", CASES)
def test_what_could_not_be_looked_up_is_never_a_pass(name):
    case = CASES[name]
    rule = Vulnerabilities("osv", "medium", case.ignore, case.skip)
    installed = InstalledPackages(frozenset({NUMPY, OPENSSL}), case.conda)
    lookup = Lookup(case.found, frozenset(case.ecosystems))
    assert check_vulnerabilities(rule, installed, lookup, TODAY).result is case.result
    assert (OPENSSL in wanted(rule, installed)) == ("debian" not in case.skip)


def test_what_is_failed_and_not_measured_says_both():
    outcome = check_vulnerabilities(
        Vulnerabilities("osv", "medium"), InstalledPackages(frozenset({NUMPY})),
        Lookup((HIGH, UNKNOWN), frozenset({"PyPI"})), TODAY,
    )  # fmt: skip
    assert outcome.result is Result.FAILED
    assert any("is high" in reason for reason in outcome.reasons)
    assert any("of unknown severity" in reason for reason in outcome.reasons)


@pytest.mark.parametrize(
    ("required", "data", "result"),
    [
        (True, {"a": "passed"}, Result.PASSED),
        (True, {"a": "passed", "b": ""}, Result.FAILED),
        (False, {"a": "passed", "b": ""}, Result.PASSED),
        (False, {"a": "violated", "b": "skipped"}, Result.FAILED),
        (True, {"a": "skipped"}, Result.NOT_MEASURED),
        (True, {"a": "not-evaluated"}, Result.NOT_MEASURED),
        (True, {"a": "the record is of other data"}, Result.NOT_MEASURED),
    ],
    ids=["kept", "none", "none needed", "broken", "skipped", "not evaluated", "of others"],
)
def test_data_must_have_been_held_to_their_contract(required: bool, data: dict[str, str], result: Result) -> None:
    assert check_contracts(ContractRule(required), data).result is result
