from __future__ import annotations

import re

import pytest
from made_subjects import HOSTILE

from builder.records.markdown import code, mermaid, plain

STARTS = [
    "# a",
    "- a",
    "+ a",
    "* a",
    "1. a",
    "1) a",
    "> a",
    "=== a",
    "--- a",
    "| a",
    "``` a",
    "~~~ a",
    "    a",
    ": a",
    "<b> a",
]


@pytest.mark.parametrize("text", STARTS)
def test_no_line_begins_as_markup(text: str) -> None:
    made = plain(text)
    assert not re.match(r"[#+*>=|`~<:-]|\d+[.)]\s|\s", made)
    assert re.sub(r"\\(.)", r"\1", made) == text.strip()


@pytest.mark.parametrize(
    "text", ["scikit-learn 1.9.1", "2.0", "a: b, c (d)", "x@y.de, https://example.com/a?b=c#d", "Größe"]
)
def test_usual_text_stays_as_it_is(text: str) -> None:
    assert plain(text) == text


def test_special_characters_are_escaped_and_lines_are_joined() -> None:
    assert plain("a\n\n# b") == "a # b"
    assert plain("`a` <b> [c](d) | *e* _f_ &lt; $x$ \\") == (r"\`a\` \<b\> \[c\](d) \| \*e\* \_f\_ \&lt; \$x\$ \\")
    assert "\x1b" not in plain(HOSTILE)


@pytest.mark.parametrize("text", ["a", "`", "``a", "a ``` b", "`a`", "a\nb", HOSTILE])
def test_code_ends_where_it_ends(text: str) -> None:
    made = code(text)
    fence = re.match(r"`+", made)[0]  # type: ignore[index]
    assert made.endswith(fence)
    inner = made[len(fence) : -len(fence)]
    assert fence not in re.findall(r"`+", inner)
    assert "\n" not in made
    assert not re.search(r"(?<!\\)\|", made), "would end a cell of a table"


def test_a_label_of_mermaid_cannot_end_its_shape() -> None:
    assert mermaid("Debian bookworm, Python 3.11") == "Debian bookworm, Python 3.11"
    assert not set('"[](){}<>`|\n\x1b') & set(mermaid(HOSTILE))
    assert mermaid('a"]') == "a#34;#93;"
