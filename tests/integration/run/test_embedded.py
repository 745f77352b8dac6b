"""The embedded engine on this machine's kernel, as root and as a user without any privilege."""

from __future__ import annotations

import json
import os
import signal
import tarfile
from pathlib import Path

import pytest
from builder.run.interface import Mount, PortMapping

pytestmark = pytest.mark.skipif(not os.path.isdir("/proc/self/ns"), reason="this machine has no Linux namespaces")


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_exit_code_is_the_commands_own(caller, code):
    result = caller.python(caller.images.image(), f"raise SystemExit({code})")
    assert (result.code, result.failure) == (code, "")
