from __future__ import annotations

import base64

import pytest

from builder.errors import EnvbuildError
from builder.fetch.mirrors import (
    PYPI_FILES,
    Mirrors,
    canonical_pypi_url,
)

FILE = "aa/bb/" + "c" * 60 + "/a-1.0-py3-none-any.whl"


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def test_without_settings_everything_is_asked_for_where_it_is() -> None:
    mirrors = Mirrors.from_environment({})
    assert mirrors == Mirrors()
    assert mirrors.candidates("http://deb.debian.org/debian/x") == ("http://deb.debian.org/debian/x",)
    assert Mirrors.from_environment({"UV_INDEX_URL": "https://pypi.org/simple"}).python_index is None


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://deb.debian.org/debian/pool/x", "http://m.example/debian/pool/x"),
        ("http://deb.debian.org/debian-security/pool/x", "http://m.example/debian-security/pool/x"),
        ("http://snapshot.debian.org/archive/debian/1/x", "http://s.example/archive/debian/1/x"),
        ("http://deb.debian.org/debian-ports/x", "http://deb.debian.org/debian-ports/x"),
        ("https://example.com/x", "https://example.com/x"),
    ],
)
def test_a_mirror_stands_for_its_archive_alone(url: str, expected: str) -> None:
    variables = {"ENVBUILD_DEBIAN_MIRROR": "http://m.example/debian/", "ENVBUILD_SNAPSHOT_MIRROR": "http://s.example"}
    assert Mirrors.from_environment(variables).candidates(url) == (expected,)


def test_the_security_archive_may_be_elsewhere() -> None:
    mirrors = Mirrors.from_environment({"ENVBUILD_DEBIAN_MIRROR": "http://a.example/d  http://b.example/s"})
    assert mirrors.candidates("http://deb.debian.org/debian-security/x") == ("http://b.example/s/x",)


@pytest.mark.parametrize("owner", ["astral-sh", "indygreg"])
def test_a_mirror_of_standalone_interpreters_stands_for_both_of_their_publishers(owner: str) -> None:
    mirrors = Mirrors.from_environment({"ENVBUILD_PYTHON_MIRROR": "https://user:secret@m.example/pythons"})
    published = f"https://github.com/{owner}/python-build-standalone/releases/download"
    asked = "https://m.example/pythons/20240101/cpython-3.12.1%2B20240101.tar.gz"
    assert mirrors.candidates(f"{published}/20240101/cpython-3.12.1%2B20240101.tar.gz") == (asked,)
    assert mirrors.authorization(asked) == basic("user:secret")
    assert mirrors.candidates(f"https://github.com/{owner}/other") == (f"https://github.com/{owner}/other",)


def test_the_first_index_that_is_set_is_taken() -> None:
    variables = {"PIP_INDEX_URL": "https://c/simple", "UV_INDEX_URL": "https://b/simple"}
    assert Mirrors.from_environment(variables).python_index == "https://b/simple/"
    variables["UV_DEFAULT_INDEX"] = "internal=https://a/simple"
    assert Mirrors.from_environment(variables).python_index == "https://a/simple/"


@pytest.mark.parametrize(
    "variables",
    [
        {"UV_INDEX_URL": "https://user:p%40ss@h.example:8080/simple"},
        {"UV_DEFAULT_INDEX": "internal=https://user:p%40ss@h.example:8080/simple"},
        {"UV_INDEX": "https://other/simple internal=https://user:p%40ss@h.example:8080/simple"},
        {"UV_EXTRA_INDEX_URL": "https://user:p%40ss@h.example:8080/simple"},
        {"ENVBUILD_DEBIAN_MIRROR": "https://user:p%40ss@h.example:8080/debian"},
    ],
)
def test_credentials_are_for_their_host_and_port_alone(variables: dict[str, str]) -> None:
    mirrors = Mirrors.from_environment(variables)
    assert mirrors.authorization("https://h.example:8080/any/file") == basic("user:p@ss")
    for other in ("https://h.example/x", "https://evil.h.example:8080/x", "https://h.example:8080.evil/x"):
        assert mirrors.authorization(other) is None
    assert "p%40ss" not in repr(mirrors)
    assert "p@ss" not in repr(mirrors)


@pytest.mark.parametrize(
    "url",
    [
        f"https://files.pythonhosted.org/packages/{FILE}",
        f"https://user:pass@mirror.example/pypi/packages/{FILE}#sha256=abc",
        f"http://127.0.0.1:3141/root/pypi/packages/{FILE}",
    ],
)
def test_a_url_of_pypis_layout_is_written_as_pypis_own(url: str) -> None:
    assert canonical_pypi_url(url) == PYPI_FILES + FILE


def test_further_indexes_that_are_folders_are_left_to_uv() -> None:
    assert Mirrors.from_environment({"UV_INDEX": "/srv/wheels ./more https://[x"}) == Mirrors()


def test_a_url_of_another_layout_loses_its_credentials_alone() -> None:
    assert canonical_pypi_url("https://u:p@h.example/f/a.whl?v=1#sha256=x") == "https://h.example/f/a.whl?v=1"


@pytest.mark.parametrize("name", ["ENVBUILD_DEBIAN_MIRROR", "ENVBUILD_SNAPSHOT_MIRROR", "PIP_INDEX_URL"])
@pytest.mark.parametrize("value", ["nonsense", "https://u:secret@[x/", "ftp://u:secret@h/", "https://h:secret/"])
def test_a_mirror_that_is_no_url_is_refused_without_repeating_it(name: str, value: str) -> None:
    with pytest.raises(EnvbuildError) as caught:
        Mirrors.from_environment({name: value})
    assert "secret" not in str(caught.value)


def test_several_mirrors_of_one_folder_are_candidates_in_their_order() -> None:
    prefixes = (("https://a/b/", "https://one/"), ("https://a/b/", "https://two/"), ("https://a/", "https://all/"))
    mirrors = Mirrors(prefixes)
    assert mirrors.candidates("https://a/b/c") == ("https://one/c", "https://two/c")
    assert mirrors.candidates("https://a/c") == ("https://all/c",)
    assert "https://one" not in repr(mirrors)
