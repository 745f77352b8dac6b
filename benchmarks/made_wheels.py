"""Wheels that the benchmarks make: large ones, many small ones, and new versions of real ones."""

from __future__ import annotations

import base64
import hashlib
import random
import zipfile
from pathlib import Path

_LARGE_FILE, _LARGE_FILES = 1 << 30, 10_000
_MODULES = 20
_RECORD = "RECORD"


def large_wheel(folder: Path) -> Path:
    """A wheel of one file of 1 GiB and ten thousand small ones, made once."""
    path = folder / "large-1.0-py3-none-any.whl"
    if path.exists():
        return path
    source = random.Random(1)
    block = source.randbytes(400_000) + bytes(200_000) + b"envbuild " * 50_000
    texts = {f"large/part{number}.py": f"VALUE = {number}\n" * (1 + number % 90) for number in range(_LARGE_FILES)}
    texts |= _metadata("large", "1.0")
    unfinished = path.with_suffix(".unfinished")
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        data = zipfile.ZipInfo("large/data.bin")
        data.compress_type = zipfile.ZIP_DEFLATED
        with archive.open(data, "w", force_zip64=True) as file:
            for _ in range(_LARGE_FILE // len(block)):
                file.write(block)
        for name, text in texts.items():
            archive.writestr(name, text)
        rows = [f"{name},," for name in ("large/data.bin", *texts, f"large-1.0.dist-info/{_RECORD}")]
        archive.writestr(f"large-1.0.dist-info/{_RECORD}", "\n".join([*rows, ""]))
    return unfinished.rename(path)


def small_wheel(folder: Path, number: int) -> Path:
    """The wheel of `package-NUMBER`: twenty modules of some 3 KB of text that differs from package to package."""
    name = f"package_{number}"
    path = folder / f"{name}-1.0-py3-none-any.whl"
    if path.exists():
        return path
    source = random.Random(number)
    texts = {f"{name}/__init__.py": ""}
    for module in range(_MODULES):
        lines = [f"def function_{line}():\n    return {source.getrandbits(160):#x}\n" for line in range(40)]
        texts[f"{name}/module_{module}.py"] = "".join(lines)
    texts |= _metadata(name, "1.0")
    rows = [f"{file},," for file in (*texts, f"{name}-1.0.dist-info/{_RECORD}")]
    texts[f"{name}-1.0.dist-info/{_RECORD}"] = "\n".join([*rows, ""])
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, text in texts.items():
            archive.writestr(zipfile.ZipInfo(file), text, zipfile.ZIP_DEFLATED)
    return path


def bumped_wheel(wheel: Path, file_name: str, version: str, folder: Path) -> Path:
    """The content of `wheel`, whose name is `file_name`, as another version of the package."""
    name, old, tags = file_name.split("-", 2)
    path = folder / f"{name}-{version}-{tags}"
    if path.exists():
        return path
    folder.mkdir(parents=True, exist_ok=True)
    before, after = f"{name}-{old}.dist-info/", f"{name}-{version}.dist-info/"
    unfinished = path.with_suffix(".unfinished")
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as target:
        text = source.read(f"{before}METADATA").decode()
        metadata = text.replace(f"\nVersion: {old}", f"\nVersion: {version}", 1).encode()
        for entry in source.infolist():
            data = source.read(entry)
            if entry.filename == f"{before}METADATA":
                data = metadata
            elif entry.filename == f"{before}{_RECORD}":
                data = _renamed_rows(data.decode(), before, after, metadata)
            entry.filename = entry.filename.replace(before, after, 1)
            target.writestr(entry, data, entry.compress_type)
    return unfinished.rename(path)


def _renamed_rows(record: str, before: str, after: str, metadata: bytes) -> bytes:
    rows = record.replace(before, after).splitlines()
    digest = base64.urlsafe_b64encode(hashlib.sha256(metadata).digest()).rstrip(b"=").decode()
    own = f"{after}METADATA,"
    rows = [f"{own}sha256={digest},{len(metadata)}" if row.startswith(own) else row for row in rows]
    return "\n".join([*rows, ""]).encode()


def _metadata(name: str, version: str) -> dict[str, str]:
    return {
        f"{name}-{version}.dist-info/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{name}-{version}.dist-info/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
