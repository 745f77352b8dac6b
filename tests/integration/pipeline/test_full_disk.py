"""A disk that fills up in the middle: nothing is lost, nothing counts as made, and it goes on when there is room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builder.history.kept import result_of
from builder.oci.store import Store

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small file system")

STAGES = """\
small: {run: [python, -c, "open('small.txt', 'w').write('small')"], outputs: [small.txt]}
large: {run: [python, large.py], inputs: [small.txt], outputs: [large]}
"""
LARGE = "open('large', 'wb').write(bytes(3 << 20))"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Gives a folder of its own with room for so much, or more room to that."""
    folder = tmp_path / "disk"

    def room(size: str) -> Path:
        if folder.exists():
            subprocess.run(["mount", "-o", f"remount,size={size}", folder], check=True)
        else:
            folder.mkdir()
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", folder], check=True)
        return folder

    yield room
    if folder.exists():
        subprocess.run(["umount", "--lazy", folder], check=True)


def test_where_the_project_has_no_room_what_was_made_is_kept_and_laid_out_later(project, small_disk):
    project = replace(project, folder=small_disk("1m"))
    project.stages(STAGES)
    project.write(large_dot_py=LARGE)
    report = project.repro()
    assert [stage.state for stage in report.stages] == ["ran", "failed"]
    error = project.screen.errors["large"]
    assert "No space left on device" in error.why
    assert error.hint
    assert "is kept" in error.hint
    assert sorted(os.listdir(project.folder)) == ["envbuild.yaml", "large.py", "lock", "runs", "small.txt"]
    assert set(project.lock().stages) == {"small"}
    made = len(project.runs())

    small_disk("8m")
    assert project.states() == {"small": "current", "large": "restored"}
    assert (project.folder / "large").stat().st_size == 3 << 20
    assert len(project.runs()) == made


@pytest.mark.parametrize(
    ("code", "size"),
    [(LARGE, "2m"), (f"{LARGE}; open('more', 'wb').write(bytes((1 << 20) - (1 << 16)))", "4m")],
    ids=["while-a-stage-writes", "while-outputs-are-kept"],
)
def test_where_the_store_has_no_room_nothing_is_kept_and_the_stage_runs_again(project, small_disk, code, size):
    store = Store(small_disk(size) / "store")
    store.create()
    project = replace(project, store=store)
    project.stages(STAGES)
    project.write(large_dot_py=code)
    report = project.repro()
    assert [stage.state for stage in report.stages] == ["ran", "failed"]
    assert set(project.lock().stages) == {"small"}
    assert not (project.folder / "large").exists()
    assert (
        "No space left on device"
        in "".join(project.runs()[1].record.notes) + project.screen.shown.get("large", b"").decode()
    )
    assert report.stages[1].key
    assert result_of(store, report.stages[1].key) is None
    assert [run.record.outcome for run in project.runs()] == ["ok", "failed"]

    small_disk("16m")
    assert project.states() == {"small": "current", "large": "ran"}
    assert (project.folder / "large").stat().st_size == 3 << 20
