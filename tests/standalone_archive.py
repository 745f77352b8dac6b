"""Archives of interpreters as python-build-standalone publishes them (`install_only`), made of the running one."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import json
import os
import platform
import sys
import sysconfig
import tarfile
from collections.abc import Iterator
from pathlib import Path

from builder.fetch.mirrors import STANDALONE_PYTHONS

HERE = ".".join(map(str, sys.version_info[:3]))
"""The version of which an archive for this machine runs; others hold files that cannot be run."""

Entry = tuple[tarfile.TarInfo, bytes]
_SKIPPED = {
    "test",
    "tests",
    "idlelib",
    "ensurepip",
    "site-packages",
    "dist-packages",
    "tkinter",
    "turtledemo",
    "lib2to3",
}


@functools.cache
def make_standalone_archive(version: str = HERE, machine: str = "", top: str = "python") -> bytes:
    """A `.tar.gz` with an interpreter of `version` for `machine` (`x86_64`, `aarch64`; by default this machine's).

    It is a real one where both are this machine's; its files are below the folder `top`.
    """
    machine = machine or platform.machine()
    minor = ".".join(version.split(".")[:2])
    real = version == HERE and machine == platform.machine()
    entries = [*(_real(minor) if real else _fake(minor, machine))]
    entries += [
        link("bin/python3", f"python{minor}"),
        file(f"lib/python{minor}/__pycache__/os.cpython-{minor.replace('.', '')}.pyc", b"bytecode"),
        file(f"lib/python{minor}/EXTERNALLY-MANAGED", b"[externally-managed]\n"),
    ]
    return pack((_below(top, entry) for entry in entries), mtime=1_700_000_000)


def publish(folder: Path) -> Path:
    """Write archives for both processors to a folder; a folder of Python modules that list them as published.

    They are had where `ENVBUILD_PYTHON_MIRROR` serves `folder`, and listed where the modules' folder is on the path.
    """
    listed = []
    for processor in ("x86_64", "aarch64"):
        data = make_standalone_archive(HERE, processor)
        name = f"cpython-{HERE}-{processor}-unknown-linux-gnu-install_only_stripped.tar.gz"
        (folder / name).write_bytes(data)
        told = {"url": f"{STANDALONE_PYTHONS[0]}{name}", "sha256": hashlib.sha256(data).hexdigest()}
        listed.append({**told, "platform": "linux", "arch": processor, "install_only": True})
    python = dict(zip(("major", "minor", "micro"), map(int, HERE.split(".")), strict=True))
    package = folder / "installed/pbs_installer"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    python |= {"implementation": "cpython", "freethreaded": False}
    (package / "versions.json").write_text(json.dumps([{"python_version": python, "files": listed}]))
    return package.parent


def installed(prefix: str) -> list[Entry]:
    """The files of the running interpreter below a prefix, as an image would have them."""
    minor = ".".join(HERE.split(".")[:2])
    return [_below(prefix, entry) for entry in (*_real(minor), link("bin/python3", f"python{minor}"))]


def file(name: str, data: bytes = b"", mode: int = 0o644) -> Entry:
    """A regular file."""
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(data), mode
    return info, data


def link(name: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Entry:
    """A symbolic link, or one of another kind."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode = kind, target, 0o777
    return info, b""


def pack(entries: Iterator[Entry] | list[Entry], mtime: int = 0) -> bytes:
    """A `.tar.gz` of these entries, owned by somebody."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for info, data in entries:
            info.mtime, info.uid, info.gid, info.uname = mtime, 1001, 1001, "runner"
            archive.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return gzip.compress(buffer.getvalue(), 1, mtime=0)


def _below(top: str, entry: Entry) -> Entry:
    info, data = entry
    info.name = f"{top}/{info.name}"
    return info, data


def _fake(minor: str, machine: str) -> Iterator[Entry]:
    yield file(f"bin/python{minor}", f"an interpreter for {machine}".encode(), 0o755)
    yield file(f"lib/python{minor}/os.py", b"# a module\n", 0o664)


def _real(minor: str) -> Iterator[Entry]:
    folder = sysconfig.get_config_var("LIBDIR") or ""
    shared = Path(folder, sysconfig.get_config_var("INSTSONAME") or "")
    program = Path(os.path.realpath(sys.executable)).read_bytes()
    yield file(f"bin/python{minor}", program.replace(*_moved(os.fsencode(folder))), 0o755)
    if shared.suffix != ".a" and shared.is_file():
        yield file(f"lib/{shared.name}", shared.read_bytes(), 0o755)
    library = Path(sysconfig.get_path("stdlib"))
    for root, folders, names in os.walk(library):
        folders[:] = sorted(
            name for name in folders if name not in {*_SKIPPED, "__pycache__"} and "config-" not in name
        )
        for name in sorted(names):
            source = Path(root, name)
            data = source.read_bytes()
            if name.startswith("_sysconfigdata"):
                data = _as_published(data)
            yield file(f"lib/python{minor}/{source.relative_to(library)}", data, 0o664)
    headers = Path(sysconfig.get_path("include"))
    for source in sorted(headers.rglob("*.h")):
        yield file(f"include/python{minor}/{source.relative_to(headers)}", source.read_bytes(), 0o664)


def _as_published(data: bytes) -> bytes:
    """What the interpreter was built with, as the publisher's say it: a compiler and folders of the publisher."""
    told = {
        "CC": "clang -pthread",
        "CXX": "clang++ -pthread",
        "LDSHARED": "clang -pthread -shared -Wl,--exclude-libs,ALL",
        "LDCXXSHARED": "clang++ -pthread -shared",
        "AR": "/tools/clang-linux64/bin/llvm-ar",
        "CFLAGS": "-Wsign-compare -DNDEBUG -g -fwrapv -O3 -Wall -fPIC -fdebug-default-version=4",
        "INCLUDEPY": "/install/include",
        "LIBDIR": "/install/lib",
    }
    return data + f"\nbuild_time_vars.update({told!r})\n".encode()


def _moved(folder: bytes) -> tuple[bytes, bytes]:
    """Where the loader finds the shared library, in the program: before, and relative to it (`DT_RUNPATH`)."""
    relative = b"$ORIGIN/../lib"
    before = b"\0" + folder + b"\0"
    return before, b"\0" + relative.ljust(len(folder), b"\0") + b"\0" if len(folder) >= len(relative) else before
