"""Versions, tags and markers that no reader was made for: numbers of thousands of digits, deep nesting, products."""

from __future__ import annotations

import pytest

from builder.errors import EnvbuildError
from builder.lock.interface import Pin, Target
from builder.lock.pypi.edges import parsed, reachable
from builder.lock.pypi.index import version_of
from builder.lock.pypi.metadata import Metadata
from builder.lock.pypi.offers import decided_requirement, meets, metadata_for
from builder.lock.pypi.pins import active_pins
from builder.lock.pypi.tags import best_wheel, marker_environment
from builder.oci.documents import Platform
from builder.spec.environment import _check_requirement

NUMBER = "9" * 5000
DEEP = "(" * 3000 + "python_version > '3'" + ")" * 3000
TARGET = Target(Platform("amd64"), "x86_64", "3.11.2", (2, 36))


@pytest.mark.parametrize(
    "name", [f"pure-{NUMBER}.tar.gz", f"pure-{NUMBER}-py3-none-any.whl", f"pure-1-{NUMBER}-py3-none-any.whl"]
)
def test_a_file_with_a_version_of_thousands_of_digits_is_none(name: str) -> None:
    assert version_of(name, "pure") is None
    assert best_wheel([name, "pure-1-py3-none-any.whl"], TARGET) == "pure-1-py3-none-any.whl"


def test_a_name_that_stands_for_millions_of_tags_is_none() -> None:
    many = ".".join(f"x{number}" for number in range(5000))
    assert version_of(f"pure-1-{many}-{many}-{many}.whl", "pure") is None
    assert best_wheel([f"pure-1-{many}-{many}-{many}.whl"], TARGET) is None


@pytest.mark.parametrize("text", [f"b>={NUMBER}", f"b; python_full_version > '{NUMBER}'", f"b; {DEEP}"])
def test_a_requirement_that_cannot_be_read_is_none(text: str) -> None:
    assert parsed(text) is None
    assert decided_requirement(text, TARGET) is None
    found = Metadata("a", "1", (text, "c"))
    assert b"Requires-Dist: c" in metadata_for(found, TARGET)
    assert reachable({"a": found}, ["a"], marker_environment("3.11.2", "x86_64")) == {"a", "c"}


def test_a_python_of_thousands_of_digits_is_not_held_against_a_file() -> None:
    assert meets(f">={NUMBER}", "3.11.2")


@pytest.mark.parametrize("marker", [f"python_full_version > '{NUMBER}'", DEEP])
def test_a_pin_whose_marker_cannot_be_read_is_told_with_its_place(marker: str) -> None:
    with pytest.raises(EnvbuildError, match=r"requirements\.txt:3: the marker of `a` cannot be read"):
        active_pins([Pin("a", "1", frozenset(), marker, None, "requirements.txt:3")], TARGET)


def test_a_requirement_of_a_spec_that_nests_too_deep_is_a_problem_of_the_spec() -> None:
    with pytest.raises(ValueError, match="nests"):
        _check_requirement(f"a; {DEEP}")
