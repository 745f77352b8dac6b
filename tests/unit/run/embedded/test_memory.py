"""Control groups are folders with files; a file system of plain ones stands for the kernel's here."""

from __future__ import annotations

import os

import pytest

from builder.errors import EnvbuildError
from builder.run.embedded.memory import memory_limit


def machine(root, cgroup, mountinfo):
    process = root / "process"
    process.mkdir()
    (process / "cgroup").write_text(cgroup)
    (process / "mountinfo").write_text(mountinfo)
    return process


def test_no_limit_needs_no_group(tmp_path):
    with memory_limit(None, tmp_path) as limit:
        limit(1)


def test_the_nearest_group_that_delegates_memory_is_used(tmp_path, monkeypatch):
    mount = tmp_path / "cgroup"
    delegated = mount / "user.slice"
    (delegated / "session.scope").mkdir(parents=True)
    for folder, controllers in ((mount, "memory"), (delegated, "cpu memory pids"), (delegated / "session.scope", "")):
        (folder / "cgroup.subtree_control").write_text(controllers)
    process = machine(tmp_path, "0::/user.slice/session.scope\n", f"1 2 0:3 / {mount} rw - cgroup2 cgroup2 rw\n")
    group = delegated / f"envbuild-{os.getpid()}"
    with memory_limit(1 << 20, process) as limit:
        limit(42)
        assert (group / "cgroup.procs").read_text() == "42\n"


def test_version_1_has_a_hierarchy_of_its_own(tmp_path):
    mount = tmp_path / "memory"
    (mount / "own").mkdir(parents=True)
    process = machine(tmp_path, "5:cpu:/\n4:memory:/own\n0::/\n", f"1 2 0:3 / {mount} rw - cgroup cgroup rw,memory\n")
    with memory_limit(1 << 20, process) as limit:
        limit(42)
        assert (mount / "own" / f"envbuild-{os.getpid()}" / "cgroup.procs").read_text() == "42\n"


def test_without_a_group_the_wish_is_refused_with_the_way_out(tmp_path):
    process = machine(tmp_path, "0::/\n", f"1 2 0:3 / {tmp_path}/none rw - cgroup2 cgroup2 rw\n")
    with pytest.raises(EnvbuildError, match="cannot be limited") as caught, memory_limit(1, process):
        pass
    assert "docker engine" in caught.value.hint
