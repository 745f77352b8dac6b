"""What goes wrong while locking gives one clear error and the documented exit code, and changes nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from lock_tools import tools_with
from simple_index import SimpleIndex, serve_index

from builder.fetch import Fetcher, Mirrors
from builder.layers.interface import LAYER_FORMAT
from builder.lock.document import LOCK_FILE
from builder.lock.locking import Policy, lock_environment
from builder.lock.programs import uv_program
from builder.lock.pypi.uv import UvResolver
from builder.oci.store import Store
from builder.spec import load_environment

ROOT = Path(__file__).parents[3]
TAG = "cp311-cp311-manylinux_2_28_x86_64"


@pytest.fixture
def packages() -> Iterator[SimpleIndex]:
    with serve_index() as index:
        index.add("pure", "1.0")
        yield index


class Project:
    """An environment that is locked, and the command line."""

    def __init__(self, folder: Path, packages: SimpleIndex, debian: Any) -> None:
        self.folder = folder / "train"
        self.scratch = folder / "scratch"
        self.packages = packages
        self.store = folder / "cache"
        self.folder.mkdir()
        self.scratch.mkdir()
        self.write("pure")
        self._lock_once(debian)

    def write(self, *requirements: str, more: str = "") -> None:
        listed = "".join(f"    - {text}\n" for text in requirements)
        pypi = f"  requirements:\n{listed}" if requirements else ""
        (self.folder / "environment.yaml").write_text(f'python: "3.11"\npypi:\n{pypi}{more}')

    def _lock_once(self, debian: Any) -> None:
        """The lock before, whose Debian packages stay as they are as long as what they follow from does."""
        variables = self.variables()
        store = Store(self.store)
        store.create()
        uv = UvResolver(variables, uv_program(), Fetcher(store, Mirrors.from_environment(variables)))
        tools = tools_with(debian=debian, python={"uv": uv})
        lock_environment(load_environment(self.folder), Policy(LAYER_FORMAT), lambda: tools)

    def variables(self) -> dict[str, str]:
        cache = {"ENVBUILD_CACHE": str(self.store), "UV_CACHE_DIR": str(self.scratch.parent / "uv")}
        own = {"TMPDIR": str(self.scratch), "UV_DEFAULT_INDEX": self.packages.url, "UV_HTTP_RETRIES": "0"}
        return {**os.environ, **cache, **own, "PYTHONPATH": str(ROOT)}

    def start(self, *options: str, **variables: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "builder", "lock", *options, str(self.folder)],
            env=self.variables() | variables, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            start_new_session=True,
        )  # fmt: skip

    def tree(self) -> Mapping[str, tuple[bytes, int, int]]:
        """What every file of the project is, and when which file was written."""
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file())
        facts = [(path, path.stat()) for path in paths]
        return {str(path): (path.read_bytes(), stat.st_mtime_ns, stat.st_ino) for path, stat in facts}

    def refused(self, *options: str, exit_code: int = 1, **variables: str) -> str:
        """What is said when a command fails as it should."""
        before = self.tree()
        process = self.start(*options, **variables)
        out, err = process.communicate(timeout=120)
        self.check(before, process.returncode, out, err, exit_code)
        return err

    def check(self, before: object, status: int, out: str, err: str, exit_code: int) -> None:
        assert status == exit_code, err
        assert out == ""
        assert err.startswith("error: "), err
        assert err.count("error: ") == 1, err
        assert "Traceback" not in err
        assert self.tree() == before
        assert [*self.scratch.iterdir()] == []
        assert [*(self.store / "tmp").iterdir()] == []


@pytest.fixture
def project(tmp_path: Path, packages: SimpleIndex, debian: Any) -> Project:
    return Project(tmp_path, packages, debian)


def test_the_project_of_these_tests_can_be_locked(project: Project) -> None:
    project.packages.add("more", "1.0")
    project.write("pure", "more")
    process = project.start()
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out.startswith("sha256:")


@pytest.mark.parametrize("resolver", ["uv", "pip-tools"])
def test_an_unknown_package(project: Project, resolver: str) -> None:
    project.write("pure", "nothing-like-it", more=f"  resolver: {resolver}\nplatforms: [linux/amd64]\n")
    text = project.refused()
    assert f"{project.folder}/environment.yaml:5: `nothing-like-it`" in text
    assert "hint: " in text


def test_no_wheel_for_one_platform(project: Project) -> None:
    project.packages.add("native", "1.0", tag=TAG)
    project.write("pure", "native")
    text = project.refused()
    assert "linux/arm64" in text
    assert "native" in text
    assert "linux/amd64" not in text


@pytest.mark.parametrize("resolver", ["uv", "pip-tools"])
def test_a_conflict_is_explained_by_the_resolver(project: Project, resolver: str) -> None:
    project.packages.add("one", "1.0", "pure<1")
    project.write("pure>=1", "one", more=f"  resolver: {resolver}\nplatforms: [linux/amd64]\n")
    text = project.refused()
    assert "one" in text
    assert "pure<1" in text
    assert f"{project.folder}/environment.yaml:4: `pure>=1`" in text
    assert f"{project.folder}/environment.yaml:5: `one`" in text


def test_a_version_to_move_to_that_there_is_not_sends_nothing_back(project: Project) -> None:
    project.packages.add("app", "0.1")
    project.packages.add("app", "1.0", "pure")
    project.write("app")
    process = project.start()
    assert process.communicate(timeout=120)[0].startswith("sha256:")
    text = project.refused("-P", "pure==99")
    assert "there is no version of pure==99" in text
    assert "--upgrade-package pure==99" in text


def test_an_index_that_is_down_is_named(project: Project) -> None:
    project.write("pure", "more")
    text = project.refused(UV_DEFAULT_INDEX="http://127.0.0.1:9/simple/")
    assert "http://127.0.0.1:9/simple/" in text


def test_an_index_that_fails_is_asked_again_and_then_named(project: Project) -> None:
    project.write("pure", "more", more="platforms: [linux/amd64]\n")
    project.packages.before = lambda _: 503
    project.packages.asked.clear()
    text = project.refused(UV_HTTP_RETRIES="1")
    assert "503" in text
    assert project.packages.url in text
    asked = [path for path in project.packages.asked if path.startswith("/simple/")]
    assert len(asked) > len(set(asked))


def test_an_index_that_is_too_slow_is_named(project: Project) -> None:
    project.write("pure", "more")
    waiting = threading.Event()
    project.packages.before = lambda _: waiting.wait(60) and None
    try:
        text = project.refused(UV_HTTP_TIMEOUT="1")
    finally:
        waiting.set()
    assert project.packages.url in text


def test_a_hash_that_does_not_match_is_told_with_its_line(project: Project) -> None:
    (project.folder / "requirements.txt").write_text(f"# by hand\npure==1.0 --hash=sha256:{'0' * 64}\n")
    project.write(more="  lockfile: requirements.txt\n")
    text = project.refused()
    assert "requirements.txt:2: no file of `pure` 1.0 on the index has one of its hashes" in text


def test_a_file_that_is_not_what_its_index_promised(project: Project) -> None:
    """Its digest is wrong, which has an exit code of its own."""
    file = project.packages.add("more", "1.0")
    project.packages.html = True  # which tells no size, so that the file is fetched
    other = SimpleIndex(0)
    other.add("more", "1.0", "pure")
    given = project.packages.answer

    def answer(path: str) -> tuple[str, bytes] | None:
        return ("application/octet-stream", other.projects["more"][file].data) if path.endswith(file) else given(path)

    project.packages.answer = answer  # type: ignore[method-assign]
    project.write("pure", "more", more="platforms: [linux/amd64]\n")
    text = project.refused(exit_code=5)
    assert file in text
    assert project.packages.sha256("more", file) in text


def edit_lock(project: Project, old: bytes, new: bytes, name: str = LOCK_FILE) -> None:
    path = project.folder / "lock" / name
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))


def test_a_lock_of_a_newer_version(project: Project) -> None:
    path = project.folder / "lock" / LOCK_FILE
    document = json.loads(path.read_bytes())
    document["version"] += 1
    path.write_text(json.dumps(document))
    text = project.refused("--check")
    assert "newer" in text
    assert "hint: " in text


def test_a_lock_that_was_edited_by_hand(project: Project) -> None:
    edit_lock(project, b"pure-1.0-py3", b"pure-1.1-py3", "pylock.linux-amd64.toml")
    text = project.refused("--check")
    assert "was changed by hand" in text
    assert "pylock.linux-amd64.toml" in text
    assert "hint: " in text


def test_a_lock_for_another_spec(project: Project) -> None:
    project.write("pure", "more")
    text = project.refused("--check")
    assert "does not match" in text
    assert "`more` was added" in text
    assert f"envbuild lock {project.folder}" in text


ON_A_FULL_DISK = """
import json, os, shutil, subprocess, sys
project, mount, command = sys.argv[1], sys.argv[2], sys.argv[3:]
subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", mount], check=True)
folder = f"{mount}/train"
shutil.copytree(project, folder)
page = os.statvfs(mount).f_frsize
with open(f"{mount}/filler", "wb", buffering=0) as filler:
    filler.write(bytes(page * (os.statvfs(mount).f_bavail - 1)))

