"""`pylock.<platform>.toml` (PEP 751): the wheels of one platform, one wheel a package, sorted. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from builder.errors import EnvbuildError
from builder.fetch.mirrors import canonical_pypi_url
from builder.lock.artifact import Wheel
from builder.oci.digest import Digest
from builder.oci.documents import Platform

if TYPE_CHECKING:
    from packaging.tags import Tag

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
"""What Linux and Python call an architecture."""

_OLDEST_GLIBC = {"x86_64": 5, "aarch64": 17}
_LEGACY_TAGS = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


def pylock_name(platform: Platform) -> str:
    """The name of the sibling file; PEP 751 allows no dot in its middle."""
    return f"pylock.{platform.slug}.toml"


def platform_tags(machine: str, glibc: tuple[int, int]) -> list[str]:
    """The platform tags that run on a machine with this glibc, best first (PEP 600)."""
    tags = []
    for minor in range(glibc[1], _OLDEST_GLIBC[machine] - 1, -1):
        tags.append(f"manylinux_2_{minor}_{machine}")
        if minor in _LEGACY_TAGS:
            tags.append(f"{_LEGACY_TAGS[minor]}_{machine}")
    return [*tags, f"linux_{machine}"]


def supported_tags(python: str, machine: str, glibc: tuple[int, int]) -> list[Tag]:
    """The wheel tags that CPython `python` supports there, best first."""
    from packaging.tags import compatible_tags, cpython_tags

    version = tuple(int(part) for part in python.split(".")[:2])
    platforms = platform_tags(machine, glibc)
    interpreter = "cp{}{}".format(*version)
    return [*cpython_tags(version, platforms=platforms), *compatible_tags(version, interpreter, platforms)]


def marker_environment(python: str, machine: str) -> dict[str, str]:
    """The values of markers (PEP 508) for CPython of this full version on Linux."""
    return {
        "implementation_name": "cpython",
        "implementation_version": python,
        "os_name": "posix",
        "platform_machine": machine,
        "platform_python_implementation": "CPython",
        "platform_release": "",
        "platform_system": "Linux",
        "platform_version": "",
        "python_full_version": python,
        "python_version": ".".join(python.split(".")[:2]),
        "sys_platform": "linux",
    }


def write_pylock(wheels: Iterable[Wheel], python: str, machine: str) -> bytes:
    """The file for wheels of one platform."""
    import tomli_w

    minor = ".".join(python.split(".")[:2])
    document = {
        "lock-version": "1.0",
        "environments": [f"sys_platform == 'linux' and platform_machine == '{machine}'"],
        "requires-python": f"=={minor}.*",
        "created-by": "envbuild",
        "packages": [_package(wheel) for wheel in sorted(wheels)],
    }
    return tomli_w.dumps(document).encode()


def read_pylock(data: bytes, name: str) -> tuple[Wheel, ...]:
    """The wheels of a file that `write_pylock` wrote.

    Raises: EnvbuildError, if it is of another form.
    """
    try:
        packages = tomllib.loads(data.decode())["packages"]
        return tuple(_wheel(package) for package in packages)
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise EnvbuildError(f"`{name}` cannot be read", f"{type(error).__name__}: {error}") from error


def _package(wheel: Wheel) -> dict[str, Any]:
    entry = {"name": wheel.file_name, "url": wheel.url, "size": wheel.size, "hashes": {"sha256": wheel.digest.hex}}
    return {"name": wheel.name, "version": wheel.version, "wheels": [entry]}


def _wheel(package: dict[str, Any]) -> Wheel:
    (entry,) = package["wheels"]
    digest = Digest(entry["hashes"]["sha256"])
    return Wheel(package["name"], package["version"], entry["name"], digest, int(entry["size"]), entry["url"])


def wheel_from_index(name: str, version: str, file_name: str, url: str, digest: Digest, size: int) -> Wheel:
    """A wheel as an index gave it, with the URL that every machine can use."""
    return Wheel(name, version, file_name, digest, size, canonical_pypi_url(url))
