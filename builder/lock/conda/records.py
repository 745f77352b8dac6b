"""Records of channels, which anybody may have written, made into locked packages. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from builder.errors import EnvbuildError
from builder.fetch.redaction import without_credentials
from builder.lock.artifact import CondaPackage
from builder.lock.conda.channels import parts_of, place_of, without_token
from builder.oci.digest import Digest

_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]*")
_MD5, _SHA256 = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{64}")
_DEPENDS_LIMIT = 2000
_TEXT_LIMIT = 1000
_LARGEST = 1 << 40
UNKNOWN = Digest("0" * 64)
"""The digest of a package whose channel tells none; `md5` is empty and `size` is 0 as far as they are not told."""


def package_of(record: Mapping[str, Any], subdirs: Sequence[str]) -> CondaPackage:
    """The package that a record tells of; `subdirs` are those that it may be of.

    Raises: EnvbuildError, if it is not well-formed.
    """
    try:
        return _package(record, subdirs)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        shown = "".join(filter(str.isprintable, str(record.get("fn") or record.get("url") or "a package")))[:120]
        raise EnvbuildError(f"a channel tells nonsense of `{shown}`", str(error)) from error


def _package(record: Mapping[str, Any], subdirs: Sequence[str]) -> CondaPackage:
    url = without_token(without_credentials(_text(record["url"])))
    channel, subdir, file_name = place_of(url)
    name, version, build = parts_of(file_name)
    if not _NAME.fullmatch(name) or name != record["name"]:
        raise ValueError(f"its file is `{file_name}`, of another name")
    if (version, build) != (record["version"], record["build"]):
        raise ValueError(f"its file is `{file_name}`, of another version or build")
    if subdir not in subdirs:
        raise ValueError(f"its file is not in `{'` or `'.join(subdirs)}`")
    if url.startswith("file:") and not str(record["channel"]).startswith("file:"):
        raise ValueError("its file is one of this machine, and its channel is not")
    sha256, md5, size = record.get("sha256") or "", record.get("md5") or "", record.get("size") or 0
    if (sha256 and not _SHA256.fullmatch(sha256)) or (md5 and not _MD5.fullmatch(md5)):
        raise ValueError("its hashes are none")
    if not isinstance(size, int) or not 0 <= size < _LARGEST:
        raise ValueError("its size is none")
    return CondaPackage(
        name,
        version,
        build,
        subdir,
        Digest(sha256) if sha256 else UNKNOWN,
        md5,
        size,
        url,
        channel,
        merged_depends(record.get("depends") or ()),
        license=" ".join(_text(record.get("license") or "").split())[:200],
    )


def merged_depends(depends: Iterable[str]) -> tuple[str, ...]:
    """What a package asks for, one specification a name, sorted by name: as `conda-lock.yml` can keep it."""
    found: dict[str, list[str]] = {}
    for number, text in enumerate(depends):
        if number >= _DEPENDS_LIMIT:
            raise ValueError(f"it asks for more than {_DEPENDS_LIMIT} packages")
        name, _, rest = " ".join(_text(text).split()).partition(" ")
        name, rest = _split_name(name, rest)
        found.setdefault(name.lower(), []).append(rest)
    return tuple(f"{name} {_merged(rests)}".strip() for name, rests in sorted(found.items()))


def _split_name(name: str, rest: str) -> tuple[str, str]:
    """Name and constraint, also of `numpy>=1.26`."""
    match = re.match(r"[A-Za-z0-9_.-]+", name)
    if match is None:
        raise ValueError(f"`{name[:80]}` is not the name of a package")
    return match[0], f"{name[match.end() :]} {rest}".strip()


def _merged(rests: Sequence[str]) -> str:
    different = [rest for rest in dict.fromkeys(rests) if rest and rest != "*"]
    if all(" " not in rest for rest in different):
        return ",".join(f"({rest})" if "|" in rest and len(different) > 1 else rest for rest in different) or rests[0]
    return different[0]  # with a build string; two of them cannot be said in one


def with_dependencies(packages: Iterable[CondaPackage]) -> tuple[CondaPackage, ...]:
    """The packages of a platform sorted by name, each with the names of those that meet its needs.

    Raises: EnvbuildError, if two have one name.
    """
    by_name: dict[str, CondaPackage] = {}
    for package in packages:
        if package.name in by_name:
            raise EnvbuildError(f"the conda package `{package.name}` is there twice")
        by_name[package.name] = package
    names = by_name.keys()
    return tuple(
        replace(package, dependencies=tuple(sorted({text.partition(" ")[0] for text in package.depends} & names)))
        for _, package in sorted(by_name.items())
    )


def _text(value: Any) -> str:
    if not isinstance(value, str) or len(value) > _TEXT_LIMIT:
        raise TypeError("a text is missing or too long")
    if not value.isprintable() and not all(character.isprintable() or character.isspace() for character in value):
        raise ValueError("a text holds control characters")
    return value
