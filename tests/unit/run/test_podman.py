"""What is said where Podman cannot be used; a program that prints what Podman would stands for it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builder.errors import EnvbuildError
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_MANIFEST, Descriptor, ImageConfig, Manifest, Platform
from builder.oci.store import Store
from builder.run.interface import LocalImage, RunRequest
from builder.run.podman import PodmanEngine


@pytest.fixture
def pretend(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes a `podman` that answers to `podman info`, and to nothing else."""

    def make(version: str = "5.4.2", **host: Any) -> None:
        facts = {"version": {"Version": version}, "host": {"serviceIsRemote": False, **host}}
        script = tmp_path / "podman"
        script.write_text(f"#!/bin/sh\n[ $1 = info ] || exit 9\ncat <<'END'\n{json.dumps(facts)}\nEND\n")
        script.chmod(0o755)
        monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)

    return make


def test_a_podman_that_works_here_is_available(pretend: Callable[..., None]) -> None:
    pretend()
    assert PodmanEngine().unavailable() is None


def test_a_podman_that_is_not_there_is_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert PodmanEngine().unavailable() == "there is no `podman` on the PATH"


def test_a_podman_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = tmp_path / "podman"
    script.write_text("#!/bin/sh\necho 'a warning' >&2\necho 'Error: no subuid ranges found' >&2\nexit 125\n")
    script.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    assert PodmanEngine().unavailable() == "Podman does not work here: no subuid ranges found"


def test_a_podman_that_is_too_old_is_refused(pretend: Callable[..., None]) -> None:
    pretend("3.4.4")
    assert PodmanEngine().unavailable() == "Podman 3.4.4 is too old; it has to be 4.0 or newer"


def test_a_podman_of_another_machine_is_left_to_docker_host(pretend: Callable[..., None]) -> None:
    pretend(serviceIsRemote=True)
    assert "DOCKER_HOST" in str(PodmanEngine().unavailable())


@pytest.mark.parametrize("controllers", [[], None, ["cpu", "pids"]], ids=["none", "null", "others"])
def test_memory_that_cannot_be_limited_is_refused_before_anything_is_loaded(
    controllers: list[str] | None, pretend: Callable[..., None], tmp_path: Path
) -> None:
    pretend(cgroupControllers=controllers)
    config = ImageConfig(Platform("amd64"), "", (), ())
    document = Descriptor(MEDIA_TYPE_MANIFEST, Digest.of(b""), 0)
    image = LocalImage(Store(tmp_path), document, Manifest(document, ()), config, "churn:1.0")
    with pytest.raises(EnvbuildError, match="cannot limit memory here"):
        PodmanEngine().run(image, RunRequest(memory=1 << 20))
