"""What every local environment has in common: which wheels are in it, from where, and uv, which installs them."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib import metadata
from pathlib import Path

from builder.errors import EnvbuildError
from builder.fetch.project_name import normalised
from builder.lock.artifact import Wheel
from builder.oci.canonical import readable_json
from builder.oci.digest import Digest
from builder.oci.layout import write_atomically

RECORD = "envbuild-sync.json"
"""In the environment: of which wheels its packages came."""


def installed_wheels(site_packages: Path, others: Collection[str] = ()) -> dict[str, str]:
    """Version by name of what is installed, without the folders of metadata that `others` names."""
    folders = [folder for kind in ("dist", "egg") for folder in site_packages.glob(f"*.{kind}-info")]
    found = (metadata.PathDistribution(folder) for folder in sorted(folders) if folder.name not in others)
    return {normalised(one.metadata["Name"]): one.version for one in found if one.metadata["Name"]}


def wheel_differences(installed: Mapping[str, str], wheels: Iterable[Wheel], recorded: Mapping[str, str]) -> list[str]:
    """What must be changed, a sentence each, sorted by package."""
    wanted = {wheel.name: wheel for wheel in wheels}
    return [
        sentence
        for name in sorted(installed.keys() | wanted.keys())
        if (sentence := _difference(name, installed.get(name), wanted.get(name), recorded.get(name)))
    ]


def changed_wheels(wheels: Iterable[Wheel], recorded: Mapping[str, str]) -> list[str]:
    """The names of those that do not come from the locked file, as far as it is known."""
    return [wheel.name for wheel in wheels if recorded.get(wheel.name) != wheel.digest.hex]


def offer_wheels(wheels: Iterable[Wheel], paths: Mapping[Digest, Path], folder: Path) -> list[str]:
    """Lay them into `folder` with their names; the options of uv that install just these."""
    lines = []
    for wheel in wheels:
        (folder / wheel.file_name).symlink_to(paths[wheel.digest])
        lines.append(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.digest.hex}\n")
    (folder / "requirements.txt").write_text("".join(lines), "utf-8")
    return ["--no-config", "--offline", "--no-index", "--find-links", str(folder), "--require-hashes"]


def refuse_foreign(folder: Path) -> None:
    """Nothing is deleted that this command did not make. Raises: EnvbuildError."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / RECORD).is_file():
        raise EnvbuildError(
            f"`{folder}` was not made by `envbuild sync`",
            "what is in it would be replaced",
            "Delete it, or name another folder with `--venv`",
        )


def recorded_wheels(folder: Path) -> dict[str, str]:
    """SHA-256 by name of the wheels that were installed."""
    try:
        document = json.loads((folder / RECORD).read_bytes())
        return {str(name): str(digest) for name, digest in document["wheels"].items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return {}


def record_wheels(folder: Path, wheels: Iterable[Wheel]) -> None:
    """Keep which wheels were installed."""
    digests = {wheel.name: wheel.digest.hex for wheel in wheels}
    write_atomically(folder / RECORD, readable_json({"version": 1, "wheels": digests}))


def call(command: Sequence[str], failure: str) -> None:
    """Run uv. Raises: EnvbuildError, with its own words below `failure`."""
    finished = subprocess.run(
        command, env=variables(), capture_output=True, encoding="utf-8", errors="replace", check=False
    )
    if finished.returncode != 0:
        causes = [line.strip() for line in finished.stderr.splitlines() if line.strip()]
        raise EnvbuildError(failure, causes[:20])


def variables() -> dict[str, str]:
    """Those of this process, without what would change what uv installs."""
    kept = ("UV_CACHE_DIR", "UV_NO_CACHE", "UV_LINK_MODE", "UV_PYTHON_INSTALL_DIR")
    return {name: value for name, value in os.environ.items() if not name.startswith("UV_") or name in kept}


def _difference(name: str, installed: str | None, wanted: Wheel | None, recorded: str | None) -> str | None:
    if wanted is None:
        return f"`{name}` {installed} is not in the lock"
    if installed is None:
        return f"`{name}` {wanted.version} is missing"
    if installed != wanted.version:
        return f"`{name}` is {installed}, the lock has {wanted.version}"
    if recorded != wanted.digest.hex:
        return f"`{name}` {installed} is not known to come from the locked file"
    return None
