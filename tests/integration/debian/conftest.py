from __future__ import annotations

import os
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from builder.errors import DigestMismatchError
from builder.fetch import Mirrors, Source
from builder.lock.debian.archive import Archives
from builder.lock.debian.suites import SUITES, Archive
from builder.oci.digest import Digest


@dataclass
class LocalCopy:
    """Keeps what is read of the archives in a folder, laid out so that apt can use it as a mirror of its own."""

    root: Path
    mirrors: Mirrors = field(default_factory=lambda: Mirrors.from_environment(os.environ))

    def read(self, urls: Sequence[str], limit: int) -> bytes:
        data = self._keep(urls[0]).read_bytes()
        assert len(data) <= limit
        return data

    def blob(self, source: Source) -> Path:
        path = self._keep(source.urls[0])
        if Digest.of(path.read_bytes()) != source.digest:
            raise DigestMismatchError(f"{source.name} is not what the release promises")
        return path

    def _keep(self, url: str) -> Path:
        path = self.root / urlsplit(url).path.lstrip("/")
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                with urllib.request.urlopen(self.mirrors.candidates(url)[0], timeout=120) as answer:
                    path.write_bytes(answer.read())
            except urllib.error.URLError as error:
                if os.environ.get("CI"):
                    raise
                pytest.skip(f"Debian's archive cannot be read from here: {error.reason}")
        return path


@dataclass
class Session:
    """One state of all archives, resolved for every test at the time at which it was made."""

    copy: LocalCopy
    resolvers: dict[str, Archives] = field(default_factory=dict)

    def resolver(self, suite: str) -> Archives:
        if suite not in self.resolvers:
            now = max(self.date(archive) for archive in SUITES[suite].archives) + timedelta(hours=1)
            self.resolvers[suite] = Archives(self.copy, now)
        return self.resolvers[suite]

    def date(self, archive: Archive) -> datetime:
        raw = self.copy.read([f"{archive.repository.url}/dists/{archive.codename}/InRelease"], 1 << 23).decode()
        (line,) = (line for line in raw.splitlines() if line.startswith("Date:"))
        return parsedate_to_datetime(line.removeprefix("Date:").strip())


@pytest.fixture(scope="session")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Session:
    return Session(LocalCopy(tmp_path_factory.mktemp("archives")))


AptCommand = Callable[[str, str], tuple[list[str], Path]]


@pytest.fixture(scope="session")
def apt_command(tmp_path_factory: pytest.TempPathFactory) -> AptCommand:
    """Makes an apt of its own: an empty status, the given sources, nothing of the machine's configuration."""
    if shutil.which("apt-get") is None:
        if os.environ.get("CI"):
            pytest.fail("apt-get is needed to compare with")
        pytest.skip("apt-get is not on this machine")

    def make(architecture: str, sources: str) -> tuple[list[str], Path]:
        folder = tmp_path_factory.mktemp("apt")
        for name in ("etc/preferences.d", "etc/apt.conf.d", "state/lists/partial", "cache/archives/partial"):
            (folder / name).mkdir(parents=True)
        (folder / "status").touch()
        (folder / "etc/sources.list").write_text(sources)
        options = {
            "Dir::Etc": folder / "etc",
            "Dir::State": folder / "state",
            "Dir::State::status": folder / "status",
            "Dir::Cache": folder / "cache",
            "APT::Architecture": architecture,
            "APT::Architectures": architecture,
            "APT::Sandbox::User": "root",
            "APT::Solver": "internal",
            "Acquire::ForceHash": "SHA256",
            "Acquire::Languages": "none",
            "Acquire::Check-Valid-Until": "false",
        }
        (folder / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in options.items()))
        return ["env", f"APT_CONFIG={folder}/apt.conf", "apt-get", "-q"], folder

    return make
