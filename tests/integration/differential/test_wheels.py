"""An environment of awkward wheels is, file by file, what pip and uv install, but for the documented differences."""

from __future__ import annotations

import ast
import csv
import io
import os
import re
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from awkward_wheels import (
    AWKWARD,
    MADE,
    NEEDING,
    Awkward,
    Shipped,
    environment_of,
    lock_of,
    locked,
    wheelhouse,
)
from conda_images import build, run_inside
from filesystem_comparison import Files, Rule, assert_same, differences, rules
from real_installers import INSTALLERS, PAGE, VirtualEnvironment, missing, rules_for

from builder.bundle.build import Built
from builder.fetch import Fetcher, Mirrors
from builder.layers.wheel import wheel_order
from builder.lock.artifact import Wheel
from builder.oci.layout import Layout
from builder.oci.store import Store


@pytest.fixture(scope="session")
def wheels(store: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[Wheel, Path]:
    """All wheels, real and made, and where they are."""
    kept = Store(store)
    kept.create()
    folder = tmp_path_factory.mktemp("made")
    found = (*locked(), *(made.wheel(folder) for made in MADE))
    paths = Fetcher(kept, Mirrors.from_environment(os.environ)).blobs([wheel.source for wheel in found])
    return {wheel: paths[wheel.digest] for wheel in found}


@pytest.fixture(scope="session")
def house(wheels: dict[Wheel, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheelhouse(wheels, tmp_path_factory.mktemp("house") / "wheels")


@pytest.fixture(scope="session")
def pip(house: Path) -> Path:
    return next(house.glob("pip-*.whl"))


@pytest.fixture(scope="session")
def built(wheels: dict[Wheel, Path], store: Path) -> Built:
    return build(lock_of(wheels, store), store)


@pytest.fixture(scope="session")
def ours(built: Built, store: Path) -> Files:
    return environment_of(built, store)


@pytest.fixture(scope="session")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], VirtualEnvironment]:
    """Makes empty virtual environments."""
    reason = missing()
    if reason:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return lambda name: VirtualEnvironment.make(tmp_path_factory.mktemp(name))


@pytest.fixture(scope="session")
def environments(empty: Callable[[str], VirtualEnvironment], house: Path, pip: Path) -> dict[str, VirtualEnvironment]:
    """What each installer has made of all wheels."""
    arguments = ("--no-deps", "--require-hashes", "-r", str(house / "requirements.txt"))
    made = {name: empty(name) for name in INSTALLERS}
    made["pip"].pip(pip, house, *arguments)
    made["uv"].uv(house, *arguments)
    return made


@pytest.fixture(scope="session")
def installed(environments: dict[str, VirtualEnvironment]) -> dict[str, Files]:
    return {name: environment.files() for name, environment in environments.items()}


@pytest.fixture(scope="session")
def texts(built: Built, store: Path) -> dict[str, bytes]:
    """The scripts and RECORDs of the image, by path."""
    found: dict[str, bytes] = {}
    for layer in built.images[0].manifest.layers:
        with Layout(store).open(layer.digest) as file, tarfile.open(fileobj=file, mode="r:gz") as archive:
            for member in archive:
                if member.isfile() and re.match(r"opt/env/(bin/[^/]+|lib/[^/]+/[^/]+/[^/]+/RECORD)$", member.name):
                    found[member.name] = archive.extractfile(member).read()
    return found


PROGRAMS = {
    "Crooked": "straight",
    "crooked.dotted": "straight",
    "crooked-gui": "straight",
    "crlf": "carriage",
    "flags": "flags",
    "window": "window",
    "ninja --version": "1.13.0.git.kitware.jobserver-pipe-1",
    "clang-format --version": "clang-format version 23.1.5",
    "python -c import\tnumpy,PIL._imaging,psutil,zope.event,backports.tarfile,backports.cached_property": "",
}
DIFFERING = re.compile(r"(REQUESTED|INSTALLER|uv_cache\.json)$|/__pycache__/|^\.\./\.\./\.\./(bin|include)/")
RUN_ALL = """
import subprocess, sys
for line in sys.argv[1:]:
    print(subprocess.run(line.split(" "), capture_output=True, text=True, check=True).stdout.strip(), flush=True)
"""


def entry_point(script: bytes) -> tuple[str, list[str]] | None:
    """What runs a script and what it starts, if it is one of an entry point."""
    first, _, rest = script.partition(b"\n")
    try:
        statements = ast.parse(rest).body
    except (SyntaxError, ValueError):
        return None
    imports = [ast.unparse(one) for one in statements if isinstance(one, ast.ImportFrom)]
    calls = re.findall(r"sys\.exit\((.+)\)", rest.decode())
    return (first.decode(), imports + calls) if len(imports) == len(calls) == 1 else None


def recorded(text: bytes) -> dict[str, tuple[str, str]]:
    """The claims of an installed RECORD, by path, but for those of files that the page says differ."""
    claims = {path: (digest, size) for path, digest, size in csv.reader(io.StringIO(text.decode(), newline=""))}
    return {path: claim for path, claim in claims.items() if not DIFFERING.search(path)}


@pytest.mark.parametrize("awkward", AWKWARD, ids=lambda one: f"{one.package}: {one.what}")
def test_the_package_is_as_awkward_as_it_is_chosen_for(awkward: Awkward, wheels: dict[Wheel, Path]) -> None:
    (wheel,) = (wheel for wheel in wheels if wheel.name == awkward.package)
    assert awkward.holds(Shipped.read(wheels[wheel], wheel.file_name))


@pytest.mark.parametrize("installer", INSTALLERS)
def test_every_file_is_what_the_installer_makes_but_for_the_documented_ones(
    installer: str, installed: dict[str, Files], ours: Files
) -> None:
    assert_same(installed[installer], ours, rules_for(installer))


def test_every_documented_difference_is_there(installed: dict[str, Files], ours: Files) -> None:
    for installer in INSTALLERS:
        found = differences(installed[installer], ours)
        certain = [rule for rule in rules_for(installer) if rule not in by_chance()]
        assert [rule.text for rule in certain if not any(rule.excuses(one) for one in found)] == []


def by_chance() -> tuple[Rule, ...]:
    return tuple(rules(PAGE.read_text("utf-8").partition("\n### Not the same each time")[2]))


@pytest.mark.parametrize("installer", INSTALLERS)
def test_every_script_starts_the_same_function_with_the_same_interpreter(
    installer: str, environments: dict[str, VirtualEnvironment], texts: dict[str, bytes]
) -> None:
    compared = 0
    for path, text in texts.items():
        if not path.startswith("opt/env/bin/") or path.endswith("/activate"):
            continue
        theirs = (environments[installer].folder / path.removeprefix("opt/env/")).read_bytes()
        if theirs != text:
            assert entry_point(text) == entry_point(theirs) != None, path  # noqa: E711
            compared += 1
    assert compared > 20


@pytest.mark.parametrize("installer", INSTALLERS)
def test_every_record_says_the_same_but_for_what_the_installer_adds(
    installer: str, environments: dict[str, VirtualEnvironment], texts: dict[str, bytes]
) -> None:
    records = {path: text for path, text in texts.items() if path.endswith("/RECORD")}
    assert len(records) > 35
    for path, text in records.items():
        theirs = recorded((environments[installer].folder / path.removeprefix("opt/env/")).read_bytes())
        ours = recorded(text)
        assert theirs.keys() == ours.keys(), path
        # a few wheels state no hash, or an odd one, which installers copy
        stated = {place: claims for place, claims in theirs.items() if re.fullmatch(r"sha256=[\w-]{43}", claims[0])}
        assert stated == {place: ours[place] for place in stated}, path


def test_what_a_package_needs_comes_before_it_where_both_have_a_path(
    empty: Callable[[str], VirtualEnvironment], pip: Path, tmp_path: Path
) -> None:
    found = {made.wheel(tmp_path): tmp_path / made.file_name for made in NEEDING}
    environment = empty("needing")
    environment.pip(pip, wheelhouse(found, tmp_path / "house"), *(wheel.name for wheel in found))
    provider = (environment.folder / "lib/python3.11/site-packages/kinds/who.txt").read_text().strip()
    assert wheel_order(found)[-1].name == provider


def test_programs_and_extensions_of_awkward_wheels_run(built: Built, store: Path) -> None:
    done = run_inside(built, store, "/opt/env/bin/python", "-c", RUN_ALL, *PROGRAMS)
    assert done.stdout.splitlines() == list(PROGRAMS.values()), done.stderr
