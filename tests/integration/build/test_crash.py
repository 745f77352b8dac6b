"""Killed, crowded, without space or network: the store that is left is one that the next build trusts and finishes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
from dataclasses import replace

import pytest

UNSHARE = ["unshare", "--user", "--map-root-user"]


def can_unshare(*options: str) -> bool:
    return subprocess.run([*UNSHARE, *options, "true"], capture_output=True).returncode == 0


def need_namespaces(*options: str) -> None:
    if not can_unshare(*options):
        if os.environ.get("CI"):
            pytest.fail("user namespaces are not allowed here")
        pytest.skip("user namespaces are not allowed here")


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_build_leaves_a_store_that_the_next_one_finishes(envbuild, project, reference, seed):
    chance = random.Random(seed)
    for _ in range(3):
        running = envbuild.start("build", project, "--platform", "linux/amd64")
        kill_after(running, chance.uniform(0.1, 3))
    assert envbuild.digest(project) == reference
    envbuild("cache", "prune")
    assert not list((envbuild.store / "tmp").iterdir())
    envbuild("verify", project, "--platform", "linux/amd64")


def kill_after(running: subprocess.Popen[bytes], seconds: float) -> None:
    """Kill a build in its work; how far it is after this time is a matter of the machine, and any moment will do."""
    try:
        running.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(running.pid, signal.SIGKILL)
        running.communicate()


def test_eight_builds_at_once_agree(envbuild, project, reference):
    running = [envbuild.start("build", project, "--platform", "linux/amd64") for _ in range(8)]
    results = [(*process.communicate(timeout=300), process.returncode) for process in running]
    assert {(output.decode().strip(), code) for output, _, code in results} == {(reference, 0)}, results
    assert not list((envbuild.store / "tmp").iterdir())
    envbuild("verify", project, "--platform", "linux/amd64")


def test_pruning_during_builds_harms_none(envbuild, project, reference):
    running = [envbuild.start("build", project, "--platform", "linux/amd64") for _ in range(2)]
    while any(process.poll() is None for process in running):
        envbuild("cache", "prune")
    results = [(*process.communicate(), process.returncode) for process in running]
    assert {(output.decode().strip(), code) for output, _, code in results} == {(reference, 0)}, results


def test_a_build_needs_no_network_once_its_files_are_there(envbuild, project, reference):
    need_namespaces("--net")
    assert replace(envbuild, prefix=[*UNSHARE, "--net"]).digest(project) == reference
    assert envbuild.digest(project, "--offline") == reference


def test_a_missing_file_is_named_where_there_is_no_network(envbuild, project, artifacts):
    missing = envbuild.store / "blobs/sha256" / artifacts[0]
    missing.unlink()
    failed = envbuild("build", project, "--platform", "linux/amd64", "--offline", code=1)
    assert "base-files" in failed.stderr
    assert "offline" in failed.stderr


FULL = """
set -e
mount -t tmpfs -o size="$SPACE" none "$PLACE"
cp -r "$SOURCE/." "$PLACE/"
code=0
"$@" || code=$?
echo "first: $code"
ls "$PLACE/tmp" | wc -l
mount -o remount,size=2g "$PLACE"
"$@"
"""


@pytest.mark.parametrize("share", [0.05, 0.6])
def test_a_full_disk_is_said_and_the_build_goes_on_when_there_is_space(
    envbuild, new_store, project, reference, workplace, share
):
    need_namespaces("--mount")
    envbuild.digest(project)
    before = sum(path.stat().st_size for path in new_store("source").rglob("*") if path.is_file())
    after = sum(path.stat().st_size for path in envbuild.store.rglob("*") if path.is_file())
    (workplace / "small").mkdir()
    small = replace(
        envbuild,
        store=workplace / "small",
        prefix=[*UNSHARE, "--mount", "sh", "-c", FULL, "sh"],
        environment={
            "SPACE": str(int(before + (after - before) * share)),
            "PLACE": str(workplace / "small"),
            "SOURCE": str(workplace / "source"),
        },
    )
    done = small("build", project, "--platform", "linux/amd64")
    assert done.stdout.split() == ["first:", "1", "0", reference]
    assert "no space left on device" in done.stderr.lower()
    assert "hint: Free some space" in done.stderr
    assert "Traceback" not in done.stderr
