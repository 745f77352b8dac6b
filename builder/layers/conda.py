"""A conda package as a segment of a layer: linked into the environment's prefix, without conda.

Owns where its files go, what is replaced in them, and the record of it in `conda-meta`, so that conda can manage the
prefix. Depends on the package, the prefix and (where it is `noarch: python`) the version of Python alone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.layers.conda_archive import unpack_conda
from builder.layers.conda_metadata import CondaMetadata, CondaPath, Placeholder, read_metadata
from builder.layers.conda_prefix import replaced
from builder.layers.conda_scripts import entry_point_script, only_prints
from builder.layers.interface import Directory
from builder.layers.unpacked import Item, Placed, Spool, UnpackedPackage, is_bytecode, plain_mode, reading
from builder.layers.wheel_layout import WheelTarget
from builder.lock.artifact import CondaPackage
from builder.oci.canonical import readable_json

META = "conda-meta"
"""The folder of the records, in the prefix."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+!-]*")
_KEPT = (
    "arch", "build", "build_number", "features", "license", "license_family", "name", "noarch", "platform",
    "python_site_packages_path", "timestamp", "track_features", "version",
)  # fmt: skip
"""What the record has of `info/index.json`, beside what the lock says."""
_LARGEST_SCRIPT = 1 << 20


def open_conda(path: Path, package: CondaPackage, target: WheelTarget, scratch: Path | None = None) -> UnpackedPackage:
    """Decompress the package at `path` once; its content waits in an unlinked file in the folder `scratch`.

    Raises: EnvbuildError, if it is damaged, too large, not the one that was locked, holds paths or kinds that are
    refused, or needs a script to be run.
    """
    spool = Spool(scratch)
    try:
        with reading(path):
            unpack_conda(path, spool)
            return _Linking(spool, read_metadata(spool), package, target).linked()
    except BaseException:
        spool.close()
        raise