def tree():
    paths = sorted(os.path.join(top, name) for top, _, names in os.walk(folder) for name in names)
    return [(path, open(path, "rb").read().hex(), os.stat(path).st_mtime_ns, os.stat(path).st_ino) for path in paths]

before = tree()
finished = subprocess.run([*command, folder], capture_output=True, text=True)
print(json.dumps([finished.returncode, finished.stdout, finished.stderr, before == tree()]))
"""


def test_a_disk_that_is_full_while_the_lock_is_written(project: Project, tmp_path: Path) -> None:
    """One page is left: each small file of the lock has room, and the index has none."""
    project.packages.add("more", "1.0")
    project.write("pure", "more")
    (tmp_path / "disk").mkdir()
    command = [sys.executable, "-m", "builder", "lock"]
    finished = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", sys.executable, "-c", ON_A_FULL_DISK,
         str(project.folder), str(tmp_path / "disk"), *command],
        env=project.variables(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if finished.returncode != 0 and not os.environ.get("CI"):
        pytest.skip(f"no disk of a test's own can be mounted here: {finished.stderr[-200:]}")
    status, out, err, same = json.loads(finished.stdout)
    assert (status, out) == (1, ""), err
    assert err.startswith("error: no space left on device")
    assert "hint: Free some space" in err
    assert "Traceback" not in err
    assert same


@pytest.mark.parametrize(
    ("resolver", "number", "whole_group"),
    [
        ("uv", signal.SIGINT, True),
        ("uv", signal.SIGINT, False),
        ("pip-tools", signal.SIGINT, True),
        ("pip-tools", signal.SIGINT, False),
        ("uv", signal.SIGTERM, False),
        ("uv", signal.SIGHUP, True),
    ],
)
def test_ctrl_c_or_a_signal_to_end_in_the_middle(
    project: Project, resolver: str, number: signal.Signals, whole_group: bool
) -> None:
    project.write("pure", "more", more=f"  resolver: {resolver}\nplatforms: [linux/amd64]\n")
    asked, go_on = threading.Event(), threading.Event()

    def hold(path: str) -> None:
        asked.set()
        go_on.wait(100)

    project.packages.before = hold
    before = project.tree()
    process = project.start(UV_HTTP_TIMEOUT="90")
    try:
        assert asked.wait(60)
        (os.killpg if whole_group else os.kill)(process.pid, number)
        out, err = process.communicate(timeout=30)
        left = running(process.pid)
    finally:
        go_on.set()
        process.kill()
    assert left == []
    project.check(before, process.returncode, out, err, 128 + number)
    assert err == "error: interrupted\n"


def running(group: int) -> list[str]:
    """What runs of a group of processes; one that has ended and waits to be asked for its status does not."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            state, _, its_group = (folder / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(its_group) == group and state not in "ZX":
                found.append((folder / "cmdline").read_text())
        except OSError:
            continue
    return found
