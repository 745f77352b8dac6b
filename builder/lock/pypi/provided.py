"""Stand-ins for packages that are there already, of conda: wheels of just their name and version, for a resolver."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def versions_of(provided: Mapping[str, str]) -> dict[str, str]:
    """The versions of stand-ins by name; those that Python cannot read (PEP 440) are left out.

    Each has a local label of its own: so no index has it, and requirements take it for the version without.
    """
    from packaging.version import InvalidVersion, Version

    found = {}
    for name, text in sorted(provided.items()):
        with suppress(InvalidVersion):
            version = str(Version(text))
            found[name] = f"{version}{'.' if '+' in version else '+'}conda"
    return found


def write_stand_ins(folder: Path, provided: Mapping[str, str]) -> None:
    """Write a wheel for each version by normalised name that Python can read."""
    folder.mkdir()
    for name, version in versions_of(provided).items():
        _write(folder, re.sub(r"[-.]+", "_", name), version)


def _write(folder: Path, name: str, version: str) -> None:
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
