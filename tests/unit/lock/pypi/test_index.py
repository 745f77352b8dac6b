"""What a page of a simple index tells, in both forms, and what of it is refused; in which order indexes are asked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from builder.errors import EnvbuildError
from builder.fetch import Mirrors, MissingDocumentError
from builder.lock.interface import Request, Sources
from builder.lock.pypi.index import SimpleIndexes
from builder.lock.pypi.page import PageError, parse_page
from builder.spec.environment import Index

PAGE = "https://packages.example/simple/pure/"
SHA256 = "ab" * 32


def json_page(*files: Mapping[str, Any], version: str = "1.1") -> bytes:
    return json.dumps({"meta": {"api-version": version}, "name": "pure", "files": files}).encode()


def entry(file_name: str = "pure-1.0-py3-none-any.whl", **more: Any) -> dict[str, Any]:
    return {"filename": file_name, "url": f"../../files/{file_name}", "hashes": {"sha256": SHA256}, **more}


def test_json_and_html_tell_the_same() -> None:
    (of_json,) = parse_page(
        json_page(
            entry(**{"yanked": "broken", "requires-python": ">=3.8", "core-metadata": {"sha256": "cd" * 32}}),
        ),
        PAGE,
    )
    (of_html,) = parse_page(
        f'<!DOCTYPE html><title>pure</title><a href="../../files/pure-1.0-py3-none-any.whl#sha256={SHA256}" '
        f'data-yanked="broken" data-requires-python="&gt;=3.8" data-core-metadata="sha256={"cd" * 32}">x</a>'.encode(),
        PAGE,
    )
    assert of_json == of_html
    assert of_json.url == "https://packages.example/files/pure-1.0-py3-none-any.whl"
    assert of_json.yanked
    assert of_json.requires_python == ">=3.8"


def test_sizes_and_times_are_told_by_json() -> None:
    (file,) = parse_page(json_page(entry(**{"size": 7, "upload-time": "2026-01-01T00:00:00.5Z"})), PAGE)
    assert (file.size, file.uploaded) == (7, "2026-01-01T00:00:00.5Z")


def test_what_is_yanked_without_a_reason_is_yanked() -> None:
    (file,) = parse_page(json_page(entry(yanked=True)), PAGE)
    assert file.yanked
    (file,) = parse_page(f'<a href="pure-1.0.tar.gz#sha256={SHA256}" data-yanked>x</a>'.encode(), PAGE)
    assert file.yanked
    (file,) = parse_page(json_page(entry(yanked=False)), PAGE)
    assert not file.yanked


def test_links_begin_at_the_base_that_a_page_names() -> None:
    page = b'<html><base href="https://files.example/x/"><a href="pure-1.0.tar.gz">x</a>'
    (file,) = parse_page(page, PAGE)
    assert file.url == "https://files.example/x/pure-1.0.tar.gz"
    assert file.sha256 is None


@pytest.mark.parametrize(
    "page",
    [
        b"",
        b"it works",
        b'{"files": 7}',
        b'{"files": [7]}',
        b"{" * 100_000,
        b'{"a": ' * 100_000,
        b'{"meta": 1, "files": []}',
        json_page(version="2.0"),
        json_page({"filename": "x"}),
        json_page(entry() | {"url": "file:///etc/passwd"}),
        json_page(entry() | {"url": "https://[x"}),
        b'<html><a href="file:///etc/passwd">pure-1.0.tar.gz</a>',
        b"{\xff\xff}",
    ],
)
def test_what_is_no_page_is_refused(page: bytes) -> None:
    with pytest.raises(PageError):
        parse_page(page, PAGE)


def test_a_hash_of_another_form_is_none() -> None:
    (file,) = parse_page(json_page(entry(hashes={"sha256": "../../x"})), PAGE)
    assert file.sha256 is None
    (file,) = parse_page(json_page(entry(hashes={"md5": "0" * 32})), PAGE)
    assert file.sha256 is None


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
    return [file.file_name for file in found.files(project)]


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
    (file,) = indexes(pages, Index("folder", "file:///srv/simple")).files("pure")
    assert file.url == "file:///srv/x/pure-1.0.tar.gz"


def test_each_page_is_read_once() -> None:
    pages = Pages({PYPI_PAGE: json_page(entry("pure-1.0.tar.gz"))})
    found = indexes(pages)
    found.read_ahead(["pure", "Pure", "missing"])
    found.files("pure")
    found.files("missing")
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
    found = indexes(pages).files("pure")
    assert [file.file_name for file in found] == kept
    assert [file.version for file in found] == ["1.0", "1.0", "1.0", "2.0"]


def test_no_credential_of_a_page_gets_into_what_is_found() -> None:
    url = "https://user:hunter2@files.example/pure-1.0.tar.gz"
    pages = Pages({PYPI_PAGE: json_page(entry("pure-1.0.tar.gz") | {"url": url})})
    (file,) = indexes(pages).files("pure")
    assert file.url == "https://files.example/pure-1.0.tar.gz"


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
        found.files("pure")
    assert caught.value.hint is not None
    assert "`exclude-newer-package: {pure: none}`" in caught.value.hint
    assert "pypi.org" in str(caught.value)


def test_an_index_without_sha256_is_refused() -> None:
    found = indexes(Pages({PYPI_PAGE: json_page(entry(hashes={}))}))
    with pytest.raises(EnvbuildError, match="no sha256"):
        found.files("pure")


def test_a_page_that_cannot_be_read_names_the_index() -> None:
    with pytest.raises(EnvbuildError, match=r"the page of `pure` on the index `https://pypi.org/simple/`"):
        indexes(Pages({PYPI_PAGE: b"it works"})).files("pure")
