"""Locks with packages of the conda channel of the tests, or of a standalone interpreter, and what layers hold."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import subprocess
import sys
import tarfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from platform import machine

from conda_channel import SUBDIRS
from standalone_archive import HERE, make_standalone_archive

from builder.bundle.build import Built, build_environments
from builder.fetch import Fetcher, Mirrors
from builder.image.workshop import Workshop
from builder.layers.conda_archive import unpack_conda
from builder.layers.conda_metadata import read_metadata
from builder.layers.interface import Package
from builder.layers.unpacked import Spool
from builder.lock.artifact import Archive, CondaPackage, DebianPackage, Wheel
from builder.lock.debian.archive import Archives
from builder.lock.document import Interpreter, Lock, LockDocument, PlatformLock
from builder.lock.foundation import SEEDS
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.oci.store import Store

ROOT = Path(__file__).parents[1]
AMD64, ARM64 = Platform("amd64"), Platform("arm64")
CREATED = "1980-01-02T00:00:00Z"
CONDA = Interpreter("conda", "3.11.2", "/opt/env/bin/python3.11")


def locked(path: Path) -> CondaPackage:
    """A conda package on disk as a lock has it, in a channel of this machine."""
    with Spool() as spool:
        unpack_conda(path, spool)
        index = read_metadata(spool).index
    data = path.read_bytes()
    names = tuple(sorted({text.split()[0] for text in index["depends"]}))
    return CondaPackage(
        index["name"], index["version"], index["build"], path.parent.name, Digest.of(data),
        hashlib.md5(data).hexdigest(), len(data), path.as_uri(), path.parents[1].as_uri(), tuple(index["depends"]),
        names, index.get("license", ""),
    )  # fmt: skip


def environment(channel: Path, platform: Platform, *names: str) -> tuple[CondaPackage, ...]:
    """These packages of a channel (`name-version`), and what they need, in the newest version there is."""
    found: dict[str, CondaPackage] = {}
    wanted = list(names)
    folders = (channel / SUBDIRS[str(platform)], channel / "noarch")
    while wanted:
        name = wanted.pop()
        if name.startswith("__"):
            continue
        paths = sorted(path for folder in folders for path in folder.glob(f"{name}-[0-9]*"))
        package = locked(paths[-1])
        if package.name not in found:
            found[package.name] = package
            wanted += package.dependencies
    return tuple(sorted(found.values()))


def base(store: Path, platform: Platform, suite: str = "bookworm", *more: str) -> tuple[DebianPackage, ...]:
    """The Debian packages that stand below any interpreter."""
    kept = Store(store)
    kept.create()
    archives = Archives(Fetcher(kept, Mirrors.from_environment(os.environ)), datetime.now(UTC))
    return archives.resolve(suite, platform.architecture, (*SEEDS, *more)).packages


def conda_lock(
    debian: Mapping[Platform, Sequence[DebianPackage]],
    conda: Mapping[Platform, Sequence[CondaPackage]],
    wheels: Sequence[Wheel] = (),
) -> Lock:
    """A lock, in memory, of an environment whose interpreter is conda's."""
    return _lock(debian, dict.fromkeys(debian, CONDA), wheels, conda)


def standalone_lock(
    debian: Mapping[Platform, Sequence[DebianPackage]], folder: Path, wheels: Sequence[Wheel] = ()
) -> Lock:
    """A lock, in memory, of an environment with a standalone interpreter, whose archives are written to `folder`."""
    interpreters = {platform: standalone_interpreter(folder, platform) for platform in debian}
    return _lock(debian, interpreters, wheels, {})


def standalone_interpreter(folder: Path, platform: Platform) -> Interpreter:
    """An interpreter of the running version, whose archive is written to `folder`."""
    processor = {"amd64": "x86_64", "arm64": "aarch64"}[platform.architecture]
    data = make_standalone_archive(HERE, processor)
    path = folder / f"cpython-{HERE}-{processor}-install_only.tar.gz"
    path.write_bytes(data)
    minor = HERE.rpartition(".")[0]
    archive = Archive(path.as_uri(), Digest.of(data), len(data))
    return Interpreter("standalone", HERE, f"/opt/python/bin/python{minor}", archive)


