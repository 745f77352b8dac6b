"""What every local environment has in common: which wheels are in it, from where, and uv, which installs them."""

from __future__ import annotations

import csv
import json
import os
import subprocess
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, slots=True)
class Installed:
    """A package as it is in an environment."""

    version: str
    missing: int = 0
    """How many of the files that it was installed with are gone."""


def not_there(folder: Path) -> str:
    """The difference of an environment that is still to be made."""
    return f"`{folder}` is not there"


def installed_wheels(site_packages: Path, others: Collection[str] = ()) -> dict[str, Installed]:
    """What is installed by name, without the folders of metadata that `others` names."""
    folders = [folder for kind in ("dist", "egg") for folder in site_packages.glob(f"*.{kind}-info")]
    found = {folder: metadata.PathDistribution(folder) for folder in sorted(folders) if folder.name not in others}
    return {
        normalised(one.metadata["Name"]): Installed(one.version, _missing(folder))
        for folder, one in found.items()
        if one.metadata["Name"]
    }


def _missing(folder: Path) -> int:
    """How many files of a RECORD are gone, which is looked for only; caches come and go."""
    if folder.suffix != ".dist-info":
        return 0
    try:
        with open(folder / "RECORD", encoding="utf-8", newline="") as file:
            paths = [row[0] for row in csv.reader(file) if row and not row[0].endswith(".pyc")]
    except (OSError, ValueError, csv.Error):
        return 1
    return sum(not os.path.lexists(folder.parent / path) for path in paths)


def wheel_differences(
    installed: Mapping[str, Installed], wheels: Iterable[Wheel], recorded: Mapping[str, str]
) -> list[str]:
    """What must be changed, a sentence each, sorted by package."""
    wanted = {wheel.name: wheel for wheel in wheels}
    return [
        sentence
        for name in sorted(installed.keys() | wanted.keys())
        if (sentence := _difference(name, installed.get(name), wanted.get(name), recorded.get(name)))
    ]


def changed_wheels(
    installed: Mapping[str, Installed], wheels: Iterable[Wheel], recorded: Mapping[str, str]
) -> list[str]:
    """The names of those that do not come from the locked file, as far as it is known, or are not whole."""
    broken = {name for name, one in installed.items() if one.missing}
    return [wheel.name for wheel in wheels if wheel.name in broken or recorded.get(wheel.name) != wheel.digest.hex]


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


def _difference(name: str, installed: Installed | None, wanted: Wheel | None, recorded: str | None) -> str | None:
    if installed is None:
        return f"`{name}` {wanted.version} is missing" if wanted else None
    if wanted is None:
        return f"`{name}` {installed.version} is not in the lock"
    if installed.version != wanted.version:
        return f"`{name}` is {installed.version}, the lock has {wanted.version}"
    if recorded != wanted.digest.hex:
        return f"`{name}` {installed.version} is not known to come from the locked file"
    if installed.missing:
        files = "1 file is" if installed.missing == 1 else f"{installed.missing} files are"
        return f"`{name}` is not whole: {files} missing"
    return None
