"""Wheels built of source, with real backends inside the real base, on the embedded engine."""

from __future__ import annotations

import zipfile
from pathlib import Path

from source_packages import extension_project, flit_project, stored_sdist

from builder.image.workshop import Workshop
from builder.lock.interface import BuildRoot
from builder.run.wheels import WheelBuilder


def test_a_pure_package_is_built(
    builder: WheelBuilder, workshop: Workshop, plain_root: BuildRoot, tmp_path: Path
) -> None:
    sdist = stored_sdist(workshop.store, tmp_path, "small-thing", "1.0", flit_project("small-thing"))
    (wheel,) = builder((sdist,), plain_root, ())
    assert (wheel.name, wheel.version, wheel.file_name) == (
        "small-thing", "1.0", "small_thing-1.0-py3-none-any.whl"
    )  # fmt: skip
    assert (wheel.url, wheel.license) == ("", "MIT")
    assert wheel.built is not None
    assert wheel.built.sdist == sdist
    assert [requirement.name for requirement in wheel.built.requirements] == ["flit-core"]
    with zipfile.ZipFile(workshop.store.path(wheel.digest)) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == "small_thing/__init__.py"
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 2, 0, 0, 0)}


def test_an_extension_is_compiled(
    builder: WheelBuilder, workshop: Workshop, compiler_root: BuildRoot, tmp_path: Path
) -> None:
    sdist = stored_sdist(workshop.store, tmp_path, "tiny-ext", "1.0", extension_project())
    (wheel,) = builder((sdist,), compiler_root, ())
    assert wheel.file_name == "tiny_ext-1.0-cp311-cp311-linux_x86_64.whl"
    assert wheel.built is not None
    assert "gcc" in {package.name for package in wheel.built.debian}
