"""README and pictures of a bundle whose every free text is hostile, as a reader of Markdown and one of XML see them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest
from made_subjects import HOSTILE, made_packages, made_subject
from markdown_it import MarkdownIt

from builder.bundle.inside.documents import Contents, bundle_files
from builder.layers.files import FileEntry
from builder.lineage.portable import lineage_bytes
from builder.lock.data.document import DataLock
from builder.lock.data.entry import DataEntry
from builder.oci.digest import Digest
from builder.records.card import made_card
from builder.records.licenses.collection import license_records
from builder.records.packages.stated import Stated
from builder.records.record import JSON, Record
from builder.spec import Command, DataReference, Project

TEXTS = [HOSTILE, "# one\n\n<b>two</b>", "- [x](http://h)", "1. | a | b |", "```\nsh", "\x1b]0;title\x07", "![a](b)"]
OWN = re.compile(r"diagram\.svg|LICENSES\.md|licenses/\w+\.txt")
TAGS = {"h1", "h2", "h3", "p", "ul", "li", "table", "thead", "tbody", "tr", "th", "td", "code", "pre", "a", "img"}


def pages(text: str) -> dict[str, str]:
    lock, _ = made_packages()
    data = {"d": DataEntry(f"https://h/{text}", "file", Digest("a" * 64), None)}
    project = Project(
        ".",
        "churn",
        "1.0",
        text,
        text,
        (text,),
        (text,),
        data={"d": DataReference(f"https://h/{text}", "a" * 64, None, text, text)},
        commands={"train": Command(("python", text), ("d",), ("model",), port=80, ready="/r", env={"A": text})},
    )
    parameters = {"train": {text: text}}
    code = (FileEntry("a.py"),)
    made = Record("lineage.json", "lineage", JSON, lineage_bytes(lineage(text)))
    what = Contents(code, (), parameters, Digest("2" * 64), None, None, b"", None, DataLock(data), records=(made,))
    entries = bundle_files(project, "churn", lock, what)
    return {entry.path.removeprefix("bundle/"): entry.data.decode() for entry in entries}


def lineage(text: str) -> dict[str, Any]:
    """A stage whose every text is this one, which made the model."""
    one, other = ({"kind": "file", "sha256": name * 64, "size": 1} for name in "ab")
    step = {"kind": "stage", "name": text, "run": [text], "params": {text: text}, "owner": text, "why": text}
    paths = {"code": {"sha256": "c" * 64, "files": {text: "d" * 64}}, "inputs": {text: one}, "outputs": {text: other}}
    return {"format": 1, "model": ["b" * 64], "steps": [{**step, **paths}], "sources": [{**one, "name": text}]}


def rendered(markdown: str) -> str:
    return str(MarkdownIt("commonmark").enable(["table", "strikethrough"]).render(markdown))


def assert_plain(html: str) -> None:
    assert {tag.lower() for tag in re.findall(r"<(\w+)", html)} <= TAGS
    links = re.findall(r'(?:href|src)="([^"]*)"', html)
    assert [link for link in links if not OWN.fullmatch(link)] == []
    assert "\x1b" not in html


@pytest.mark.parametrize("text", TEXTS, ids=range(7))
def test_no_text_of_a_project_becomes_markup(text: str) -> None:
    found = pages(text)
    usual = rendered(pages("usual")["README.md"])
    html = rendered(found["README.md"])
    assert_plain(html)
    headings = re.compile(r"<h\d>")
    assert headings.findall(html) == headings.findall(usual)
    assert html.count("<td>") == usual.count("<td>"), "no cell more"
    assert html.count("<li>") == usual.count("<li>"), "no item more"


def test_how_the_model_was_made_is_a_chapter_and_part_of_the_picture() -> None:
    found = pages("fit")
    assert "## How the model was made" in found["README.md"]
    assert "| `fit` | `fit` | `fit` | `fit` |" in found["README.md"]
    assert "- `fit`, of fit: fit\n" in found["README.md"]
    assert "```mermaid\nflowchart LR\n" in found["README.md"]
    assert "How the model was made" in found["diagram.svg"]


@pytest.mark.parametrize("text", TEXTS, ids=range(7))
def test_no_text_of_a_project_becomes_a_shape(text: str) -> None:
    found, usual = pages(text), pages("usual")
    assert found["diagram.mmd"] == usual["diagram.mmd"]
    shapes = [element.tag for element in ET.fromstring(found["diagram.svg"]).iter()]
    assert shapes == [element.tag for element in ET.fromstring(usual["diagram.svg"]).iter()]


@pytest.mark.parametrize("text", TEXTS, ids=range(7))
def test_no_text_of_a_package_or_a_card_becomes_markup(text: str) -> None:
    _, packages = made_packages()
    told = [replace(one, stated=Stated("NOASSERTION", text)) for one in packages]
    page = next(one for one in license_records(told, lambda _: b"") if one.path == "LICENSES.md")
    assert_plain(rendered(page.data.decode()))
    card = made_card(made_subject(description=text, limits=(text,), contacts=(text,)), ())
    assert card is not None
    assert_plain(rendered(card.data.decode().partition("\n---\n")[2]))
