from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import EnvbuildError, ExitCode, NotMeasuredError
from builder.run.docker.container import _device_requests
from builder.run.gpu import (
    Driver,
    Gpus,
    Machine,
    check_driver,
    check_engine_is_here,
    compare,
    gpu_hint,
    measure,
)
from builder.spec.cuda import Cuda

PROPRIETARY = """\
NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023
GCC version:  gcc version 11.4.0 (Ubuntu 11.4.0-1ubuntu1~22.04)
"""
OPEN = """\
NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  570.86.15  Release Build  (dvs-builder@U16)  Thu Jan 23
GCC version:  gcc version 13.3.0 (Ubuntu 13.3.0-6ubuntu2~24.04)
"""
NOWHERE = "libenvbuild-nowhere.so.1"


def machine(folder: Path, module: str | None = None, program: str | None = None) -> Machine:
    """One with a kernel module that says `module`, and an `nvidia-smi` of these lines of a shell script."""
    if module is not None:
        (folder / "version").write_text(module)
    path = folder / "nvidia-smi"
    if program is not None:
        path.write_text(f"#!/bin/sh\n{program}\n")
        path.chmod(0o755)
    return Machine(folder / "version", NOWHERE, lambda: str(path) if program is not None else None)


@pytest.mark.parametrize(
    ("text", "gpus"),
    [
        ("all", Gpus()),
        ("2", Gpus(2)),
        ("device=0,2", Gpus(devices=("0", "2"))),
        ("device=GPU-3a23c669-1f69-c64e-cf85", Gpus(devices=("GPU-3a23c669-1f69-c64e-cf85",))),
        ("device=MIG-0:1", Gpus(devices=("MIG-0:1",))),
    ],
)  # fmt: skip
def test_gpus_are_asked_for_as_dockers_option_has_them(text: str, gpus: Gpus) -> None:
    assert Gpus.parse(text) == gpus


@pytest.mark.parametrize(
    "text", ["", "0", "-1", "1000", "some", "device=", "device=0,", "device=a b", "device=--x", "²"]
)
def test_what_asks_for_no_gpus_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is expected"):
        Gpus.parse(text)


def test_docker_is_sent_what_its_own_program_sends() -> None:
    base = {"Driver": "", "Capabilities": [["gpu"]], "Options": {}}
    assert _device_requests(None) == []
    assert _device_requests(Gpus()) == [{**base, "Count": -1, "DeviceIDs": []}]
    assert _device_requests(Gpus(2)) == [{**base, "Count": 2, "DeviceIDs": []}]
    assert _device_requests(Gpus(devices=("0", "2"))) == [{**base, "Count": 0, "DeviceIDs": ["0", "2"]}]


def test_devices_have_numbers_where_something_cannot_count() -> None:
    assert (Gpus().numbered, Gpus(2).numbered, Gpus(devices=("GPU-1",)).numbered) == (("all",), ("0", "1"), ("GPU-1",))


@pytest.mark.parametrize(("module", "version"), [(PROPRIETARY, "535.104.05"), (OPEN, "570.86.15")])
def test_the_kernels_module_tells_the_driver(module: str, version: str, tmp_path: Path) -> None:
    assert measure(machine(tmp_path, module)) == Driver(version)


def test_without_module_library_and_program_there_is_no_driver(tmp_path: Path) -> None:
    assert measure(machine(tmp_path)) is None


def test_nvidia_smi_is_asked_where_nothing_else_tells(tmp_path: Path) -> None:
    script = '[ "$1" = --query-gpu=driver_version ] && echo 550.54.14 && echo 550.54.14'
    assert measure(machine(tmp_path, program=script)) == Driver("550.54.14")


@pytest.mark.parametrize(
    ("module", "program", "why"),
    [
        ("something else\n", None, "does not tell the version"),
        (None, "echo 'NVIDIA-SMI has failed because it could not reach the driver'; exit 9", "NVIDIA-SMI has failed"),
        (None, "echo '[N/A]'", "says: [N/A]"),
        (None, "exit 14", "says: exit code 14"),
    ],
    ids=["module", "failed", "not a version", "silent"],
)
def test_a_driver_that_does_not_tell_its_version_is_no_pass(
    module: str | None, program: str | None, why: str, tmp_path: Path
) -> None:
    with pytest.raises(NotMeasuredError, match="cannot be told") as caught:
        check_driver(Cuda("12.8").labels, machine(tmp_path, module, program))
    assert why in caught.value.why[0]
    assert caught.value.exit_code == ExitCode.NOT_MEASURED


