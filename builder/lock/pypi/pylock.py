"""`pylock.<platform>.toml` (PEP 751): the wheels of one platform, one wheel a package, sorted. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from typing import Any

from builder.errors import EnvbuildError
from builder.fetch.mirrors import canonical_pypi_url
from builder.lock.artifact import Wheel
from builder.oci.digest import Digest
from builder.oci.documents import Platform

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
"""What Linux and Python call an architecture."""


def pylock_name(platform: Platform) -> str:
    """The name of the sibling file; PEP 751 allows no dot in its middle."""
    return f"pylock.{platform.slug}.toml"


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
