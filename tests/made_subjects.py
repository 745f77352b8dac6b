"""A made-up bundle as records see it, with packages of every kind."""

from __future__ import annotations

import io
from dataclasses import replace

from made_locks import AMD64
from made_plans import BASE, made_lock

from builder.lock.artifact import Archive
from builder.lock.data.entry import DataEntry, LockedFile, folder_entry
from builder.lock.document import Interpreter, Lock
from builder.oci.digest import Digest
from builder.records.model_formats import ModelFile
from builder.records.packages.listing import Package, list_packages, locked_artifacts
from builder.records.packages.stated import LicenseText, Stated
from builder.records.subject import Dataset, ModelPart, Subject

HOSTILE = "</text><script>alert(1)</script> \"'&lt; `code` [x](javascript:1) ![i](http://h) | # ``` \x1b[31m ]] --> $a$"
"""Text that would be markup, if it were not made plain."""
TABLE = b"species,mass,count,note\nAdelie,3750.5,1,a\nGentoo,NA,2,b\n"
TEXT = LicenseText("usr/share/doc/one/copyright", Digest("e" * 64), 7)


def made_packages(
    *, conda: bool = False, base: bool = False, license_: str = "MIT"
) -> tuple[Lock, tuple[Package, ...]]:
    """A lock with what its packages state."""
    archive = Archive("https://example.com/cpython.tar.gz", Digest("d" * 64), 5)
    interpreter = Interpreter("standalone", "3.12.1", "/opt/python/bin/python3.12", archive)
    lock = made_lock(replace(interpreter, archive=archive), conda=conda, image=BASE if base else None)
    stated = {one.digest: Stated(license_, "words", (TEXT,)) for one in locked_artifacts(lock, AMD64)}
    return lock, list_packages(lock, AMD64, stated)


def made_subject(**changes: object) -> Subject:
    """A bundle with two files of a model, and data that are packed, a folder and remote."""
    manifest = [LockedFile("a/b c.csv", Digest("1" * 64), 1), LockedFile("x.bin", Digest("2" * 64), 2)]
    remote = DataEntry("https://example.com/d.parquet?version=2", "file", Digest("3" * 64), None)
    packed = DataEntry("data/penguins.csv", "file", Digest.of(TABLE), len(TABLE))
    model = (
        ModelPart(
            ModelFile("model.safetensors", "safetensors", 10, 5, "float32", {"architecture": "bert"}), Digest("4" * 64)
        ),
        ModelPart(ModelFile("scaler.joblib", "joblib", 3), Digest("5" * 64)),
    )
    subject = Subject(
        "churn",
        "1.0",
        "Tells who leaves.",
        "Apache-2.0",
        ("team@example.com",),
        ("Not for people under 18.",),
        (
            Dataset("folder", folder_entry("images", "folder", manifest), "", "Pictures.", "CC-BY-4.0"),
            Dataset("penguins", packed, "", "Penguins.", "CC0-1.0", lambda: io.BytesIO(TABLE)),
            Dataset("remote", remote, remote.url, "", "our own"),
        ),
        model,
    )
    return replace(subject, **changes)  # type: ignore[arg-type]
