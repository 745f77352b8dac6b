"""What is an output and what is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builder.pipeline.execute import find_problem


def link_out(made: Path) -> None:
    made.symlink_to("/etc/passwd")


def pipe(made: Path) -> None:
    os.mkfifo(made)


def link_inside_out(made: Path) -> None:
    made.mkdir()
    (made / "x").symlink_to("../elsewhere")
    (made.parent / "elsewhere").touch()


def absolute_link(made: Path) -> None:
    made.mkdir()
    (made / "x").symlink_to("/app/elsewhere")


def pipe_inside(made: Path) -> None:
    made.mkdir()
    os.mkfifo(made / "x")


@pytest.mark.parametrize(
    ("write", "why"),
    [
        pytest.param(lambda _: None, "`made` is not there", id="none"),
        pytest.param(Path.mkdir, "`made` is a folder without a file", id="empty"),
        pytest.param(link_out, "`made` is a link", id="link-out"),
        pytest.param(pipe, "`made` is no regular file", id="pipe"),
        pytest.param(link_inside_out, "leads out of", id="link-inside-out"),
        pytest.param(absolute_link, "leads nowhere", id="absolute"),
        pytest.param(pipe_inside, "no regular file", id="pipe-inside"),
    ],
)
def test_what_is_no_output_is_told(tmp_path, write, why):
    write(tmp_path / "made")
    assert why in (find_problem(tmp_path / "made", "made") or "")


def test_files_and_folders_of_files_are_outputs(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/x").touch()
    (tmp_path / "folder/y").symlink_to("x")
    assert find_problem(tmp_path / "file", "file") is None
    assert find_problem(tmp_path / "folder", "folder") is None
