"""Images with conda packages: built for both platforms without conda, the same digest everywhere, and they run."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from conda_channel import build_channel
from conda_images import AMD64, ARM64, base, build, conda_lock, environment, rebuilt, run_inside
from wheels import make_wheel

from builder.bundle.build import Built
from builder.errors import EnvbuildError
from builder.fetch import Fetcher, Mirrors
from builder.image.build import build_environment
from builder.image.workshop import Workshop
from builder.lock.artifact import Wheel
from builder.lock.document import Lock
from builder.oci.digest import Digest
from builder.oci.store import Store
from builder.oci.validate import validate
from builder.plan import make_plan

NAMES = ("numpy", "greeter", "pip", "prefixed", "old-format")
PYTHON = "/opt/env/bin/python"


@pytest.fixture(scope="module")
def channel(shared: Path, store: Path) -> Path:
    return build_channel(shared / "conda-channel", store)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Wheel:
    """One that also has a module of the conda package `small`."""
    data = make_wheel("small", "9.0", "py3-none-any", ())
    path = tmp_path_factory.mktemp("wheels") / "small-9.0-py3-none-any.whl"
    path.write_bytes(data)
    return Wheel("small", "9.0", path.name, Digest(hashlib.sha256(data).hexdigest()), len(data), path.as_uri())


@pytest.fixture(scope="module")
def lock(channel: Path, store: Path, wheel: Wheel) -> Lock:
    platforms = (AMD64, ARM64)
    debian = {platform: base(store, platform) for platform in platforms}
    return conda_lock(debian, {platform: environment(channel, platform, *NAMES) for platform in platforms}, [wheel])


@pytest.fixture(scope="module")
def built(lock: Lock, store: Path) -> Built:
    return build(lock, store)


@pytest.fixture(scope="module")
def engine(built: Built, store: Path) -> Built:
    """The images, where this machine can run them."""
    done = run_inside(built, store, PYTHON, "-c", "pass")
    if done.returncode and "Error" in done.stderr and not os.environ.get("CI"):
        pytest.skip(done.stderr.strip().splitlines()[-1])
    return built


def say(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_both_platforms_are_built_and_every_digest_holds(built: Built, store: Path) -> None:
    assert [str(image.config.platform) for image in built.images] == ["linux/amd64", "linux/arm64"]
    assert validate(Store(store), built.index).problems == ()


def test_python_and_its_libraries_are_condas_and_the_user_is_not_root(engine: Built, store: Path) -> None:
    code = "import os, sys, ssl, sqlite3, ctypes, lzma; print(sys.prefix, sys.base_prefix, os.getuid())"
    assert say(run_inside(engine, store, PYTHON, "-c", code)) == "/opt/env /opt/env 65532"


def test_numpy_runs_and_the_environment_is_told_apart_from_a_virtual_one(engine: Built, store: Path) -> None:
    code = (
        "import os, numpy; print(numpy.arange(4) @ numpy.arange(4), numpy.__file__.rpartition('/numpy/')[0]);"
        "print(os.environ['CONDA_PREFIX'], os.environ.get('VIRTUAL_ENV'))"
    )
    assert say(run_inside(engine, store, PYTHON, "-c", code)).splitlines() == [
        "14 /opt/env/lib/python3.11/site-packages",
        "/opt/env None",
    ]


def test_entry_points_and_scripts_that_name_the_prefix_run(engine: Built, store: Path) -> None:
    assert say(run_inside(engine, store, "greet")) == "hello from conda"
    assert say(run_inside(engine, store, "prefixed")) == "/opt/env"
    assert say(run_inside(engine, store, "pip", "--version")).endswith("site-packages/pip (python 3.11)")


def test_a_wheel_comes_last_where_conda_has_the_same_package(engine: Built, store: Path) -> None:
    code = "import small; print(small.version, small.__file__)"
    assert say(run_inside(engine, store, PYTHON, "-c", code)).startswith("9.0 /opt/env/lib/python3.11/site-packages/")


def test_records_are_there_for_conda(engine: Built, store: Path, lock: Lock) -> None:
    code = (
        "import json, pathlib; meta = pathlib.Path('/opt/env/conda-meta');"
        "records = [json.loads(path.read_text()) for path in sorted(meta.glob('*.json'))];"
        "print(len(records), (meta / 'history').read_text() == '',"
        "all((pathlib.Path('/opt/env') / file).is_symlink() or (pathlib.Path('/opt/env') / file).exists()"
        " for record in records for file in record['files']))"
    )
    assert say(run_inside(engine, store, PYTHON, "-c", code)) == f"{len(lock.conda[AMD64])} True True"


def test_digest_does_not_depend_on_machine_or_workers(lock: Lock, built: Built, store: Path) -> None:
    variables = {"TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "0"}
    assert rebuilt(lock, store, variables, umask=0o077, workers=1) == built.digest


def test_a_package_that_another_environment_has_too_is_the_same_layer(
    lock: Lock, channel: Path, store: Path, built: Built
) -> None:
    other = conda_lock(
        {AMD64: lock.document.platforms[AMD64].debian}, {AMD64: environment(channel, AMD64, "numpy", "above-small")}
    )
    images = (built.images[0], build(other, store).images[0])
    first, second = ({*zip(image.config.history, image.config.diff_ids, strict=True)} for image in images)
    assert {"conda: numpy 2.4.6", "conda: python 3.11.2"} <= {name for name, _ in first & second}


def test_what_the_lock_says_of_a_package_is_in_its_layer_whatever_was_built_before(
    lock: Lock, store: Path, built: Built
) -> None:
    patched = tuple(
        replace(one, depends=(*one.depends, "patched")) if one.name == "python" else one for one in lock.conda[AMD64]
    )
    other = build(conda_lock({AMD64: lock.document.platforms[AMD64].debian}, {AMD64: patched}), store)
    first, second = (
        dict(zip(made.images[0].config.history, made.images[0].layers, strict=True)) for made in (built, other)
    )
    assert first["conda: numpy 2.4.6"] == second["conda: numpy 2.4.6"]
    assert first["conda: python 3.11.2"] != second["conda: python 3.11.2"]


def test_a_damaged_file_is_told_by_the_name_of_the_package(lock: Lock, store: Path, tmp_path: Path) -> None:
    scratch = Store(tmp_path / "store")
    scratch.create()
    plan = make_plan(lock, AMD64)
    fetcher = Fetcher(scratch, Mirrors({}))
    package = next(package for package in plan.conda if package.name == "greeter")
    for artifact in (*plan.debian, *plan.conda, *plan.wheels):
        os.link(Store(store).path(artifact.digest), scratch.path(artifact.digest))
    scratch.path(package.digest).unlink()
    scratch.path(package.digest).write_bytes(b"x" * package.size)
    with pytest.raises(EnvbuildError, match=r"the file of greeter 1\.0 in the store was damaged"):
        build_environment(plan, Workshop(scratch, fetcher, 1))
