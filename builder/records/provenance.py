"""How a bundle was made, as SLSA provenance v1 in an in-toto statement v1 (slsa.dev/spec/v1.0/provenance). Pure.

It is a function of what went in: without a time that was given, equal builds give equal bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from builder.fetch import Source
from builder.lock.document import Lock
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.records.in_toto import PROVENANCE, resource_digest, statement_document

BUILD_TYPE = "https://envbuild.dev/build-types/bundle/v1"
"""What the parameters mean: docs/guides/attached-records.md, "Provenance"."""
LOCAL_BUILDER = "https://envbuild.dev/builders/local"
"""The builder where none is named: some machine, of which nothing more is claimed."""


@dataclass(frozen=True, slots=True)
class Checkout:
    """The state of the git repository that a project is in."""

    commit: str
    """40 or 64 hexadecimal digits."""
    clean: bool
    """Whether what was packed is what the commit has."""
    url: str = ""
    """Where it was cloned from, without credentials; empty where that is no address."""


@dataclass(frozen=True, slots=True)
class Material:
    """Something that a bundle was made of."""

    name: str
    digest: Digest
    url: str = ""
    """Empty where it is of the project."""


@dataclass(frozen=True, slots=True)
class Builder:
    """Who has built."""

    id: str
    """A URI, which stands for whoever is trusted to have built (SLSA, `builder.id`)."""
    version: str
    """Of envbuild."""
    finished: str = ""
    """RFC 3339, UTC; empty where no time is told."""


@dataclass(frozen=True, slots=True)
class Made:
    """What a bundle was made of, and how."""

    subjects: Mapping[str, Digest]
    """The bundle and each of its images, by names of theirs."""
    lock: Lock
    platforms: tuple[Platform, ...]
    spec: Digest
    """Of the project's file."""
    packed: tuple[str, ...] = ()
    """The names of the data that are inside, sorted; others are references."""
    materials: tuple[Material, ...] = ()
    """Code, model and data."""
    checkout: Checkout | None = None
    """None where the project is in no repository."""
    builder: Builder = field(default_factory=lambda: Builder(LOCAL_BUILDER, ""))


def provenance(made: Made) -> dict[str, Any]:
    """The statement."""
    predicate = {"buildDefinition": _definition(made), "runDetails": _run(made.builder)}
    return statement_document(sorted(made.subjects.items()), PROVENANCE, predicate)


def _definition(made: Made) -> dict[str, Any]:
    return {
        "buildType": BUILD_TYPE,
        "externalParameters": {
            "lock": str(made.lock.digest),
            "spec": str(made.spec),
            "platforms": [str(platform) for platform in sorted(made.platforms)],
            "packed": list(made.packed),
        },
        "internalParameters": {"layer-format": made.lock.document.layer_format},
        "resolvedDependencies": _dependencies(made),
    }


def _run(builder: Builder) -> dict[str, Any]:
    version = {"version": {"envbuild": builder.version}} if builder.version else {}
    metadata = {"metadata": {"finishedOn": builder.finished}} if builder.finished else {}
    return {"builder": {"id": builder.id, **version}, **metadata}


def _dependencies(made: Made) -> list[dict[str, Any]]:
    """What went in, each once: the project and its commit, then what was locked, sorted."""
    own = [_descriptor(material.name, material.digest, material.url) for material in made.materials]
    locked = {
        (source.name, source.digest.hex): _descriptor(source.name, source.digest, next(iter(source.urls), ""))
        for platform in made.platforms
        for source in _locked(made.lock, platform)
    }
    return [*_commit(made.checkout), *own, *(locked[key] for key in sorted(locked))]


def _commit(checkout: Checkout | None) -> Iterator[dict[str, Any]]:
    if checkout is not None:
        uri = {"uri": f"git+{checkout.url}@{checkout.commit}"} if checkout.url else {}
        digest = {"gitCommit": checkout.commit}
        yield {"name": "project", **uri, "digest": digest, "annotations": {"clean": checkout.clean}}


def _descriptor(name: str, digest: Digest, url: str) -> dict[str, Any]:
    return {"name": name, **({"uri": url} if url else {}), **resource_digest(digest)}


def _locked(lock: Lock, platform: Platform) -> Iterator[Source]:
    """The base and every file of a platform; of what was built here, what it was built from too."""
    locked = lock.document.platforms[platform]
    if locked.image:
        digest = locked.image.manifest.digest
        yield Source(digest, None, (f"oci://{locked.image.reference}",), f"base for {platform}")
    archive = locked.interpreter.archive
    artifacts: Iterable[Any] = (*locked.debian, *lock.conda.get(platform, ()), *lock.wheels[platform])
    yield from (artifact.source for artifact in (*artifacts, *((archive,) if archive else ())))
    yield from (wheel.built.sdist.source for wheel in lock.wheels[platform] if wheel.built)
