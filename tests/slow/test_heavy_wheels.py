"""Big wheels, with thousands of files and the longest paths, are what pip and uv install of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from awkward_wheels import FOLDER, Shipped, environment_of, lock_of, locked, wheelhouse
from conda_images import build
from filesystem_comparison import assert_same
from real_installers import INSTALLERS, VirtualEnvironment, missing, rules_for

from builder.fetch import Fetcher, Mirrors
from builder.lock.artifact import Wheel
from builder.oci.store import Store

HEAVY = {
    "moto": lambda wheel: max(map(len, wheel.files)) > 120,
    "cfn-lint": lambda wheel: len(wheel.files) > 4000,
    "ruff": lambda wheel: max(map(len, wheel.files.values())) > 20e6,
    "numpy": lambda wheel: wheel.has(r".*/__pycache__/[^/]+\.pyc"),
    "scipy": lambda wheel: wheel.has(r"scipy\.libs/"),
    "notebook": lambda wheel: wheel.has(r".*\.data/data/etc/"),
}
"""What some of them are chosen for."""


@pytest.fixture(scope="module")
def wheels(store: Path) -> dict[Wheel, Path]:
    reason = missing()
    if reason:
        pytest.skip(reason)
    kept = Store(store)
    kept.create()
    found = (*locked(FOLDER / "heavy"), *(wheel for wheel in locked() if wheel.name in ("pip", "greenlet")))
    paths = Fetcher(kept, Mirrors.from_environment(os.environ)).blobs([wheel.source for wheel in found])
    return {wheel: paths[wheel.digest] for wheel in found}


@pytest.mark.parametrize("name", HEAVY)
def test_the_package_is_as_awkward_as_it_is_chosen_for(name: str, wheels: dict[Wheel, Path]) -> None:
    (wheel,) = (wheel for wheel in wheels if wheel.name == name)
    assert HEAVY[name](Shipped.read(wheels[wheel], wheel.file_name))


@pytest.mark.parametrize("installer", INSTALLERS)
def test_every_file_is_what_the_installer_makes_but_for_the_documented_ones(
    installer: str, wheels: dict[Wheel, Path], store: Path, tmp_path: Path
) -> None:
    house = wheelhouse(wheels, tmp_path / "house")
    environment = VirtualEnvironment.make(tmp_path)
    arguments = ("--no-deps", "--require-hashes", "-r", str(house / "requirements.txt"))
    if installer == "pip":
        environment.pip(next(house.glob("pip-*.whl")), house, *arguments)
    else:
        environment.uv(house, *arguments)
    ours = environment_of(build(lock_of(wheels, store), store), store)
    assert_same(environment.files(), ours, rules_for(installer))
