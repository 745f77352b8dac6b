"""The Python packages of an image: found by their dist-info folders, each with the files that its RECORD lists.

Follows packaging.python.org, "Recording installed projects" and "Core metadata". Pure.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from builder.fetch.project_name import normalised
from builder.image.contents.claims import Claim, Claims
from builder.image.skeleton import ENVIRONMENT
from builder.layers.wheel_record import RecordError, parse_record
from builder.lock.artifact import Wheel
from builder.oci.layer_rules import shown
from builder.oci.layer_stack import LayerStack
from builder.oci.problems import Problem


def check_wheels(wheels: Sequence[Wheel], minor: str, files: LayerStack, claims: Claims) -> Iterator[Problem]:
    """Compare the distributions that are there with the locked ones, and take their claims in.

    Distributions that others (conda packages) claim already are theirs. `minor` is Python's version, as in 3.11.
    """
    site = f"{ENVIRONMENT}/lib/python{minor}/site-packages"
    expected = {wheel.name: wheel for wheel in wheels}
    found: dict[str, str] = {}
    for folder in _distributions(files, site.encode()):
        if folder + b"/METADATA" in claims.by_path:
            continue
        name, version = _identity(files.content(folder + b"/METADATA") or b"")
        path = shown(folder, 4096)
        if not name or not version:
            yield Problem("contents", f"`{path}` has no METADATA that tells a name and a version", path=path)
            continue
        if name in found:
            yield Problem("contents", f"`{path}` is {name} once more: `{found[name]}` is it too", path=path)
        found[name] = path
        wheel = expected.get(name)
        if wheel is None:
            yield Problem("contents", f"`{path}` is {name} {version}, which the lock has not", path=path)
        elif not _same_version(version, wheel.version):
            yield Problem("contents", f"`{path}` is {name} {version}, where the lock has {wheel.version}", path=path)
        yield from _take(folder, site, f"{name} {version}", files, claims)
    for name in sorted(expected.keys() - found.keys()):
        yield Problem("contents", f"{name} {expected[name].version} is locked and is not in `{site}`", path=site)


def _distributions(files: LayerStack, site: bytes) -> list[bytes]:
    top = files.find(site, follow=False)
    entries = (top.entries if top else None) or {}
    return [site + b"/" + name for name in sorted(entries) if name.endswith(b".dist-info")]


def _identity(metadata: bytes) -> tuple[str, str]:
    """The normalised name and the version in the head of METADATA; empty where it does not tell."""
    fields: dict[str, str] = {}
    for line in metadata.splitlines():
        if not line.strip():
            break
        key, colon, value = line.partition(b":")
        if colon:
            fields.setdefault(key.decode("utf-8", "replace").lower(), value.decode("utf-8", "replace").strip())
    return normalised(fields.get("name", "")), fields.get("version", "")


def _same_version(one: str, other: str) -> bool:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(one) == Version(other)
    except InvalidVersion:
        return one == other


def _take(folder: bytes, site: str, package: str, files: LayerStack, claims: Claims) -> Iterator[Problem]:
    path = folder + b"/RECORD"
    data = files.content(path)
    try:
        if data is None:
            raise RecordError("it is not there, or too large to be read")
        rows = parse_record(data.decode())
    except (RecordError, UnicodeDecodeError) as error:
        yield Problem("contents", f"`{shown(path)}` of {package} cannot be read: {error}", path=shown(path, 4096))
        return
    outside = []
    for name, claim in rows.items():
        place = posixpath.normpath(posixpath.join("/", site, name)).lstrip("/").encode("utf-8", "surrogateescape")
        if name.endswith("/"):
            continue
        if not place.startswith(f"{ENVIRONMENT}/".encode()):
            outside.append(name)
        checksum = claim.digest if claim.algorithm == "sha256" else b""
        claims.add(place, Claim(package, checksum, claim.size))
    if path not in claims.by_path:
        claims.add(path, Claim(package))
    for name in outside[:1]:
        what = f"`{shown(path)}` of {package} names `{name[:200]}`, which is outside of `/{ENVIRONMENT}`"
        yield Problem("contents", what, path=shown(path, 4096))
