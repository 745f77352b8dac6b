"""Build contexts on disk: whole or not there, and never over what others made."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from made_locks import made_wheel
from made_plans import KINDS, made_lock, made_plans

from builder.errors import EnvbuildError
from builder.image.dockerfile import Addition, Context, render, write_context
from builder.image.dockerfile.write import check_replaceable, differences
from builder.layers.files import FileEntry
from builder.oci.digest import Digest


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "train.py"
    path.write_text("pass\n")
    return path


@pytest.fixture
def context(code: Path) -> Context:
    addition = Addition((), (FileEntry.on_disk("src/train.py", code, 0o755),), (FileEntry("bundle.json", b"{}"),))
    return render("made:1.0", made_plans(KINDS["wheels"]), addition)


@pytest.fixture
def paths(context: Context, tmp_path: Path) -> dict[Digest, Path]:
    store = tmp_path / "store"
    store.mkdir()
    found = {}
    for source in context.sources:
        found[source.digest] = store / source.digest.hex
        found[source.digest].write_bytes(source.name.encode())
    return found


def listing(folder: Path) -> dict[str, tuple[int, bytes]]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): (path.stat().st_mode & 0o777, path.read_bytes()) for path in files}


def test_a_context_holds_texts_locked_files_and_the_project(context, paths, tmp_path: Path) -> None:
    folder = tmp_path / "deep/context"
    write_context(folder, context, paths)
    found = listing(folder)
    assert found["Dockerfile"] == (0o644, context.texts["Dockerfile"])
    assert found["app/src/train.py"] == (0o755, b"pass\n")
    assert found["bundle/bundle.json"] == (0o644, b"{}")
    assert found["linux-amd64/debian/libc6_2.36-9+deb12u1_amd64.deb"][1] == b"libc6 2:2.36-9+deb12u1"
    assert found["linux-amd64/wheels/idna-3.7-py3-none-any.whl"][1] == b"idna 3.7"
    assert sorted(found) == sorted(
        [*context.texts, *(one.path for one in context.vendored), "app/src/train.py", "bundle/bundle.json"]
    )
    assert differences(folder, context) == []


def test_locked_files_take_no_room_and_the_projects_are_copies(context, paths, code: Path, tmp_path: Path) -> None:
    write_context(tmp_path / "context", context, paths)
    for one in context.vendored:
        assert os.path.samefile(paths[one.source.digest], tmp_path / "context" / one.path)
    assert not os.path.samefile(code, tmp_path / "context/app/src/train.py")


def test_modes_do_not_depend_on_the_umask(context, paths, tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_context(tmp_path / "narrow", context, paths)
        os.umask(0)
        write_context(tmp_path / "wide", context, paths)
    finally:
        os.umask(before)
    assert listing(tmp_path / "narrow") == listing(tmp_path / "wide")
    for path in (tmp_path / "narrow").rglob("*"):
        if path.is_dir():
            assert path.stat().st_mode & 0o777 == 0o755


def test_texts_alone_can_be_written(context, tmp_path: Path) -> None:
    write_context(tmp_path / "context", context, {})
    assert not list((tmp_path / "context").rglob("*.deb"))
    assert differences(tmp_path / "context", context) == []


def test_writing_again_replaces_what_was_rendered(context, paths, tmp_path: Path) -> None:
    folder = tmp_path / "context"
    write_context(folder, context, paths)
    lock = made_lock()
    newer = render("made:2.0", made_plans(replace(lock, wheels=dict.fromkeys(lock.wheels, (made_wheel("new"),)))))
    assert "`Dockerfile` is another" in differences(folder, newer)
    assert "`bundle/bundle.json` is not of this lock" not in differences(folder, newer)
    write_context(folder, newer, paths)
    assert differences(folder, newer) == []
    assert not (folder / "app").exists()
    assert [path.name for path in tmp_path.iterdir() if "context" in path.name] == ["context"]


def test_a_folder_of_somebody_else_is_left_alone(context, paths, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    write_context(folder, context, paths)  # an empty one is nobody's
    other = tmp_path / "other"
    other.mkdir()
    (other / "Dockerfile").write_text("FROM scratch\n")
    for place in (other, other / "Dockerfile"):
        with pytest.raises(EnvbuildError, match="was not rendered"):
            write_context(place, context, paths)
    assert listing(other) == {"Dockerfile": (0o644, b"FROM scratch\n")}


@pytest.mark.parametrize("marker", [b"", b"[]", b'{"texts": []}', b'{"texts": {"../x": "0"}, "a": ', b"\xff"])
def test_a_marker_that_is_none_says_nothing(marker: bytes, context, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other/context.json").write_bytes(marker)
    with pytest.raises(EnvbuildError, match="was not rendered"):
        check_replaceable(tmp_path / "other")


def test_an_edited_dockerfile_is_not_lost(context, paths, tmp_path: Path) -> None:
    folder = tmp_path / "context"
    write_context(folder, context, paths)
    with open(folder / "Dockerfile", "a") as file:
        file.write("# ours\n")
    with pytest.raises(EnvbuildError, match="was edited") as caught:
        write_context(folder, context, paths)
    assert caught.value.why == ("`Dockerfile` is another",)
    assert (folder / "Dockerfile").read_text().endswith("# ours\n")
    write_context(folder, context, paths, force=True)
    assert differences(folder, context) == []


def test_nothing_is_left_of_a_context_that_fails(context, paths, code: Path, tmp_path: Path) -> None:
    folder = tmp_path / "context"
    write_context(folder, context, paths)
    before = listing(folder)
    code.write_text("changed meanwhile\n")
    with pytest.raises(EnvbuildError, match="changed while it was copied"):
        write_context(folder, context, paths)
    code.unlink()
    with pytest.raises(EnvbuildError, match="cannot be written"):
        write_context(folder, context, paths)
    assert listing(folder) == before
    assert [path.name for path in tmp_path.iterdir() if "context" in path.name] == ["context"]


def test_a_text_that_is_gone_is_told(context, tmp_path: Path) -> None:
    write_context(tmp_path / "context", context, {})
    (tmp_path / "context/.dockerignore").unlink()
    (tmp_path / "context/bundle/bundle.json").write_bytes(b"[]")
    assert differences(tmp_path / "context", context) == [
        "`.dockerignore` is missing",
        "`bundle/bundle.json` is another",
    ]
