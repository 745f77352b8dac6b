"""One lock, one digest: whatever the machine, the user, the interpreter and the order of things are."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

NOBODY = 65534
SHUFFLE = """
import hashlib, os
class Shuffled:
    def __init__(self, found): self.found = iter(found)
    def __iter__(self): return self.found
    def __next__(self): return next(self.found)
    def __enter__(self): return self
    def __exit__(self, *_): pass
    def close(self): pass
def order(name): return hashlib.md5(os.fsencode(name)).digest()
scandir, listdir = os.scandir, os.listdir
os.scandir = lambda *given: Shuffled(sorted(scandir(*given), key=lambda entry: order(entry.name)))
os.listdir = lambda *given: sorted(listdir(*given), key=order)
"""
WILD = {
    "SOURCE_DATE_EPOCH": "1700000000",
    "DEB_BUILD_OPTIONS": "nocheck",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONOPTIMIZE": "2",
    "PYTHONUTF8": "0",
    "PYTHONIOENCODING": "latin-1",
    "PIP_NO_BINARY": ":all:",
    "DOCKER_DEFAULT_PLATFORM": "linux/arm64",
    "DOCKER_BUILDKIT": "0",
    "GZIP": "-9",
    "TAR_OPTIONS": "--owner=someone",
    "CFLAGS": "-O0",
    "COLUMNS": "20",
    "HOME": "/nonexistent",
    "USER": "somebody",
    "HOSTNAME": "elsewhere",
    "ENVBUILD_PLATFORM": "linux/arm64",
    "ENVBUILD_CREATED": "2001-01-01T00:00:00Z",
}
ENVIRONMENTS = {
    "time zone": {"TZ": "Pacific/Kiritimati"},
    "C locale": {"LC_ALL": "C", "LANG": "C"},
    "Turkish locale": {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
    "hash seed 0": {"PYTHONHASHSEED": "0"},
    "hash seed 4711": {"PYTHONHASHSEED": "4711"},
    "wild environment": WILD,
}


def test_digest_does_not_depend_on_what_the_store_has_seen(envbuild, project, bundled, workplace):
    assert envbuild.bundle(project, workplace) == bundled


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_digest_does_not_depend_on_the_environment(envbuild, project, bundled, workplace, name):
    assert replace(envbuild, environment=ENVIRONMENTS[name]).bundle(project, workplace) == bundled


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_digest_does_not_depend_on_the_umask(envbuild, project, bundled, workplace, umask):
    shutil.copytree(project.parents[1], workplace / "copy")
    for path in (workplace / "copy").rglob("*"):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~umask)
        os.utime(path, (umask, umask))
    copy = workplace / "copy/examples/penguins"
    assert replace(envbuild, umask=umask).bundle(copy, workplace) == bundled


@pytest.mark.parametrize("workers", [1, 4])
def test_digest_does_not_depend_on_workers(envbuild, project, bundled, workplace, workers):
    assert envbuild.bundle(project, workplace, "--workers", str(workers)) == bundled


def test_digest_does_not_depend_on_the_folder_that_one_works_in(envbuild, project, bundled, workplace):
    assert envbuild.bundle(Path(), workplace, cwd=project) == bundled


def test_digest_does_not_depend_on_the_order_of_directory_listings(envbuild, project, bundled, workplace):
    (workplace / "site").mkdir()
    (workplace / "site/sitecustomize.py").write_text(SHUFFLE)
    path = os.pathsep.join((str(workplace / "site"), envbuild.command["env"]["PYTHONPATH"]))
    shuffled = replace(envbuild, environment={"PYTHONPATH": path})
    code = "import os, sys; assert type(os.scandir('.')).__name__ == 'Shuffled'"
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": path}, check=True)
    assert shuffled.bundle(project, workplace) == bundled


def test_digest_does_not_depend_on_the_interpreter(envbuild, project, bundled, workplace, install, interpreters):
    here = f"{sys.version_info[0]}.{sys.version_info[1]}"
    others = [path for path, minor in interpreters.items() if minor != here]
    if not others:
        pytest.skip("this machine has no other Python from 3.11 on")
    programs = install(others[-1])
    other = replace(envbuild, program=[str(programs / "envbuild")], environment={"PYTHONPATH": ""})
    assert other.bundle(project, workplace, cwd=workplace) == bundled


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_digest_does_not_depend_on_the_user(new_store, envbuild, project, bundled, workplace, install, interpreters):
    shutil.copytree(project.parents[1], workplace / "copy")
    shutil.copytree(new_store("theirs"), workplace / "owned")
    for path in (workplace, *(workplace / "owned").rglob("*"), workplace / "owned"):
        os.chown(path, NOBODY, NOBODY)
    python = next(filter(_runs_as_nobody, interpreters))
    program = [str(install(python) / "envbuild")]
    other = replace(
        envbuild, store=workplace / "owned", program=program, user=NOBODY, environment={"PYTHONPATH": "", "HOME": "/"}
    )
    assert other.bundle(workplace / "copy/examples/penguins", workplace, cwd=workplace) == bundled


def _runs_as_nobody(python: str) -> bool:
    try:
        done = subprocess.run([python, "-c", ""], user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True)
    except PermissionError:
        return False
    return done.returncode == 0
