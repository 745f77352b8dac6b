"""A locked base of Debian's own packages, with and without a compiler, and the real uv for what is built with."""

from __future__ import annotations

import functools
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urljoin

import pytest

from builder.fetch import Fetcher, Mirrors
from builder.fetch.mirrors import PYPI_INDEX, canonical_pypi_url
from builder.image.workshop import Workshop
from builder.lock.artifact import DebianPackage, Wheel
from builder.lock.debian.archive import Archives
from builder.lock.document import Interpreter
from builder.lock.foundation import BUILD_SEEDS, SEEDS
from builder.lock.interface import BuildRoot, Sources, Target
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.oci.store import Store
from builder.run.embedded import EmbeddedEngine
from builder.run.wheels import WheelBuilder

AMD64 = Platform("amd64")
COMPILERS = ("gcc", "libc6-dev", "libpython3.11-dev")


@pytest.fixture(scope="session")
def workshop(store: Path) -> Workshop:
    shared = Store(store)
    store.mkdir(parents=True, exist_ok=True)
    shared.create()
    return Workshop(shared, Fetcher(shared, Mirrors.from_environment(os.environ)))


@pytest.fixture(scope="session")
def namespaces() -> None:
    reason = EmbeddedEngine().unavailable()
    if reason and not os.environ.get("CI"):
        pytest.skip(reason)


BACKENDS = {"flit-core": "3.12.0", "setuptools": "80.9.0", "wheel": "0.45.1"}


@functools.cache
def _wheel(name: str, fetcher: Fetcher) -> Wheel:
    """A backend's wheel as PyPI has it; of one release, so that a new one changes no test."""
    index = fetcher.mirrors.python_index or PYPI_INDEX
    page = f"{index}{name}/"
    file = f"{name.replace('-', '_')}-{BACKENDS[name]}-py3-none-any.whl"
    listed = json.loads(fetcher.read([page], 64 << 20, "application/vnd.pypi.simple.v1+json"))["files"]
    found = next(entry for entry in listed if entry["filename"] == file)
    url = canonical_pypi_url(urljoin(page, found["url"]))
    return Wheel(name, BACKENDS[name], file, Digest(found["hashes"]["sha256"]), int(found["size"]), url)


def _packages(workshop: Workshop, more: tuple[str, ...]) -> tuple[DebianPackage, ...]:
    archives = Archives(workshop.fetcher, datetime.now(UTC))
    return archives.resolve("bookworm", "amd64", (*SEEDS, "python3.11", *more)).packages


def _root(workshop: Workshop, base: tuple[DebianPackage, ...], compilers: tuple[DebianPackage, ...]) -> BuildRoot:
    target = Target(AMD64, "x86_64", "3.11.2", (2, 36))

    def resolve(sources: Sources) -> tuple[Wheel, ...]:
        names = {re.split(r"[^A-Za-z0-9_-]", line.text)[0].replace("_", "-") for line in sources.requirements}
        return tuple(_wheel(name, workshop.fetcher) for name in sorted(names))

    everything = tuple(sorted((*base, *compilers)))
    return BuildRoot(
        target, "bookworm", Interpreter("debian", "3.11.2", "/usr/bin/python3.11"), everything, compilers, resolve
    )


@pytest.fixture(scope="session")
def base(workshop: Workshop) -> tuple[DebianPackage, ...]:
    return _packages(workshop, ())


@pytest.fixture(scope="session")
def plain_root(workshop: Workshop, base: tuple[DebianPackage, ...], namespaces: None) -> BuildRoot:
    """The base alone."""
    return _root(workshop, base, ())


@pytest.fixture(scope="session")
def compiler_root(workshop: Workshop, base: tuple[DebianPackage, ...], namespaces: None) -> BuildRoot:
    """The base with a compiler and headers."""
    whole = _packages(workshop, (*BUILD_SEEDS, *COMPILERS))
    return _root(workshop, base, tuple(package for package in whole if package not in set(base)))


@pytest.fixture
def said() -> list[str]:
    """What the builder says."""
    return []


@pytest.fixture
def builder(workshop: Workshop, said: list[str]) -> WheelBuilder:
    return WheelBuilder(workshop, AMD64, said.append)
