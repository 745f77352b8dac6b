from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from builder.errors import EnvbuildError
from builder.oci.documents import Platform
from builder.oci.store import Store
from builder.run.doctor import Examined, Finding, Needs, examine
from builder.run.doctor.host import gpu
from builder.run.doctor.network import certificates, logins, mirrors, proxies, pypi, pytorch
from builder.run.doctor.programs import uv
from builder.run.doctor.storage import file_system, storage
from builder.run.gpu import Machine
from builder.spec.cuda import Cuda

SECRET = "hunter2-p%40ss"
NO_GPU = Machine(Path("/nowhere/version"), "libenvbuild-nowhere.so.1", lambda: None)


class MadeUpEngine:
    """One that is there, or is not for a reason."""

    has_own_network = True

    def __init__(self, name: str, reason: str | None) -> None:
        self.name, self.reason = name, reason

    def unavailable(self) -> str | None:
        return self.reason

    def run(self, *_: object) -> int:
        raise AssertionError


def machine(
    folder: Path,
    variables: Mapping[str, str] | None = None,
    reasons: Mapping[str, str | None] | None = None,
    **more: Any,
) -> Examined:
    """One with a store in `folder`, whose engines are not there unless `reasons` says None."""

    def open_store() -> Store:
        store = Store(folder / "store")
        store.create()
        return store

    told: dict[str, str | None] = {"docker": "no daemon", "podman": "no podman", "embedded": "no namespaces"}
    told |= reasons or {}
    engines = {name: lambda name=name, why=why: MadeUpEngine(name, why) for name, why in told.items()}
    environment = {"HOME": str(folder), **(variables or {})}
    return Examined(environment, open_store, engines, **{"gpu": NO_GPU, **more})


def missing(examined: Examined) -> set[str]:
    """The names of what is needed and not there."""
    return {result.name for result in examine(examined) if result.needed and result.finding.state != "ok"}


def with_driver(folder: Path, version: str) -> Machine:
    (folder / "version").write_text(f"NVRM version: NVIDIA UNIX x86_64 Kernel Module  {version}  Thu\n")
    return Machine(folder / "version", "libenvbuild-nowhere.so.1", lambda: None)


def test_nothing_but_a_working_store_is_needed_where_nothing_is_to_be_worked_with(tmp_path: Path) -> None:
    assert missing(machine(tmp_path)) == set()


def test_commands_need_one_engine_of_several(tmp_path: Path) -> None:
    needs = Needs(engine=True)
    assert missing(machine(tmp_path, needs=needs)) == {"Docker Engine", "Podman", "embedded engine"}
    assert missing(machine(tmp_path, reasons={"embedded": None}, needs=needs)) == set()


def test_cuda_needs_a_driver(tmp_path: Path) -> None:
    needs = Needs(cuda=Cuda("12.8"))
    assert missing(machine(tmp_path, needs=needs)) == {"NVIDIA driver"}
    assert missing(machine(tmp_path, needs=needs, gpu=with_driver(tmp_path, "470.57.02"))) == {"NVIDIA driver"}
    assert missing(machine(tmp_path, needs=needs, gpu=with_driver(tmp_path, "570.86.15"))) == set()


def test_emulation_is_needed_where_programs_of_the_platform_run(tmp_path: Path) -> None:
    found = {result.name: result for result in examine(machine(tmp_path, needs=Needs(emulated=(Platform("arm64"),))))}
    assert found["linux/arm64"].needed
    assert not found["linux/amd64"].needed


def test_the_network_is_asked_only_where_that_was_wanted(tmp_path: Path) -> None:
    offline = {result.name for result in examine(machine(tmp_path))}
    asked: list[str] = []

    def read(url: str) -> bytes:
        asked.append(url)
        return b""

    needs = Needs(cuda=Cuda("12.8"), suite="trixie")
    online = {result.name for result in examine(machine(tmp_path, read=read, needs=needs))}
    assert online - offline == {"PyPI", "Debian", "PyTorch's wheels"}
    assert asked == [
        "https://pypi.org/simple/pip/",
        "http://deb.debian.org/debian/dists/trixie/InRelease",
        "https://download.pytorch.org/whl/cu128/torch/",
    ]


def test_what_does_not_answer_is_told_in_the_fetchers_words(tmp_path: Path) -> None:
    def read(url: str) -> bytes:
        raise EnvbuildError("a document could not be fetched", f"{url}: Connection refused", "Check the network")

    examined = machine(tmp_path, {"UV_DEFAULT_INDEX": f"http://me:{SECRET}@corp.example/simple"}, read=read)
    assert pypi(examined) == Finding("no", "http://corp.example/simple/pip/: Connection refused", "Check the network")
    assert pytorch(examined).detail == "https://download.pytorch.org/whl/torch/: Connection refused"


