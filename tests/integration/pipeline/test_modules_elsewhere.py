"""Modules from git repositories and from Debian's docker-registry."""

from __future__ import annotations

import copy
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from docker_registry import Registry, login_at, serving
from git_repositories import make_repository
from made_modules import MODULE, USE, write_module, write_project

from builder.cli.commands import envbuild
from builder.cli.output import Output
from builder.cli.pipeline import module_places
from builder.errors import DigestMismatchError, EnvbuildError
from builder.lock.data.hashing import Hasher
from builder.lock.modules import ModulesLock, write_modules_lock
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_EMPTY, Descriptor, Manifest
from builder.oci.store import Store, remove_tree
from builder.pipeline.modules.folder import Places
from builder.pipeline.modules.locking import check_modules_lock, make_modules_lock
from builder.pipeline.modules.source import Source
from builder.spec import LoadedProject
from builder.spec.reader import SpecError

FILES = {"m/module.yaml": MODULE.encode(), "m/scale.py": b"import shared\n", "m/shared.py": b"", "other.txt": b"x"}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    monkeypatch.setenv("ENVBUILD_CACHE", str(tmp_path / "store"))
    store = Store(tmp_path / "store")
    store.create()
    return store


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with serving(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.fixture
def registry(served: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    (tmp_path / "docker").mkdir()
    (tmp_path / "docker/config.json").write_text(login_at(served.host))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    return served


def project(folder: Path, uses: str) -> LoadedProject:
    return write_project(folder, {"scale": {**copy.deepcopy(USE), "uses": uses}})


def places(loaded: LoadedProject, store: Store) -> Places:
    return module_places(loaded, Hasher(store, lambda: 0), Output())


def lock(loaded: LoadedProject, store: Store) -> ModulesLock:
    locked = make_modules_lock(loaded, places(loaded, store)).lock
    write_modules_lock(loaded.folder / "lock", locked)
    return locked


def test_a_commit_is_fetched_once_and_its_files_are_pinned(tmp_path: Path, store: Store) -> None:
    commit = make_repository(tmp_path / "modules.git", FILES)
    uses = f"git+file://{tmp_path}/modules.git@{commit}#m"
    loaded = project(tmp_path / "p", uses)
    pinned = lock(loaded, store).modules[uses]
    remove_tree(tmp_path / "modules.git")
    folder = places(loaded, store).checked(Source.parse(uses), pinned.sha256)
    assert sorted(path.name for path in folder.iterdir()) == ["module.yaml", "scale.py", "shared.py"]
    assert check_modules_lock(loaded).modules[uses] == pinned


def test_a_module_that_was_changed_in_the_store_is_had_again(tmp_path: Path, store: Store) -> None:
    commit = make_repository(tmp_path / "modules.git", FILES)
    uses = f"git+file://{tmp_path}/modules.git@{commit}#m"
    loaded = project(tmp_path / "p", uses)
    pinned = lock(loaded, store).modules[uses]
    place = places(loaded, store).of(Source.parse(uses))
    (place / "scale.py").write_text("bad")
    assert (places(loaded, store).checked(Source.parse(uses), pinned.sha256) / "scale.py").read_text() != "bad"


def test_other_files_than_were_pinned_are_a_wrong_digest(tmp_path: Path, store: Store) -> None:
    commit = make_repository(tmp_path / "modules.git", FILES)
    uses = f"git+file://{tmp_path}/modules.git@{commit}#m"
    loaded = project(tmp_path / "p", uses)
    with pytest.raises(DigestMismatchError, match="is not the one that was locked"):
        places(loaded, store).checked(Source.parse(uses), "0" * 64)


def test_a_commit_with_a_link_or_without_the_folder_is_refused(tmp_path: Path, store: Store) -> None:
    (tmp_path / "linked-work/m").mkdir(parents=True)
    (tmp_path / "linked-work/m/out").symlink_to("/etc/passwd")
    commit = make_repository(tmp_path / "linked", FILES)
    for folder, told in (("m", "`out` in it is a link"), ("none", "its folder `none` has no files")):
        uses = f"git+file://{tmp_path}/linked@{commit}#{folder}"
        with pytest.raises(SpecError, match=told):
            make_modules_lock(project(tmp_path / "p", uses), places(project(tmp_path / "p", uses), store))
    assert not list((tmp_path / "store/unpacked").glob("module-*"))


def test_a_module_with_an_environment_that_is_not_locked_is_refused(tmp_path: Path, store: Store) -> None:
    files = {
        **FILES,
        "m/module.yaml": f"{MODULE}environment: env\n".encode(),
        "m/env/environment.yaml": b'python: "3.11"',
    }
    commit = make_repository(tmp_path / "modules.git", files)
    loaded = project(tmp_path / "p", f"git+file://{tmp_path}/modules.git@{commit}#m")
    with pytest.raises(SpecError, match="its environment cannot be used"):
        make_modules_lock(loaded, places(loaded, store))


def test_a_module_is_pushed_to_a_registry_and_used_from_there(tmp_path: Path, store: Store, registry: Registry) -> None:
    write_module(tmp_path / "scale")
    (tmp_path / "scale/tool.sh").write_text("#!/bin/sh\n")
    (tmp_path / "scale/tool.sh").chmod(0o755)
    done = CliRunner().invoke(envbuild, ["push", str(tmp_path / "scale"), f"{registry.host}/team/scale"], obj=Output())
    assert done.exit_code == 0, done.output
    reference = done.stdout.strip()
    uses = f"oci://{reference}"
    loaded = project(tmp_path / "p", uses)
    pinned = lock(loaded, store).modules[uses]
    folder = places(loaded, store).checked(Source.parse(uses), pinned.sha256)
    assert (folder / "module.yaml").read_bytes() == (tmp_path / "scale/module.yaml").read_bytes()
    assert (folder / "tool.sh").stat().st_mode & 0o777 == 0o755
    manifest = json.loads(registry.raw(f"team/scale@{reference.rpartition('@')[2]}"))
    assert manifest["artifactType"] == "application/vnd.envbuild.module.v1"


def tar_of(*members: tuple[str, bytes, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, kind, data in members:
            info = tarfile.TarInfo(name)
            info.type, info.size, info.linkname = kind, len(data), "/etc/passwd"
            archive.addfile(info, io.BytesIO(data))
    return buffer.getvalue()


HOSTILE = {
    "out": (tar_of(("../evil", b"0", b"x")), "evil"),
    "absolute": (tar_of(("/evil", b"0", b"x")), "evil"),
    "link": (tar_of(("link", b"2", b"")), "`link` in it is a link"),
    "hard-link": (tar_of(("a", b"0", b""), ("link", b"1", b"")), "etc/passwd|is a link"),
    "twice": (tar_of(("a", b"0", b""), ("a", b"0", b"")), "is in it twice"),
    "file-and-folder": (tar_of(("a", b"0", b""), ("a/b", b"0", b"")), "both a file and a folder"),
    "cut-short": (tar_of(("a", b"0", b"x" * 4096))[:2000], "ends too early"),
    "many": (tar_of(*((f"f{number}", b"0", b"") for number in range(11))), "more than 10 files"),
    "empty": (tar_of(), "it has no files"),
    "no-module": (tar_of(("a", b"0", b"x")), "is no module"),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_an_artifact_that_is_no_safe_module_is_refused_whole(
    tmp_path: Path, store: Store, registry: Registry, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builder.pipeline.modules.folder._MOST_FILES", 10)
    data, told = HOSTILE[name]
    layer = Descriptor("application/vnd.oci.image.layer.v1.tar", Digest.of(data), len(data))
    manifest = Manifest(Descriptor(MEDIA_TYPE_EMPTY, Digest.of(b"{}"), 2), (layer,)).to_bytes()
    registry.put(f"hostile/{name}:1", [data, b"{}"], [("application/vnd.oci.image.manifest.v1+json", manifest)])
    loaded = project(tmp_path / "p", f"oci://{registry.host}/hostile/{name}@{Digest.of(manifest)}")
    with pytest.raises(EnvbuildError, match=told):
        make_modules_lock(loaded, places(loaded, store))
    assert not list(tmp_path.glob("**/evil"))
    assert name == "no-module" or not list((tmp_path / "store/unpacked").glob("module-*"))
