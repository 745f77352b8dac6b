"""An image on mmdebstrap's Debian, with Python in /usr/local as Docker's official images have it, in Docker Engine.

Of the base the engine is sent what it lacks, and nothing is fetched that it has.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from base_images import Base
from docker_registry import Registry, login_at, serving
from made_up_image import file
from standalone_archive import HERE, installed

from builder.cli.machine import host_platform
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_LAYER, Descriptor, ImageConfig, Platform

ENTRY = b'#!/bin/bash\necho "entered by $WHO"\nexec "$@"\n'
PROJECT = """\
name: {name}
version: "1.0"
environment:
  platforms: [linux/amd64]
  base: {{image: "{image}"}}
  pypi: {{requirements: []}}
code: [tell.py]
commands: {{tell: {{run: python tell.py}}}}
"""
TELL = "import os, sys; print(sys.prefix, sys.base_prefix, sys.version.split()[0], os.getcwd())\n"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(host_platform() != Platform("amd64"), reason="the base is for amd64"),
]


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp("registry")) as served:
        yield served


@pytest.fixture(scope="module")
def base(base_archive: Path, registry: Registry) -> Base:
    """Debian, not compressed, and Python on it; `team/python:1` in docker's format."""
    tar = base_archive.read_bytes()
    debian = Descriptor(MEDIA_TYPE_LAYER, Digest.of(tar), len(tar))
    config = ImageConfig(
        Platform("amd64"),
        "2026-01-01T00:00:00Z",
        (debian.digest,),
        ("debian",),
        env=("PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin", f"PYTHON_VERSION={HERE}", "WHO=it"),
        entrypoint=("/entry.sh",),
        cmd=("python3",),
    )
    made = Base(config, (debian,), {debian.digest: tar})
    made = made.add(*installed("usr/local"), text="python").add(file("entry.sh", ENTRY), text="entry")
    made.push(registry, "team/python:1", docker=True)
    return made


@pytest.fixture(scope="module")
def project(registry: Registry, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    def write(name: str) -> Path:
        folder = tmp_path_factory.mktemp(name)
        image = f"{registry.host}/team/python:1"
        (folder / "envbuild.yaml").write_text(PROJECT.format(name=name, image=image))
        (folder / "tell.py").write_text(TELL)
        return folder

    return write


def test_docker_runs_an_image_on_another_base_and_is_sent_what_it_lacks(
    with_docker, docker, registry, base, project, tmp_path
) -> None:
    (tmp_path / "config.json").write_text(login_at(registry.host))
    environment = {**with_docker.environment, "DOCKER_CONFIG": str(tmp_path)}
    machine = replace(with_docker, store=tmp_path / "store", environment=environment)
    first, second = project("first-on-base"), project("second-on-base")
    machine("lock", first)
    before = registry.fetched(list(base.layers))
    machine("build", first)
    assert registry.fetched(list(base.layers)) == before
    machine("build", first, "--load", "--engine", "docker")
    fetched = registry.fetched(list(base.layers))[len(before) :]
    layers = [layer.digest for layer in base.layers]
    assert fetched, "an engine that has Debian of another test lacks the layers above it all the same"
    assert sorted(fetched) == sorted(layers[-len(fetched) :])
    told = docker("run", "--rm", "--network", "none", "first-on-base:1.0", "tell").stdout
    assert told == f"entered by it\n/opt/env /usr/local {HERE} /app\n"
    config = json.loads(docker("image", "inspect", "first-on-base:1.0").stdout)[0]["Config"]
    assert (config["User"], config["WorkingDir"]) == ("65532:65532", "/app")
    assert config["Entrypoint"] == ["/entry.sh", "/opt/env/bin/python", "-I", "/bundle/launcher.py"]

    machine("lock", second)
    nowhere = {**environment, "DOCKER_CONFIG": os.devnull}
    alone = replace(machine, store=tmp_path / "alone", environment=nowhere)
    alone("build", second, "--load", "--engine", "docker")
    assert docker("run", "--rm", "--network", "none", "second-on-base:1.0", "tell").stdout == told
    assert not any((tmp_path / "alone/blobs/sha256" / layer.digest.hex).exists() for layer in base.layers)
