from __future__ import annotations

import pytest

from builder.errors import CheckFailedError, ExitCode, NotMeasuredError
from builder.oci.digest import Digest
from builder.records.licenses.expression import NOASSERTION
from builder.records.licenses.rules import LicenseRules, enforce, judge
from builder.records.packages.listing import Package
from builder.records.packages.stated import Stated


def package(license_: str, name: str = "one") -> Package:
    return Package("python", name, "1.0", f"pkg:pypi/{name}@1.0", Digest("a" * 64), "", Stated(license_))


def held(rules: LicenseRules, *packages: Package) -> tuple[str, ...]:
    return enforce(rules, [judge(rules, platform, packages) for platform in ("linux/amd64", "linux/arm64")])


@pytest.mark.parametrize(
    "license_",
    [
        "MIT",
        "GPL-3.0-only OR MIT",
        "LGPL-3.0-only",
        "LicenseRef-Debian-GPL-3-with-Bison-exception",
        "(GPL-3.0-or-later OR ISC) AND MIT",
    ],
)
def test_what_can_be_met_without_a_denied_licence_passes(license_: str) -> None:
    assert held(LicenseRules(deny=("gpl-3.0*",)), package(license_)) == ()


@pytest.mark.parametrize(
    ("license_", "denied"),
    [
        ("GPL-3.0-or-later", "GPL-3.0-or-later"),
        ("MIT AND GPL-3.0-only", "GPL-*"),
        ("GPL-3.0-only OR GPL-2.0-only", "GPL-*"),
        ("GPL-3.0-only WITH GCC-exception-3.1", "gpl-3.0-only"),
        ("GPL-3.0-only WITH GCC-exception-3.1", "* WITH GCC-*"),
        ("Apache-2.0+", "Apache-2.0"),
        ("LicenseRef-Debian-GPL-3-with-Bison-exception", "LicenseRef-*GPL*"),
    ],
)
def test_what_needs_a_denied_licence_is_refused_by_name(license_: str, denied: str) -> None:
    with pytest.raises(CheckFailedError) as caught:
        held(LicenseRules(deny=(denied,)), package(license_), package("MIT", "other"))
    error = caught.value
    assert error.exit_code is ExitCode.CHECK_FAILED
    (cause,) = error.why
    assert cause.startswith("one 1.0 on linux/amd64, linux/arm64: ")
    assert license_ in cause
    assert "licenses.ignore" in str(error.hint)


def test_where_some_are_allowed_no_other_passes() -> None:
    rules = LicenseRules(allow=("MIT", "BSD-*"))
    assert held(rules, package("MIT"), package("BSD-3-Clause OR GPL-3.0-only", "two")) == ()
    with pytest.raises(CheckFailedError, match="not accepted"):
        held(rules, package("MIT AND Zlib"))


def test_denied_is_denied_though_it_is_allowed_too() -> None:
    with pytest.raises(CheckFailedError):
        held(LicenseRules(("GPL-3.0-only",), ("GPL-*",)), package("GPL-3.0-only"))


def test_packages_that_are_named_are_not_held_to_it() -> None:
    rules = LicenseRules(("GPL-*",), ("MIT",), {"one": "a tool that is not passed on"})
    assert held(rules, package("GPL-3.0-only")) == ()
    assert held(rules, package(NOASSERTION)) == ()


def test_an_unknown_licence_is_told_where_licences_are_denied() -> None:
    assert held(LicenseRules(deny=("GPL-*",)), package(NOASSERTION), package("MIT", "two")) == ("one 1.0",)
    assert held(LicenseRules(), package(NOASSERTION)) == ()


def test_an_unknown_licence_is_no_allowed_one() -> None:
    with pytest.raises(NotMeasuredError) as caught:
        held(LicenseRules(allow=("*",)), package(NOASSERTION))
    assert caught.value.exit_code is ExitCode.NOT_MEASURED
    assert caught.value.why[0].startswith("one 1.0 ")


def test_a_refused_licence_outweighs_an_unknown_one() -> None:
    with pytest.raises(CheckFailedError):
        held(LicenseRules(allow=("MIT",)), package(NOASSERTION), package("Zlib", "two"))


def test_many_refused_packages_are_counted() -> None:
    with pytest.raises(CheckFailedError) as caught:
        held(LicenseRules(allow=("MIT",)), *(package("Zlib", f"p{number:02}") for number in range(30)))
    assert len(caught.value.why) == 21
    assert caught.value.why[-1] == "and 10 more"
