"""Below conda packages there is of Debian what every image has, and nothing else; the guide names all of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.lock.artifact import DebianPackage
from builder.lock.folder import read_lock
from builder.lock.foundation import SEEDS
from builder.oci.documents import Platform

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module", params=["amd64", "arm64"])
def debs(request: pytest.FixtureRequest) -> dict[str, DebianPackage]:
    lock = read_lock(ROOT / "environments/conda/lock")
    return {package.name: package for package in lock.document.platforms[Platform(request.param)].debian}


def test_every_debian_package_is_needed_by_what_all_images_have(debs: dict[str, DebianPackage]) -> None:
    needed, wanted = set[str](), list(SEEDS)
    while wanted:
        if (name := wanted.pop()) not in needed:
            needed.add(name)
            wanted += debs[name].dependencies
    assert debs.keys() == needed


def test_the_guide_names_every_debian_package(debs: dict[str, DebianPackage]) -> None:
    text = (ROOT / "docs/guides/conda.md").read_text("utf-8")
    assert [name for name in debs if f"`{name}`" not in text] == []
    assert f"{len(debs)} packages of {sum(package.size for package in debs.values()) / 1e6:.0f} MB" in text
