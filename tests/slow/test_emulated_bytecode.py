"""Bytecode for another processor, by an emulator that is registered in a user namespace of its own (Linux 6.7)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ENVIRONMENT = """
python: "3.11"
platforms: [linux/amd64, linux/arm64]
base: {suite: bookworm}
pypi:
  requirements: [click, idna]
compile: true
"""
EMULATORS = {"linux/arm64": ("aarch64", r"\xb7"), "linux/amd64": ("x86_64", r"\x3e")}
REGISTER = r"""
set -e
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
printf '%s' ':emulator:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00MACHINE\x00:'\
'\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:/usr/bin/qemu-NAME-static:F' \
    > /proc/sys/fs/binfmt_misc/register
exec "$@"
"""


def layers(store: Path, folder: Path, platform: str, *prefix: str) -> dict[str, str]:
    """The digests of an image's layers, by their names."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ENVBUILD_CACHE": str(store)}
    line = [*prefix, sys.executable, "-m", "builder", "-v", "build", str(folder), "--platform", platform]
    done = subprocess.run(line, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {
        name: digest for digest, name in re.findall(r"^  (sha256:\w{64}) .*?[kM]?B  (.+)$", done.stderr, re.MULTILINE)
    }


def test_bytecode_is_the_same_on_another_processor(store: Path, tmp_path: Path) -> None:
    here, there = sorted(EMULATORS, key=lambda name: os.uname().machine in EMULATORS[name][0], reverse=True)
    name, machine = EMULATORS[there]
    emulated = ("unshare", "-Urm", "bash", "-c", REGISTER.replace("MACHINE", machine).replace("NAME", name), "register")
    tried = subprocess.run([*emulated, "true"], capture_output=True, text=True)
    if tried.returncode and not os.environ.get("CI"):
        pytest.skip(tried.stderr)
    (tmp_path / "environment.yaml").write_text(ENVIRONMENT)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ENVBUILD_CACHE": str(store)}
    subprocess.run([sys.executable, "-m", "builder", "lock", str(tmp_path)], env=environment, check=True)
    native, foreign = layers(store, tmp_path, here), layers(store, tmp_path, there, *emulated)
    wheels = {name for name in native if re.match(r"bytecode: (click|idna) ", name)}
    assert len(wheels) == 2
    assert {name: foreign[name] for name in wheels} == {name: native[name] for name in wheels}
