"""Hashed requirements as pip-compile and uv write them are taken as they are."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lock_tools import tools_with
from simple_index import SimpleIndex, serve_index

from builder.errors import EnvbuildError
from builder.fetch import Fetcher, Mirrors
from builder.lock.folder import parse_lock
from builder.lock.make import make_lock
from builder.lock.programs import uv_program
from builder.lock.pypi.pip_tools import Host, PipToolsResolver
from builder.lock.pypi.uv import UvResolver
from builder.lock.sources import read_sources
from builder.lock.wish import Wish
from builder.oci.documents import Platform
from builder.oci.store import Store
from builder.spec import Environment, PyPI

TAGS = {name: f"cp311-cp311-manylinux_2_28_{name}" for name in ("x86_64", "aarch64")}


@pytest.fixture
def packages() -> Iterator[SimpleIndex]:
    with serve_index() as index:
        for version in ("1.0", "1.1"):
            for tag in TAGS.values():
                index.add("native", version, "shared>=1", "zeta", tag=tag)
        index.add("app", "1.0", "native<1.1", 'shared; python_version >= "3"')
        index.add("shared", "1.0")
        index.add("zeta", "1.0")
        index.add_sdist("zeta", "1.0")
        yield index


@pytest.fixture
def lock(tmp_path: Path, debian: Any) -> Any:
    """Locks `requirements.txt` of a folder against an index, with one of the resolvers."""

    def make(index: SimpleIndex, resolver: str = "uv") -> dict[Platform, tuple[Any, ...]]:
        variables = {**os.environ, "UV_DEFAULT_INDEX": index.url}
        store = Store(tmp_path / "store")
        store.create()
        fetcher = Fetcher(store, Mirrors.from_environment(variables))
        uv = UvResolver(variables, uv_program(), fetcher)
        python = {"uv": uv, "pip-tools": PipToolsResolver(variables, fetcher, Host.this(), uv)}
        spec = Environment("3.11", pypi=PyPI(lockfile="requirements.txt", resolver=resolver))  # type: ignore[arg-type]
        sources = read_sources(spec.pypi, tmp_path, "environment.yaml")  # type: ignore[arg-type]
        files = make_lock(Wish(spec, sources), 1, tools_with(debian=debian, python=python))
        return dict(parse_lock(files, "x").wheels)

    return make


def compiled(command: list[str], folder: Path, index: SimpleIndex) -> str:
    (folder / "requirements.in").write_text("app\n")
    finished = subprocess.run(
        [*command, "--generate-hashes", "--index-url", index.url, "requirements.in", "-o", "requirements.txt"],
        cwd=folder, env={**os.environ, "PIP_CONFIG_FILE": os.devnull}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert finished.returncode == 0, finished.stderr
    return (folder / "requirements.txt").read_text()


def test_what_pip_compile_and_uv_write_gives_the_same_wheels(packages: SimpleIndex, lock: Any, tmp_path: Path) -> None:
    if sys.version_info[:2] != (3, 11):
        pytest.skip("pip-compile pins for the Python that runs it")
    pip_compile = [sys.executable, "-m", "piptools", "compile", "--no-emit-index-url", "--strip-extras", "--quiet"]
    first = compiled(pip_compile, tmp_path, packages)
    packages.add("zeta", "2.0")
    packages.add("native", "1.0.1", tag=TAGS["x86_64"])
    from_pip_compile = lock(packages)
    assert from_pip_compile == lock(packages, "pip-tools")
    names = {platform: [wheel.file_name for wheel in wheels] for platform, wheels in from_pip_compile.items()}
    assert names == {
        Platform(architecture): [
            "app-1.0-py3-none-any.whl", f"native-1.0-{TAGS[machine]}.whl", "shared-1.0-py3-none-any.whl",
            "zeta-1.0-py3-none-any.whl",
        ]
        for architecture, machine in (("amd64", "x86_64"), ("arm64", "aarch64"))
    }  # fmt: skip
    for project, newer in (("zeta", "zeta-2.0-py3-none-any.whl"), ("native", f"native-1.0.1-{TAGS['x86_64']}.whl")):
        del packages.projects[project][newer]
    second = compiled([uv_program(), "pip", "compile", "--quiet", "--no-config", "-p", "3.11"], tmp_path, packages)
    assert first != second
    assert lock(packages) == from_pip_compile


def test_dependencies_and_licenses_are_told_though_nothing_is_resolved(
    packages: SimpleIndex, lock: Any, tmp_path: Path
) -> None:
    write_pins(tmp_path, packages, "native", "shared")
    wheels = lock(packages)[Platform("amd64")]
    assert [(wheel.name, wheel.dependencies) for wheel in wheels] == [("native", ("shared",)), ("shared", ())]


@pytest.mark.parametrize("resolver", ["uv", "pip-tools"])
def test_the_index_url_of_a_lock_is_asked_in_place_of_pypi(
    packages: SimpleIndex, lock: Any, tmp_path: Path, resolver: str
) -> None:
    write_pins(tmp_path, packages, "shared", "zeta")
    file = tmp_path / "requirements.txt"
    pinned = f"--index-url {packages.url}\n{file.read_text()}"
    file.write_text(pinned)
    with serve_index() as pypi:
        pypi.add("zeta", "1.0", "stranger")
        (first, *_) = lock(pypi, resolver)[Platform("amd64")]
        assert first.url.startswith(f"http://{packages.host}/")
        file.write_text(f"{pinned}gone==1 --hash=sha256:{'a' * 64}\n")
        with pytest.raises(EnvbuildError, match="`gone` is on no index"):
            lock(pypi, resolver)
        assert pypi.asked == []


def write_pins(folder: Path, index: SimpleIndex, *names: str) -> None:
    pins = [
        f"{name}==1.0 " + " ".join(f"--hash=sha256:{file.sha256}" for file in index.projects[name].values())
        for name in names
    ]
    (folder / "requirements.txt").write_text("\n".join(["# made by hand", *pins, ""]))


@pytest.mark.parametrize("resolver", ["uv", "pip-tools"])
def test_what_is_wrong_with_a_pin_is_told_with_its_line(
    packages: SimpleIndex, lock: Any, tmp_path: Path, resolver: str
) -> None:
    write_pins(tmp_path, packages, "app", "shared")
    packages.add("shared", "1.0", "changed")
    with pytest.raises(EnvbuildError) as caught:
        lock(packages, resolver)
    text = str(caught.value)
    assert "requirements.txt:3: no file of `shared` 1.0 on the index has one of its hashes" in text
    assert "127.0.0.1" in text


def test_each_page_is_read_once_for_a_platform(packages: SimpleIndex, lock: Any, tmp_path: Path) -> None:
    write_pins(tmp_path, packages, "app", "shared", "native")
    lock(packages)
    pages = [path for path in packages.asked if path.startswith("/simple/")]
    assert sorted(set(pages)) == ["/simple/app/", "/simple/native/", "/simple/shared/"]
    assert len(pages) == 6
