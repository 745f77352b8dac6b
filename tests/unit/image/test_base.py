from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builder.errors import DigestMismatchError, EnvbuildError
from builder.image.base import base_directories, base_history, base_layers, base_places, check_base
from builder.image.config import bundle_config, environment_config
from builder.layers.interface import Directory
from builder.lock.base_image import BaseImage
from builder.lock.base_image.pinned import Folder, Settings
from builder.lock.document import Interpreter
from builder.oci.digest import Digest
from builder.oci.documents import (
    MEDIA_TYPE_CONFIG,
    MEDIA_TYPE_LAYER,
    MEDIA_TYPE_LAYER_GZIP,
    MEDIA_TYPE_LAYER_ZSTD,
    Descriptor,
    ImageConfig,
    Platform,
)
from builder.oci.registry.reference import Reference
from builder.oci.store import Store
from builder.plan import LayerPlan, Plan

AMD64 = Platform("amd64")
LAYERS = (Descriptor(MEDIA_TYPE_LAYER_GZIP, Digest("5" * 64), 1), Descriptor(MEDIA_TYPE_LAYER, Digest("6" * 64), 2))
BASE = BaseImage(
    "registry.example/team/base:1",
    Descriptor("manifest", Digest("1" * 64), 3),
    Descriptor(MEDIA_TYPE_CONFIG, Digest("2" * 64), 4),
    LAYERS,
    (Digest("7" * 64), Digest("8" * 64)),
    "2.36",
    folders=(),
)


def plan(base: BaseImage = BASE, wish: str | None = None) -> Plan:
    interpreter = Interpreter("base", "3.11.2", "/usr/bin/python3.11")
    layers = (LayerPlan("environment", "environment for Python 3.11.2"),)
    created = "1980-01-02T00:00:00Z"
    return Plan(AMD64, base.reference, interpreter, created, 1, Digest("9" * 64), layers, base=base, entrypoint=wish)


def config(base: BaseImage = BASE, wish: str | None = None, **settings: Any) -> ImageConfig:
    if settings:
        base = replace(base, settings=Settings(**settings))
    return environment_config(plan(base, wish), [*base.diff_ids, Digest("a" * 64)])


def bundle(environment: ImageConfig) -> ImageConfig:
    return bundle_config(environment, [("code", Digest("b" * 64))], {"title": "x"}, {"PYTHONPATH": "/app"}, [8080])


def variables(*environment: str) -> dict[str, str]:
    return dict(text.split("=", 1) for text in config(replace(BASE, environment=environment)).env)


def test_layers_keep_their_digests_and_get_the_types_of_oci() -> None:
    docker = "application/vnd.docker.image.rootfs.diff.tar"
    types = {docker: MEDIA_TYPE_LAYER, f"{docker}.gzip": MEDIA_TYPE_LAYER_GZIP, f"{docker}.zstd": MEDIA_TYPE_LAYER_ZSTD}
    for other, own in types.items():
        (layer, _) = base_layers(replace(BASE, layers=(replace(LAYERS[0], media_type=other), LAYERS[1])))
        assert layer.descriptor == replace(LAYERS[0], media_type=own)
    assert [layer.diff_id for layer in base_layers(BASE)] == [*BASE.diff_ids]
    assert base_places(BASE) == dict.fromkeys([Digest("5" * 64), Digest("6" * 64)], Reference.parse(BASE.reference))


def test_a_layer_that_must_not_be_passed_on_is_refused() -> None:
    foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
    with pytest.raises(EnvbuildError, match="cannot be taken over"):
        base_layers(replace(BASE, layers=(replace(LAYERS[0], media_type=foreign), LAYERS[1])))


def test_our_variables_are_added_to_those_of_the_base_and_our_programs_are_found_first() -> None:
    found = variables("PATH=/usr/local/nvidia/bin:/usr/bin", "LANG=C", "HOME=/home/app", "A=b=c", "PYTHONUNBUFFERED=")
    assert found == {
        "PATH": "/opt/env/bin:/usr/local/nvidia/bin:/usr/bin",
        "LANG": "C",
        "HOME": "/home/app",
        "A": "b=c",
        "PYTHONUNBUFFERED": "",
        "PYTHONDONTWRITEBYTECODE": "1",
        "VIRTUAL_ENV": "/opt/env",
    }
    assert variables()["PATH"] == "/opt/env/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def test_variables_that_lead_to_other_packages_than_the_locked_ones_go() -> None:
    others = ("PYTHONPATH=/x", "PYTHONHOME=/x", "CONDA_PREFIX=/opt/conda", "VIRTUAL_ENV=/venv", "LD_LIBRARY_PATH=/lib")
    found = variables(*others)
    assert found["VIRTUAL_ENV"] == "/opt/env"
    assert found["LD_LIBRARY_PATH"] == "/lib"
    assert not {"PYTHONPATH", "PYTHONHOME", "CONDA_PREFIX"} & found.keys()


