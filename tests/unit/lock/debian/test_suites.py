from __future__ import annotations

import pytest

from builder.errors import EnvbuildError
from builder.lock.debian.suites import (
    SUITES,
    find_suite,
    interpreter_package,
    suites_with_python,
)


def test_default_python_is_one_that_the_suite_carries():
    assert all(suite.default_python in suite.pythons for suite in SUITES.values())


def test_unstable_has_neither_updates_nor_security():
    assert [archive.codename for archive in SUITES["sid"].archives] == ["sid"]
    assert [a.codename for a in SUITES["forky"].archives] == ["forky", "forky-updates", "forky-security"]


def test_interpreter_is_named_where_the_suite_carries_it():
    assert interpreter_package("bookworm", "3.11") == "python3.11"
    assert suites_with_python("3.13") == ("trixie", "forky", "sid")


@pytest.mark.parametrize(
    ("suite", "version", "hint"),
    [
        ("bookworm", "3.13", "Use `base: {suite: trixie}` (`trixie`, `forky` or `sid` has it)"),
        ("trixie", "3.11", "Use `base: {suite: bookworm}`"),
        ("trixie", "3.12", "Debian has 3.11 in bookworm; 3.13 in trixie; "),
        ("trixie", "3", "Give a minor version, such as `3.11`"),
    ],
)
def test_interpreter_that_is_not_there_hints_at_suites_that_have_it(suite, version, hint):
    with pytest.raises(EnvbuildError, match=f"Debian {suite} does not carry Python {version}") as caught:
        interpreter_package(suite, version)
    assert caught.value.hint.startswith(hint)


def test_unknown_suite_hints_at_those_that_are_known():
    with pytest.raises(EnvbuildError, match="`jessie`") as caught:
        find_suite("jessie")
    assert caught.value.hint == "Use `bookworm`, `trixie`, `forky` or `sid`"