class _Linking:
    """One package on its way into a prefix. Paths in the prefix are relative to it."""

    def __init__(self, spool: Spool, metadata: CondaMetadata, package: CondaPackage, target: WheelTarget) -> None:
        self._spool = spool
        self._metadata = metadata
        self._package = package
        self._prefix = target.prefix
        self._target = target
        self._placed: dict[str, Placed] = {}
        self._directories: dict[str, Directory] = {}
        self._entries: dict[str, dict[str, Any]] = {}

    def linked(self) -> UnpackedPackage:
        """The package, with its record."""
        self._check()
        for path in self._metadata.paths:
            place = self._place(path.path)
            if not is_bytecode(path.path):
                self._link(place, path)
        for text in self._metadata.entry_points:
            name, script = entry_point_script(text, f"/{self._prefix}/bin/python{self._minor}")
            self._generate(f"bin/{name}", script)
        record = f"{META}/{self._package.name}-{self._package.version}-{self._package.build}.json"
        if record in self._placed:
            raise EnvbuildError(f"It holds a file `{record}`, which is its own record")
        content = readable_json(self._record())
        self._placed[record] = Placed(0o644, len(content), lambda: (content,))
        return UnpackedPackage(
            self._spool,
            {f"{self._prefix}/{path}": placed for path, placed in self._placed.items()},
            self._directories,
        )

    @property
    def _minor(self) -> str:
        return ".".join(map(str, self._target.python_version))

    def _check(self) -> None:
        index, package = self._metadata.index, self._package
        expected = {"name": package.name, "version": package.version, "build": package.build}
        if not all(_NAME.fullmatch(text) for text in expected.values()):
            raise EnvbuildError("Its name, version or build string cannot be that of a file", str(expected))
        found = {key: index.get(key) for key in expected}
        if found != expected:
            raise EnvbuildError("It is not the package that was locked", f"it says that it is {found}")
        modules = index.get("python_site_packages_path")
        if modules is not None and f"{self._prefix}/{modules}" != self._target.site_packages:
            raise EnvbuildError(f"It is a Python with its modules in `{modules}`", "which is not there yet")
        for stage in ("pre-link", "post-link"):
            self._check_script(f"bin/.{package.name}-{stage}.sh", stage)

    def _check_script(self, path: str, stage: str) -> None:
        item = self._spool.items.get(path)
        if item is None:
            return
        text = "" if item.is_link else self._spool.read(item, 0, _LARGEST_SCRIPT).decode("utf-8", "replace")
        if item.is_link or item.size > _LARGEST_SCRIPT or not only_prints(text):
            raise EnvbuildError(
                f"It needs its {stage} script to be run, and nothing is run where an image is built",
                f"`{path}` does more than print",
                "Leave the package out, take another version or build, or let Docker run the script: `envbuild render`",
            )

    def _place(self, path: str) -> str:
        """Where a path of the archive goes."""
        if self._metadata.noarch_python:
            for folder, place in (("site-packages/", self._modules), ("python-scripts/", "bin")):
                if path.startswith(folder):
                    return f"{place}/{path.removeprefix(folder)}"
        return path

    @property
    def _modules(self) -> str:
        return self._target.site_packages.removeprefix(f"{self._prefix}/")

    def _link(self, place: str, path: CondaPath) -> None:
        if path.kind == "directory":
            full = f"{self._prefix}/{place}"
            self._directories[full] = Directory(full)
            self._note(place, path, 0)
            return
        item = self._spool.items.get(path.path)
        if item is None or (path.kind == "softlink" and not item.is_link):
            what = "is not in it" if item is None else "is not a link there"
            raise EnvbuildError("Its list of paths is not of this package", f"`{path.path}` {what}")
        if place in self._placed:
            raise EnvbuildError(f"Two of its files go to `{place}`")
        if path.placeholder is None or item.is_link or not item.size:
            self._placed[place] = Placed.of(self._spool, item, plain_mode(item))
            link = hashlib.sha256(item.entry.target.encode()).hexdigest() if item.is_link else None
            self._note(place, path, item.size, link)
        else:
            self._replace(place, path, item, path.placeholder)

    def _replace(self, place: str, path: CondaPath, item: Item, placeholder: Placeholder) -> None:
        pieces = partial(_replaced, self._spool, item, placeholder, f"/{self._prefix}")
        checksum, size = hashlib.sha256(), 0
        for piece in pieces():
            checksum.update(piece)
            size += len(piece)
        self._placed[place] = Placed(plain_mode(item), size, pieces)
        self._note(place, path, size, checksum.hexdigest())

    def _generate(self, place: str, script: bytes) -> None:
        self._placed[place] = Placed(0o755, len(script), lambda: (script,))
        self._entries[place] = {
            "_path": place,
            "path_type": "unix_python_entry_point",
            "sha256": hashlib.sha256(script).hexdigest(),
            "size_in_bytes": len(script),
        }

    def _note(self, place: str, path: CondaPath, size: int, in_prefix: str | None = None) -> None:
        """What the record says of a path."""
        entry: dict[str, Any] = {"_path": place, "path_type": path.kind, "size_in_bytes": size}
        if path.sha256:
            entry["sha256"] = path.sha256
        if in_prefix and in_prefix != path.sha256:
            entry["sha256_in_prefix"] = in_prefix
        if path.no_link:
            entry["no_link"] = True
        if path.placeholder:
            entry |= {"file_mode": path.placeholder.mode, "prefix_placeholder": path.placeholder.prefix}
        self._entries[place] = entry

    def _record(self) -> dict[str, Any]:
        """What conda keeps of an installed package; nothing of the machine or the time is in it."""
        package, index = self._package, self._metadata.index
        paths = sorted(self._entries)
        return {
            **{key: index[key] for key in _KEPT if index.get(key) is not None},
            "constrains": index.get("constrains") or [],
            "depends": list(package.depends),
            "subdir": package.subdir,
            "md5": package.md5,
            "sha256": package.digest.hex,
            "size": package.size,
            "fn": package.file_name,
            "url": package.url,
            "channel": package.channel,
            "requested_specs": [],
            "files": paths,
            "paths_data": {"paths_version": 1, "paths": [self._entries[path] for path in paths]},
        }


def _replaced(spool: Spool, item: Item, placeholder: Placeholder, prefix: str) -> Iterator[bytes]:
    return replaced(spool.mapped(), item.offset, item.offset + item.size, placeholder, prefix)


def conda_order(packages: Iterable[CondaPackage]) -> tuple[CondaPackage, ...]:
    """In the order of linking: what a package needs comes before it, else by name; circles are cut at a name."""
    by_name = {package.name: package for package in sorted(packages)}
    done: dict[str, CondaPackage] = {}
    for start in by_name:
        stack = [(start, iter(by_name[start].dependencies))]
        visiting = {start}
        while stack:
            name, needs = stack[-1]
            need = next((one for one in needs if one in by_name and one not in done and one not in visiting), None)
            if need is None:
                done.setdefault(name, by_name[name])
                stack.pop()
            else:
                visiting.add(need)
                stack.append((need, iter(by_name[need].dependencies)))
    return tuple(done.values())
