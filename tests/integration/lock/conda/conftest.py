"""Conda channels on loopback, and environments that are locked against them as the command does it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from conda_channel import ChannelServer, Package, serve, write_channel
from conda_contents import small_packages
from lock_tools import tools_with

from builder.fetch import Fetcher, Mirrors
from builder.lock.artifact import CondaPackage
from builder.lock.conda.settings import read_settings, with_channels
from builder.lock.conda.solver import CondaSolver
from builder.lock.document import Lock
from builder.lock.folder import read_lock
from builder.lock.locking import Locked, Policy, lock_environment
from builder.lock.programs import uv_program
from builder.lock.pypi.uv import UvResolver
from builder.lock.upgrade import Upgrade
from builder.oci.documents import Platform
from builder.oci.store import Store
from builder.spec import load_environment

AMD, ARM = Platform("amd64"), Platform("arm64")


def pythons() -> Iterator[Package]:
    """Interpreters without content, for tests that install nothing."""
    for subdir in ("linux-64", "linux-aarch64"):
        for version in ("3.10.9", "3.11.2", "3.12.1"):
            yield Package("python", version, subdir, "0_cpython", depends=("__glibc >=2.17",))


@pytest.fixture(scope="session")
def channels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of channels: `channel` with all small packages, `team` with some of other versions."""
    folder = tmp_path_factory.mktemp("channels")
    write_channel(folder / "channel", [*small_packages(), *pythons()])
    write_channel(
        folder / "team",
        [Package("small", "1.1", build="team_0", depends=("python",)), Package("only-team", "1.0", depends=("small",))],
    )
    return folder


@pytest.fixture
def server(channels: Path) -> Iterator[ChannelServer]:
    with serve(channels) as state:
        yield state


@pytest.fixture(autouse=True)
def _no_conda_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith(("CONDA", "RATTLER", "MAMBA", "XDG_CONFIG")):
            monkeypatch.delenv(name)
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@dataclass
class Place:
    """An environment of its own folder."""

    folder: Path
    store: Path
    debian: Any
    said: list[str] = field(default_factory=list)

    def write(self, conda: Any, **spec: Any) -> None:
        """The spec; by default for both platforms and Debian bookworm."""
        whole = {"base": {"suite": "bookworm"}, "conda": conda, **spec}
        (self.folder / "environment.yaml").write_text(yaml.safe_dump(whole, sort_keys=False))

    def fetcher(self, variables: Mapping[str, str] | None = None, offline: bool = False) -> Fetcher:
        variables = os.environ if variables is None else variables
        store = Store(self.store)
        store.create()
        mirrors = with_channels(Mirrors.from_environment(variables), read_settings(variables))
        return Fetcher(store, mirrors, offline=offline)

    def locked(self, *upgrades: str, everything: bool = False, offline: bool = False) -> Locked:
        fetcher = self.fetcher(offline=offline)
        tools = tools_with(
            debian=self.debian,
            conda=CondaSolver(os.environ, fetcher),
            python={"uv": UvResolver(os.environ, uv_program(), fetcher)},
        )
        policy = Policy(1, Upgrade.parse(everything, upgrades))
        return lock_environment(load_environment(self.folder), policy, lambda: tools)

    def lock(self, *upgrades: str, **options: Any) -> Mapping[Platform, dict[str, CondaPackage]]:
        """The conda packages of each platform by name."""
        return by_name(self.locked(*upgrades, **options).lock)

    @property
    def files(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted((self.folder / "lock").iterdir())}

    def read(self) -> Lock:
        return read_lock(self.folder / "lock")


def by_name(lock: Lock) -> Mapping[Platform, dict[str, CondaPackage]]:
    return {platform: {package.name: package for package in listed} for platform, listed in lock.conda.items()}


@pytest.fixture
def place(tmp_path: Path, debian: Any) -> Place:
    folder = tmp_path / "repository" / "train"
    folder.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    return Place(folder, tmp_path / "store", debian)


@pytest.fixture
def condarc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., None]:
    """Write the settings of this machine."""

    def write(**settings: Any) -> None:
        (tmp_path / "condarc").write_text(yaml.safe_dump(settings))
        monkeypatch.setenv("CONDARC", str(tmp_path / "condarc"))

    return write
