"""The rules: bounded patterns, so that reading takes time in proportion to what is read, and checks that are right."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from re import _constants as constants  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from builder.records.scan.assignments import _BARE, _QUOTED
from builder.records.scan.blocks import OVERLAP, Wanted, blocks
from builder.records.scan.notebook import notebook_parts
from builder.records.scan.personal import find_personal
from builder.records.scan.personal_rules import PERSONAL_RULES, is_codice_fiscale, luhn
from builder.records.scan.secret_rules import SECRET_RULES
from builder.records.scan.secrets import find_secrets

WANTED: list[Wanted] = [
    *(rule.wanted for rule in SECRET_RULES), *(rule.wanted for rule in PERSONAL_RULES), _QUOTED, _BARE,
]  # fmt: skip


def quantifiers(tree: Any) -> Iterator[int]:
    """The upper bound of every repetition in a parsed pattern."""
    for code, argument in tree:
        if code in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            yield argument[1]
            yield from quantifiers(argument[2])
        elif code is constants.SUBPATTERN:
            yield from quantifiers(argument[-1])
        elif code is constants.BRANCH:
            for branch in argument[1]:
                yield from quantifiers(branch)
        elif code in (constants.ASSERT, constants.ASSERT_NOT):
            yield from quantifiers(argument[1])


@pytest.mark.parametrize("wanted", WANTED, ids=lambda wanted: wanted.words[0].decode())
def test_no_pattern_repeats_without_a_bound_or_is_longer_than_the_overlap(wanted: Wanted) -> None:
    for pattern in filter(None, (wanted.pattern, wanted.lead)):
        tree = parser.parse(pattern.pattern)
        assert constants.MAXREPEAT not in quantifiers(tree)
        assert tree.getwidth()[1] <= OVERLAP


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000))
def test_any_bytes_are_read_without_a_failure(data: bytes) -> None:
    list(find_secrets(io.BytesIO(data), "ini", is_text=True))
    for suffix in ("csv", "json", "txt"):
        list(find_personal(io.BytesIO(data), suffix))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([b"a\n", b"\n", b"xx", b"y" * 5000]), max_size=900))
def test_blocks_cover_a_stream_once_and_count_its_lines(parts: list[bytes]) -> None:
    data = b"".join(parts)
    seen = b""
    for block in blocks(io.BytesIO(data)):
        assert block.first_line == data.count(b"\n", 0, len(seen)) + 1
        seen += block.data[block.start : block.stop]
    assert seen == data


def test_luhns_check_knows_published_numbers() -> None:
    assert luhn(b"79927398713")
    assert not any(luhn(b"7992739871" + str(digit).encode()) for digit in (0, 1, 2, 4, 5, 6, 7, 8, 9))


def test_an_italian_tax_code_is_checked_by_its_last_letter() -> None:
    assert is_codice_fiscale(b"RSSMRA85T10A562S")
    assert not is_codice_fiscale(b"RSSMRA85T10A562T")


KEYS = st.sampled_from(["cells", "source", "outputs", "data", "text", "text/plain", "image/png"])
CELLS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["cells", "source", "outputs", "data", "text", "text/plain", "image/png"]), inner
        )
    ),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(CELLS)
def test_notebooks_of_any_form_are_read_without_a_failure(document: Any) -> None:
    notebook_parts(json.dumps(document).encode())
    notebook_parts(json.dumps({"cells": document}).encode())
    notebook_parts(json.dumps({"cells": [document, {"outputs": [document]}]}).encode())


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[" * 200_000, b'{"cells": 5}', b"\xff\xfe", b'{"a": NaN}'], ids=lambda text: repr(text[:20])
)
def test_what_is_no_notebook_is_read_as_text(data: bytes) -> None:
    assert notebook_parts(data) is None


def test_of_a_notebook_the_cell_the_output_and_the_line_are_told() -> None:
    token = "gh" + "p_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0dF3hJ6"
    cells = [
        {"source": ["a = 1\n", f"b = '{token}'\n"]},
        {"source": "", "outputs": [{"text": "1"}, {"data": {"text/html": f"<b>\n{token}", "image/png": token}}]},
    ]
    parts = notebook_parts(json.dumps({"cells": cells}).encode())
    assert parts is not None
    assert [(part.place, part.is_output) for part in parts] == [
        ("cell 1", False), ("cell 2, output 1", True), ("cell 2, output 2", True),
    ]  # fmt: skip
    assert not re.search(b"image", b"".join(part.text for part in parts))
