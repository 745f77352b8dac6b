from __future__ import annotations

import pytest

from builder.errors import EnvbuildError
from builder.oci.documents import Platform
from builder.run.embedded.diagnosis import check_platform, obstacles


@pytest.fixture
def proc(tmp_path):
    for path, text in {
        "sys/kernel/osrelease": "6.1.0-18-amd64\n",
        "filesystems": "nodev\tproc\nnodev\toverlay\n",
        "self/status": "Name:\tx\nSeccomp:\t0\n",
        "sys/user/max_user_namespaces": "100\n",
    }.items():
        write(tmp_path, path, text)
    return tmp_path


def write(proc, path, text):
    (proc / path).parent.mkdir(parents=True, exist_ok=True)
    (proc / path).write_text(text)


def test_a_usual_machine_has_no_obstacles(proc):
    assert obstacles(proc) == ()


@pytest.mark.parametrize(
    ("path", "text", "expected"),
    [
        ("sys/kernel/unprivileged_userns_clone", "0\n", "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
        ("sys/kernel/apparmor_restrict_unprivileged_userns", "1\n", "kernel.apparmor_restrict_unprivileged_userns=0"),
        ("sys/user/max_user_namespaces", "0\n", "sudo sysctl -w user.max_user_namespaces=15000"),
        ("filesystems", "nodev\tproc\n", "sudo modprobe overlay"),
        ("sys/kernel/osrelease", "5.10.0-8-amd64\n", "older than 5.11"),
        ("self/status", "Name:\tx\nSeccomp:\t2\n", "seccomp=unconfined"),
    ],
)
def test_each_obstacle_is_named_with_the_way_out(proc, path, text, expected):
    write(proc, path, text)
    (obstacle,) = obstacles(proc)
    assert expected in obstacle


@pytest.mark.parametrize(("architecture", "machine"), [("amd64", "x86_64"), ("arm64", "aarch64"), ("386", "x86_64")])
def test_own_images_run(proc, architecture, machine):
    check_platform(Platform(architecture), proc, machine)


@pytest.mark.parametrize(
    ("flags", "state", "runs"), [("OCF", "enabled", True), ("OC", "enabled", False), ("F", "disabled", False)]
)
def test_foreign_images_run_only_with_an_emulator_that_is_open_already(proc, flags, state, runs):
    magic = "7f454c460201010000000000000000000200b700"
    text = (
        f"{state}\ninterpreter /usr/bin/qemu-aarch64-static\nflags: {flags}\noffset 0\nmagic {magic}\nmask {'f' * 40}\n"
    )
    write(proc, "sys/fs/binfmt_misc/anything", text)
    if runs:
        check_platform(Platform("arm64"), proc, "x86_64")
        return
    with pytest.raises(EnvbuildError, match="linux/arm64 cannot run"):
        check_platform(Platform("arm64"), proc, "x86_64")


def test_other_systems_are_refused(proc):
    with pytest.raises(EnvbuildError, match="windows/amd64"):
        check_platform(Platform("amd64", "windows"), proc, "x86_64")
