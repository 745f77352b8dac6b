"""Images on an image of a registry: nothing of it is fetched before something needs it, and what it says holds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import made_up_image
import pytest
from base_images import ROOT, Base, debian_bases, push_index
from conda_channel import serve
from docker_registry import LOGIN, Registry, login_at, serving
from made_up_image import debian_like, file, folder, link
from simple_index import File, SimpleIndex, serve_index
from source_packages import make_sdist, own_backend, packed
from standalone_archive import HERE, installed, publish

from builder.bundle.reading.fetches import will_fetch
from builder.bundle.reading.reader import open_bundle
from builder.image.kept import Image, read_image
from builder.lock.document import LOCK_FILE
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_MANIFEST, Descriptor
from builder.oci.layout import Layout

MINOR = ".".join(HERE.split(".")[:2])
CONDA = "conda: {channels: [https://conda.example.com/team], dependencies: [python 3.11.*]}"
ENTRY = b"""#!/usr/bin/python3.11
import os, sys
print("entered by", os.environ.get("WHO"), flush=True)
os.execvp(sys.argv[1], sys.argv[1:])
"""
PROJECT = """\
name: tell
version: "1.0"
environment: ../env
code: [tell.py]
commands:
  tell: {run: python tell.py}
"""
TELL = """\
import alpha, json, os, stat, sys
def mode(path):
    found = os.stat(path)
    return [oct(stat.S_IMODE(found.st_mode)), found.st_uid, found.st_gid]
paths = ("/opt", "/app", "/data", "/out", "/tmp", "/srv/kept")
told = {
    "prefix": [sys.prefix, sys.base_prefix, sys.executable], "alpha": alpha.version, "path": os.environ["PATH"],
    "modes": {path: mode(path) for path in paths if os.path.exists(path)}, "gone": os.path.exists("/srv/gone"),
    "cwd": os.getcwd(), "linked": os.path.realpath("/bin"), "beside": os.listdir("/app"),
}
print(json.dumps(told))
"""


@dataclass(frozen=True)
class Machine:
    """A machine with a store of its own, logged in at the registry."""

    store: Path
    environment: dict[str, str]

    def __call__(self, *arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
        """Run the command, which must exit with `code`."""
        line = [sys.executable, "-m", "builder", *map(str, arguments)]
        environment = {**self.environment, "ENVBUILD_CACHE": str(self.store)}
        done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == code, f"{line} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def image(self, target: Path) -> Image:
        """The image for amd64 of what is built in a folder."""
        built = json.loads(self("build", target, "--platform", "linux/amd64", "--json").stdout)
        digest = Digest.parse(built["images"]["linux/amd64"])
        layout = Layout(self.store)
        return read_image(layout, Descriptor(MEDIA_TYPE_MANIFEST, digest, layout.path(digest).stat().st_size))


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp("registry")) as served:
        yield served


@pytest.fixture(scope="module")
def bases(projects: Path, store: Path) -> dict[str, Base]:
    return debian_bases(projects, store)


@pytest.fixture(scope="module")
def awkward(bases: dict[str, Base]) -> Base:
    """A base with everything that layers and configs can have."""
    lower = bases["amd64"].add(
        folder("srv/gone"), file("srv/gone/x"), folder("srv/kept", 0o700, 5, 6), folder("opt/env"), file("opt/env/x"),
        folder("app", 0o2775, 5, 6), file("app/of-the-base", b"x"), folder("data", 0o700, 5, 6),
        compression="zstd", text="RUN mkdir",
    )  # fmt: skip
    upper = lower.add(
        file("srv/.wh.gone"), file("opt/env/.wh..wh..opq"), folder("opt", 0o755, 7, 8), file("entry", ENTRY),
        link("srv/entry", "../entry"), link("srv/again", "entry", hard=True),
        compression="", text="COPY entry /",
    )  # fmt: skip
    return upper.configured(
        entrypoint=("/srv/entry",), cmd=("python3.11",), env=("PATH=/usr/local/sbin:/usr/bin", "WHO=the base"),
        user="nobody", working_dir="/srv", labels={"maintainer": "a team"}, exposed_ports=("80/tcp",),
        stop_signal="SIGQUIT", volumes=("/srv/volume",),
    )  # fmt: skip


@pytest.fixture(scope="module")
def index() -> Iterator[SimpleIndex]:
    with serve_index() as served:
        served.add("alpha", "1.0")
        name, data = make_sdist("built", "2.0", own_backend(packed("built", "2.0")))
        served.projects["built"] = {name: File(data)}
        yield served


@pytest.fixture(scope="module")
def machine(
    registry: Registry, tmp_path_factory: pytest.TempPathFactory, team_channel: dict[str, str]
) -> Iterator[Callable[[str], Machine]]:
    """Machines by name."""
    docker, published = tmp_path_factory.mktemp("docker"), tmp_path_factory.mktemp("published")
    (docker / "config.json").write_text(login_at(registry.host))
    places = tmp_path_factory.mktemp("machines")
    paths = os.pathsep.join(map(str, (publish(published), ROOT)))
    with serve(published) as server:
        python = {"ENVBUILD_PYTHON_MIRROR": server.url, "PYTHONPATH": paths}
        environment = {**os.environ, **team_channel, **python, "DOCKER_CONFIG": str(docker)}
        yield lambda name: Machine(places / name, environment)


@pytest.fixture(scope="module")
def write(tmp_path_factory: pytest.TempPathFactory, registry: Registry, index: SimpleIndex) -> Callable[..., Path]:
    """Writes a project and the environment beside it, on an image of the registry; gives the project's folder."""

    def spec(name: str, image: str, *more: str, requirements: str = "alpha", **said: str) -> Path:
        place = tmp_path_factory.mktemp(name)
        (place / "env").mkdir()
        (place / "project").mkdir()
        base = json.dumps({"image": f"{registry.host}/{image}", **said})
        indexes = f"[{{name: team, url: '{index.url}', default: true}}]"
        pypi = f"pypi: {{requirements: [{requirements}], indexes: {indexes}}}"
        lines = [f"base: {base}", pypi, *(more or ["platforms: [linux/amd64]"]), ""]
        (place / "env/environment.yaml").write_text("\n".join(lines))
        (place / "project/envbuild.yaml").write_text(PROJECT)
        (place / "project/tell.py").write_text(TELL)
        return place / "project"

    return spec


