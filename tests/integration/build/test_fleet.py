"""Many environments built in one go: what they share is made once, and one that fails stops no other."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import builder.image.assemble as assemble
from builder.errors import EnvbuildError
from builder.fetch import Fetcher, Mirrors
from builder.image.build import build_environment, build_images
from builder.image.kept import Image
from builder.image.workshop import Workshop
from builder.lock.folder import read_lock
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.oci.store import Store
from builder.plan import ALONE_SIZE, Plan, make_plan

Run = Callable[..., Any]
HOST = "--platform=linux/amd64"


@pytest.fixture
def fleet(projects: Path, tmp_path: Path) -> Path:
    """Two environments that share their base, and one whose lock is stale between them."""
    folder = tmp_path / "fleet"
    for name in ("plain", "sklearn"):
        shutil.copytree(projects / "environments" / name, folder / name)
    shutil.copytree(projects / "environments/plain", folder / "quarrel")
    spec = folder / "quarrel/environment.yaml"
    spec.write_text(spec.read_text("utf-8") + "debian: [jq]\n", "utf-8")
    return folder


@pytest.fixture
def run(envbuild: Any, store: Path) -> Run:
    """The command with the shared store."""
    return replace(envbuild, store=store)


@pytest.fixture
def plan(project: Path, reference: str) -> Plan:
    """Of the example's environment without its large wheels; the shared store has its files."""
    plan = make_plan(read_lock(project.parents[1] / "environments/sklearn/lock"), Platform("amd64"))
    return replace(plan, layers=tuple(layer for layer in plan.layers if not (layer.wheels and layer.size > ALONE_SIZE)))


def workshop_in(folder: Path) -> Workshop:
    """One that makes everything in this process."""
    store = Store(folder)
    store.create()
    return Workshop(store, Fetcher(store, Mirrors(), offline=True), workers=1)


def test_one_that_fails_does_not_stop_the_others(fleet: Path, run: Run) -> None:
    done = run("build", "--all", fleet, HOST, code=1)
    results = [line.split()[1] for line in done.stdout.splitlines()]
    assert [Path(line.split()[0]).name for line in done.stdout.splitlines()] == ["plain", "quarrel", "sklearn"]
    assert results[1] == "failed"
    assert set(results[::2]) <= {"built", "cached"}
    assert f"error: The lock in `{fleet}/quarrel/lock`" in done.stderr.replace("error: the lock", "error: The lock")
    assert "1 failed" in done.stderr


def test_each_has_the_digest_that_it_has_alone(fleet: Path, run: Run) -> None:
    together = json.loads(run("build", "--all", fleet, HOST, "--json", code=1).stdout)
    for name in ("plain", "sklearn"):
        alone = run.digest(fleet / name).rpartition("@")[2]
        assert together[str(fleet / name)]["digest"] == alone
    assert together[str(fleet / "quarrel")]["result"] == "failed"
    assert together[str(fleet / "quarrel")]["error"]["exit-code"] == 1


def test_bytes_that_they_share_are_told(fleet: Path, run: Run) -> None:
    shutil.rmtree(fleet / "quarrel")
    rows = json.loads(run("build", "--all", fleet, HOST, "--json").stdout)
    plain, sklearn = rows[str(fleet / "plain")], rows[str(fleet / "sklearn")]
    assert 0 < plain["bytes-shared"] <= plain["bytes"]
    assert plain["bytes-shared"] == sklearn["bytes-shared"]  # each shares with the other alone


def test_a_file_of_each_is_written(fleet: Path, run: Run, tmp_path: Path) -> None:
    shutil.rmtree(fleet / "quarrel")
    target = tmp_path / "images"
    target.mkdir()
    rows = json.loads(run("build", "--all", fleet, HOST, "-o", target, "--json").stdout)
    assert sorted(file.name for file in target.iterdir()) == ["plain.tar", "sklearn.tar"]
    for name in ("plain", "sklearn"):
        file = target / f"{name}.tar"
        assert (rows[str(fleet / name)]["file"], rows[str(fleet / name)]["size"]) == (str(file), file.stat().st_size)


def test_two_of_one_name_are_not_written_over_each_other(fleet: Path, run: Run, tmp_path: Path) -> None:
    shutil.rmtree(fleet / "quarrel")
    shutil.copytree(fleet / "plain", fleet / "team/plain")
    target = tmp_path / "images"
    target.mkdir()
    done = run("build", "--all", fleet, HOST, "-o", target, code=1)
    assert "another image is called `plain` too" in done.stderr
    assert sorted(file.name for file in target.iterdir()) == ["plain.tar", "sklearn.tar"]


def test_a_folder_without_environments_is_refused(run: Run, tmp_path: Path) -> None:
    assert "there is no environment in" in run("build", "--all", tmp_path, code=1).stderr


def test_what_two_images_share_is_made_once(
    plan: Plan, new_store: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: Counter[str] = Counter()
    for name in ("write_layer", "write_segment"):
        real = getattr(assemble, name)
        monkeypatch.setattr(assemble, name, lambda *given, name=name, real=real: (made.update([name]), real(*given))[1])
    alone = build_environment(plan, workshop_in(new_store("alone")))
    once = made.copy()
    made.clear()
    other = replace(plan, layers=plan.layers[:-1], lock_digest=Digest.of(b"another lock"))
    images = build_images([plan, other, plan], workshop_in(new_store("together")))
    assert images[0] == images[2] == alone
    assert isinstance(images[1], Image)
    assert images[1].layers == alone.layers[:-1]
    own_files = 2  # of the other image; the system's and the environment's, which are small
    assert made == once + Counter(write_layer=own_files)


def test_a_file_that_cannot_be_had_fails_those_that_need_it(plan: Plan, new_store: Callable[[str], Path]) -> None:
    folder = new_store("store")
    last = plan.layers[-1]
    needed = last.wheels[0]
    (folder / "blobs/sha256" / needed.digest.hex).unlink()
    other = replace(plan, layers=plan.layers[:-1], lock_digest=Digest.of(b"another lock"))
    failed, built = build_images([plan, other], workshop_in(folder))
    assert isinstance(failed, EnvbuildError)
    assert needed.name in str(failed)
    assert isinstance(built, Image)
