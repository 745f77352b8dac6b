"""Whether a lock is as it was made: every entry has a check of its own, and entries that belong together are together.

Both hold line by line, so that two branches that change different packages merge by themselves, and only a merge
that does not fit together is noticed. A check is no signature: it tells accidents and edits, not an attacker who
computes it anew. Pure.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from builder.errors import EnvbuildError, shortened
from builder.lock.graph import reach
from builder.oci.canonical import canonical_json

CHECK = "check"
_CHECK_LENGTH = 16
"""Hexadecimal digits."""
_PACKAGES = {"debian": "debian-roots", "build-debian": "build-debian-roots"}
"""The lists of a platform's packages, and what says which of them are there for themselves."""
_REFERENCES = ("pypi", "conda")
"""Name a sibling by its digest, which is compared with the file."""
_CONFLICT = re.compile(rb"^(<<<<<<<|>>>>>>>)( |$)", re.MULTILINE)


class TamperedLockError(EnvbuildError):
    """A lock is not as it was made."""


class StaleLockError(EnvbuildError):
    """A lock is as it was made, but for something else than what is wanted now."""


class ConflictedLockError(EnvbuildError):
    """A merge was left in the middle of a lock."""


def sealed(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry with its check."""
    content = {key: value for key, value in entry.items() if key != CHECK}
    return {**content, CHECK: hashlib.sha256(canonical_json(content)).hexdigest()[:_CHECK_LENGTH]}


def sealed_platform(platform: Mapping[str, Any]) -> dict[str, Any]:
    """A platform of the lock with a check of all that neither is a package nor has a digest of its own."""
    return {**platform, CHECK: sealed(_header(platform))[CHECK]}


def sealed_document(document: Mapping[str, Any]) -> dict[str, Any]:
    """A lock with a check of what stands outside of its platforms and of its spec, which has a digest."""
    return {**document, CHECK: sealed(_frame(document))[CHECK]}


def check_intact(document: Mapping[str, Any], spec_digest: str, file: str, lock: str) -> None:
    """Compare a lock, whose form is right, with all its checks.

    `spec_digest` is that of its spec and inputs; `file` and `lock` name it in messages.

    Raises: TamperedLockError, with every entry that is not what was locked.
    """
    edits = [f"`{file}`: {edit}" for edit in _edits(document, spec_digest)]
    gaps = [f"`{file}`: {gap}" for name in sorted(document["platforms"]) for gap in _gaps(document, name)]
    if edits or gaps:
        what = "was changed by hand" if edits else "holds packages that do not belong together"
        hint = AGAIN if edits else f"If two branches were merged, run `envbuild lock --upgrade`. {AGAIN}"
        raise TamperedLockError(f"{lock} {what}", shortened([*edits, *gaps]), hint)


def check_merged(data: bytes, file: str, lock: str, then: str = "envbuild lock") -> None:
    """Refuse a file of a lock in which a merge stopped; `file` and `lock` name it in messages.

    `then` is the command that makes the lock right again.

    Raises: ConflictedLockError.
    """
    found = _CONFLICT.search(data)
    if found:
        line = data.count(b"\n", 0, found.start()) + 1
        raise ConflictedLockError(
            f"{lock} has a merge conflict that nobody has resolved",
            f"`{file}`, line {line}",
            f"Take one side as a whole with `git checkout --ours` or `--theirs`, then run `{then}`",
        )


def _edits(document: Mapping[str, Any], spec_digest: str) -> Iterator[str]:
    if document.get("spec-digest") != spec_digest:
        yield "`spec` or `inputs` is not as it was locked: `spec-digest` is not their digest"
    if document.get(CHECK) != sealed_document(document)[CHECK]:
        yield "what stands outside of `platforms` and `spec` is not as it was locked"
    for name, platform in sorted(document["platforms"].items()):
        if platform.get(CHECK) != sealed_platform(platform)[CHECK]:
            keys = ", ".join(f"`{key}`" for key in sorted(_header(platform)))
            yield f"one of {keys} of {name} is not as it was locked"
        for entry in (entry for key in _PACKAGES for entry in platform.get(key, ())):
            if entry.get(CHECK) != sealed(entry)[CHECK]:
                yield f"the Debian package `{entry['name']}` of {name} is not as it was locked"


def _gaps(document: Mapping[str, Any], name: str) -> Iterator[str]:
    """What is missing from a platform, and what does not belong to it."""
    platform = document["platforms"][name]
    edges: dict[str, set[str]] = {}
    for key, roots_key in _PACKAGES.items():
        own: set[str] = set()
        for entry in platform.get(key, ()):
            package = str(entry["name"])
            if package in edges:
                yield f"the Debian package `{package}` of {name} stands twice"
            own.add(package)
            edges[package] = {*map(str, entry.get("dependencies", ()))}
        roots = {*map(str, platform.get(roots_key, ()))}
        for root in sorted(roots - edges.keys()):
            yield f"the Debian package `{root}` of {name} is missing, which was asked for"
        for package in sorted(own):
            for dependency in sorted(edges[package] - edges.keys()):
                yield f"the Debian package `{dependency}` of {name} is missing, which `{package}` needs"
        for package in sorted(own - reach(roots, edges)):
            yield f"the Debian package `{package}` of {name} is not needed by any other"


def _header(platform: Mapping[str, Any]) -> dict[str, Any]:
    header = {key: value for key, value in platform.items() if key != CHECK and key not in _PACKAGES}
    for key in _REFERENCES:
        if isinstance(header.get(key), Mapping):
            header[key] = {name: value for name, value in header[key].items() if name != "sha256"}
    return header


def _frame(document: Mapping[str, Any]) -> dict[str, Any]:
    elsewhere = (CHECK, "platforms", "spec", "inputs", "spec-digest")
    frame = {key: value for key, value in document.items() if key not in elsewhere}
    return {**frame, "platforms": sorted(document["platforms"])}


AGAIN = "Restore it from version control, or lock again with `envbuild lock --upgrade`"
