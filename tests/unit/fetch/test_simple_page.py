"""What a page of a simple index tells, in both forms, and what of it is refused."""

from __future__ import annotations

import pytest
from simple_pages import SHA256, entry, json_page

from builder.fetch.simple_page import PageError, parse_page

PAGE = "https://packages.example/simple/pure/"


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
