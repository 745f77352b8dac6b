"""The conda packages of an image: found by their records in `conda-meta`, each with the files that it lists. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from builder.errors import EnvbuildError
from builder.image.contents.claims import Claim, Claims
from builder.image.skeleton import ENVIRONMENT
from builder.layers.conda import META
from builder.lock.artifact import CondaPackage
from builder.oci.canonical import parse_json
from builder.oci.layer_rules import DIRECTORY, FILE, SYMBOLIC_LINK, shown
from builder.oci.layer_stack import LayerStack
from builder.oci.problems import Problem

_FOLDER = f"{ENVIRONMENT}/{META}".encode()
_KINDS = {"softlink": SYMBOLIC_LINK, "directory": DIRECTORY}


def check_conda(packages: Sequence[CondaPackage], files: LayerStack, claims: Claims) -> Iterator[Problem]:
    """Compare the records that are there with the locked packages, and take their claims in."""
    expected = {package.name: package for package in packages}
    found: set[str] = set()
    for path, record in _records(files):
        where = shown(path, 4096)
        if isinstance(record, str):
            yield Problem("contents", f"`{where}` is no record of a conda package: {record}", path=where)
            continue
        name, version, build = (str(record.get(key, "")) for key in ("name", "version", "build"))
        package = expected.get(name)
        if name in found:
            yield Problem("contents", f"`{where}` is {name} once more", path=where)
        found.add(name)
        if package is None:
            yield Problem("contents", f"`{where}` is {name} {version}, which the lock has not", path=where)
        elif (version, build) != (package.version, package.build):
            locked = f"{package.version} {package.build}"
            yield Problem("contents", f"`{where}` is {name} {version} {build}, where the lock has {locked}", path=where)
        elif record.get("sha256") != package.digest.hex:
            yield Problem("contents", f"`{where}` is of another file of {name} {version} than the lock has", path=where)
        claims.add(path, Claim(f"{name} {version}"))
        yield from _take(path, record, f"{name} {version}", claims)
    for name in sorted(expected.keys() - found):
        package = expected[name]
        what = f"{name} {package.version} {package.build} is locked and has no record in `{_FOLDER.decode()}`"
        yield Problem("contents", what, path=_FOLDER.decode())


def _records(files: LayerStack) -> Iterator[tuple[bytes, Mapping[str, Any] | str]]:
    """Each record, or what is wrong with it."""
    top = files.find(_FOLDER, follow=False)
    for name in sorted((top.entries if top else None) or {}):
        path = _FOLDER + b"/" + name
        if not name.endswith(b".json"):
            continue
        data = files.content(path)
        try:
            record = parse_json(data, "it") if data is not None else "it is too large to be read"
        except EnvbuildError as error:
            record = str(error)
        yield path, record if isinstance(record, (dict, str)) else "it is not a JSON object"


def _take(path: bytes, record: Mapping[str, Any], package: str, claims: Claims) -> Iterator[Problem]:
    data = record.get("paths_data")
    entries = data.get("paths") if isinstance(data, dict) else None
    for entry in entries if isinstance(entries, list) else [None]:
        name = entry.get("_path") if isinstance(entry, dict) else None
        if not isinstance(entry, dict) or not isinstance(name, str) or ".." in name.split("/"):
            yield Problem("contents", f"`{shown(path)}` of {package} lists its files in no known way", path=shown(path))
            return
        kind = _KINDS.get(str(entry.get("path_type")), FILE)
        size, checksum = entry.get("size_in_bytes"), entry.get("sha256_in_prefix") or entry.get("sha256")
        claims.add(
            f"{ENVIRONMENT}/{name}".encode("utf-8", "surrogateescape"),
            Claim(package, _bytes(checksum), size if isinstance(size, int) else None, kind),
        )


def _bytes(checksum: Any) -> bytes:
    try:
        return bytes.fromhex(checksum) if isinstance(checksum, str) else b""
    except ValueError:
        return b"malformed"
