"""The page about the document says what the document has."""

import re
from pathlib import Path

from builder.data.profile import Profile
from builder.spec.reference import markdown_reference

PAGE = Path(__file__).parents[4] / "docs/reference/profile.md"


def test_the_page_says_what_a_profile_has() -> None:
    assert PAGE.read_text("utf-8").endswith(markdown_reference(Profile, "profile.json"))


def test_a_part_that_two_keys_have_is_explained_once() -> None:
    headings = re.findall(r"^### .*", markdown_reference(Profile, "profile.json"), re.MULTILINE)
    assert headings == ["### ColumnProfile", "### Histogram", "### Category"]
