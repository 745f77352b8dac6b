"""Which wheels run on a target, and how markers read there. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING

from builder.lock.interface import Target

if TYPE_CHECKING:
    from packaging.tags import Tag

_OLDEST_GLIBC = {"x86_64": 5, "aarch64": 17}
_LEGACY_TAGS = {17: "manylinux2014", 12: "manylinux2010", 5: "manylinux1"}


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


LONGEST_NAME = 300
"""Characters of the name of a file. A longer one can stand for more tags than there is memory."""


def best_wheel(file_names: Iterable[str], target: Target) -> str | None:
    """The name of the wheel that suits a target best, or None if none runs there.

    Among those of one rank the highest build number is taken, then the name that comes first.
    """
    from packaging.utils import InvalidWheelFilename, parse_wheel_filename

    ranks = _ranks(target.python, target.machine, target.glibc)
    found = []
    for name in file_names:
        if len(name) > LONGEST_NAME:
            continue
        try:
            _, _, build, tags = parse_wheel_filename(name)
        except InvalidWheelFilename:
            continue
        rank = min((ranks[tag] for tag in tags if tag in ranks), default=None)
        if rank is not None:
            found.append((rank, -build[0] if build else 1, name))
    return min(found)[-1] if found else None


@lru_cache(maxsize=8)
def _ranks(python: str, machine: str, glibc: tuple[int, int]) -> dict[Tag, int]:
    return {tag: rank for rank, tag in reversed(list(enumerate(supported_tags(python, machine, glibc))))}
