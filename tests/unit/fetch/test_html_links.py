from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from builder.fetch.html_links import Links, read_links
from builder.fetch.simple_page import PageError, parse_page


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('<!DOCTYPE html><a href="x">x</a>', Links(True, None, ({"href": "x"},))),
        (
            "<A\n HREF = 'a b'\tdata-yanked DATA-X=1/>",
            Links(True, None, ({"href": "a b", "data-yanked": "", "data-x": "1/"},)),
        ),
        ('<base href="/b/"><base href="/c/"><a href="?a&amp;b=&gt;">', Links(True, "/b/", ({"href": "?a&b=>"},))),
        ('<a href="a>b">', Links(True, None, ({"href": "a>b"},))),
        ('<!-- <a href="no"> --><br/><a/href=yes>', Links(True, None, ({"href": "yes"},))),
        ('<script>"<a href=no>"</SCRIPT><a href=yes>', Links(True, None, ({"href": "yes"},))),
        ("<a><a href><a name=x>", Links(True, None, ())),
        ("not a page < at all >", Links(False, None, ())),
        ("<!-- nothing -->", Links(False, None, ())),
        ('<a href="cut', Links(True, None, ())),
        ("<a ==href=x>", Links(True, None, ({"href": "x"},))),
        ('<abbr href="no"><a href="yes">', Links(True, None, ({"href": "yes"},))),
    ],
)  # fmt: skip
def test_links_are_those_that_a_browser_finds(text: str, expected: Links) -> None:
    assert read_links(text) == expected


class _Reference(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.anchors: list[dict[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attrs}
        if tag == "a" and found.get("href"):
            self.anchors.append(found)


_VALUES = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="\"'&<>"), max_size=9
)


@given(st.lists(st.tuples(st.sampled_from("\"'"), _VALUES, st.sampled_from(["", " data-yanked", " data-x='1>2'"]))))
@example([('"', "a#sha256=00", "")])
def test_links_are_those_of_the_standard_library(anchors: list[tuple[str, str, str]]) -> None:
    text = "<html><body>" + "\n".join(f"<a href={q}{value}{q}{more}>{value}</a><br>" for q, value, more in anchors)
    reference = _Reference()
    reference.feed(text)
    assert list(read_links(text).anchors) == reference.anchors


@pytest.mark.parametrize(
    "piece",
    ["<a ", "<!--", "<", "<!", "</", "<a href='", '<a href="', "<a =", "<a b=", "<script>", "<!doctype", "<a/",
     "<a\n\t", "&#", "<a b=\"'"],
)  # fmt: skip
def test_the_time_for_a_page_grows_with_its_length_alone(piece: str) -> None:
    page = piece * (1_000_000 // len(piece))  # the square of this would be an hour
    try:
        assert parse_page(page.encode(), "https://packages.example/simple/x/") == ()
    except PageError as error:
        assert "neither JSON nor HTML" in str(error)  # noqa: PT017 - either answer is one
