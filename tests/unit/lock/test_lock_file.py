from __future__ import annotations

import os
from pathlib import Path

import pytest

from builder.errors import EnvbuildError
from builder.lock.modules import MODULES_LOCK_FILE, read_modules_lock


def test_a_pipe_in_the_place_of_a_lock_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / MODULES_LOCK_FILE)
    with pytest.raises(EnvbuildError, match="no regular file"):
        read_modules_lock(tmp_path)