class TestGpu:
    def test_a_driver_is_told_with_what_it_is_enough_for(self, tmp_path: Path) -> None:
        examined = machine(tmp_path, needs=Needs(cuda=Cuda("12.8")), gpu=with_driver(tmp_path, "570.86.15"))
        assert gpu(examined) == Finding("ok", "570.86.15; enough for 12.8")

    def test_one_that_does_not_tell_its_version_is_unknown(self, tmp_path: Path) -> None:
        (tmp_path / "version").write_text("?")
        examined = machine(tmp_path, gpu=Machine(tmp_path / "version", "libenvbuild-nowhere.so.1", lambda: None))
        assert gpu(examined).state == "unknown"

    def test_none_is_no_matter_where_none_is_needed(self, tmp_path: Path) -> None:
        assert gpu(machine(tmp_path)) == Finding("no", "none is loaded")


class TestStorage:
    def test_a_store_is_told_with_its_place_and_room(self, tmp_path: Path) -> None:
        finding = storage(machine(tmp_path))
        assert finding.detail.startswith(f"`{tmp_path}/store` on ")
        assert finding.detail.endswith(" GB free")

    def test_too_little_room_is_told(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("builder.run.doctor.storage.LEAST_FREE", 1 << 60)
        finding = storage(machine(tmp_path))
        assert finding.state == "no"
        assert "cache prune" in str(finding.hint)

    def test_a_store_that_cannot_be_opened_is_told(self, tmp_path: Path) -> None:
        def fail() -> Store:
            raise EnvbuildError("the store `/x` cannot be used", "Permission denied", "Name a folder")

        examined = Examined({}, fail, {})
        assert storage(examined) == Finding("no", "the store `/x` cannot be used; Permission denied", "Name a folder")

    def test_the_file_system_is_that_of_the_innermost_mount(self, tmp_path: Path) -> None:
        place = tmp_path / "with blank"
        place.mkdir()
        escaped = str(place).replace(" ", "\\040")
        mounts = tmp_path / "mountinfo"
        mounts.write_text(
            "21 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
            f"22 21 8:2 / {escaped} rw,relatime shared:1 - xfs /dev/sdb1 rw\n"
            "23 21 8:3 / /elsewhere rw - btrfs /dev/sdc1 rw\nnot a line\n"
        )
        assert file_system(place / "store", mounts) == "xfs"
        assert file_system(tmp_path, mounts) == "ext4"
        assert file_system(tmp_path, tmp_path / "nowhere") is None


class TestNetwork:
    def test_mirrors_are_told_without_credentials(self, tmp_path: Path) -> None:
        variables = {
            "ENVBUILD_PYTORCH_MIRROR": f"https://me:{SECRET}@mirror.example/whl",
            "UV_DEFAULT_INDEX": f"https://me:{SECRET}@mirror.example/simple",
            "ENVBUILD_WHEELS": f"https://me:{SECRET}@wheels.example/",
            "HTTPS_PROXY": f"http://me:{SECRET}@proxy.example:3128",
        }
        examined = machine(tmp_path, variables)
        assert "https://mirror.example/whl/ for https://download.pytorch.org/whl/" in mirrors(examined).detail
        assert "https://mirror.example/simple/ for https://pypi.org/simple/" in mirrors(examined).detail
        assert proxies(examined) == Finding("ok", "HTTPS_PROXY=http://proxy.example:3128")
        assert SECRET not in repr([*examine(examined), examined])

    def test_a_mirror_that_is_no_url_is_told(self, tmp_path: Path) -> None:
        examined = machine(tmp_path, {"ENVBUILD_PYTORCH_MIRROR": "mirror.example/whl"}, read=lambda _: b"")
        assert mirrors(examined).state == "no"
        assert missing(examined) >= {"mirrors"}

    def test_certificates_that_cannot_be_read_are_told(self, tmp_path: Path) -> None:
        (tmp_path / "ca.pem").write_text("no certificate")
        for path in (tmp_path / "ca.pem", tmp_path / "nowhere.pem"):
            examined = machine(tmp_path, {"SSL_CERT_FILE": str(path)})
            assert certificates(examined).state == "no"
            assert missing(examined) == {"certificates"}
        assert certificates(machine(tmp_path)) == Finding("ok", "the system's")

    def test_files_with_logins_are_named_and_nothing_in_them(self, tmp_path: Path) -> None:
        path = tmp_path / ".docker" / "config.json"
        path.parent.mkdir()
        login = base64.b64encode(f"me:{SECRET}".encode()).decode()
        path.write_text(json.dumps({"auths": {"registry.example": {"auth": login}}}))
        assert logins(machine(tmp_path)) == Finding("ok", f"`{path}`")
        path.write_text("{")
        assert logins(machine(tmp_path)).state == "no"
        assert missing(machine(tmp_path)) == {"registry logins"}


def test_uv_is_run_for_its_version(tmp_path: Path) -> None:
    finding = uv(machine(tmp_path))
    assert finding.state == "ok"
    assert finding.detail[0].isdigit()
