"""A spliced wheel unpacks to what PyPA's `installer` writes."""

import csv
import gzip
import hashlib
import io
import os
import posixpath
import subprocess
import sys
import tarfile
import warnings
from pathlib import Path
from typing import NamedTuple

import pytest
from installer import install
from installer.destinations import SchemeDictionaryDestination
from installer.sources import WheelFile

from builder.layers.interface import PACKAGE_MTIME
from builder.layers.tar_headers import END_OF_ARCHIVE
from builder.layers.wheel import WheelTarget, open_wheel

WHEELS = {
    "ansible-core": "2.19.3", "babel": "2.17.0", "black": "25.9.0", "certifi": "2025.10.5", "cryptography": "46.0.3",
    "docutils": "0.22.2", "fastapi": "0.120.0", "google-cloud-core": "2.4.3", "greenlet": "3.2.4",
    "jsonschema": "4.25.1", "jupyterlab": "4.4.10", "matplotlib": "3.10.7", "ninja": "1.13.0",
    "nltk": "3.9.2", "notebook": "7.4.7", "numpy": "2.3.4", "pandas": "2.3.3", "pip": "25.3", "pytz": "2025.2",
    "pywin32-ctypes": "0.2.3", "pyyaml": "6.0.3",
    "ruff": "0.14.2", "scikit-learn": "1.7.2", "setuptools": "80.9.0", "tzdata": "2025.2", "uvicorn": "0.38.0",
    "virtualenv": "20.35.3", "wheel": "0.45.1",
}  # fmt: skip
"""Chosen for console scripts, shipped scripts, data and header directories, namespaces, odd names and large files."""

PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in (28, 27, 26, 24, 17, 12)]
TARGET = WheelTarget("opt/env", (3, 11))


class Installed(NamedTuple):
    """One file of an environment."""

    mode: int
    size: int
    sha256: str


class Unpacked:
    """A Sink that keeps both sides."""

    def __init__(self) -> None:
        self.gzip = io.BytesIO()
        self.tar = io.BytesIO()
        self.compressed = self.gzip.write
        self.uncompressed = self.tar.write


