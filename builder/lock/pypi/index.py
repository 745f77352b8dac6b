"""Simple indexes (PEP 503, 691) as a client sees them: in the order of their priority, each page read once.

Only to choose files by name, version and hash; versions are chosen by a resolver.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

from builder.errors import EnvbuildError
from builder.fetch import Fetcher, Mirrors, MissingDocumentError
from builder.fetch.mirrors import PYPI_INDEX
from builder.fetch.project_name import normalised
from builder.fetch.redaction import without_credentials
from builder.fetch.simple_page import ACCEPTED, PAGE_LIMIT, PageError, PageFile, parse_page
from builder.lock.indexes import folder_of, is_pypi
from builder.lock.interface import Request
from builder.lock.pypi.found import Found
from builder.lock.pypi.once import Once
from builder.lock.pypi.tags import LONGEST_NAME
from builder.oci.digest import Digest

_PARALLEL = 16
_SDISTS = (".tar.gz", ".zip")


@dataclass(frozen=True, slots=True)
class Listed:
    """A file, and what its index says of it."""

    found: Found
    uploaded: str | None
    """When, as in RFC 3339, where the index tells it."""
    yanked: bool
    requires_python: str
    """A version specifier (PEP 440), or nothing."""


@dataclass(frozen=True, slots=True)
class _Place:
    """An index to ask."""

    url: str
    """With a slash at its end, without credentials."""
    only: frozenset[str] = frozenset()
    """The projects that are asked of it, and of no other; every one if there are none."""


class SimpleIndexes:
    """The indexes of a request, with this machine's mirror of PyPI. Safe for several threads."""

    def __init__(self, request: Request, fetcher: Fetcher) -> None:
        self._request = request
        self._fetcher = fetcher
        self._places = tuple(_places(request, fetcher.mirrors))
        self._limits = {normalised(name): time for name, time in request.exclude_newer_package.items()}
        self._pages = Once(self._read)

    def allowed(self, project: str) -> tuple[Listed, ...]:
        """The files of a project that the request's times allow, in the order of its page; none if it is nowhere.

        Raises: EnvbuildError, if an index cannot be asked, or tells no upload times where they are needed.
        """
        listed = self.listed(project) or ()
        time = self._limits.get(normalised(project), self._request.exclude_newer)
        if time is None or time == "none" or not listed:
            return listed
        if all(one.uploaded is None for one in listed):
            raise EnvbuildError(
                f"`{project}` cannot be taken from an index that tells no upload times",
                f"`exclude-newer` is set, and {' and '.join(self.asked(project))} does not say when its files came",
                f"Write `exclude-newer-package: {{{normalised(project)}: none}}` to take every file of it",
            )
        limit = _moment(time)
        return tuple(one for one in listed if one.uploaded is not None and _moment(one.uploaded) < limit)

    def listed(self, project: str) -> tuple[Listed, ...] | None:
        """Every file of a project whose SHA-256 is known, whenever it was uploaded; None if no index has the project.

        Raises: EnvbuildError, if an index cannot be asked, or tells no SHA-256.
        """
        return self._pages(normalised(project))

    def read_ahead(self, projects: Iterable[str]) -> None:
        """Read the pages of projects in parallel.

        Raises: EnvbuildError, if one cannot be read.
        """
        wanted = sorted({*map(normalised, projects)})
        with ThreadPoolExecutor(_PARALLEL) as pool:
            try:
                for pending in [pool.submit(self.listed, name) for name in wanted]:
                    pending.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise

    def asked(self, project: str) -> tuple[str, ...]:
        """The URLs of the indexes that are asked for a project, in order."""
        return tuple(f"`{place.url}`" for place in self._places_of(normalised(project)))

    def _places_of(self, name: str) -> tuple[_Place, ...]:
        own = tuple(place for place in self._places if name in place.only)
        return own or tuple(place for place in self._places if not place.only)

    def _read(self, name: str) -> tuple[Listed, ...] | None:
        for place in self._places_of(name):
            page = f"{place.url}{name}/"
            document = f"{page}index.html" if page.startswith("file:") else page
            try:
                data = self._fetcher.read([document], PAGE_LIMIT, ACCEPTED)
            except MissingDocumentError:
                continue
            try:
                entries = parse_page(data, page)
            except PageError as error:
                raise EnvbuildError(
                    f"the page of `{name}` on the index `{place.url}` cannot be read",
                    str(error),
                    "It must be a simple index (PEP 503, PEP 691); look at its URL",
                ) from error
            return _usable(name, place.url, entries)
        return None


def _places(request: Request, mirrors: Mirrors) -> Iterator[_Place]:
    """The indexes in the order of their priority, as uv has it: this machine's, those of the request, and PyPI."""
    pypi = mirrors.python_index or PYPI_INDEX
    named = {folder_of(index.url) for index in request.indexes}
    yield from (_Place(url) for url in mirrors.more_indexes if url not in named)
    for index in request.indexes:
        if not index.default:
            yield _Place(_at(index.url, pypi), frozenset(map(normalised, index.packages)))
    yield _Place(next((_at(index.url, pypi) for index in request.indexes if index.default), pypi))


def _at(url: str, pypi: str) -> str:
    """The URL to ask: this machine's mirror where the index is PyPI."""
    return pypi if is_pypi(url) else folder_of(url)


def _usable(name: str, index: str, entries: Iterable[PageFile]) -> tuple[Listed, ...]:
    """The wheels and sdists of a project among what its page lists."""
    own = [(entry, version) for entry in entries if (version := version_of(entry.name, name))]
    if own and all(entry.sha256 is None for entry, _ in own):
        raise EnvbuildError(
            f"`{name}` has no sha256 on the index `{index}`", hint="Use an index that gives sha256 (PEP 503, 691)"
        )
    found = {
        entry.name: Listed(
            Found(
                name,
                version,
                entry.name,
                Digest(entry.sha256),
                entry.size,
                without_credentials(entry.url),
                metadata=Digest(entry.metadata) if entry.metadata else None,
            ),
            entry.uploaded,
            entry.yanked,
            entry.requires_python,
        )
        for entry, version in reversed(own)
        if entry.sha256
    }
    return tuple(reversed(found.values()))


def version_of(file_name: str, project: str) -> str | None:
    """The normalised version in the name of a file; None if this is no file of the project that can be taken."""
    if len(file_name) > LONGEST_NAME or "/" in file_name or "\\" in file_name or not file_name.isprintable():
        return None
    if file_name.endswith(".whl"):
        parts = file_name.removesuffix(".whl").split("-")
        name, version = (parts[0], parts[1]) if len(parts) in (5, 6) else ("", "")
    else:
        stem = next((file_name.removesuffix(end) for end in _SDISTS if file_name.endswith(end)), "")
        name, _, version = stem.rpartition("-")
    return _normalised_version(version) if name and normalised(name) == project else None


@lru_cache(maxsize=1 << 14)
def _normalised_version(text: str) -> str | None:
    from packaging.version import InvalidVersion, Version

    try:
        return str(Version(text))
    except InvalidVersion:
        return None


def _moment(text: str) -> datetime:
    """A time; one that cannot be read counts as the last of all, so that its file is not taken."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.max.replace(tzinfo=UTC)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
