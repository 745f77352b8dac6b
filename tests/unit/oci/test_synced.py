"""Files that go to the disk while they are written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from builder.oci.layout import replacing
from builder.oci.synced import STEP

_PIECE = bytes(1 << 20)


def test_the_disk_is_given_bytes_before_the_last_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []
    sync = os.fdatasync

    def counted(descriptor: int) -> None:
        given.append(os.fstat(descriptor).st_size)
        sync(descriptor)

    monkeypatch.setattr(os, "fdatasync", counted)
    with replacing(tmp_path / "file") as file:
        for _ in range(STEP // len(_PIECE) + 1):
            file.write(_PIECE)
        file.flush()
    assert len(given) == 1
    assert (tmp_path / "file").stat().st_size == STEP + len(_PIECE)


def test_a_small_file_is_synced_at_its_end_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    monkeypatch.setattr(os, "fdatasync", lambda _: calls.append("early"))
    monkeypatch.setattr(os, "fsync", lambda _: calls.append("end"))
    with replacing(tmp_path / "file") as file:
        file.write(_PIECE)
    assert calls == ["end"]


def test_an_error_of_the_disk_that_came_early_is_told_and_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: int) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", refused)
    (tmp_path / "file").write_bytes(b"old")
    with pytest.raises(OSError, match="Input/output"), replacing(tmp_path / "file") as file:
        file.write(bytes(STEP))
    assert (tmp_path / "file").read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]
