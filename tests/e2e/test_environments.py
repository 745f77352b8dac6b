"""Each environment of this repository does what it is for: its smoke test runs inside its image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NAMES = sorted(path.parent.name for path in ROOT.glob("environments/*/environment.yaml"))
OFTEN_MADE = {"data", "sklearn"}
"""Other tests run on these."""


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in OFTEN_MADE else []) for name in NAMES]
)
def test_an_environment_passes_its_smoke_test_inside_its_image(name, envbuild, copies, team_channel):
    folder = copies / "environments" / name
    envbuild = replace(envbuild, environment=team_channel, cwd=str(folder))
    if name == "conda":  # the channel is made of what Debian has today
        envbuild("lock", "--upgrade", folder)
    done = envbuild("shell", folder, "--engine", "embedded", "--network", "none", "--", "python", "smoke.py")
    assert done.stdout.splitlines()[-1] == f"{name}: ok"


@pytest.mark.parametrize("name", NAMES)
def test_an_environment_says_what_it_is_for_and_whose_it_is(name):
    import yaml

    document = yaml.safe_load((ROOT / "environments" / name / "environment.yaml").read_text("utf-8"))
    assert document["description"].endswith(".")
    assert "@" in document["owner"]
    assert set(document["platforms"]) == {"linux/amd64", "linux/arm64"}
    assert (ROOT / "environments" / name / "lock/envbuild.lock.json").is_file()


def test_every_lock_of_the_repository_is_current(envbuild):
    printed = envbuild("lock", "--all", ROOT / "environments", "--check").stdout
    assert printed.count("current") == len(NAMES) >= 5