@pytest.fixture(scope="session")
def wheels() -> Path:
    """A folder with the wheels, downloaded once."""
    cache = Path(os.environ.get("ENVBUILD_TEST_CACHE") or Path.home() / ".cache" / "envbuild-tests")
    folder = cache / "wheels-3.11"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [f"{name}=={version}" for name, version in WHEELS.items() if find(folder, name) is None]
    if missing:
        command = [sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps"]
        command += ["--only-binary", ":all:", "--python-version", "3.11", "--dest", str(folder)]
        command += [argument for platform in PLATFORMS for argument in ("--platform", platform)]
        result = subprocess.run([*command, *missing], capture_output=True, text=True, check=False)
        if result.returncode:
            pytest.skip(f"the wheels can't be downloaded: {result.stderr.splitlines()[-1:]}")
    return folder


def find(folder: Path, name: str) -> Path | None:
    found = list(folder.glob(f"{name.replace('-', '_')}-{WHEELS[name]}-*.whl"))
    return found[0] if found else None


def write_by_installer(path: Path, root: Path) -> dict[str, Installed]:
    with warnings.catch_warnings(), WheelFile.open(path) as source:
        warnings.simplefilter("ignore")  # about bytecode that it skips
        scheme = {key: f"/{folder}" for key, folder in TARGET.scheme(source.distribution).items()}
        destination = SchemeDictionaryDestination(scheme, TARGET.interpreter, "posix", destdir=str(root))
        install(source, destination, {"INSTALLER": b"installer\n"})
    files = (Path(folder) / name for folder, _, names in os.walk(root) for name in names)
    return {str(file.relative_to(root)): describe(file.stat().st_mode, file.read_bytes()) for file in files}


def describe(mode: int, data: bytes) -> Installed:
    return Installed(0o755 if mode & 0o111 else 0o644, len(data), hashlib.sha256(data).hexdigest())


def read_segment(path: Path) -> tuple[dict[str, Installed], dict[str, bytes]]:
    """The files of a segment, and the content of those of its metadata folder; checks what all entries promise."""
    sink = Unpacked()
    package = open_wheel(path, TARGET)
    package.write(sink)
    assert gzip.decompress(sink.gzip.getvalue()) == sink.tar.getvalue()
    files, metadata = {}, {}
    with tarfile.open(fileobj=io.BytesIO(sink.tar.getvalue() + END_OF_ARCHIVE), mode="r:") as archive:
        for entry in archive:
            assert (entry.isreg(), entry.mtime, entry.uid, entry.gid) == (True, PACKAGE_MTIME, 0, 0), entry.name
            data = archive.extractfile(entry).read()
            assert entry.mode in (0o644, 0o755), entry.name
            files[entry.name] = describe(entry.mode, data)
            if is_metadata(entry.name):
                metadata[entry.name.rpartition("/")[2]] = data
    assert tuple(files) == package.contents().paths == tuple(sorted(files, key=str.encode))
    return files, metadata


def is_metadata(path: str) -> bool:
    """Whether a path is in the wheel's own metadata folder; packages ship those of others."""
    folder = path.removeprefix(TARGET.site_packages + "/").split("/")
    return len(folder) == 2 and folder[0].endswith(".dist-info")


def record_rows(text: str) -> dict[str, tuple[str, str]]:
    """The claims of an installed RECORD by path from the root, INSTALLER's left out (its content differs)."""
    rows = {
        posixpath.normpath(f"{TARGET.site_packages}/{path}"): (hash_, size)
        for path, hash_, size in csv.reader(io.StringIO(text))
    }
    return {path: claims for path, claims in rows.items() if not (is_metadata(path) and path.endswith("/INSTALLER"))}


@pytest.mark.parametrize("name", WHEELS)
def test_a_segment_holds_what_installer_writes(name: str, wheels: Path, tmp_path: Path) -> None:
    path = find(wheels, name)
    assert path is not None
    expected = write_by_installer(path, tmp_path)
    found, metadata = read_segment(path)
    differing = []
    for entry in sorted(expected.keys() | found.keys()):
        ours, theirs = found.get(entry), expected.get(entry)
        if is_metadata(entry) and entry.endswith(("/RECORD", "/INSTALLER")):
            continue
        if entry.startswith("opt/env/bin/") and ours and theirs:
            theirs = theirs._replace(mode=0o755)  # installer leaves a script that is not executable in the wheel so
        if ours != theirs:
            differing.append(f"{entry}: {ours} here, {theirs} by installer")
    assert not differing, "\n".join(differing)
    (record,) = (entry for entry in expected if is_metadata(entry) and entry.endswith("/RECORD"))
    assert record_rows(metadata["RECORD"].decode()) == record_rows((tmp_path / record).read_text())
    assert metadata["INSTALLER"] == b"envbuild\n"


@pytest.mark.parametrize("name", ["ansible-core", "jupyterlab", "greenlet", "ruff"])
def test_record_is_sorted_and_true(name: str, wheels: Path) -> None:
    path = find(wheels, name)
    assert path is not None
    found, metadata = read_segment(path)
    rows = list(csv.reader(io.StringIO(metadata["RECORD"].decode())))
    assert rows[-1][0].endswith(".dist-info/RECORD")
    assert rows[-1][1:] == ["", ""]
    assert [row[0] for row in rows[:-1]] == sorted(row[0] for row in rows[:-1])
    resolved = {posixpath.normpath(f"{TARGET.site_packages}/{row[0]}") for row in rows}
    assert resolved == found.keys()
    assert all(
        int(size) == found[posixpath.normpath(f"{TARGET.site_packages}/{path}")].size for path, _, size in rows[:-1]
    )


def test_segments_are_equal_on_each_writing(wheels: Path) -> None:
    path = find(wheels, "pyyaml")
    assert path is not None
    sinks = [Unpacked(), Unpacked()]
    for sink in sinks:
        open_wheel(path, TARGET).write(sink)
    assert sinks[0].gzip.getvalue() == sinks[1].gzip.getvalue()
