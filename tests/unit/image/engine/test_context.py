"""A context is sent as the same bytes whatever the machine's settings are."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from builder.errors import EnvbuildError
from builder.image.engine.context import context_stream


def make(root: Path, names: list[str], umask: int) -> bytes:
    before = os.umask(umask)
    try:
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(name.encode() * 500)
        (root / "deep/run.sh").chmod(0o700)
        (root / "link").symlink_to("deep/run.sh")
    finally:
        os.umask(before)
    return b"".join(context_stream(root))


def test_equal_folders_give_equal_bytes(tmp_path):
    names = ["Dockerfile", "deep/run.sh", "deep/é", "b"]
    first = make(tmp_path / "one", names, 0o022)
    assert make(tmp_path / "other", names[::-1], 0o077) == first
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        modes = {member.name: oct(member.mode) for member in archive}
        content = archive.extractfile("deep/é")
        assert content is not None
        assert content.read() == "deep/é".encode() * 500
    assert modes == {
        "Dockerfile": "0o644", "b": "0o644", "deep": "0o755", "deep/run.sh": "0o755", "deep/é": "0o644", "link": "0o777"
    }  # fmt: skip


def test_what_is_neither_file_folder_nor_link_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(EnvbuildError, match="pipe"):
        b"".join(context_stream(tmp_path))
