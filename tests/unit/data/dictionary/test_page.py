"""What a dictionary is written as: what people wrote stays text, and the page runs nothing but its own script."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from builder.data.dictionary.build import build_dictionary
from builder.data.dictionary.glossary import read_glossary
from builder.data.dictionary.page import as_html, as_markdown
from builder.data.dictionary.sources import collect

HOSTILE = (
    "</script><script>alert(1)</script> | <img src=x onerror=alert(1)> {{ 7*7 }} "
    "`x` [a](javascript:alert(1)) \" ' --> \n# b"
)


class Page(HTMLParser):
    """The elements of a page, and its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {"script": [], "style": []}
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        if self.cdata_elem:
            self.texts[self.cdata_elem].append(data)

    def all(self, attribute: str) -> list[str]:
        return [str(given[attribute]) for _, given in self.elements if attribute in given]


@pytest.fixture
def hostile(project: Path, tmp_path: Path):
    """A dictionary of texts that would like to be more."""
    text = json.dumps(HOSTILE)
    contract = project / "contracts/raw.yaml"
    changed = contract.read_text()
    for word in ("Customers.", "Monthly fee", "What is paid.", "Subscription", "basic", "Sales data", "public"):
        changed = re.sub(rf"(?<=[ \[]){re.escape(word)}(?=[,\]}}\n])", lambda _: text, changed)
    changed = changed.replace('"https://example.org/fee"', '"javascript:alert(1)"').replace("businessDefinition", text)
    changed = changed.replace("name: size", f"name: {text}")
    contract.write_text(changed)
    features = project / "contracts/features.yaml"
    features.write_text(features.read_text().replace("[uplift]", f"[{text}, \"' onclick='alert(1)\"]"))
    assert changed.count("alert(1)</script>") >= 9
    glossary = tmp_path / "glossary.yaml"
    glossary.write_text(
        json.dumps({"terms": [{"term": "x", "meaning": HOSTILE, "links": ["javascript:alert(2)", HOSTILE]}]})
    )
    return build_dictionary(collect([project]), [read_glossary(glossary)])


def test_hostile_texts_become_neither_markup_nor_script_in_the_page(hostile) -> None:
    page = Page(as_html(hostile))
    tags = [tag for tag, _ in page.elements]
    assert (tags.count("script"), tags.count("img"), tags.count("style")) == (1, 0, 1)
    assert not [name for _, given in page.elements for name in given if name.startswith("on")]
    assert {link.partition(":")[0] for link in page.all("href") if not link.startswith("#")} <= {"https", "http"}
    assert "alert" not in page.texts["script"][0]
    assert "49" not in re.sub(r"sha256[-:]\S+", "", as_html(hostile))


def test_the_models_of_each_row_are_data_that_its_script_can_read(hostile) -> None:
    page = Page(as_html(hostile))
    told = [json.loads(each) for each in page.all("data-models")]
    assert told[: len(hostile.tables[0].columns)] == [["churn"]] * 4
    assert [HOSTILE, "' onclick='alert(1)"] in told
    assert set(page.elements[-1][1]) == set()


def test_the_page_lets_only_its_own_script_and_style_run(hostile) -> None:
    text = as_html(hostile)
    page = Page(text)
    policy = next(given["content"] for _, given in page.elements if "http-equiv" in given) or ""
    for tag in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256("".join(page.texts[tag]).encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert not re.search(r"(?:src|srcset|action)=|@import|url\(", text.replace("src=x onerror", ""))


def test_hostile_texts_become_no_markup_in_markdown(hostile) -> None:
    rendered = MarkdownIt("commonmark").enable("table").render(as_markdown(hostile))
    page = Page(rendered)
    assert {tag for tag, _ in page.elements} <= {
        "a", "code", "em", "h1", "h2", "h3", "li", "p", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
    }  # fmt: skip
    assert all(link.startswith(("#", "https://")) for link in page.all("href"))
    columns = next(table for table in rendered.split("<table>") if "<th>column</th>" in table)
    rows = columns.split("<tbody>")[1].split("</tbody>")[0].split("<tr>")[1:]
    assert [row.count("<td>") for row in rows] == [9, 9, 9, 9]


@pytest.mark.parametrize("write", [as_html, as_markdown])
def test_every_link_within_it_has_its_place_and_every_place_is_there_once(project, write) -> None:
    text = write(build_dictionary(collect([project])))
    page = Page(text if write is as_html else MarkdownIt("commonmark").enable("table").render(text))
    places = page.all("id")
    assert len(places) == len(set(places))
    headings = {"tables", "feature-catalogue", "glossary", "undocumented"} if write is as_markdown else set()
    assert {link[1:] for link in page.all("href") if link.startswith("#")} <= {*places, *headings}


def test_the_same_contracts_give_the_same_bytes_wherever_they_are_read_from(project, tmp_path, monkeypatch) -> None:
    texts = []
    for folder, path in ((project, Path()), (tmp_path, Path("churn"))):
        monkeypatch.chdir(folder)
        dictionary = build_dictionary(collect([path]))
        texts.append((as_html(dictionary), as_markdown(dictionary)))
    assert texts[0] == texts[1]
