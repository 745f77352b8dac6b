"""Wheels with awkward contents: real ones by a lock (`tests/awkward`), made ones for what no small package has.

A table says which package stands for which awkwardness, so that a new version cannot lose it unnoticed. To add one,
put it into `requirements.in` and run, in `tests/awkward`:

    uv pip compile --no-deps --no-config --only-binary :all: --python-version 3.11 \
        --python-platform x86_64-manylinux_2_28 --format pylock.toml -o pylock.toml requirements.in
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import os
import re
import tomllib
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from conda_images import AMD64, CREATED, base
from filesystem_comparison import Files, of_image
from real_installers import PREFIX

from builder.bundle.build import Built
from builder.lock.artifact import Wheel
from builder.lock.document import Interpreter, Lock, LockDocument, PlatformLock
from builder.lock.interface import Target
from builder.lock.pypi.found import Found
from builder.lock.pypi.from_pylock import Selection, select_files
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.oci.layout import Layout

DEBIAN = Interpreter("debian", "3.11.2", "/usr/bin/python3.11")
FOLDER = Path(__file__).with_name("awkward")
TARGET = Target(Platform("amd64"), "x86_64", "3.11.2", (2, 36))
SITE_PACKAGES = "opt/env/lib/python3.11/site-packages/"


@dataclass(frozen=True)
class Shipped:
    """What is in a wheel."""

    name: str
    """Of the file."""
    files: Mapping[str, bytes]
    executable: frozenset[str]
    folders: frozenset[str]
    """Those that have an entry of their own."""

    @classmethod
    def read(cls, path: Path, name: str) -> Shipped:
        """All of a wheel."""
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
            files = {entry.filename: archive.read(entry) for entry in entries if not entry.is_dir()}
        executable = frozenset(entry.filename for entry in entries if (entry.external_attr >> 16) & 0o111)
        return cls(name, files, executable & files.keys(), frozenset(one.filename for one in entries if one.is_dir()))

    def has(self, pattern: str) -> bool:
        """Whether one of its paths matches from the beginning."""
        return any(re.match(pattern, path) for path in self.files)

    def text(self, pattern: str) -> str:
        """The one file whose path ends so."""
        (found,) = (data for path, data in self.files.items() if re.search(pattern + "$", path))
        return found.decode()

    @property
    def record(self) -> list[list[str]]:
        """The rows of RECORD."""
        return list(csv.reader(io.StringIO(self.text(r"^[^/]+\.dist-info/RECORD"))))


@dataclass(frozen=True)
class Awkward:
    """What a package is chosen for."""

    package: str
    what: str
    holds: Callable[[Shipped], object]
    """Whether a wheel is so."""


def _marked(wheel: Shipped) -> list[str]:
    """The scripts whose first line names no real interpreter."""
    return [path for path, data in wheel.files.items() if ".data/scripts/" in path and data.startswith(b"#!python")]


def _longest(wheel: Shipped) -> int:
    return max(len(SITE_PACKAGES + re.sub(r"^[^/]+\.data/(?:pure|plat)lib/", "", path)) for path in wheel.files)


def _bundles_libraries(wheel: Shipped) -> bool:
    """Whether extensions find shared libraries in a folder beside their package."""
    return wheel.has(r"[^/]+\.libs/.*\.so") and any(b"$ORIGIN/" in data for data in wheel.files.values())


AWKWARD = (
    Awkward("awscli", "several shipped scripts to rewrite, among others that stay", lambda one: len(_marked(one)) > 1),
    Awkward("awscli", "a RECORD with carriage returns", lambda one: "\r\n" in one.text(r"\.dist-info/RECORD")),
    Awkward("awscli", "more than a thousand files, 170 of them executable", lambda one: len(one.executable) > 150),
    Awkward("bottle", "a script that is also a module", lambda one: _marked(one) and "bottle.py" in one.files),
    Awkward("jmespath", "a shipped script with an ending", lambda one: one.has(r".*\.data/scripts/jp\.py")),
    Awkward("logilab-common", "a script, and a .pth that makes a namespace", lambda one: one.has(r".*-nspkg\.pth")),
    Awkward("ninja", "a program as script", lambda one: one.text(r"RECORD") and one.has(r".*\.data/scripts/ninja")),
    Awkward("ninja", "entries for folders of .data", lambda one: any(".data/" in path for path in one.folders)),
    Awkward("ipykernel", "data below share", lambda one: one.has(r".*\.data/data/share/jupyter/")),
    Awkward("jupyter-lsp", "data below etc", lambda one: one.has(r".*\.data/data/etc/jupyter/")),
    Awkward("greenlet", "headers", lambda one: one.has(r".*\.data/headers/greenlet\.h")),
    Awkward("pybind11-global", "headers and data, in folders", lambda one: one.has(r".*\.data/headers/[^/]+/")),
    Awkward("google-cloud-core", "a namespace without a file (PEP 420)", lambda one: not one.has(r"google/__init__")),
    Awkward("backports-tarfile", "pkgutil's namespace", lambda one: "extend_path" in one.text("backports/__init__.py")),
    Awkward("backports-cached-property", "one path with others", lambda one: "backports/__init__.py" in one.files),
    Awkward("backports-entry-points-selectable", "the same", lambda one: "backports/__init__.py" in one.files),
    Awkward("zope-event", "a namespace of setuptools, by a .pth", lambda one: one.has(r"zope\.event-.*-nspkg\.pth")),
    Awkward("zope-event", "a dotted name of the dist-info", lambda one: one.has(r"zope\.event-[^/]+\.dist-info/")),
    Awkward("sphinxcontrib-applehelp", "a .pth and 100 translations", lambda one: one.has(r"[^/]+\.pth")),
    Awkward("cherrypy", "a name with capitals", lambda one: one.has(r"CherryPy-[^/]+\.dist-info/")),
    Awkward("coverage", "a .pth that imports", lambda one: "import" in one.text(r"^[^/]+\.pth")),
    Awkward("setuptools", "a path of 150 characters", lambda one: _longest(one) >= 150),
    Awkward("setuptools", "names with spaces", lambda one: one.has(r".* ")),
    Awkward("pelican", "names that are not ASCII", lambda one: not all(path.isascii() for path in one.files)),
    Awkward("black", "an entry point with extras", lambda one: re.search(r"=.*\[d\]", one.text(r"entry_points\.txt"))),
    Awkward("black", "a folder of licences, entries for folders", lambda one: one.folders and one.has(r".*/licenses/")),
    Awkward("paste", "many groups of entry points, extras", lambda one: "[subprocess]" in one.text("entry_points.txt")),
    Awkward("qtconsole", "a graphical script", lambda one: "[gui_scripts]" in one.text(r"entry_points\.txt")),
    Awkward("docopt-ng", "an empty file", lambda one: b"" in one.files.values()),
    Awkward("furo", "hashes in hexadecimal digits", lambda one: any(len(row[1]) > 64 for row in one.record)),
    Awkward("setuptools", "other packages' metadata", lambda one: one.has(r".*/_vendor/[^/]+\.dist-info/RECORD")),
    Awkward("clang-format", "a program within", lambda one: "clang_format/data/bin/clang-format" in one.executable),
    Awkward("psutil", "the stable ABI", lambda one: "-abi3-" in one.name),
    Awkward("pillow", "shared libraries beside the package", _bundles_libraries),
    Awkward("numpy", "one of more than 20 MB", lambda one: max(map(len, one.files.values())) > 20e6),
    Awkward("pip", "the installer itself", lambda one: one.has(r"pip/__main__\.py")),
    Awkward("tzdata", "600 files that are no modules", lambda one: len(one.files) > 600),
)  # fmt: skip
"""What stands for what, among the real ones."""

_LONG = f"crooked/{'d' * 90}/{'e' * 90}/{'f' * 90}.txt"
_FILES = {
    "crooked/__init__.py": b"def main():\n    print('straight')\n",
    _LONG: b"far away\n",
    f"crooked/{'n' * 255}": b"a name as long as file systems have it\n",
    f"crooked/{'p' * 152}.py": b"200 characters, once installed\n",
    "crooked/na\u00efve/\u03a9.py": b"",
    "crooked/nai\u0308ve.py": b"# not normalised\n",
    "crooked/\U0001f9ea.txt": b"beyond the first plane\n",
    'crooked/a "quoted", name.txt': b"comma\n",
    "crooked/old.pyc": b"\xa7\x0d\x0d\x0anot in __pycache__",
    "crooked/__pycache__/new.cpython-311.pyc": b"\xa7\x0d\x0d\x0a",
    "crooked/.hidden/-rf": b"hyphen\n",
    "crooked/trailing.": b"dot\n",
    "crooked-1.0.data/purelib/crooked/pure.py": b"",
    "crooked-1.0.data/platlib/crooked/plat.py": b"",
    "crooked-1.0.data/scripts/crlf": b"#!python\r\nprint('carriage')\r\n",
    "crooked-1.0.data/scripts/flags": b"#!python -I\nprint('flags')\n",
    "crooked-1.0.data/scripts/window": b"#!pythonw\nprint('window')\n",
    "crooked-1.0.data/scripts/plain-shell": b"#!/bin/sh\necho shell\n",
    "crooked-1.0.data/scripts/endless": b"#!python",
    "crooked-1.0.data/data/share/doc/crooked/\u4f8b.txt": b"example\n",
    "crooked-1.0.data/headers/deep/er/crooked.h": b"",
    "crooked-1.0.dist-info/entry_points.txt": (
        b"[console_scripts]\nCrooked = crooked:main\ncrooked.dotted = crooked:main [extra, other]\n\n"
        b"[gui_scripts]\ncrooked-gui = crooked:main\n"
    ),
    "crooked-1.0.dist-info/licenses/deep/LICENSE.txt": b"MIT\n",
}


@dataclass(frozen=True, slots=True)
class Made:
    """A wheel that is made here."""

    name: str
    file_name: str
    data: bytes
    needs: tuple[str, ...] = ()

    def wheel(self, folder: Path) -> Wheel:
        """It, written to a folder, as a lock has it."""
        path = folder / self.file_name
        path.write_bytes(self.data)
        digest = Digest.of(self.data)
        return Wheel(self.name, "1.0", self.file_name, digest, len(self.data), path.as_uri(), self.needs)


def make(name: str, files: Mapping[str, bytes], build: str = "", needs: tuple[str, ...] = ()) -> Made:
    """A wheel, version 1.0. Its RECORD is quoted, in descending order, with carriage returns and a row without hash."""
    info = f"{name}-1.0.dist-info"
    requires = "".join(f"Requires-Dist: {need}\n" for need in needs)
    metadata = {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{requires}".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: false\nTag: py3-none-any\n",
    }
    every = dict(sorted({**files, **metadata}.items(), reverse=True))
    every[f"{info}/RECORD"] = _record(every, f"{info}/RECORD")
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, data in every.items():
            entry = zipfile.ZipInfo(path, (2020, 1, 1, 0, 0, 0))
            entry.external_attr = (0o100755 if "/scripts/" in path and "/scripts/plain" not in path else 0o100664) << 16
            archive.writestr(entry, data, zipfile.ZIP_DEFLATED)
    return Made(name, f"{name}-1.0-{build}py3-none-any.whl", target.getvalue(), needs)


def _record(files: Mapping[str, bytes], own: str) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    for path, data in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
        bare = path.endswith(".hidden/-rf")
        writer.writerow((path, "" if bare else f"sha256={digest}", "" if bare else len(data)))
    writer.writerow((own, "", ""))
    return text.getvalue().encode()


MADE = (
    make("crooked", _FILES, build="7local-"),
    make("overlap_a", {"overlap/who.txt": b"a\n", "overlap/a.txt": b""}),
    make("overlap_b", {"overlap/who.txt": b"b\n", "overlap/b.txt": b""}),
)
"""A build tag and all that is crooked in one; and two with one path."""

NEEDING = (
    make("animal", {"kinds/who.txt": b"animal\n"}),
    make("horse", {"kinds/who.txt": b"horse\n"}, needs=("animal",)),
    make("zebra", {"kinds/who.txt": b"zebra\n"}),
    make("ant", {"kinds/who.txt": b"ant\n"}, needs=("zebra",)),
)
"""Four with one path, two of which need another."""


def locked(folder: Path = FOLDER) -> tuple[Wheel, ...]:
    """The wheels of a lock, for Python 3.11 on linux/amd64, sorted by name."""
    document = tomllib.loads((folder / "pylock.toml").read_text("utf-8"))
    found = select_files(document, Selection(TARGET, sdists=False), "the lock of the tests")
    return tuple(sorted(_wheel(one) for one in found if isinstance(one, Found)))


def _wheel(found: Found) -> Wheel:
    assert found.size is not None
    return Wheel(found.name, found.version, found.file_name, found.digest, found.size, found.url)


def wheelhouse(wheels: Mapping[Wheel, Path], folder: Path) -> Path:
    """A folder of the wheels under their own names, with `requirements.txt`: each pinned by hash."""
    folder.mkdir()
    lines = []
    for wheel, path in wheels.items():
        os.symlink(path, folder / wheel.file_name)
        lines.append(f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.digest.hex}\n")
    (folder / "requirements.txt").write_text("".join(lines))
    return folder


def lock_of(wheels: dict[Wheel, Path], store: Path) -> Lock:
    """The lock of an environment with these wheels on Debian's interpreter."""
    debian = base(store, AMD64, "bookworm", "python3.11")
    platform = PlatformLock("bookworm", DEBIAN, debian, "x.toml", Digest("0" * 64))
    document = LockDocument({}, {}, 1, CREATED, {AMD64: platform})
    digest = Digest.of(repr((debian, tuple(wheels))).encode())
    return Lock(document, digest, {AMD64: tuple(sorted(wheels))}, {}, {})


def environment_of(built: Built, store: Path) -> Files:
    """What an image has in `/opt/env`."""
    files = of_image(Layout(store), built.images[0].manifest)
    return {path: entry for path, entry in files.items() if path.startswith(f"{PREFIX}/")}
