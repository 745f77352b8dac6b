from __future__ import annotations

import hashlib
import lzma
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pysequoia
import pytest

from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch import Source
from builder.lock.debian.packages import PackagesIndex
from builder.lock.debian.release import Keyring
from builder.lock.debian.universe import Universe
from builder.oci.digest import Digest

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DATE = "Sat, 21 Nov 2026 02:10:46 UTC"
VALID_UNTIL = "Sat, 28 Nov 2026 02:10:46 UTC"


class Signer:
    """A key of its own, whose certificate is the keyring."""

    def __init__(self) -> None:
        self._key = pysequoia.Tsk.generate("Archive <archive@example.com>")
        self.keyring = Keyring(bytes(self._key.extract_certificate()))

    def sign(self, text: str) -> bytes:
        return pysequoia.sign(self._key.signer(), text.encode(), mode=pysequoia.SignatureMode.CLEAR)


@pytest.fixture(scope="session")
def signer() -> Signer:
    return Signer()


@pytest.fixture(scope="session")
def stranger() -> Signer:
    return Signer()


def paragraph(name: str, version: str = "1.0", **fields: str) -> str:
    """A package; keyword `Pre_Depends` is the field `Pre-Depends`, and a field of None is left out."""
    defaults = {
        "Package": name,
        "Version": version,
        "Architecture": "amd64",
        "Priority": "optional",
        "Filename": f"pool/main/{name[0]}/{name}/{name}_{version.partition(':')[2] or version}_amd64.deb",
        "Size": "1000",
        "SHA256": hashlib.sha256(f"{name} {version}".encode()).hexdigest(),
    }
    defaults |= {key.replace("_", "-"): value for key, value in fields.items()}
    return "".join(f"{key}: {value}\n" for key, value in defaults.items() if value is not None)


def index(*paragraphs: str, architecture: str = "amd64") -> PackagesIndex:
    return PackagesIndex(["\n".join(paragraphs).encode()], "The index", architecture)


def universe(*paragraphs: str) -> Universe:
    return Universe([index(*paragraphs)], "amd64")


def release_text(codename: str, files: Mapping[str, bytes] | None = None, **fields: str | None) -> str:
    table = "".join(f" {hashlib.sha256(data).hexdigest()} {len(data)} {path}\n" for path, data in (files or {}).items())
    defaults: dict[str, str | None] = {
        "Origin": "Debian",
        "Suite": "oldstable",
        "Codename": codename,
        "Date": DATE,
        "Valid-Until": VALID_UNTIL,
        "Acquire-By-Hash": "yes",
    }
    defaults |= {key.replace("_", "-"): value for key, value in fields.items()}
    head = "".join(f"{key}: {value}\n" for key, value in defaults.items() if value is not None)
    return f"{head}SHA256:\n{table}"


@dataclass
class Simulator:
    """The archives, in memory: what is put into `files` by URL is served, and what was asked for is kept."""

    signer: Signer
    folder: Path
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def publish(
        self, codename: str, packages: Mapping[str, Sequence[str]], root: str = "http://deb.debian.org/debian"
    ) -> None:
        listed = {}
        for architecture, paragraphs in packages.items():
            text = "\n".join(paragraphs).encode()
            listed[f"main/binary-{architecture}/Packages"] = text
            listed[f"main/binary-{architecture}/Packages.xz"] = lzma.compress(text)
        for path, data in listed.items():
            by_hash = f"{path.rpartition('/')[0]}/by-hash/SHA256/{hashlib.sha256(data).hexdigest()}"
            self.files[f"{root}/dists/{codename}/{by_hash}"] = data
        self.files[f"{root}/dists/{codename}/InRelease"] = self.signer.sign(release_text(codename, listed))

    def publish_bookworm(self, packages: Mapping[str, Sequence[str]], roots: tuple[str, str] | None = None) -> None:
        main, security = roots or ("http://deb.debian.org/debian", "http://deb.debian.org/debian-security")
        empty: dict[str, Sequence[str]] = dict.fromkeys(packages, ())
        self.publish("bookworm", packages, main)
        self.publish("bookworm-updates", empty, main)
        self.publish("bookworm-security", empty, security)

    def read(self, urls: Sequence[str], limit: int) -> bytes:
        data = self._get(urls)
        assert len(data) <= limit
        return data

    def blob(self, source: Source) -> Path:
        data = self._get(source.urls)
        if Digest.of(data) != source.digest:
            raise DigestMismatchError(f"{source.name} does not have the digest {source.digest}")
        path = self.folder / source.digest.hex
        path.write_bytes(data)
        return path

    def _get(self, urls: Sequence[str]) -> bytes:
        self.asked.extend(urls)
        for url in urls:
            if url in self.files:
                return self.files[url]
        raise EnvbuildError(f"`{urls[0]}` cannot be read", f"404 from {urls[0]}")


@pytest.fixture
def archives(signer: Signer, tmp_path: Path) -> Simulator:
    return Simulator(signer, tmp_path)


@pytest.fixture(scope="session")
def debian():
    """The builders of content, for tests that cannot import their conftest by name."""
    return _Builders


class _Builders:
    now = NOW
    paragraph = staticmethod(paragraph)
    index = staticmethod(index)
    universe = staticmethod(universe)
    release_text = staticmethod(release_text)
