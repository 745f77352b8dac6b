from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from builder.errors import EnvbuildError
from builder.lock.conda.package_file import read_index


@pytest.mark.parametrize("damage", ["locked", "lzma"])
def test_a_part_that_cannot_be_read_is_told(tmp_path: Path, damage: str) -> None:
    path, name = tmp_path / "x-1-0.conda", "info-x-1-0.tar.zst"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr(name, b"content" * 100)
    data = bytearray(path.read_bytes())
    if damage == "locked":  # says that it is encrypted (APPNOTE.TXT 4.4.4)
        data[6] |= 1
        data[data.index(b"PK\1\2") + 8] |= 1
    else:
        start = data.index(name.encode()) + len(name) + 9
        data[start : start + 20] = b"\xff" * 20
    path.write_bytes(data)
    with pytest.raises(EnvbuildError, match=r"x-1-0\.conda` cannot be read"):
        read_index(path, path.name)
