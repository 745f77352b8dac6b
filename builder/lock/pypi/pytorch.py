"""Resolving with PyTorch's indexes: where one for a CUDA version is not there, it is told which ones there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from builder.errors import EnvbuildError
from builder.fetch import Fetcher
from builder.fetch.mirrors import PYTORCH_WHEELS
from builder.fetch.simple_page import ACCEPTED, PAGE_LIMIT, PageError, parse_page
from builder.lock.artifact import Sdist, Wheel
from builder.lock.indexes import folder_of
from builder.lock.interface import PythonResolver, Request, Target
from builder.lock.pypi.index import version_of
from builder.lock.pypi.tags import best_wheel

_INDEX = re.compile(re.escape(PYTORCH_WHEELS[0]) + r"cu(\d+)/")
_BUILD = re.compile(r"\+cu(\d{2,4})$")
_ALL = f"{PYTORCH_WHEELS[0]}torch/"
"""The page that lists the builds for every CUDA version."""


@dataclass(frozen=True, slots=True)
class PyTorchResolver:
    """A resolver, and what PyTorch has where it fails (a PythonResolver)."""

    resolver: PythonResolver
    fetcher: Fetcher

    def __call__(self, request: Request, target: Target) -> tuple[Wheel | Sdist, ...]:
        """The files of the resolver.

        Raises: EnvbuildError, of the resolver, or naming the CUDA versions that there are wheels for.
        """
        try:
            return self.resolver(request, target)
        except EnvbuildError as error:
            for asked in _asked(request):
                self._check(asked, target, error)
            raise

    def _check(self, asked: str, target: Target, cause: EnvbuildError) -> None:
        try:
            page = parse_page(self.fetcher.read([_ALL], PAGE_LIMIT, ACCEPTED), _ALL)
        except (EnvbuildError, PageError):
            return  # then nothing is known, and what the resolver says stands
        there = _versions((file.name for file in page), target)
        if not there or asked in there:
            return
        where = f"for Python {target.python} on {target.platform}"
        raise EnvbuildError(
            f"PyTorch has no wheels for CUDA {asked} {where}",
            f"its indexes have them for {', '.join(there)}",
            f'Write one of these, as `cuda: "{there[-1]}"`; what is built for a CUDA version runs on drivers for later '
            "ones too",
        ) from cause


def _asked(request: Request) -> Iterator[str]:
    """The CUDA versions whose indexes of PyTorch are asked."""
    for index in request.indexes:
        if match := _INDEX.fullmatch(folder_of(index.url)):
            yield _version(match[1])


def _versions(names: Iterator[str], target: Target) -> list[str]:
    """For which CUDA versions there is a wheel that runs on the target, oldest first."""
    builds: dict[str, list[str]] = {}
    for name in names:
        if match := _BUILD.search(version_of(name, "torch") or ""):
            builds.setdefault(match[1], []).append(name)
    there = [_version(tag) for tag, files in builds.items() if best_wheel(files, target)]
    return sorted(there, key=lambda version: [int(part) for part in version.split(".")])


def _version(tag: str) -> str:
    """`128` is 12.8."""
    return f"{tag[:-1]}.{tag[-1]}"