@pytest.fixture(scope="module")
def project(write: Callable[..., Path], registry: Registry, awkward: Base, machine: Callable[[str], Machine]) -> Path:
    """A locked project on the awkward base, in docker's format."""
    awkward.push(registry, "team/awkward:1", docker=True)
    made = write("awkward", "team/awkward:1")
    machine("locking")("lock", made.parent / "env")
    return made


def told(output: str) -> dict[str, Any]:
    return dict(json.loads(output.splitlines()[-1]))


def test_building_asks_nothing_of_the_registry(
    project: Path, registry: Registry, awkward: Base, machine: Callable[[str], Machine]
) -> None:
    before = registry.asked()
    image = machine("building").image(project)
    again = machine("again").image(project)
    assert registry.asked() == before
    assert image.descriptor == again.descriptor
    assert [layer.digest for layer in image.manifest.layers[: len(awkward.layers)]] == [
        layer.digest for layer in awkward.layers
    ]
    assert not any(
        machine("building").store.joinpath("blobs/sha256", one.digest.hex).exists() for one in awkward.layers
    )
    assert {layer.media_type for layer in image.manifest.layers} == {layer.media_type for layer in awkward.layers}


def test_what_the_base_says_holds_and_ours_is_added(
    project: Path, awkward: Base, machine: Callable[[str], Machine]
) -> None:
    config = machine("building").image(project.parent / "env").config
    assert (config.entrypoint, config.cmd) == (("/srv/entry",), ("/opt/env/bin/python",))
    assert (config.user, config.working_dir, config.stop_signal) == ("nobody", "/srv", "SIGQUIT")
    assert (config.exposed_ports, config.volumes) == (("80/tcp",), ("/srv/volume",))
    assert {"WHO=the base", "PATH=/opt/env/bin:/usr/local/sbin:/usr/bin", "VIRTUAL_ENV=/opt/env"} <= {*config.env}
    assert config.history[: len(awkward.layers)] == awkward.config.history
    assert config.labels["maintainer"] == "a team"
    assert config.labels["org.opencontainers.image.base.name"].endswith("/team/awkward:1")
    locked = json.loads((project.parent / "env/lock" / LOCK_FILE).read_text())["platforms"]["linux/amd64"]["base"]
    assert config.labels["org.opencontainers.image.base.digest"] == locked["manifest"]["digest"]
    bundle = machine("building").image(project).config
    assert bundle.entrypoint == ("/srv/entry", "/opt/env/bin/python", "-I", "/bundle/launcher.py")
    assert (bundle.user, bundle.working_dir, bundle.stop_signal) == ("nobody", "/app", "")


