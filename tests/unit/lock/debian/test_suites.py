from __future__ import annotations

import pytest

from builder.errors import EnvbuildError
from builder.lock.debian.mirror import Mirror
from builder.lock.debian.suites import (
    DEBIAN,
    SECURITY,
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


@pytest.mark.parametrize("text", [None, "", "  "])
def test_without_a_mirror_the_archives_own_urls_are_used(text):
    assert Mirror.parse(text).root(DEBIAN) == "http://deb.debian.org/debian"
    assert Mirror.parse(text).root(SECURITY) == "http://deb.debian.org/debian-security"


@pytest.mark.parametrize(
    ("text", "security"),
    [
        ("http://mirror/debian", "http://mirror/debian-security"),
        ("https://mirror/proxy/debian/", "https://mirror/proxy/debian-security"),
        ("http://mirror/debian https://other:8080/sec/", "https://other:8080/sec"),
    ],
)
def test_security_is_at_the_sibling_unless_given(text, security):
    mirror = Mirror.parse(text)
    assert mirror.root(SECURITY) == security
    assert mirror.locate("http://deb.debian.org/debian-security/pool/x.deb") == f"{security}/pool/x.deb"
    assert mirror.locate("http://deb.debian.org/debian/pool/x.deb") == f"{mirror.root(DEBIAN)}/pool/x.deb"
    assert mirror.locate("http://elsewhere/debian/x.deb") == "http://elsewhere/debian/x.deb"


@pytest.mark.parametrize(
    "text", ["mirror/debian", "ftp://mirror/debian", "http://", "http://m/a b c", "http://m:x/debian", "http://m/d?q"]
)
def test_mirror_of_another_form_is_refused(text):
    with pytest.raises(EnvbuildError, match="mirror is not usable"):
        Mirror.parse(text)


def test_password_is_in_no_text_of_a_mirror():
    mirror = Mirror.parse("http://user:s%40cret@mirror/debian http://token@other/sec")
    assert "cret" not in repr(mirror)
    assert mirror.redact("http://user:s%40cret@mirror/x s@cret http://token@other/") == (
        "http://mirror/x *** http://other/"
    )
    with pytest.raises(EnvbuildError) as caught:
        Mirror.parse("user:s%40cret@mirror")
    assert "cret" not in str(caught.value) + str(caught.value.hint)
