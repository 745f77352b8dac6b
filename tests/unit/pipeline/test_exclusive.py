"""One `repro` at a time works on a project."""

from __future__ import annotations

import json
import os

import pytest

from builder.errors import EnvbuildError
from builder.pipeline.exclusive import exclusive


def test_the_second_is_told_who_works_on_it(tmp_path):
    with exclusive(tmp_path, print, "2026-01-01T00:00:00Z", waits=True):
        with pytest.raises(EnvbuildError) as failure, exclusive(tmp_path, print, "later", waits=False):
            pass
        assert failure.value.why[0].startswith(f"process {os.getpid()} on ")
        assert failure.value.why[0].endswith("since 2026-01-01T00:00:00Z")
    with exclusive(tmp_path, print, "later", waits=False):
        assert json.loads((tmp_path / "runs/.repro").read_text())["since"] == "later"


def test_the_second_waits_for_the_first(tmp_path):
    said, first = [], exclusive(tmp_path, print, "now", waits=True)
    first.__enter__()

    def say(text):
        said.append(text)
        first.__exit__(None, None, None)

    with exclusive(tmp_path, say, "later", waits=True):
        assert "waiting until it is done" in said[0]


def test_whatever_happens_nobody_is_named_afterwards(tmp_path):
    with pytest.raises(KeyError), exclusive(tmp_path, print, "now", waits=True):
        raise KeyError
    assert (tmp_path / "runs/.repro").read_bytes() == b""


def test_what_is_no_name_of_anybody_is_another_process(tmp_path):
    with exclusive(tmp_path, print, "now", waits=True):
        (tmp_path / "runs/.repro").write_text("{")
        with (
            pytest.raises(EnvbuildError, match="being run already") as failure,
            exclusive(tmp_path, print, "later", waits=False),
        ):
            pass
        assert failure.value.why == ("another process",)


def test_a_pipe_in_the_place_of_the_lock_is_told(tmp_path):
    (tmp_path / "runs").mkdir()
    os.mkfifo(tmp_path / "runs/.repro")
    with (
        pytest.raises(EnvbuildError, match="cannot be written") as failure,
        exclusive(tmp_path, print, "now", waits=True),
    ):
        pass
    assert failure.value.why == ("it is no regular file",)
