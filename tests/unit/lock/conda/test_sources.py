from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from builder.errors import EnvbuildError
from builder.lock.conda.sources import read_conda_inputs, read_conda_sources
from builder.oci.documents import Platform
from builder.spec.environment import Conda
from builder.spec.reader import SpecError

AMD, ARM = Platform("amd64"), Platform("arm64")
BOTH = (AMD, ARM)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    (tmp_path / "train").mkdir()
    return tmp_path / "train"


def test_what_is_kept_of_a_file_is_the_same_in_both_ways_of_reading(folder: Path) -> None:
    (folder / "more.txt").write_text("six\n-r deep.txt\n")
    (folder / "deep.txt").write_text("attrs>=1\n")
    (folder / "environment.yml").write_text(
        "channels: [conda-forge]\ndependencies:\n  - defaults::python 3.11.*\n  - numpy=1.26\n  - pip:\n"
        "    - idna>=3; python_version > '3'  # [linux64]\n    - -r more.txt\n    - -c deep.txt\n"
    )
    conda = Conda(file="environment.yml")
    sources = read_conda_sources(conda, BOTH, folder, "train/environment.yaml")
    assert read_conda_inputs(conda, folder, "train/environment.yaml") == sources.inputs
    assert sources.inputs.keys() == {"environment.yml", "more.txt", "deep.txt"}
    texts = [line.text for line in sources.dependencies[ARM]]
    assert texts == ["https://repo.anaconda.com/pkgs/main::python 3.11.*", "numpy=1.26"]
    assert sources.dependencies[AMD][1].place == "train/environment.yml:4"
    assert [line.text for line in sources.pip.requirements] == [
        "idna>=3 ; (python_version > '3') and platform_machine == \"x86_64\"", "six", "attrs>=1",
    ]  # fmt: skip
    assert [line.text for line in sources.pip.constraints] == ["attrs>=1"]


def test_all_problems_of_a_file_are_told_together(folder: Path) -> None:
    (folder / "environment.yml").write_text(
        "channels: [conda-forge, ../local]\nplatforms: [linux-64, osx-arm64]\ndependencies:\n  - numpy >=\n  - __cuda\n"
        "  - https://h/c/noarch/a-1-0.conda\n  - x::y::z\n  - python\n  - pip:\n    - -e .\n    - git+https://h/x\n"
    )
    with pytest.raises(SpecError) as caught:
        read_conda_sources(Conda(file="environment.yml"), BOTH, folder, "train/environment.yaml")
    lines = [(problem.file, problem.line) for problem in caught.value.problems]
    assert {file for file, _ in lines} == {"train/environment.yml"}
    assert [line for _, line in lines] == [1, 2, 4, 5, 6, 7, 10, 11]


def test_a_spec_is_checked_with_the_lines_that_it_has(folder: Path) -> None:
    (folder / "environment.yaml").write_text("conda:\n  channels:\n  - a b\n  dependencies:\n  - 'numpy >='\n")
    shown = str(folder / "environment.yaml")
    with pytest.raises(SpecError) as caught:
        read_conda_sources(Conda(channels=("a b",), dependencies=("numpy >=",)), BOTH, folder, shown)
    assert [(problem.line, problem.key) for problem in caught.value.problems] == [
        (3, "conda.channels[0]"), (5, "conda.dependencies[0]"),
    ]  # fmt: skip


def test_a_file_outside_of_the_repository_is_not_read(folder: Path) -> None:
    (folder.parent.parent / "environment.yml").write_text("channels: [a]\ndependencies: [b]\n")
    with pytest.raises(EnvbuildError, match="outside of the repository"):
        read_conda_sources(Conda(file="../../environment.yml"), BOTH, folder, "x")


def test_a_platform_without_a_list_is_told(folder: Path) -> None:
    (folder / "list.txt").write_text("@EXPLICIT\n")
    with pytest.raises(SpecError, match="problem") as caught:
        read_conda_sources(Conda(lockfile={"linux/amd64": "list.txt"}), BOTH, folder, "x")
    assert "no list for `linux/arm64`" in str(caught.value)


def test_looking_for_changes_needs_no_heavy_library(folder: Path) -> None:
    (folder / "environment.yml").write_text("channels: [a]\ndependencies: [python, {pip: [idna]}]\n")
    code = (
        "import sys; from pathlib import Path; from builder.spec.environment import Conda\n"
        "from builder.lock.conda.sources import read_conda_inputs\n"
        "print(read_conda_inputs(Conda(file='environment.yml'), Path(sys.argv[1]), 'x'))\n"
        "print(sorted({'rattler', 'conda_lock', 'pydantic', 'packaging', 'urllib3'} & sys.modules.keys()))\n"
    )
    line = [sys.executable, "-c", code, str(folder)]
    finished = subprocess.run(line, cwd=Path(__file__).parents[4], capture_output=True, text=True, check=True)
    assert finished.stdout.splitlines() == ["{'environment.yml': ['channel a', 'python', 'pip idna']}", "[]"]
