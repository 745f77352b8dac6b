"""The image for the other processor, which was built on this one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from builder.bundle.reading.reader import open_bundle
from builder.lock.folder import read_lock
from builder.oci.documents import Platform
from builder.oci.store import Store
from builder.run.unpack import unpack_image

pytestmark = pytest.mark.slow
ARM = Platform("arm64")
ELF_MACHINE_ARM64 = 183
"""e_machine of AArch64 (elf.h)."""
CODE = """
import json, importlib.metadata, platform, ssl, sys
import numpy, sklearn
print(json.dumps([platform.machine(), sys.prefix, len(list(importlib.metadata.distributions()))]))
"""


@pytest.fixture(scope="module")
def root(bundle) -> Iterator[Path]:
    """The unpacked image."""
    with tempfile.TemporaryDirectory(prefix="envbuild-arm64-") as folder:
        store = Store(Path(folder, "store"))
        store.create()
        image = open_bundle(bundle.file).import_image(ARM, store)
        made = Path(folder, "root")
        for layer in unpack_image(store, image.manifest, image.config):
            shutil.copytree(layer, made, symlinks=True, dirs_exist_ok=True)
        yield made


def test_config_and_index_say_which_processor(bundle):
    found = open_bundle(bundle.file)
    assert set(found.images) == {ARM, Platform("amd64")}
    config = found.image(ARM).config
    assert (config.platform.os, config.platform.architecture) == ("linux", "arm64")
    assert str(found.image(ARM).descriptor.platform).startswith("linux/arm64")


def test_every_library_is_of_this_processor(root):
    machines = {}
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                start = file.read(20)
            if start[:4] == b"\x7fELF":
                machines[path] = int.from_bytes(start[18:20], "little")
    assert len(machines) > 100
    assert {path for path, machine in machines.items() if machine != ELF_MACHINE_ARM64} == set()


def test_python_runs_on_an_emulator(root, projects):
    emulator = shutil.which("qemu-aarch64-static")
    if emulator is None or os.geteuid() != 0:
        pytest.skip("qemu-user-static is not installed, or this is not root")
    shutil.copy2(emulator, root / "emulator")
    line = ["chroot", root, "/emulator", "/opt/env/bin/python", "-c", CODE]
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(line, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    lock = read_lock(projects / "environments/sklearn/lock")
    wheels = next(wheels for platform, wheels in lock.wheels.items() if platform.architecture == "arm64")
    assert json.loads(done.stdout) == ["aarch64", "/opt/env", len(wheels)]
