"""Whose requirements an error speaks of."""

import pytest

from builder.errors import DigestMismatchError, EnvbuildError
from builder.lock.interface import Line
from builder.lock.named_lines import with_places


@pytest.mark.parametrize(
    ("requirement", "said"),
    [
        ("click==99", "there is no version of click==99 and you require click==99"),
        ("Foo_Bar>1", "you require foo-bar>1, we can conclude"),
        ("numpy", "Failed to build `numpy==1.0`"),
        ("channel::numpy >=99", "No candidates were found for numpy >=99."),
        ("ours @ git+https://example.org/ours@main", "Failed to download and build `ours @ git+https://…`"),
    ],
)
def test_a_requirement_that_is_named_is_told_with_its_place(requirement: str, said: str) -> None:
    error = with_places(EnvbuildError("no", said, "do"), [Line(requirement, "a.in:3"), Line("other", "a.in:4")])
    assert error.why == (said, f"a.in:3: `{requirement}`")
    assert error.hint == "do"


@pytest.mark.parametrize(
    "said", ["Failed to fetch: https://index.example/simple/click/", "you require click-plugins", "see click.py"]
)
def test_what_only_looks_like_its_name_is_not_told(said: str) -> None:
    assert with_places(EnvbuildError("no", said), [Line("click", "a.in:3")]).why == (said,)


def test_an_error_stays_of_its_kind() -> None:
    error = with_places(DigestMismatchError("`click` is another file"), [Line("click", "a.in:3")])
    assert isinstance(error, DigestMismatchError)
    assert error.why == ("a.in:3: `click`",)
