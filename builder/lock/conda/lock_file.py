"""`conda-lock.yml`: written with conda-lock's own models, read again fast and strictly.

Pure but for a scratch folder, which conda-lock needs.
"""

from __future__ import annotations

import json
import posixpath
import tempfile
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.lock.artifact import CondaPackage, Wheel
from builder.lock.conda.channels import PLATFORMS, SUBDIRS, parts_of, place_of
from builder.lock.conda.lock_lines import LinesRefusedError, packages_of_lines
from builder.lock.conda.quiet import quiet
from builder.lock.conda.records import with_dependencies
from builder.lock.conda.yaml_document import YamlRefusedError, load
from builder.lock.document import CONDA_LOCK_FILE
from builder.lock.integrity import AGAIN
from builder.lock.interface import CondaSources
from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest
from builder.oci.documents import Platform

_SOURCE = "environment.yaml"
"""What is named as source where the spec says it all."""
_SIZE_LIMIT = 64 << 20


def write_conda_lock(
    sources: CondaSources,
    packages: Mapping[Platform, tuple[CondaPackage, ...]],
    wheels: Mapping[Platform, tuple[Wheel, ...]],
) -> bytes:
    """The file for the packages of every platform, equal bytes for equal packages.

    Wheels are entries of pip; one that was built is not among them, as nobody else has it.
    """
    with quiet():
        return _written(sources, packages, wheels)


def _written(
    sources: CondaSources,
    packages: Mapping[Platform, tuple[CondaPackage, ...]],
    wheels: Mapping[Platform, tuple[Wheel, ...]],
) -> bytes:
    from conda_lock.lockfile import write_conda_lock_file
    from conda_lock.lockfile.v2prelim.models import Lockfile

    entries = [_conda_entry(platform, package) for platform, listed in packages.items() for package in listed]
    entries += [_pip_entry(platform, wheel) for platform, listed in wheels.items() for wheel in listed if wheel.url]
    subdirs = [SUBDIRS[platform] for platform in sorted(packages)]
    with tempfile.TemporaryDirectory(prefix="envbuild-") as folder:
        lock = Lockfile(package=entries, metadata=_metadata(sources, subdirs, Path(folder)))
        path = Path(folder) / CONDA_LOCK_FILE
        write_conda_lock_file(lock, path, metadata_choices=None, include_help_text=False)
        return path.read_bytes()


def read_conda_lock(data: bytes, name: str) -> Mapping[Platform, tuple[CondaPackage, ...]]:
    """The packages of a file that `write_conda_lock` wrote, of size 0 and without license.

    Raises: EnvbuildError, if it is of another form.
    """
    return _read(data, name)


@lru_cache(maxsize=2)
def _read(data: bytes, name: str) -> Mapping[Platform, tuple[CondaPackage, ...]]:
    found: dict[Platform, list[CondaPackage]] = {}
    try:
        if len(data) > _SIZE_LIMIT:
            raise ValueError(f"it is larger than {_SIZE_LIMIT} bytes")
        for entry in _entries(data.decode("utf-8")):
            if entry["manager"] == "conda":
                found.setdefault(PLATFORMS[entry["platform"]], []).append(_package(entry))
        return {platform: with_dependencies(packages) for platform, packages in found.items()}
    except YamlRefusedError as error:
        raise EnvbuildError(f"`{name}:{error.line}` cannot be read", str(error), AGAIN) from error
    except (KeyError, TypeError, ValueError, AttributeError, EnvbuildError) as error:
        raise EnvbuildError(f"`{name}` is not a `conda-lock.yml` of envbuild", _reason(error), AGAIN) from error


def _entries(text: str) -> list[dict[str, Any]]:
    try:
        return packages_of_lines(text)
    except LinesRefusedError:
        document = load(text)
        return list(document["package"])


def _package(entry: Mapping[str, Any]) -> CondaPackage:
    url = entry["url"]
    channel, subdir, file_name = place_of(url)
    name, version, build = parts_of(file_name)
    if (name, version) != (entry["name"], entry["version"]) or subdir not in (entry["platform"], "noarch"):
        raise ValueError(f"`{file_name[:100]}` does not belong to `{str(entry['name'])[:80]}`")
    hashes = entry["hash"]
    depends = tuple(f"{key} {value}".strip() for key, value in (entry.get("dependencies") or {}).items())
    return CondaPackage(
        name, version, build, subdir, Digest(hashes["sha256"]), str(hashes["md5"]), 0, url, channel, depends
    )  # fmt: skip


def _reason(error: Exception) -> str:
    return f"`{error.args[0]}` is missing" if isinstance(error, KeyError) else str(error)


def _conda_entry(platform: Platform, package: CondaPackage) -> Any:
    from conda_lock.lockfile.v2prelim.models import HashModel, LockedDependency

    split = (text.partition(" ") for text in package.depends)
    return LockedDependency(
        name=package.name,
        version=package.version,
        manager="conda",
        platform=SUBDIRS[platform],
        dependencies={name: rest for name, _, rest in split},
        url=package.url,
        hash=HashModel(md5=package.md5, sha256=package.digest.hex),
        build=package.build,
        categories={"main"},
    )


def _pip_entry(platform: Platform, wheel: Wheel) -> Any:
    from conda_lock.lockfile.v2prelim.models import HashModel, LockedDependency

    return LockedDependency(
        name=wheel.name,
        version=wheel.version,
        manager="pip",
        platform=SUBDIRS[platform],
        dependencies=dict.fromkeys(wheel.dependencies, "*"),
        url=wheel.url,
        hash=HashModel(sha256=wheel.digest.hex),
        categories={"main"},
    )


def _metadata(sources: CondaSources, subdirs: list[str], folder: Path) -> Any:
    from conda_lock.lockfile.v2prelim.models import LockMeta
    from conda_lock.models.channel import Channel

    hashes = _content_hashes(sources, subdirs, folder)
    return LockMeta(
        content_hash=hashes,
        channels=[Channel(url=text, used_env_vars=()) for text in sources.channels],
        platforms=subdirs,
        sources=[posixpath.join("..", sources.source or _SOURCE)],
    )


def _content_hashes(sources: CondaSources, subdirs: list[str], folder: Path) -> dict[str, str]:
    """What conda-lock compares to notice that its input was changed.

    It is taken over the file as conda-lock reads it, and over conda-lock's own virtual packages, so that it knows its
    input again. Of a file that conda-lock cannot read, it is a hash of what envbuild read.
    """
    from conda_lock.content_hash import compute_content_hashes
    from conda_lock.src_parser import make_lock_spec
    from conda_lock.virtual_package import default_virtual_package_repodata

    path, names = folder / "environment.yml", folder / "names.json"
    path.write_bytes(sources.document)
    names.write_text(json.dumps({"pip": {"conda_name": "pip", "pypi_name": "pip"}}))
    try:
        if not sources.document:
            raise ValueError
        spec = make_lock_spec(src_files=[path], platform_overrides=subdirs, mapping_url=names.as_uri())
        return dict(compute_content_hashes(spec, default_virtual_package_repodata()))
    except Exception:  # noqa: BLE001 (whatever it does not understand)
        own = {"channels": list(sources.channels), "inputs": dict(sources.inputs)}
        return dict.fromkeys(subdirs, Digest.of(canonical_json(own)).hex)
