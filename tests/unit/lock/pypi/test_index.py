"""Which files an index has that may be taken, and in which order indexes are asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from simple_pages import entry, json_page

from builder.errors import EnvbuildError
from builder.fetch import Mirrors, MissingDocumentError
from builder.lock.interface import Request, Sources
from builder.lock.pypi.index import SimpleIndexes
from builder.spec.environment import Index


class Pages:
    """A fetcher of pages that are given."""

    def __init__(self, pages: Mapping[str, bytes], mirrors: Mirrors | None = None) -> None:
        self.pages = pages
        self.mirrors = mirrors or Mirrors()
        self.asked: list[str] = []

    def read(self, urls: Sequence[str], *_: object) -> bytes:
        self.asked += urls
        if urls[0] not in self.pages:
            raise MissingDocumentError("a document could not be fetched")
        return self.pages[urls[0]]


def indexes(pages: Pages, *named: Index, **fields: Any) -> SimpleIndexes:
    return SimpleIndexes(Request(Sources(), indexes=named, **fields), pages)  # type: ignore[arg-type]


def names(found: SimpleIndexes, project: str = "pure") -> list[str]:
    return [listed.found.file_name for listed in found.allowed(project)]


TEAM = Index("team", "https://team.example/simple")
MORE = Index("more", "https://more.example/simple/")
TEAM_PAGE, MORE_PAGE = "https://team.example/simple/pure/", "https://more.example/simple/pure/"
PYPI_PAGE = "https://pypi.org/simple/pure/"


def test_the_first_index_that_has_a_project_wins() -> None:
    pages = Pages({MORE_PAGE: json_page(entry("pure-1.0.tar.gz")), PYPI_PAGE: json_page(entry("pure-2.0.tar.gz"))})
    assert names(indexes(pages, TEAM, MORE)) == ["pure-1.0.tar.gz"]
    assert pages.asked == [TEAM_PAGE, MORE_PAGE]


def test_pypi_comes_last_unless_another_index_stands_in_its_place() -> None:
    pages = Pages({PYPI_PAGE: json_page(entry("pure-2.0.tar.gz"))})
    assert names(indexes(pages, TEAM)) == ["pure-2.0.tar.gz"]
    assert names(indexes(pages, Index("own", "https://team.example/simple", default=True))) == []


def test_a_default_index_comes_last_wherever_it_is_named() -> None:
    pages = Pages({MORE_PAGE: json_page(entry("pure-1.0.tar.gz")), TEAM_PAGE: json_page(entry("pure-2.0.tar.gz"))})
    own = Index("own", "https://team.example/simple", default=True)
    assert names(indexes(pages, own, MORE)) == ["pure-1.0.tar.gz"]


def test_an_index_for_some_packages_is_asked_for_them_alone_and_no_other_is() -> None:
    pages = Pages(
        {
            TEAM_PAGE: json_page(entry("pure-1.0.tar.gz")),
            PYPI_PAGE: json_page(entry("pure-2.0.tar.gz")),
            "https://team.example/simple/other/": json_page(entry("other-1.0.tar.gz")),
        }
    )
    pinned = Index("team", "https://team.example/simple", packages=("Pure",))
    assert names(indexes(pages, pinned)) == ["pure-1.0.tar.gz"]
    assert names(indexes(pages, pinned), "other") == []
    assert names(indexes(Pages({PYPI_PAGE: b"{}"}), pinned)) == []


def test_a_mirror_of_pypi_stands_for_it_even_where_a_spec_names_pypi() -> None:
    mirror = "https://mirror.example/pypi/"
    pages = Pages({f"{mirror}pure/": json_page(entry("pure-1.0.tar.gz"))}, Mirrors(python_index=mirror))
    assert names(indexes(pages)) == ["pure-1.0.tar.gz"]
    assert names(indexes(pages, Index("pypi", "https://pypi.org/simple/", default=True))) == ["pure-1.0.tar.gz"]


def test_indexes_of_the_machine_come_first() -> None:
    pages = Pages({}, Mirrors(more_indexes=("https://machine.example/simple/",)))
    assert names(indexes(pages, TEAM)) == []
    assert pages.asked == ["https://machine.example/simple/pure/", TEAM_PAGE, PYPI_PAGE]


def test_an_index_in_a_folder_is_read_from_its_files() -> None:
    pages = Pages({"file:///srv/simple/pure/index.html": b'<a href="../../x/pure-1.0.tar.gz#sha256=%s">' % (b"a" * 64)})
    (one,) = indexes(pages, Index("folder", "file:///srv/simple")).allowed("pure")
    assert one.found.url == "file:///srv/x/pure-1.0.tar.gz"


def test_each_page_is_read_once() -> None:
    pages = Pages({PYPI_PAGE: json_page(entry("pure-1.0.tar.gz"))})
    found = indexes(pages)
    found.read_ahead(["pure", "Pure", "missing"])
    found.allowed("pure")
    found.allowed("missing")
    assert sorted(pages.asked) == ["https://pypi.org/simple/missing/", PYPI_PAGE]


def test_files_of_other_projects_and_of_other_forms_are_left_out() -> None:
    others = [
        "other-1.0.tar.gz",
        "pure-1.0.exe",
        "pure-1.0.tar.gz.asc",
        "pure-x.tar.gz",
        "pure-1.0-py3.whl",
        "pure.zip",
    ]
    others += ["../pure-1.0.tar.gz", "pure-1.0\n.tar.gz", "pure_more-1.0.tar.gz"]
    kept = ["pure-1.0-py3-none-any.whl", "Pure-1.0-1-py3-none-any.whl", "pure-01.0.tar.gz", "pure-2.0.zip"]
    pages = Pages({PYPI_PAGE: json_page(*map(entry, [*others, *kept]))})
    found = indexes(pages).allowed("pure")
    assert [one.found.file_name for one in found] == kept
    assert [one.found.version for one in found] == ["1.0", "1.0", "1.0", "2.0"]


def test_no_credential_of_a_page_gets_into_what_is_found() -> None:
    url = "https://user:hunter2@files.example/pure-1.0.tar.gz"
    pages = Pages({PYPI_PAGE: json_page(entry("pure-1.0.tar.gz") | {"url": url})})
    (one,) = indexes(pages).allowed("pure")
    assert one.found.url == "https://files.example/pure-1.0.tar.gz"


def uploaded(version: str, time: str | None) -> dict[str, Any]:
    return entry(f"pure-{version}.tar.gz", **({"upload-time": time} if time else {}))


def test_files_from_the_given_time_on_and_those_without_a_time_are_left_out() -> None:
    times = {
        "1.0": "2026-01-01T00:00:00Z",
        "2.0": "2026-01-31T23:59:59.999+00:00",
        "3.0": "2026-02-01T00:00:00Z",
        "4.0": "2026-03-01T00:00:00Z",
        "5.0": None,
        "6.0": "tomorrow",
    }
    pages = Pages({PYPI_PAGE: json_page(*(uploaded(version, time) for version, time in times.items()))})
    found = indexes(pages, exclude_newer="2026-02-01T00:00:00Z")
    assert names(found) == ["pure-1.0.tar.gz", "pure-2.0.tar.gz"]
    assert len(found.listed("pure") or ()) == 6


def test_single_packages_have_times_of_their_own() -> None:
    page = json_page(uploaded("1.0", "2026-01-01T00:00:00Z"), uploaded("2.0", "2026-03-01T00:00:00Z"))
    late = indexes(Pages({PYPI_PAGE: page}), exclude_newer_package={"Pure": "2026-02-01T00:00:00Z"})
    assert names(late) == ["pure-1.0.tar.gz"]
    free = indexes(
        Pages({PYPI_PAGE: page}), exclude_newer="2020-01-01T00:00:00Z", exclude_newer_package={"pure": "none"}
    )
    assert names(free) == ["pure-1.0.tar.gz", "pure-2.0.tar.gz"]


def test_an_index_without_times_says_what_to_write() -> None:
    found = indexes(Pages({PYPI_PAGE: json_page(uploaded("1.0", None))}), exclude_newer="2026-02-01T00:00:00Z")
    with pytest.raises(EnvbuildError) as caught:
        found.allowed("pure")
    assert caught.value.hint is not None
    assert "`exclude-newer-package: {pure: none}`" in caught.value.hint
    assert "pypi.org" in str(caught.value)


def test_an_index_without_sha256_is_refused() -> None:
    found = indexes(Pages({PYPI_PAGE: json_page(entry(hashes={}))}))
    with pytest.raises(EnvbuildError, match="no sha256"):
        found.allowed("pure")


def test_a_page_that_cannot_be_read_names_the_index() -> None:
    with pytest.raises(EnvbuildError, match=r"the page of `pure` on the index `https://pypi.org/simple/`"):
        indexes(Pages({PYPI_PAGE: b"it works"})).allowed("pure")
