"""`pylock.<platform>.toml` (PEP 751): the wheels of one platform, one wheel a package, sorted. Pure.

What the standard has no place for stands in `[packages.tool.envbuild]`: the license, and of a wheel that was built
from source the wheel itself and what it was built with. Another installer then builds the source that the standard
part names. Each value has a line of its own, so that lines merge.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from typing import Any

from builder.errors import EnvbuildError
from builder.lock.artifact import Build, DebianPackage, Sdist, Wheel
from builder.oci.digest import Digest
from builder.oci.documents import Platform

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
"""What Linux and Python call an architecture."""
_Table = dict[str, Any]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.!+_-]{0,250}")
_FILE_NAME = re.compile(r"[A-Za-z0-9_][^/\\\x00-\x1f\x7f-\x9f]{0,250}")
_WHEEL_NAME = re.compile(_FILE_NAME.pattern + r"\.whl")


def pylock_name(platform: Platform) -> str:
    """The name of the sibling file; PEP 751 allows no dot in its middle."""
    return f"pylock.{platform.slug}.toml"


def write_pylock(wheels: Iterable[Wheel], python: str, machine: str) -> bytes:
    """The file for wheels of one platform."""
    import tomli_w

    minor = ".".join(python.split(".")[:2])
    locked = sorted(wheels)
    document: _Table = {
        "lock-version": "1.0",
        "environments": [f"sys_platform == 'linux' and platform_machine == '{machine}'"],
        "requires-python": f"=={minor}.*",
        "created-by": "envbuild",
        "packages": [_package(wheel) for wheel in locked],
    }
    debian = {package for wheel in locked if wheel.built for package in wheel.built.debian}
    if debian:
        document["tool"] = {"envbuild": {"debian": [package.to_dict() for package in sorted(debian)]}}
    return tomli_w.dumps(document).encode()


def read_pylock(data: bytes, name: str) -> tuple[Wheel, ...]:
    """The wheels of a file that `write_pylock` wrote.

    Raises: EnvbuildError, if it is of another form.
    """
    try:
        document = tomllib.loads(data.decode())
        packages = document.get("tool", {}).get("envbuild", {}).get("debian", ())
        debian = {package.digest: package for package in map(DebianPackage.from_dict, packages)}
        return tuple(_wheel(package, debian) for package in document["packages"])
    except (ValueError, KeyError, TypeError, IndexError, AttributeError, EnvbuildError) as error:
        raise EnvbuildError(f"`{name}` cannot be read", f"{type(error).__name__}: {error}") from error


def _package(wheel: Wheel) -> _Table:
    built = wheel.built
    package: _Table = {"name": wheel.name, "version": wheel.version}
    if wheel.dependencies:
        package["dependencies"] = [{"name": name} for name in wheel.dependencies]
    package |= _source(built.sdist) if built else {"wheels": [_file(wheel)]}
    own: _Table = {"license": wheel.license} if wheel.license else {}
    if built:
        own["wheel"] = _file(wheel)
        own["source"] = _file(built.sdist) | _more(built.sdist)
        own["built-with"] = [
            {"name": used.name, "version": used.version, "file": _file(used)} | _more(used)
            for used in built.requirements
        ]
        own["built-beside"] = [f"{used.name} {used.digest.hex}" for used in built.debian]
    return package | ({"tool": {"envbuild": own}} if own else {})


def _source(sdist: Sdist) -> _Table:
    """What another installer builds: a commit, a source distribution, or any other archive."""
    inside = {"subdirectory": sdist.subdirectory} if sdist.subdirectory else {}
    if sdist.url.startswith("git+"):
        url, _, commit = sdist.url.removeprefix("git+").rpartition("@")
        return {"vcs": {"type": "git", "url": url, "commit-id": commit} | inside}
    if inside or not _is_standard(sdist):
        return {"archive": {"url": sdist.url, "size": sdist.size} | inside | {"hashes": {"sha256": sdist.digest.hex}}}
    return {"sdist": _file(sdist)}


def _is_standard(sdist: Sdist) -> bool:
    """Whether the file is named as one of a package index."""
    from packaging.utils import InvalidSdistFilename, parse_sdist_filename

    try:
        name, version = parse_sdist_filename(sdist.file_name)
    except InvalidSdistFilename:
        return False
    return name == sdist.name and str(version) == sdist.version


def _file(file: Wheel | Sdist) -> _Table:
    url = {"url": file.url} if file.url else {}
    return {"name": file.file_name, **url, "size": file.size, "hashes": {"sha256": file.digest.hex}}


def _more(file: Wheel | Sdist) -> _Table:
    """What a file of a build has besides."""
    found: _Table = {"license": file.license} if file.license else {}
    if file.dependencies:
        found["dependencies"] = [{"name": name} for name in file.dependencies]
    if isinstance(file, Sdist) and file.subdirectory:
        found["subdirectory"] = file.subdirectory
    return found


def _wheel(package: Mapping[str, Any], debian: Mapping[Digest, DebianPackage]) -> Wheel:
    own = package.get("tool", {}).get("envbuild", {})
    built = _build(package, own, debian) if "wheel" in own else None
    (entry,) = [own["wheel"]] if built else package["wheels"]
    return _wheel_of(package, entry, str(own.get("license", "")), built)


def _wheel_of(package: Mapping[str, Any], entry: Mapping[str, Any], text: str, built: Build | None = None) -> Wheel:
    return Wheel(
        *_told(package),
        _matching(_WHEEL_NAME, entry["name"]),
        Digest(entry["hashes"]["sha256"]),
        int(entry["size"]),
        str(entry["url"]) if not built else str(entry.get("url", "")),
        _dependencies(package),
        text,
        built,
    )


def _build(package: Mapping[str, Any], own: Mapping[str, Any], debian: Mapping[Digest, DebianPackage]) -> Build:
    source = own["source"]
    sdist = Sdist(
        *_told(package),
        _matching(_FILE_NAME, source["name"]),
        Digest(source["hashes"]["sha256"]),
        int(source["size"]),
        str(source["url"]),
        _dependencies(source),
        str(source.get("license", "")),
        str(source.get("subdirectory", "")),
    )
    used = [_wheel_of(each, each["file"], str(each.get("license", ""))) for each in own.get("built-with", ())]
    beside = [debian[Digest(each.rpartition(" ")[2])] for each in own.get("built-beside", ())]
    return Build(sdist, tuple(used), tuple(beside))


def _told(package: Mapping[str, Any]) -> tuple[str, str]:
    """Name and version, which stand in files for other programs and in names of files."""
    return _matching(_NAME, package["name"]), _matching(_VERSION, package["version"])


def _matching(pattern: re.Pattern[str], value: Any) -> str:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{str(value)[:100]!r} cannot be a name or a version")
    return value


def _dependencies(package: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(str(each["name"]) for each in package.get("dependencies", ()))
