"""Keys of anonymisation."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from builder.data.privacy.secret import Key, read_key, read_key_of
from builder.errors import EnvbuildError

SECRET = b"correct-horse-battery-staple-0123456789"


def _file(folder: Path, data: bytes, mode: int = 0o600) -> Path:
    path = folder / "key"
    path.write_bytes(data)
    path.chmod(mode)
    return path


def test_a_key_is_read_without_its_line_end(tmp_path: Path) -> None:
    assert read_key(_file(tmp_path, SECRET + b"\n")).identifier == Key(SECRET).identifier


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o660, 0o604], ids=oct)
def test_a_key_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(EnvbuildError, match="can be read by others"):
        read_key(_file(tmp_path, SECRET, mode))


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"", "too short"), (b"hunter2-hunter2\n", "too short"), (b"a" * 40, "not random"), (b"x" * 5000, "too long")],
    ids=["empty", "short", "even", "long"],
)
def test_a_weak_key_is_refused_and_not_told(tmp_path: Path, data: bytes, why: str) -> None:
    with pytest.raises(EnvbuildError, match=why) as caught:
        read_key(_file(tmp_path, data))
    assert data.decode().strip()[:12] not in str(caught.value) or not data


def test_a_folder_or_a_pipe_is_no_key(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "none"):
        with pytest.raises(EnvbuildError):
            read_key(path)


def test_a_key_comes_from_a_descriptor_in_pieces() -> None:
    reading, writing = os.pipe()
    os.write(writing, SECRET[:10])
    os.write(writing, SECRET[10:] + b"\n")
    os.close(writing)
    assert read_key_of(reading).identifier == Key(SECRET).identifier
    os.close(reading)
    with pytest.raises(EnvbuildError, match="cannot be read"):
        read_key_of(reading)


def test_a_key_does_not_show_itself() -> None:
    key = Key(SECRET)
    assert SECRET.decode() not in repr(key) + str(key) + key.identifier
    assert SECRET.hex() not in repr(key)
    assert len(key.identifier) == 16
    assert key.identifier != Key(SECRET + b"x").identifier
