"""NVIDIA's management library as another one with the same functions stands in for it."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.errors import NotMeasuredError
from builder.run.gpu import Driver, Machine, measure

SOURCE = """
#include <string.h>
int nvmlInit_v2(void) { return INIT; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *text, unsigned length) { strncpy(text, VERSION, length); return 0; }
#ifdef CUDA
int nvmlSystemGetCudaDriverVersion_v2(int *version) { *version = CUDA; return 0; }
#endif
"""
MODULE = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  570.86.15  Thu Jan 23 2025\n"
Make = Callable[..., Machine]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.fail("a C compiler is needed") if os.environ.get("CI") else pytest.skip("a C compiler is needed")

    def run(start: int = 0, version: str = "570.86.15", cuda: int | None = 12080, module: str = "") -> Machine:
        library = tmp_path / "libnvidia-ml.so.1"
        given = [f"-DINIT={start}", f'-DVERSION="{version}"', *([f"-DCUDA={cuda}"] if cuda else [])]
        line = [str(compiler), "-shared", "-fPIC", "-o", str(library), *given, "-x", "c", "-"]
        subprocess.run(line, input=SOURCE.encode(), check=True)
        if module:
            (tmp_path / "version").write_text(module)
        return Machine(tmp_path / "version", str(library), lambda: None)

    return run


def test_the_library_tells_driver_and_cuda(make: Make) -> None:
    assert measure(make()) == Driver("570.86.15", "12.8")


def test_the_modules_version_counts_and_the_librarys_cuda(make: Make) -> None:
    assert measure(make(version="570.00", module=MODULE)) == Driver("570.86.15", "12.8")


def test_a_library_that_does_not_know_cuda_tells_the_driver(make: Make) -> None:
    assert measure(make(cuda=None)) == Driver("570.86.15")


def test_a_library_without_a_loaded_driver_says_that_there_is_none(make: Make) -> None:
    assert measure(make(start=9)) is None


@pytest.mark.parametrize(("start", "version"), [(18, "570.86.15"), (0, "none")])
def test_a_library_that_fails_is_no_pass(make: Make, start: int, version: str) -> None:
    with pytest.raises(NotMeasuredError):
        measure(make(start=start, version=version))


def test_the_module_tells_where_the_library_is_of_another_version(make: Make) -> None:
    assert measure(make(start=18, module=MODULE)) == Driver("570.86.15")


def test_a_file_that_is_no_library_is_no_pass(tmp_path: Path) -> None:
    (tmp_path / "library").write_text("x")
    with pytest.raises(NotMeasuredError):
        measure(Machine(tmp_path / "version", str(tmp_path / "library"), lambda: None))