def test_a_command_runs_through_the_bases_entry_point_and_fetches_each_layer_once(
    project: Path, registry: Registry, awkward: Base, machine: Callable[[str], Machine]
) -> None:
    layers = list(awkward.layers)
    before = registry.fetched(layers)
    done = machine("running")("run", project, "tell", "--engine", "embedded")
    assert done.stdout.startswith("entered by the base\n")
    found = told(done.stdout)
    assert found["prefix"] == ["/opt/env", "/usr", "/opt/env/bin/python"]
    assert (found["alpha"], found["cwd"], found["gone"], found["linked"]) == ("1.0", "/app", False, "/usr/bin")
    assert found["path"].startswith("/opt/env/bin:/usr/local/sbin:")
    assert sorted(found["beside"]) == ["of-the-base", "tell.py"]
    modes = {path: mode for path, (mode, _, _) in found["modes"].items()}
    assert modes == {
        "/opt": "0o755", "/app": "0o2775", "/data": "0o1777", "/tmp": "0o1777", "/srv/kept": "0o700",
        "/out": modes["/out"],
    }  # fmt: skip
    if os.geteuid() == 0:
        assert found["modes"]["/opt"][1:] == [7, 8]
        assert found["modes"]["/app"][1:] == [5, 6]
    fetched = registry.fetched(layers)[len(before) :]
    assert sorted(fetched) == sorted(layer.digest for layer in layers)
    assert machine("running")("run", project, "tell", "--engine", "embedded").returncode == 0
    assert len(registry.fetched(layers)) == len(before) + len(layers)


def test_a_bundle_holds_the_base_and_another_machine_needs_no_registry(
    project: Path, machine: Callable[[str], Machine], tmp_path: Path
) -> None:
    packing = machine("running")
    packing("bundle", project, "-o", tmp_path / "tell.tar")
    alone = replace(machine("alone"), environment={**packing.environment, "DOCKER_CONFIG": "/nowhere"})
    assert "holds" in alone("verify", tmp_path / "tell.tar").stderr
    done = alone("run", tmp_path / "tell.tar", "tell", "--engine", "embedded", "--out", tmp_path / "out")
    assert told(done.stdout)["alpha"] == "1.0"
    if shutil.which("skopeo") or os.environ.get("CI"):
        line = ["skopeo", "inspect", "--raw", f"oci-archive:{tmp_path / 'tell.tar'}"]
        assert b"manifests" in subprocess.run(line, check=True, capture_output=True).stdout


def test_a_thin_bundle_has_the_base_from_its_registry(
    project: Path, registry: Registry, awkward: Base, machine: Callable[[str], Machine], tmp_path: Path
) -> None:
    packing = machine("running")
    packing("bundle", project, "--thin", "-o", tmp_path / "thin.tar")
    (place, *_) = (one for one in will_fetch(open_bundle(tmp_path / "thin.tar")) if "of the base" in one.what)
    assert place.urls[0].startswith(f"oci://{registry.host}/")
    before = len(registry.fetched(list(awkward.layers)))
    done = machine("thin")("run", tmp_path / "thin.tar", "tell", "--engine", "embedded", "--out", tmp_path / "out")
    assert told(done.stdout)["alpha"] == "1.0"
    assert sorted(registry.fetched(list(awkward.layers))[before:]) == sorted(layer.digest for layer in awkward.layers)


