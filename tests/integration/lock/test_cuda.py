"""`cuda` in an environment, against a mirror of PyTorch's indexes on loopback."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lock_tools import tools_with
from pytorch_wheels import ARM, PyTorchWheels
from simple_index import SimpleIndex, serve_index

from builder.errors import EnvbuildError
from builder.fetch import Fetcher, Mirrors
from builder.lock.document import Lock
from builder.lock.folder import read_current_lock
from builder.lock.interface import PythonResolver
from builder.lock.locking import Policy, lock_environment
from builder.lock.programs import uv_program
from builder.lock.pypi.pip_tools import Host, PipToolsResolver
from builder.lock.pypi.pytorch import PyTorchResolver
from builder.lock.pypi.uv import UvResolver
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.oci.store import Store
from builder.spec import load_environment

AMD, ARM64 = Platform("amd64"), Platform("arm64")
PYPI_TORCH = "torch-2.8.0-cp311-cp311-manylinux_2_28_x86_64.whl"


@pytest.fixture
def pypi() -> Iterator[SimpleIndex]:
    with serve_index() as index:
        index.add("numpy", "2.0")
        index.add("torch", "2.8.0", "numpy", tag="cp311-cp311-manylinux_2_28_x86_64")
        index.add("triton", "9.9")
        for minor in (6, 8):
            index.add("nvidia-cublas-cu12", f"12.{minor}.1")
        yield index


@pytest.fixture
def pytorch() -> Iterator[PyTorchWheels]:
    with serve_index(PyTorchWheels) as index:
        assert isinstance(index, PyTorchWheels)
        for tag, minor in (("cu126", 6), ("cu128", 8)):
            needs = (f"nvidia-cublas-cu12==12.{minor}.1", "triton==3.3.0", "numpy")
            for platform in ("linux_x86_64", *([ARM] if tag == "cu128" else [])):
                index.build("torch", "2.7.0", tag, *needs, platform=platform)
            index.build("torchvision", "0.22.0", tag, "torch==2.7.0", "numpy")
            index.add_for(tag, "triton", "3.3.0")
        index.build("torch", "2.4.0", "cu118", python="38")
        yield index


class Place:
    """An environment on disk, locked as the command does."""

    def __init__(self, folder: Path, pypi: SimpleIndex, pytorch: PyTorchWheels, debian: Any) -> None:
        self.folder, self.debian = folder, debian
        folder.mkdir()
        self.variables = {**os.environ, "UV_DEFAULT_INDEX": pypi.url, "ENVBUILD_PYTORCH_MIRROR": pytorch.root}

    def fetcher(self, name: str = "store") -> Fetcher:
        store = Store(self.folder.parent / name)
        store.create()
        return Fetcher(store, Mirrors.from_environment(self.variables))

    def lock(self, *lines: str, platforms: str = "linux/amd64", **pypi: str) -> Lock:
        keys = "".join(f"  {key.replace('_', '-')}: {value}\n" for key, value in pypi.items())
        text = "\n".join(['python: "3.11"', f"platforms: [{platforms}]", *lines, "pypi:", keys])
        (self.folder / "environment.yaml").write_text(text)
        fetcher = self.fetcher()
        uv = UvResolver(self.variables, uv_program(), fetcher)
        python: dict[str, PythonResolver] = {
            "uv": PyTorchResolver(uv, fetcher),
            "pip-tools": PyTorchResolver(PipToolsResolver(self.variables, fetcher, Host.this(), uv), fetcher),
        }
        tools = tools_with(debian=self.debian, python=python)
        return lock_environment(load_environment(self.folder), Policy(1), lambda: tools).lock


@pytest.fixture
def place(tmp_path: Path, pypi: SimpleIndex, pytorch: PyTorchWheels, debian: Any) -> Place:
    return Place(tmp_path / "environment", pypi, pytorch, debian)


def pins(lock: Lock, platform: Platform = AMD) -> dict[str, str]:
    return {wheel.name: wheel.version for wheel in lock.wheels[platform]}


def test_without_cuda_torch_is_pypis_and_pytorch_is_not_asked(place: Place, pytorch: PyTorchWheels) -> None:
    assert pins(place.lock(requirements="[torch]")) == {"numpy": "2.0", "torch": "2.8.0"}
    assert pytorch.asked == []


@pytest.mark.parametrize("resolver", ["uv", "pip-tools"])
def test_cuda_takes_the_frameworks_builds_from_its_index_and_all_else_from_pypi(
    place: Place, pypi: SimpleIndex, resolver: str
) -> None:
    if resolver == "pip-tools" and Host.this().python != "3.11":
        pytest.skip("pip-tools resolves for the Python that it runs on")
    lock = place.lock('cuda: "12.8"', requirements="[torchvision]", resolver=resolver)
    assert pins(lock) == {
        "numpy": "2.0",
        "nvidia-cublas-cu12": "12.8.1",
        "torch": "2.7.0+cu128",
        "torchvision": "0.22.0+cu128",
        "triton": "3.3.0",
    }
    assert not any("torch" in path or "triton" in path for path in pypi.asked)


def test_the_lock_names_pytorchs_own_urls_which_are_fetched_by_hash(place: Place, pytorch: PyTorchWheels) -> None:
    lock = place.lock('cuda: "12.8"', requirements="[torch]")
    (torch,) = (wheel for wheel in lock.wheels[AMD] if wheel.name == "torch")
    data = pytorch.wheels["cu128", "torch"][torch.file_name]
    assert torch.url == "https://download.pytorch.org/whl/cu128/torch-2.7.0%2Bcu128-cp311-cp311-linux_x86_64.whl"
    assert (torch.digest.hex, torch.size) == (hashlib.sha256(data).hexdigest(), len(data))
    assert place.fetcher("fresh").blob(torch.source).read_bytes() == data
    place.fetcher("fresh").probe(torch.source)


def test_locking_fetches_no_wheel_of_pytorch(place: Place, pytorch: PyTorchWheels) -> None:
    place.lock('cuda: "12.8"', requirements="[torchvision]")
    store = place.fetcher().store
    assert not any(store.path(Digest.of(data)).exists() for data in _wheels(pytorch))


def _wheels(pytorch: PyTorchWheels) -> Iterator[bytes]:
    for files in pytorch.wheels.values():
        yield from files.values()


def test_the_login_of_a_mirror_is_used_and_kept_out_of_the_lock(place: Place, pytorch: PyTorchWheels) -> None:
    pytorch.login = "scientist:hunter2"
    place.variables["ENVBUILD_PYTORCH_MIRROR"] = pytorch.root.replace("://", "://scientist:hunter2@")
    files = place.lock('cuda: "12.8"', requirements="[torch]").files
    assert not any(word in data for data in files.values() for word in (b"hunter2", pytorch.host.encode()))


def test_exclude_newer_does_not_hide_an_index_without_upload_times(place: Place) -> None:
    lock = place.lock('cuda: "12.8"', requirements="[torch]", exclude_newer="2026-06-01T00:00:00Z")
    assert pins(lock)["torch"] == "2.7.0+cu128"


def test_a_limit_that_the_spec_sets_for_a_package_stands(place: Place) -> None:
    times = {"exclude_newer": "2026-06-01T00:00:00Z", "exclude_newer_package": "{Torch: 2026-05-01T00:00:00Z}"}
    with pytest.raises(EnvbuildError, match="cannot be resolved"):
        place.lock('cuda: "12.8"', requirements="[torch]", **times)


def test_each_platform_gets_its_build(place: Place) -> None:
    lock = place.lock('cuda: "12.8"', requirements="[torch]", platforms="linux/amd64, linux/arm64")
    (torch,) = (wheel for wheel in lock.wheels[ARM64] if wheel.name == "torch")
    assert torch.file_name.endswith(f"{ARM}.whl")


def test_an_index_that_the_spec_names_for_torch_is_taken_alone(place: Place, pytorch: PyTorchWheels) -> None:
    own = f'[{{name: own, url: "{pytorch.root}cu126/", packages: [torch, triton]}}]'
    lock = place.lock('cuda: "12.8"', requirements="[torch]", indexes=own)
    assert pins(lock)["torch"] == "2.7.0+cu126"
    assert not any("cu128" in path for path in pytorch.asked)


def test_an_index_that_the_spec_names_for_another_package_keeps_it(place: Place, pytorch: PyTorchWheels) -> None:
    own = f'[{{name: pytorch-cu128, url: "{pytorch.root}cu126/", packages: [triton]}}]'
    pytorch.add_for("cu126", "triton", "3.3.0.post1")
    lock = place.lock('cuda: "12.8"', requirements="[torchvision, triton]", indexes=own)
    assert pins(lock)["torchvision"] == "0.22.0+cu128"
    assert any("/whl/cu126/triton" in path for path in pytorch.asked)
    assert not any("/whl/cu128/triton" in path for path in pytorch.asked)


def test_a_version_that_pytorch_has_no_wheels_for_is_told_with_those_that_there_are(place: Place) -> None:
    with pytest.raises(EnvbuildError) as caught:
        place.lock('cuda: "12.7"', requirements="[torch]")
    assert caught.value.what == "PyTorch has no wheels for CUDA 12.7 for Python 3.11.2 on linux/amd64"
    assert caught.value.why[0] == "its indexes have them for 12.6, 12.8"
    assert '`cuda: "12.8"`' in str(caught.value.hint)


def test_another_failure_keeps_the_resolvers_words(place: Place) -> None:
    with pytest.raises(EnvbuildError) as caught:
        place.lock('cuda: "12.8"', requirements="[torch>=9]")
    assert "cannot be resolved" in caught.value.what
    assert "torch>=9" in str(caught.value)


def test_a_change_of_cuda_is_noticed_and_moves_the_builds(place: Place, pytorch: PyTorchWheels) -> None:
    place.lock('cuda: "12.6"', requirements="[torch]")
    text = (place.folder / "environment.yaml").read_text()
    (place.folder / "environment.yaml").write_text(text.replace("12.6", "12.8"))
    with pytest.raises(EnvbuildError) as caught:
        read_current_lock(load_environment(place.folder), 1)
    assert "`cuda` was changed from `12.6` to `12.8`" in str(caught.value)
    found = pins(place.lock('cuda: "12.8"', requirements="[torch]"))
    assert (found["torch"], found["nvidia-cublas-cu12"]) == ("2.7.0+cu128", "12.8.1")


def test_a_lock_that_is_taken_as_it_is_stays_so(place: Place, pypi: SimpleIndex, pytorch: PyTorchWheels) -> None:
    digest = pypi.sha256("torch", PYPI_TORCH)
    (place.folder / "requirements.txt").write_text(f"torch==2.8.0 --hash=sha256:{digest}\n")
    lock = place.lock('cuda: "12.8"', lockfile="requirements.txt")
    assert pins(lock) == {"torch": "2.8.0"}
    assert pytorch.asked == []
