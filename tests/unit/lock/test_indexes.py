from __future__ import annotations

import pytest

from builder.errors import EnvbuildError
from builder.lock.indexes import requested_indexes
from builder.lock.interface import CondaSources, FileIndex, Sources
from builder.lock.wish import Wish
from builder.spec import Environment
from builder.spec.environment import Index

CORP, MORE, PYPI = "https://corp.example/simple/", "https://more.example/simple/", "https://pypi.org/simple/"


def default(url: str, line: int = 1) -> FileIndex:
    return FileIndex(url, f"requirements.in:{line}", is_default=True)


def besides(url: str, line: int = 2) -> FileIndex:
    return FileIndex(url, f"requirements.in:{line}")


def asked(own: tuple[Index, ...] = (), *files: FileIndex) -> list[str]:
    """The URLs in the order in which they are asked, with PyPI where it is asked."""
    indexes = requested_indexes(own, files)
    last = [index.url for index in indexes if index.default]
    assert len(last) <= 1
    assert len({index.name for index in indexes}) == len(indexes)
    return [index.url for index in indexes if not index.default] + (last or [PYPI])


def test_pypi_is_asked_last_where_nothing_stands_in_its_place() -> None:
    assert asked() == [PYPI]
    assert asked((Index("corp", CORP),)) == [CORP, PYPI]


def test_an_index_that_a_file_names_besides_is_asked_after_the_specs_and_before_pypi() -> None:
    assert asked((Index("corp", CORP),), besides(MORE)) == [CORP, MORE, PYPI]


def test_an_index_url_stands_in_place_of_pypi() -> None:
    assert asked((), default(CORP)) == [CORP]
    assert asked((), default(CORP), besides(MORE)) == [MORE, CORP]
    assert asked((Index("more", MORE),), default(CORP)) == [MORE, CORP]


def test_pypi_is_asked_last_where_a_file_names_it_besides() -> None:
    assert asked((), default(CORP), besides(PYPI)) == [CORP, PYPI]
    assert asked((), default(CORP), besides(PYPI), besides(MORE)) == [MORE, CORP, PYPI]


@pytest.mark.parametrize("file", [default(PYPI), default(PYPI.rstrip("/")), besides(PYPI)])
def test_a_file_that_names_pypi_alone_says_nothing(file: FileIndex) -> None:
    assert asked((), file) == [PYPI]
    assert asked((Index("corp", CORP),), file) == [CORP, PYPI]


def test_what_the_spec_says_too_is_said_once() -> None:
    own = (Index("corp", CORP, default=True), Index("more", MORE))
    assert asked(own, default(CORP.rstrip("/")), besides(MORE), besides(CORP)) == [MORE, CORP]


def test_the_specs_order_stays_where_a_file_puts_one_of_its_indexes_in_place_of_pypi() -> None:
    assert asked((Index("corp", CORP), Index("more", MORE)), default(CORP)) == [CORP, MORE, CORP]


def test_an_index_for_some_packages_is_asked_for_others_where_a_file_says_so() -> None:
    own = (Index("corp", CORP, packages=("secret",)),)
    assert asked(own, besides(CORP)) == [CORP, CORP, PYPI]
    assert asked(own, default(CORP)) == [CORP, CORP]


@pytest.mark.parametrize(
    ("own", "files", "places"),
    [
        (CORP, [default(MORE, 3)], [f"`corp` of the spec: `{CORP}`", f"requirements.in:3: `{MORE}`"]),
        (CORP, [default(PYPI, 4)], [f"`corp` of the spec: `{CORP}`", f"requirements.in:4: `{PYPI}`"]),
        (CORP, [besides(PYPI, 4)], [f"`corp` of the spec: `{CORP}`", f"requirements.in:4: `{PYPI}`"]),
        (None, [default(CORP, 1), default(MORE, 2)], [f"requirements.in:1: `{CORP}`", f"requirements.in:2: `{MORE}`"]),
        (None, [default(CORP, 1), default(PYPI, 2)], [f"requirements.in:1: `{CORP}`", f"requirements.in:2: `{PYPI}`"]),
    ],
)
def test_a_contradiction_names_both_places(own: str | None, files: list[FileIndex], places: list[str]) -> None:
    spec = (Index("corp", own, default=True),) if own else ()
    with pytest.raises(EnvbuildError, match="several indexes are to stand in place of PyPI") as caught:
        requested_indexes(spec, files)
    assert list(caught.value.why) == places
    assert "--extra-index-url" in str(caught.value.hint)


def test_a_conda_environments_pip_section_names_indexes_too() -> None:
    conda = CondaSources(pip=Sources(indexes=(default(CORP),)))
    assert [index.url for index in Wish(Environment("3.11"), conda=conda).indexes] == [CORP]
    with pytest.raises(EnvbuildError, match="several indexes"):
        Wish(Environment("3.11"), Sources(indexes=(default(MORE),)), conda).check()


def test_names_are_no_others_as_credentials_are_given_by_name() -> None:
    own = (Index("Requirements.1", CORP),)
    assert [index.name for index in requested_indexes(own, [besides(MORE)])] == ["Requirements.1", "requirements-2"]