def test_a_layout_of_an_environment_is_whole(project: Path, awkward: Base, machine: Any, tmp_path: Path) -> None:
    machine("running")("build", project.parent / "env", "-o", tmp_path / "layout")
    for layer in awkward.layers:
        assert Layout(tmp_path / "layout").has(layer.digest, layer.size)


def test_pushing_to_the_bases_registry_moves_none_of_its_layers(
    project: Path, registry: Registry, awkward: Base, machine: Callable[[str], Machine]
) -> None:
    before = registry.fetched(list(awkward.layers))
    pushing = machine("pushing")
    pushing("build", project, "--platform", "linux/amd64", "--push", f"{registry.host}/team/result:1")
    assert registry.fetched(list(awkward.layers)) == before
    assert not any(Layout(pushing.store).path(layer.digest).exists() for layer in awkward.layers)
    pulled = json.loads(registry.raw("team/result:1"))
    assert pulled["schemaVersion"] == 2
    machine("checking")("verify", f"oci://{registry.host}/team/result:1")


def test_what_is_built_again_into_an_empty_store_has_the_same_digest(project: Path, machine: Any) -> None:
    done = machine("verifying")("verify", project, "--rebuild", "--platform", "linux/amd64")
    assert "the same digest" in done.stderr


def test_a_registry_that_is_gone_stops_what_needs_the_base_and_nothing_else(
    project: Path, registry: Registry, machine: Callable[[str], Machine], tmp_path: Path
) -> None:
    nowhere = {**machine("gone").environment, "DOCKER_CONFIG": "/nowhere"}
    gone = replace(machine("gone"), environment=nowhere)
    image = gone.image(project)
    assert image.descriptor == machine("building").image(project).descriptor
    done = gone("run", project, "tell", "--engine", "embedded", code=1)
    assert "not for this login" in done.stderr
    assert LOGIN not in done.stderr
    offline = machine("gone")("run", project, "tell", "--engine", "embedded", "--offline", code=1)
    assert "this run is offline" in offline.stderr
    assert f"{registry.host}/team/awkward:1" in offline.stderr
    offline = machine("gone")("bundle", project, "-o", tmp_path / "x.tar", "--offline", code=1)
    assert "this run is offline" in offline.stderr
    assert not (tmp_path / "x.tar").exists()


def test_a_layer_of_the_registry_that_is_another_is_refused(
    project: Path, registry: Registry, awkward: Base, machine: Callable[[str], Machine]
) -> None:
    layer = awkward.layers[-1]
    stored = registry.data / f"docker/registry/v2/blobs/sha256/{layer.digest.hex[:2]}/{layer.digest.hex}/data"
    content = stored.read_bytes()
    try:
        stored.write_bytes(content[:-1] + b"x")
        done = machine("tampered")("run", project, "tell", "--engine", "embedded", code=5)
    finally:
        stored.write_bytes(content)
    assert layer.digest.hex in done.stderr
    assert not machine("tampered").store.joinpath("blobs/sha256", layer.digest.hex).exists()
    assert told(machine("tampered")("run", project, "tell", "--engine", "embedded").stdout)["alpha"] == "1.0"


def test_both_platforms_are_built_on_their_own_images(
    write: Callable[..., Path], registry: Registry, bases: dict[str, Base], machine: Callable[[str], Machine]
) -> None:
    push_index(registry, "team/both:1", list(bases.values()))
    env = write("both", "team/both:1", "platforms: [linux/amd64, linux/arm64]").parent / "env"
    machine("locking")("lock", env)
    built = json.loads(machine("building")("build", env, "--json").stdout)
    for architecture, base in bases.items():
        digest = Digest.parse(built["images"][f"linux/{architecture}"])
        layout = Layout(machine("building").store)
        size = layout.path(digest).stat().st_size
        image = read_image(layout, Descriptor(MEDIA_TYPE_MANIFEST, digest, size))
        assert image.config.platform == base.config.platform
        assert image.config.diff_ids[: len(base.layers)] == base.config.diff_ids
    machine("building")("verify", env)