def test_a_file_that_may_not_be_read_is_no_pass(tmp_path: Path) -> None:
    (tmp_path / "version").mkdir()
    with pytest.raises(NotMeasuredError):
        measure(machine(tmp_path))


def test_no_driver_is_an_error_that_tells_what_the_image_needs(tmp_path: Path) -> None:
    with pytest.raises(EnvbuildError) as caught:
        check_driver(Cuda("12.8").labels, machine(tmp_path))
    assert "the image needs driver 525.60.13 or newer" in caught.value.why[0]
    with pytest.raises(EnvbuildError, match="no GPU to give"):
        check_driver({}, machine(tmp_path))


def test_a_driver_that_is_too_old_is_an_error_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(EnvbuildError) as caught:
        check_driver(Cuda("13.0").labels, machine(tmp_path, OPEN))
    assert caught.value.what == "the NVIDIA driver of this machine is too old for CUDA 13.0"
    assert caught.value.why == ("it is 570.86.15, and driver 580 or newer is needed",)
    assert "Update the driver to 580 or newer" in str(caught.value.hint)


@pytest.mark.parametrize("labels", [{}, {"dev.envbuild.cuda": "no\x1b[31m"}, Cuda("12.8").labels])
def test_a_driver_that_is_new_enough_passes(labels: dict[str, str], tmp_path: Path) -> None:
    assert check_driver(labels, machine(tmp_path, OPEN)) is None


def test_the_label_counts_before_what_this_envbuild_knows(tmp_path: Path) -> None:
    labels = {"dev.envbuild.cuda": "99.0", "dev.envbuild.nvidia-driver": "571"}
    with pytest.raises(EnvbuildError, match="too old"):
        check_driver(labels, machine(tmp_path, OPEN))


def test_a_label_that_is_no_version_decides_nothing(tmp_path: Path) -> None:
    labels = {"dev.envbuild.cuda": "12.8", "dev.envbuild.nvidia-driver": "\x1b[31m"}
    assert check_driver(labels, machine(tmp_path, OPEN)) is None


def test_an_unknown_major_version_is_compared_by_what_the_driver_knows() -> None:
    assert compare(Driver("900.1", "99.1"), Cuda("99.0"), None) is None
    with pytest.raises(EnvbuildError, match=r"too old for CUDA 99\.0"):
        compare(Driver("900.1", "98.9"), Cuda("99.0"), None)
    with pytest.raises(NotMeasuredError):
        compare(Driver("900.1"), Cuda("99.0"), None)


def test_what_runs_with_less_is_noted() -> None:
    note = compare(Driver("535.104.05", "12.2"), Cuda("12.8"), "525.60.13")
    assert note is not None
    assert "knows CUDA 12.2, and the image is for 12.8" in note
    assert compare(Driver("570.86.15", "12.8"), Cuda("12.8"), "525.60.13") is None


@pytest.mark.parametrize("address", ["tcp://gpu.example:2375", "ssh://me@gpu.example"])
def test_the_driver_of_another_machine_is_not_taken_for_that_of_this_one(address: str) -> None:
    with pytest.raises(NotMeasuredError, match="cannot be told") as caught:
        check_engine_is_here("docker", {"DOCKER_HOST": address})
    assert "gpu.example" not in str(caught.value)
    check_engine_is_here("podman", {"DOCKER_HOST": address})


@pytest.mark.parametrize("address", ["", "unix:///run/docker.sock", "tcp://127.0.0.1:2375", "tcp://localhost:2375"])
def test_an_engine_of_this_machine_has_its_driver(address: str) -> None:
    check_engine_is_here("docker", {"DOCKER_HOST": address})


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ('could not select device driver "" with capabilities: [[gpu]]', "nvidia-container-toolkit"),
        ("setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all", "nvidia-ctk cdi generate"),
        ("nvidia-container-cli: requirement error: unsatisfied condition: cuda>=12.0", "newer NVIDIA driver"),
    ],
)
def test_an_engine_that_cannot_give_gpus_gets_a_hint(words: str, hint: str) -> None:
    assert hint in str(gpu_hint(words))
    assert gpu_hint("no such image") is None
