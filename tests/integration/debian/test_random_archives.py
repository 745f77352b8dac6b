"""On small archives full of alternatives, circles, virtual packages and conflicts, the closure is the one of apt."""

from __future__ import annotations

import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable

import pytest

from builder.errors import EnvbuildError
from builder.lock.debian.packages import PackagesIndex
from builder.lock.debian.solve import solve
from builder.lock.debian.universe import Universe

NAMES = [f"p{number}" for number in range(10)]
VIRTUAL = ["v0", "v1", "v2"]


@pytest.fixture(scope="module")
def apt(apt_command, tmp_path_factory) -> Callable[[str, list[str]], list[str] | None]:
    repository = tmp_path_factory.mktemp("repository")

    def closure(index: str, names: list[str]) -> list[str] | None:
        (repository / "Packages").write_text(index)
        command, folder = apt_command("amd64", f"deb [trusted=yes] file:{repository} ./\n")
        environment = {**os.environ, "LC_ALL": "C"}
        subprocess.run([*command, "update"], check=True, capture_output=True, env=environment)
        install = [*command, "--print-uris", "--yes", "install", "--no-install-recommends", *names]
        process = subprocess.run(install, check=False, capture_output=True, text=True, env=environment)
        shutil.rmtree(folder)
        return None if process.returncode else sorted(re.findall(r"/([a-z0-9]+)_[0-9]_amd64.deb'", process.stdout))

    return closure


def _archive(rng: random.Random) -> str:
    return "\n".join(_package(rng, name) for name in NAMES)


def _package(rng: random.Random, name: str) -> str:
    def relation(qualifiers: tuple[str, ...] = ("",)) -> str:
        versions = ("", "", "", "", " (>= 2)", " (= 1)", " (<< 3)", " (>= 1)")
        return rng.choice(NAMES + VIRTUAL) + rng.choice(qualifiers) + rng.choice(versions)

    def group() -> str:
        return " | ".join(relation(("", "", "", ":any")) for _ in range(rng.choice([1, 1, 2, 2, 3])))

    version = rng.choice("123")
    fields = {
        "Depends": (0.7, lambda: ", ".join(group() for _ in range(rng.choice([1, 1, 2, 3])))),
        "Pre-Depends": (0.1, relation),
        "Conflicts": (0.1, relation),
        "Breaks": (0.1, relation),
        "Provides": (0.4, lambda: rng.choice(VIRTUAL) + rng.choice(["", " (= 1)", " (= 2)"])),
        "Suggests": (0.3, relation),
        "Recommends": (0.2, relation),
        "Multi-Arch": (0.3, lambda: rng.choice(["allowed", "foreign", "same"])),
        "Essential": (0.1, lambda: "yes"),
    }
    chosen = "".join(f"{field}: {make()}\n" for field, (chance, make) in fields.items() if rng.random() < chance)
    priority = rng.choice(["optional", "optional", "optional", "required", "standard", "extra"])
    return (
        f"Package: {name}\nVersion: {version}\nArchitecture: amd64\nPriority: {priority}\n{chosen}"
        f"Filename: pool/{name}_{version}_amd64.deb\nSize: 1\nSHA256: {'0' * 64}\n"
    )


@pytest.mark.parametrize("seed", range(40))
def test_random_archive_resolves_as_with_apt(apt, seed):
    rng = random.Random(seed)
    for _ in range(2):
        archive, names = _archive(rng), rng.sample(NAMES, rng.choice([1, 2, 3]))
        universe = Universe([PackagesIndex([archive.encode()], "The index", "amd64")], "amd64")
        try:
            ours = [package.name for package in solve(universe, names)]
        except EnvbuildError:
            ours = None

        assert ours == apt(archive, names), f"{names}\n{archive}"