def test_an_entry_point_can_be_replaced_without_looking_the_tag_up_again(
    write: Callable[..., Path], registry: Registry, awkward: Base, bases: dict[str, Base], machine: Any
) -> None:
    awkward.push(registry, "team/moving:1", docker=True)
    env = write("replaced", "team/moving:1").parent / "env"
    machine("locking")("lock", env)
    bases["amd64"].push(registry, "team/moving:1")
    spec = (env / "environment.yaml").read_text().replace('/moving:1"', '/moving:1", "entrypoint": "replace"')
    (env / "environment.yaml").write_text(spec)
    machine("locking")("lock", env)
    image = machine("building").image(env)
    assert image.config.entrypoint == ()
    assert image.config.diff_ids[: len(awkward.layers)] == awkward.config.diff_ids


@pytest.mark.parametrize(
    ("base", "lines", "prefixes"),
    [
        ("local", [], ["/opt/env", "/usr/local"]),
        ("awkward", [f"python: {{version: '{MINOR}', source: standalone}}"], ["/opt/env", "/opt/python"]),
        ("awkward", [CONDA], ["/opt/env", "/opt/env"]),
    ],
    ids=["the base's own", "standalone", "conda"],
)
def test_every_interpreter_runs_on_a_base(
    base: str, lines: list[str], prefixes: list[str], write: Any, registry: Registry, bases: Any, awkward: Any,
    machine: Any,
) -> None:  # fmt: skip
    awkward.push(registry, "team/awkward:1", docker=True)
    bases["amd64"].add(*installed("usr/local")).push(registry, "team/local:1")
    project = write("interpreter", f"team/{base}:1", "platforms: [linux/amd64]", *lines)
    machine("locking")("lock", project.parent / "env")
    found = told(machine("running")("run", project, "tell", "--engine", "embedded").stdout)
    assert (found["prefix"][:2], found["alpha"]) == (prefixes, "1.0")
    if base == "awkward":  # of the base's own interpreter, another test does
        machine("running")("verify", project, "--platform", "linux/amd64")


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (link("opt", "/var/opt"), "`/opt` is a link to `/var/opt`"),
        (file("opt/env/bin/python"), "`/opt/env` is not empty"),
        (folder("app", 0o700), "`/app` has the mode 0700"),
    ],
    ids=["link", "environment", "closed"],
)
def test_a_base_without_room_is_refused_while_locking(
    entry: tuple[tarfile.TarInfo, bytes], why: str, write: Any, registry: Registry, machine: Any
) -> None:
    full = made_up_image.image([debian_like(), made_up_image.layer(entry)])
    manifest = full.blobs.pop(full.descriptor.digest)
    registry.put("team/full:1", list(full.blobs.values()), [(full.descriptor.media_type, manifest)])
    env = write("full", "team/full:1").parent / "env"
    done = machine("locking")("lock", env, code=1)
    assert why in done.stderr
    assert not (env / "lock").exists()


def test_a_wheel_is_built_from_source_on_the_base(
    write: Callable[..., Path], registry: Registry, awkward: Base, machine: Callable[[str], Machine]
) -> None:
    awkward.push(registry, "team/source:1", docker=True)
    env = write("source", "team/source:1", requirements="built").parent / "env"
    machine("running")("lock", env)
    done = machine("running")("shell", env, "--engine", "embedded", "--", "python", "-c", "import built; print(built)")
    assert "/opt/env/lib/python3.11/site-packages/built.py" in done.stdout


def test_packages_on_a_base_have_the_bytecode_of_its_interpreter(
    write: Callable[..., Path], registry: Registry, awkward: Base, machine: Callable[[str], Machine]
) -> None:
    awkward.push(registry, "team/compiled:1", docker=True)
    env = write("compiled", "team/compiled:1", "platforms: [linux/amd64]", "compile: true").parent / "env"
    machine("locking")("lock", env)
    image = machine("running").image(env)
    assert image.config.history[-1] == "bytecode: alpha 1.0"
    code = "import alpha; print(alpha.__spec__.cached)"
    done = machine("running")("shell", env, "--engine", "embedded", "--", "python", "-v", "-c", code)
    cached = done.stdout.splitlines()[-1]
    assert f"# code object from '{cached}'" in done.stderr
    machine("running")("verify", env)