def _lock(
    debian: Mapping[Platform, Sequence[DebianPackage]],
    interpreters: Mapping[Platform, Interpreter],
    wheels: Sequence[Wheel],
    conda: Mapping[Platform, Sequence[CondaPackage]],
) -> Lock:
    platforms = {
        platform: PlatformLock("bookworm", interpreters[platform], tuple(packages), "x.toml", Digest("0" * 64))
        for platform, packages in debian.items()
    }
    document = LockDocument({}, {}, 1, CREATED, platforms)
    every = {platform: tuple(wheels) for platform in debian}
    packages = {platform: tuple(found) for platform, found in conda.items()}
    digest = Digest.of(repr((document, every, packages)).encode())
    return Lock(document, digest, every, packages, {})


class Tar:
    """A Sink that keeps the tar side."""

    def __init__(self) -> None:
        self.data = bytearray()

    def compressed(self, data: bytes | memoryview) -> None:
        pass

    def uncompressed(self, data: bytes | memoryview) -> None:
        self.data += data


def written(package: Package, left_out: Iterable[str] = ()) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    """What a package writes, by path, with the content of files."""
    sink = Tar()
    package.write(sink, frozenset(left_out))
    with tarfile.open(fileobj=io.BytesIO(bytes(sink.data))) as archive:
        members = archive.getmembers()
        read = {member.name: (member, _content(archive, member)) for member in members}
    assert len(read) == len(members)
    return read


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    file = archive.extractfile(member) if member.isfile() or member.islnk() else None
    return file.read() if file else b""


RUN = """
import sys
from pathlib import Path
from builder.image.kept import read_image
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_MANIFEST, Descriptor
from builder.oci.store import Store
from builder.run.embedded import EmbeddedEngine
from builder.run.interface import LocalImage, RunRequest
store, digest, size, *arguments = sys.argv[1:]
image = read_image(Store(Path(store)), Descriptor(MEDIA_TYPE_MANIFEST, Digest.parse(digest), int(size)))
local = LocalImage(Store(Path(store)), image.descriptor, image.manifest, image.config, "test")
sys.exit(EmbeddedEngine().run(local, RunRequest(tuple(arguments), network="none")))
"""
REBUILD = """
import os, pickle, sys
from pathlib import Path
from builder.bundle.build import build_environments
from builder.fetch import Fetcher, Mirrors
from builder.image.rebuild import empty_workshop
from builder.image.workshop import Workshop
from builder.oci.store import Store
store = Store(Path(sys.argv[1]))
lock = pickle.loads(sys.stdin.buffer.read())
with empty_workshop(Workshop(store, Fetcher(store, Mirrors({}), offline=True), int(sys.argv[2]))) as workshop:
    print(build_environments("rebuilt", lock, lock.platforms, workshop).digest)
"""


def build(lock: Lock, store: Path) -> Built:
    """The images of all platforms."""
    kept = Store(store)
    kept.create()
    fetcher = Fetcher(kept, Mirrors.from_environment(os.environ))
    return build_environments("made", lock, lock.platforms, Workshop(kept, fetcher, 2))


def rebuilt(lock: Lock, store: Path, variables: Mapping[str, str], umask: int, workers: int) -> str:
    """The digest that a process of its own gives, from files of `store` into an empty one."""
    line = [sys.executable, "-c", REBUILD, str(store), str(workers)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **variables}
    done = subprocess.run(
        line, input=pickle.dumps(lock), env=environment, umask=umask, capture_output=True, check=True, cwd="/"
    )
    return done.stdout.decode().strip()


def run_inside(built: Built, store: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a program in the image for this machine, on the embedded engine, as the image's user."""
    here = {"x86_64": "amd64", "aarch64": "arm64"}[machine()]
    image = next(image for image in built.images if image.config.platform.architecture == here)
    line = [sys.executable, "-c", RUN, store, str(image.descriptor.digest), str(image.descriptor.size), *arguments]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(line, env=environment, capture_output=True, text=True, timeout=120)
