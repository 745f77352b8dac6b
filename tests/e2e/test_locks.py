"""The locks of this repository, and locking against the real archives."""

from __future__ import annotations

import shutil
import socket
from dataclasses import replace
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SPECS = sorted([*ROOT.glob("environments/*/environment.yaml"), *ROOT.glob("examples/*/envbuild.yaml")])


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.parent.name)
def test_the_committed_lock_is_current(envbuild, spec):
    unreachable = {"HTTP_PROXY": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    printed = replace(envbuild, environment=unreachable)("lock", "--check", spec.parent).stdout
    assert printed.startswith("sha256:")


def test_a_changed_spec_makes_the_lock_stale_and_the_build_refuse(envbuild, copies):
    spec = copies / "environments/sklearn/environment.yaml"
    spec.write_text(spec.read_text().replace("    - uvicorn\n", "    - uvicorn\n    - rich\n"))
    for command in (["lock", "--check", spec.parent], ["build", copies / "examples/penguins"]):
        failed = envbuild(*command, code=1)
        assert "rich" in failed.stderr
        assert "hint: " in failed.stderr
        assert "envbuild lock" in failed.stderr


def test_two_machines_lock_the_same_bytes(envbuild, projects, workplace):
    """Each with a store, a home and a time zone of its own; nothing of them gets into the lock."""
    locks = []
    for name, zone in (("one", "UTC"), ("two", "Pacific/Kiritimati")):
        folder = workplace / name / "environment"
        shutil.copytree(projects / "environments/sklearn", folder)
        shutil.rmtree(folder / "lock")
        home = {"HOME": str(workplace / name), "TZ": zone, "USER": name, "XDG_CACHE_HOME": str(workplace / name)}
        replace(envbuild, store=workplace / name / "store", environment=home)("lock", folder)
        locks.append({path.name: path.read_bytes() for path in (folder / "lock").iterdir()})
    assert locks[0] == locks[1]
    written = b"".join(locks[0].values())
    for trace in (str(workplace), socket.gethostname(), "Kiritimati"):
        assert trace.encode() not in written
