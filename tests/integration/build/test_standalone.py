"""Images on a standalone interpreter: built for both platforms, the same digest everywhere, and they run."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import pytest
from conda_images import AMD64, ARM64, base, build, rebuilt, run_inside, standalone_lock
from standalone_archive import HERE
from wheels import make_wheel

from builder.bundle.build import Built
from builder.lock.artifact import Wheel
from builder.lock.document import Lock
from builder.oci.digest import Digest
from builder.oci.store import Store
from builder.oci.validate import validate

PYTHON = "/opt/env/bin/python"
MINOR = ".".join(map(str, sys.version_info[:2]))


@pytest.fixture(scope="module")
def lock(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Lock:
    folder = tmp_path_factory.mktemp("archives")
    data = make_wheel("alpha", "1.0", "py3-none-any", ())
    path = folder / "alpha-1.0-py3-none-any.whl"
    path.write_bytes(data)
    wheel = Wheel("alpha", "1.0", path.name, Digest(hashlib.sha256(data).hexdigest()), len(data), path.as_uri())
    return standalone_lock({platform: base(store, platform) for platform in (AMD64, ARM64)}, folder, [wheel])


@pytest.fixture(scope="module")
def built(lock: Lock, store: Path) -> Built:
    return build(lock, store)


def test_both_platforms_are_built_and_every_digest_holds(built: Built, store: Path) -> None:
    assert [str(image.config.platform) for image in built.images] == ["linux/amd64", "linux/arm64"]
    assert validate(Store(store), built.index).problems == ()
    assert all(f"Python {HERE}, standalone" in image.config.history for image in built.images)


def test_python_is_the_archives_in_an_environment_of_its_own(built: Built, store: Path) -> None:
    code = (
        "import alpha, json, os, sys;"
        "print(json.dumps([sys.prefix, sys.base_prefix, sys.version.split()[0], os.getuid(), alpha.version,"
        "os.__file__, os.environ['VIRTUAL_ENV'], os.environ.get('CONDA_PREFIX')]))"
    )
    done = run_inside(built, store, PYTHON, "-c", code)
    if done.returncode and "Error" in done.stderr and not os.environ.get("CI"):
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert (done.returncode, done.stderr) == (0, "")
    library = f"/opt/python/lib/python{MINOR}/os.py"
    assert json.loads(done.stdout) == ["/opt/env", "/opt/python", HERE, 65532, "1.0", library, "/opt/env", None]


def test_digest_does_not_depend_on_machine_or_workers(lock: Lock, built: Built, store: Path) -> None:
    variables = {"TZ": "America/Adak", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "4711"}
    assert rebuilt(lock, store, variables, umask=0o000, workers=4) == built.digest
