"""Standalone interpreters: the list that is installed, and a mirror on loopback."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lock_tools import tools_with
from standalone_archive import make_standalone_archive

from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch import Fetcher, Mirrors
from builder.fetch.mirrors import STANDALONE_PYTHONS
from builder.lock.document import LOCK_FILE
from builder.lock.folder import parse_lock
from builder.lock.make import make_lock
from builder.lock.standalone import Published, StandaloneInterpreters, published_interpreters
from builder.lock.upgrade import Upgrade
from builder.lock.wish import Wish
from builder.oci.documents import Platform
from builder.oci.store import Store
from builder.spec import Environment
from builder.spec.environment import Base, Python

ROOT = Path(__file__).parents[3]
AMD64, ARM64 = Platform("amd64"), Platform("arm64")
FOLDER = STANDALONE_PYTHONS[0]


def published(
    version: str, machine: str = "x86_64", day: str = "20260101", data: bytes = b"", owner: int = 0
) -> Published:
    name = f"cpython-{version}%2B{day}-{machine}-unknown-linux-gnu-install_only_stripped.tar.gz"
    major, minor, patch = map(int, version.split("."))
    url = f"{STANDALONE_PYTHONS[owner]}{day}/{name}"
    return Published((major, minor, patch), machine, url, hashlib.sha256(data or url.encode()).hexdigest())


@pytest.fixture(scope="module")
def machine() -> dict[str, str]:
    """The environment variables of this machine, its mirrors among them."""
    return dict(os.environ)


@pytest.fixture
def mirror() -> Iterator[tuple[str, dict[str, bytes]]]:
    """A server on loopback: its URL, and what it serves by path."""
    served: dict[str, bytes] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            data = served.get(self.path)
            self.send_response(200 if data is not None else 404)
            self.send_header("Content-Length", str(len(data or b"")))
            self.end_headers()
            self.wfile.write(data or b"")

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}", served
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("version", ["3.12", "3.13", "3.12.4", "3.11.9"])
@pytest.mark.parametrize("platform", [AMD64, ARM64], ids=str)
def test_the_installed_list_has_the_usual_versions_for_both_platforms(version: str, platform: Platform) -> None:
    found = StandaloneInterpreters()(version, platform)
    assert found.source == "standalone"
    assert found.version == version or found.version.startswith(f"{version}.")
    assert found.path == f"/opt/python/bin/python{found.minor}"
    assert found.archive is not None
    assert found.archive.url.startswith(STANDALONE_PYTHONS)
    machine = {"amd64": "x86_64", "arm64": "aarch64"}[platform.architecture]
    assert f"cpython-{found.version}%2B" in found.archive.url
    assert found.archive.url.endswith(f"-{machine}-unknown-linux-gnu-install_only_stripped.tar.gz")


def test_the_installed_list_offers_nothing_that_is_built_in_another_way() -> None:
    offered = published_interpreters()
    assert len(offered) > 100
    for entry in offered:
        assert "freethreaded" not in entry.url
        assert "debug" not in entry.url
        assert "install_only" in entry.url
        assert len(entry.sha256) == 64


def test_a_setting_of_the_machine_does_not_reach_the_list() -> None:
    line = (
        "from builder.lock.standalone import *; print(StandaloneInterpreters()('3.12', Platform('amd64')).archive.url)"
    )
    variables = {**os.environ, "PBS_INSTALLER_BASE_URL": "http://mirror.example", "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", line], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(FOLDER)


def test_the_newest_patch_and_the_newest_build_are_chosen() -> None:
    newest = published("3.12.10", day="20260301")
    listed = [published("3.12.9", day="20260401"), newest, published("3.12.10", day="20260201", owner=0)]
    listed += [published("3.12.10", day="20250101", owner=1), published("3.12.11", "aarch64"), published("3.13.0")]
    found = StandaloneInterpreters(lambda: reversed(listed))("3.12", AMD64)
    assert (found.version, found.archive.url if found.archive else "") == ("3.12.10", newest.url)
    assert StandaloneInterpreters(lambda: listed)("3.12.9", AMD64).version == "3.12.9"


@pytest.mark.parametrize(
    ("version", "why"),
    [
        ("3.12.3", "there are 3.12.4, 3.12.10"),
        ("3.1", "there are 3.9, 3.12"),
        ("3.14", "there are 3.9, 3.12"),
        ("3.9.0", "there are 3.9.1"),
    ],
)
def test_a_version_that_is_not_there_is_refused_with_those_that_are(version: str, why: str) -> None:
    listed = [published(text) for text in ("3.12.10", "3.9.1", "3.12.4")] + [published("3.14.0", "aarch64")]
    with pytest.raises(EnvbuildError) as caught:
        StandaloneInterpreters(lambda: listed)(version, AMD64)
    assert caught.value.what == f"there is no standalone Python {version} for linux/amd64"
    assert caught.value.why == (why,)


@pytest.mark.parametrize("owner", [0, 1])
def test_the_archive_comes_from_the_mirror_of_this_machine(mirror: Any, tmp_path: Path, owner: int) -> None:
    url, served = mirror
    data = make_standalone_archive()
    entry = published("3.12.4", data=data, owner=owner)
    archive = StandaloneInterpreters(lambda: [entry])("3.12", AMD64).archive
    assert archive is not None
    store = Store(tmp_path)
    store.create()
    fetcher = Fetcher(store, Mirrors.from_environment({"ENVBUILD_PYTHON_MIRROR": f"{url}/pythons"}))
    path = "/pythons/" + entry.url.removeprefix(STANDALONE_PYTHONS[owner])
    served[path] = data + b"x"
    with pytest.raises(DigestMismatchError):
        fetcher.blob(archive.source)
    served[path] = data
    assert fetcher.blob(archive.source).read_bytes() == data


@pytest.fixture
def lock(debian: Any) -> Any:
    """Locks a Python against a list, and says what was said."""

    def make(python: str | Python, listed: list[Published], previous: Any = None, **more: Any) -> Any:
        said: list[str] = []
        tools = tools_with(debian=debian, standalone=StandaloneInterpreters(lambda: listed), say=said.append)
        base, upgrade = more.pop("base", None), more.pop("upgrade", Upgrade())
        wish = Wish(Environment(python, ("linux/amd64", "linux/arm64"), base), upgrade=upgrade, previous=previous)
        return parse_lock(make_lock(wish, 1, tools), "x"), said

    return make


BOTH = [published("3.12.4", machine) for machine in ("x86_64", "aarch64")]
NEWER = [*BOTH, *(published("3.12.5", machine) for machine in ("x86_64", "aarch64"))]


def test_a_version_of_no_suite_is_standalone_and_said(lock: Any) -> None:
    locked, said = lock("3.12", BOTH)
    for platform in (AMD64, ARM64):
        interpreter = locked.document.platforms[platform].interpreter
        assert (interpreter.source, interpreter.version) == ("standalone", "3.12.4")
        assert any(line.startswith(f"{platform}: Python 3.12.4 is python-build-standalone's") for line in said)
    urls = {lock.interpreter.archive.url for lock in locked.document.platforms.values()}
    assert urls == {entry.url for entry in BOTH}


def test_a_version_that_a_suite_has_is_standalone_where_that_is_asked_for(lock: Any) -> None:
    listed = [published("3.11.9", machine) for machine in ("x86_64", "aarch64")]
    locked, said = lock(Python("3.11", "standalone"), listed, base=Base(suite="bookworm"))
    assert {one.interpreter.version for one in locked.document.platforms.values()} == {"3.11.9"}
    assert {one.suite for one in locked.document.platforms.values()} == {"bookworm"}
    assert said == []


def test_a_newer_list_moves_nothing_before_an_upgrade(lock: Any) -> None:
    before, _ = lock("3.12", BOTH)
    after, _ = lock("3.12", NEWER, before)
    assert after.files[LOCK_FILE] == before.files[LOCK_FILE]
    upgraded, _ = lock("3.12", NEWER, before, upgrade=Upgrade.parse(True, ()))
    assert {one.interpreter.version for one in upgraded.document.platforms.values()} == {"3.12.5"}
    exact, _ = lock(Python("3.12.4", "standalone"), NEWER, upgraded)
    assert {one.interpreter.version for one in exact.document.platforms.values()} == {"3.12.4"}


def test_the_command_locks_a_standalone_interpreter(machine: dict[str, str], store: Path, tmp_path: Path) -> None:
    (tmp_path / "environment.yaml").write_text('python: "3.12"\nplatforms: [linux/arm64]\n')
    variables = {**machine, "PYTHONPATH": str(ROOT), "ENVBUILD_CACHE": str(store)}
    line = [sys.executable, "-m", "builder", "lock", str(tmp_path)]
    done = subprocess.run(line, env=variables, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    (platform,) = json.loads((tmp_path / "lock" / LOCK_FILE).read_text())["platforms"].values()
    wanted = StandaloneInterpreters()("3.12", ARM64)
    assert platform["interpreter"]["version"] == wanted.version
    assert wanted.archive is not None
    assert platform["interpreter"]["archive"]["sha256"] == wanted.archive.digest.hex
    assert f"Python {wanted.version} is python-build-standalone's" in done.stderr
