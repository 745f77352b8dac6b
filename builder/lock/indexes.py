"""Which package indexes are asked, and in which order: of what a spec and the files that it names say. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import count

from builder.errors import EnvbuildError
from builder.fetch.access import variable_name
from builder.fetch.mirrors import PYPI_INDEX
from builder.lock.interface import FileIndex
from builder.spec.environment import Index


def requested_indexes(own: Sequence[Index], files: Iterable[FileIndex]) -> tuple[Index, ...]:
    """The indexes of a spec, then those that its files name, in the order in which they are asked.

    At most one is the default, which stands in place of PyPI. Where a file names PyPI beside an index that is to stand
    in its place, both are asked and PyPI last, where a stranger may have taken the name of a team's package.

    Raises: EnvbuildError, if more than one index is to stand in place of PyPI.
    """
    named = {(folder_of(file.url), file.is_default): file for file in reversed([*files])}
    said = tuple(reversed(named.values()))
    _check_defaults(own, said)
    known = {folder_of(index.url) for index in own if not index.packages}
    known |= {PYPI_INDEX, *(folder_of(file.url) for file in said if file.is_default)}
    more = [file.url for file in said if not file.is_default and folder_of(file.url) not in known]
    names = _free_names(own)
    found = [*own, *(Index(next(names), url) for url in more)]
    stand_in = next((file.url for file in said if file.is_default and not is_pypi(file.url)), None)
    if stand_in is not None and not any(index.default for index in own):
        found.append(Index(next(names), stand_in, default=(PYPI_INDEX, False) not in named))
    return tuple(found)


def folder_of(url: str) -> str:
    """A URL with a slash at its end, as indexes are compared."""
    return url.rstrip("/") + "/"


def is_pypi(url: str) -> bool:
    """Whether an index is PyPI's own."""
    return folder_of(url) == PYPI_INDEX


def _check_defaults(own: Sequence[Index], files: Sequence[FileIndex]) -> None:
    default = next((index for index in own if index.default), None)
    told = {folder_of(default.url): f"`{default.name}` of the spec: `{default.url}`"} if default else {}
    for file in files:
        if file.is_default or (default and is_pypi(file.url)):
            told.setdefault(folder_of(file.url), f"{file.place}: `{file.url}`")
    if len(told) > 1:
        raise EnvbuildError(
            "several indexes are to stand in place of PyPI",
            list(told.values()),
            "Keep one of them: `default: true` in the spec, or `--index-url` in a file; those that are asked besides "
            "go under `indexes` or `--extra-index-url`",
        )


def _free_names(own: Iterable[Index]) -> Iterator[str]:
    """Names for indexes that have none, which are no other's: credentials are given by name."""
    taken = {variable_name(index.name) for index in own}
    names = (f"requirements-{number}" for number in count(1))
    return (name for name in names if variable_name(name) not in taken)