def test_the_settings_of_the_base_stay_in_an_environment() -> None:
    made = config(
        user="app",
        working_directory="/srv",
        command=("nginx",),
        ports=("80/tcp",),
        volumes=("/cache",),
        stop_signal="SIGQUIT",
        labels={"maintainer": "a team", "org.opencontainers.image.title": "base", "dev.envbuild.lock": "other"},
    )
    assert (made.user, made.working_dir, made.cmd) == ("app", "/srv", ("/opt/env/bin/python",))
    assert (made.exposed_ports, made.volumes, made.stop_signal) == (("80/tcp",), ("/cache",), "SIGQUIT")
    assert made.labels == {
        "maintainer": "a team",
        "dev.envbuild.lock": f"sha256:{'9' * 64}",
        "org.opencontainers.image.base.name": "registry.example/team/base:1",
        "org.opencontainers.image.base.digest": f"sha256:{'1' * 64}",
    }
    assert ImageConfig.from_bytes(made.to_bytes()) == made


def test_a_bundle_is_started_through_the_entry_point_of_its_base() -> None:
    settings = {"entrypoint": ("tini", "--"), "stop_signal": "SIGQUIT", "working_directory": "/srv"}
    made = bundle(config(ports=("80/tcp",), **settings))
    assert made.entrypoint == ("tini", "--", "/opt/env/bin/python", "-I", "/bundle/launcher.py")
    assert (made.working_dir, made.stop_signal, made.cmd) == ("/app", "", ())
    assert made.exposed_ports == ("80/tcp", "8080/tcp")
    assert [text for text in made.env if text.startswith("PYTHONPATH=")] == ["PYTHONPATH=/app"]


@pytest.mark.parametrize(
    "entrypoint",
    [
        ("/usr/bin/tini", "--"),
        ("/opt/nvidia/nvidia_entrypoint.sh",),
        ("docker-entrypoint.sh",),
        ("/bin/sh", "/entrypoint.sh"),
        ("/bin/bash", "-e", "/entrypoint.sh"),
        ("python3", "-u", "/start.py"),
    ],
)
def test_an_entry_point_that_can_start_its_arguments_stays_unless_that_is_not_wanted(entrypoint: tuple[str]) -> None:
    assert config(entrypoint=entrypoint).entrypoint == entrypoint
    assert config(wish="replace", entrypoint=entrypoint).entrypoint == ()


@pytest.mark.parametrize(
    "entrypoint",
    [
        (),
        ("python3",),
        ("/usr/local/bin/python3.12", "-u"),
        ("python", "-m", "server"),
        ("/bin/bash",),
        ("/bin/sh", "-c", "exec nginx"),
        ("bash", "-lc", "nginx"),
        ("node",),
        ("R",),
    ],
)
def test_an_entry_point_that_is_a_shell_or_an_interpreter_goes_unless_it_is_wanted(entrypoint: tuple[str]) -> None:
    assert config(entrypoint=entrypoint).entrypoint == ()
    assert bundle(config(entrypoint=entrypoint)).entrypoint[0] == "/opt/env/bin/python"
    assert config(wish="keep", entrypoint=entrypoint).entrypoint == entrypoint


@pytest.mark.parametrize("user", ["", "root", "0", "00", "0:0", "root:staff", "0:1000", ":5"])
def test_nobody_is_root_by_default(user: str) -> None:
    assert config(user=user).user == "65532:65532"


@pytest.mark.parametrize("user", ["app", "1000", "1000:0", "rooter", "nobody:nogroup"])
def test_another_user_of_the_base_stays(user: str) -> None:
    assert config(user=user).user == user


def test_every_layer_has_its_entry_of_history() -> None:
    assert config().history == (
        "layer 1 of registry.example/team/base:1",
        "layer 2 of registry.example/team/base:1",
        "environment for Python 3.11.2",
    )
    assert base_history(replace(BASE, history=("debian", "python"))) == ("debian", "python")


def test_folders_of_the_base_keep_their_modes_and_everybody_may_write_outputs() -> None:
    folders = (Folder("app", 0o2775, 5, 6), Folder("data", 0o700, 5, 6), Folder("out"))
    assert base_directories(replace(BASE, folders=folders)) == {
        "app": Directory("app", 0o2775, 5, 6),
        "data": Directory("data", 0o1777, 5, 6),
        "out": Directory("out", 0o1777),
    }
    assert base_directories(None) == {}


def test_the_config_of_a_base_is_compared_where_it_is_at_hand(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.create()
    check_base(BASE, AMD64, store)
    data = ImageConfig(AMD64, "", BASE.diff_ids, ()).to_bytes()
    known = replace(BASE, config=Descriptor(MEDIA_TYPE_CONFIG, store.write(data), len(data)))
    check_base(known, AMD64, store)
    with pytest.raises(EnvbuildError, match="not the base that the lock says"):
        check_base(known, Platform("arm64"), store)
    with pytest.raises(EnvbuildError, match="not the base that the lock says"):
        check_base(replace(known, diff_ids=BASE.diff_ids[:1]), AMD64, store)
    store.path(known.config.digest).write_bytes(bytes(len(data)))
    with pytest.raises(DigestMismatchError):
        check_base(known, AMD64, store)
