"""The locked packages in a conda prefix of this machine, so that editor, notebook and image agree.

Owns what differs and how it is put right; rattler links the conda packages, uv installs the wheels.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from builder.errors import EnvbuildError
from builder.fetch import Fetcher
from builder.lock.artifact import CondaPackage, Wheel
from builder.oci.canonical import readable_json
from builder.oci.digest import Digest
from builder.oci.layout import write_atomically
from builder.run.local_wheels import (
    Installed,
    call,
    changed_wheels,
    installed_wheels,
    not_there,
    offer_wheels,
    record_wheels,
    recorded_wheels,
    refuse_foreign,
    wheel_differences,
)

_META = "conda-meta"
_HOST = ("extracted_package_dir", "link", "package_tarball_full_path")
"""What rattler's records say of the files that it linked from, which are gone."""


@dataclass(frozen=True, slots=True)
class LocalPrefix:
    """A conda prefix and what belongs into it."""

    folder: Path
    python: str
    """The full version, as in 3.11.2."""
    conda: tuple[CondaPackage, ...]
    wheels: tuple[Wheel, ...]

    @property
    def minor(self) -> str:
        """Major and minor."""
        return ".".join(self.python.split(".")[:2])

    def differences(self) -> list[str]:
        """What must be changed, a sentence each, conda packages first; none where it agrees with the lock."""
        if not (self.folder / _META).is_dir():
            return [not_there(self.folder)]
        records = self._records()
        wanted = {package.name: package for package in self.conda}
        conda = [
            sentence
            for name in sorted(records.keys() | wanted.keys())
            if (sentence := _difference(name, records.get(name), wanted.get(name)))
        ]
        return conda + wheel_differences(self._installed(records), self.wheels, recorded_wheels(self.folder))

    def notes(self) -> list[str]:
        """What differs from the image and cannot be changed here: nothing, as Python is one of the packages."""
        return []

    def sync(self, fetcher: Fetcher, uv: str, interpreter: str | None = None) -> None:
        """Make the prefix what the lock says, with `uv` for the wheels.

        Raises: EnvbuildError, if there is something else in the folder, a package does not fit this machine, or an
        `interpreter` is named.
        """
        if interpreter is not None:
            raise EnvbuildError(f"`{interpreter}` cannot be used", "Python is one of the locked conda packages")
        refuse_foreign(self.folder)
        if not self._fits():
            shutil.rmtree(self.folder, ignore_errors=True)
            (self.folder / _META).mkdir(parents=True)
            record_wheels(self.folder, ())
        sources = [package.source for package in self.conda] + [wheel.source for wheel in self.wheels]
        paths = fetcher.blobs(sources)
        with tempfile.TemporaryDirectory(prefix="envbuild-", dir=fetcher.store.temporary) as scratch:
            self._link(paths, Path(scratch))
            self._install(paths, Path(scratch), uv)
        record_wheels(self.folder, self.wheels)

    def _fits(self) -> bool:
        """Whether it is a prefix of the same Python, whose packages can be changed one by one."""
        python = self._records().get("python")
        version = str(python.get("version")) if python else ""
        return not (self.folder / "pyvenv.cfg").exists() and ".".join(version.split(".")[:2]) == self.minor

    def _link(self, paths: Mapping[Digest, Path], scratch: Path) -> None:
        records, files = self._records(), []
        for package in self.conda:
            folder = scratch / package.subdir
            folder.mkdir(exist_ok=True)
            _lay(paths[package.digest], folder / package.file_name)
            files.append(str(folder / package.file_name))
        known = {name: record.get("sha256") for name, record in records.items()}
        request = {
            "prefix": str(self.folder.absolute()),
            "cache": str(scratch / "cache"),
            "subdir": next((package.subdir for package in self.conda if package.subdir != "noarch"), "noarch"),
            "packages": files,
            "reinstall": [one.name for one in self.conda if known.get(one.name, one.digest.hex) != one.digest.hex],
        }
        finished = subprocess.run(
            [sys.executable, "-P", "-W", "ignore", "-m", "builder.run.conda_process"],
            input=json.dumps(request), capture_output=True, encoding="utf-8", errors="replace", check=False,
        )  # fmt: skip
        if finished.returncode != 0:
            lines = (line.strip().removeprefix("Caused by:").strip() for line in finished.stderr.splitlines())
            causes = [line for line in lines if line]
            raise EnvbuildError("the conda packages could not be linked", causes[:20])
        for package in self.conda:
            self._tell_origin(package)

    def _tell_origin(self, package: CondaPackage) -> None:
        """Let the record of a package say where it is from by the lock, not by this machine."""
        path = self.folder / _META / f"{package.name}-{package.version}-{package.build}.json"
        record = {key: value for key, value in json.loads(path.read_bytes()).items() if key not in _HOST}
        record |= {
            "url": package.url,
            "channel": package.channel,
            "fn": package.file_name,
            "md5": package.md5,
            "depends": list(package.depends),
        }
        write_atomically(path, readable_json(record))

    def _install(self, paths: Mapping[Digest, Path], scratch: Path, uv: str) -> None:
        python = ["--quiet", "--break-system-packages", "--python", str(self.folder / "bin" / "python")]
        wanted = {wheel.name for wheel in self.wheels}
        installed = self._installed(self._records())
        gone = sorted(installed.keys() - wanted)
        if gone:
            call([uv, "pip", "uninstall", "--no-config", *python, *gone], "wheels could not be removed")
        if not self.wheels:
            return
        options = offer_wheels(self.wheels, paths, scratch)
        for name in changed_wheels(installed, self.wheels, recorded_wheels(self.folder)):
            options += ["--reinstall-package", name]
        line = [uv, "pip", "install", "--no-deps", *python, *options, "-r", str(scratch / "requirements.txt")]
        call(line, "the wheels could not be installed")

    def _installed(self, records: Mapping[str, Mapping[str, Any]]) -> dict[str, Installed]:
        """The wheels, which no conda package brings."""
        of_conda = {
            parent.name
            for record in records.values()
            for file in record.get("files", ())
            if (parent := PurePosixPath(str(file)).parent).name.endswith((".dist-info", ".egg-info"))
        }
        return installed_wheels(self.folder / "lib" / f"python{self.minor}" / "site-packages", of_conda)

    def _records(self) -> dict[str, Mapping[str, Any]]:
        return {str(record["name"]): record for record in _documents(self.folder / _META)}


def _lay(source: Path, target: Path) -> None:
    """The file under a name that rattler reads its form from; it would follow a symbolic link to the store's name."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _documents(folder: Path) -> Iterator[Mapping[str, Any]]:
    """Each record that can be read; another is as if its package were missing."""
    for path in sorted(folder.glob("*.json")):
        try:
            record = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(record, dict) and isinstance(record.get("files", []), list) and "name" in record:
            yield record


def _difference(name: str, record: Mapping[str, Any] | None, wanted: CondaPackage | None) -> str | None:
    if record is None:
        return f"`{name}` {wanted.version} (conda) is missing" if wanted else None
    installed = record.get("version")
    if wanted is None:
        return f"`{name}` {installed} (conda) is not in the lock"
    if installed != wanted.version:
        return f"`{name}` (conda) is {installed}, the lock has {wanted.version}"
    if record.get("sha256") != wanted.digest.hex:
        return f"`{name}` {installed} (conda) is another build or file than the lock's"
    return None
