from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from builder.errors import EnvbuildError
from builder.history.content import LISTED_FILES, Content
from builder.history.kept import has, holds, keep, keep_all, keep_result, restore, result_of
from builder.history.kept.place import Kept, is_sealed, read_rows
from builder.history.kept.restoring import LINKED
from builder.history.kept.results import Result
from builder.oci.digest import Digest
from builder.oci.store import Store

LARGE = b"w" * LINKED


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "store")
    store.create()
    return store


@pytest.fixture
def scratch(store: Store) -> Path:
    folder = store.temporary / "stage"
    folder.mkdir()
    return folder


def fill(folder: Path, **files: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_kept_file_is_moved_not_copied_and_comes_back_with_its_bytes(
    store: Store, scratch: Path, tmp_path: Path
) -> None:
    (scratch / "model.bin").write_bytes(LARGE)
    inode = (scratch / "model.bin").stat().st_ino
    content = keep(store, scratch / "model.bin")
    assert content == Content.of_file("model.bin", Digest.of(LARGE).hex, len(LARGE))
    assert not (scratch / "model.bin").exists()
    assert Kept.of(store).path(Digest(content.sha256)).stat().st_ino == inode
    assert restore(store, content, tmp_path / "project/out/model.bin").how == "placed"
    assert (tmp_path / "project/out/model.bin").read_bytes() == LARGE


def test_a_folder_comes_back_with_its_files_and_what_may_be_executed(
    store: Store, scratch: Path, tmp_path: Path
) -> None:
    fill(scratch / "out/deep", a=b"1", b=b"1")
    (scratch / "out/run.sh").write_bytes(LARGE)
    (scratch / "out/run.sh").chmod(0o755)
    before = files_of(scratch / "out")
    content = keep(store, scratch / "out")
    restore(store, content, tmp_path / "out")
    assert files_of(tmp_path / "out") == before
    assert (tmp_path / "out/run.sh").stat().st_mode & 0o111 == 0o111
    assert not (tmp_path / "out/deep/a").stat().st_mode & 0o111


def test_a_folder_of_more_files_than_a_record_lists_is_restored_by_its_digest(
    store: Store, scratch: Path, tmp_path: Path
) -> None:
    fill(scratch / "out", **{f"f{number}": b"%d" % (number % 3) for number in range(LISTED_FILES + 1)})
    content = Content.from_dict(keep(store, scratch / "out").to_dict())
    assert content.files is None
    assert has(store, content)
    restore(store, content, tmp_path / "out")
    assert len(files_of(tmp_path / "out")) == LISTED_FILES + 1
    assert holds(store, content, tmp_path / "out")


def test_what_is_kept_without_moving_stays_as_it_is(store: Store, tmp_path: Path) -> None:
    fill(tmp_path / "out", model=LARGE)
    before = (tmp_path / "out/model").stat()
    content = keep(store, tmp_path / "out", move=False)
    assert (tmp_path / "out/model").stat().st_mode == before.st_mode
    (tmp_path / "out/model").write_bytes(b"another run")
    assert has(store, content)


def test_what_is_there_already_is_left_alone(store: Store, scratch: Path, tmp_path: Path) -> None:
    content = keep(store, fill(scratch / "out", model=LARGE, small=b"s"))
    restore(store, content, tmp_path / "out")
    inode = (tmp_path / "out").stat().st_ino
    assert restore(store, content, tmp_path / "out").how == "there"
    assert (tmp_path / "out").stat().st_ino == inode
    (tmp_path / "out/small").write_bytes(b"t")
    assert restore(store, content, tmp_path / "out").how == "placed"


def test_a_file_written_to_through_its_link_is_noticed_and_given_to_nobody(
    store: Store, scratch: Path, tmp_path: Path
) -> None:
    (scratch / "model").write_bytes(LARGE)
    content = keep(store, scratch / "model")
    restore(store, content, tmp_path / "model")
    if (tmp_path / "model").stat().st_nlink == 1:
        pytest.skip("the file system shares blocks: there is no link to write through")
    keep_result(store, "a" * 64, Result({"/app/model": content}))
    (tmp_path / "model").chmod(0o644)
    with open(tmp_path / "model", "r+b") as file:
        file.write(b"x")
    assert result_of(store, "a" * 64) is None
    with pytest.raises(EnvbuildError, match="cannot be restored"):
        restore(store, content, tmp_path / "again")
    assert (tmp_path / "model").read_bytes()[:2] == b"xw"
    (scratch / "model").write_bytes(LARGE)
    assert keep(store, scratch / "model") == content
    assert result_of(store, "a" * 64)


def test_a_file_whose_times_alone_were_changed_is_hashed_and_trusted_again(store: Store, scratch: Path) -> None:
    (scratch / "model").write_bytes(LARGE)
    content = keep(store, scratch / "model")
    blob = Kept.of(store).path(Digest(content.sha256))
    os.utime(blob)
    assert has(store, content)
    assert is_sealed(blob.stat(), content.sha256)


def test_what_was_changed_by_hand_is_put_aside_and_what_is_kept_is_dropped(
    store: Store, scratch: Path, tmp_path: Path
) -> None:
    old = keep(store, fill(scratch / "old", model=b"old"))
    new = keep(store, fill(scratch / "new", model=b"new"))
    target = tmp_path / "project/out"
    restore(store, old, target)
    assert restore(store, new, target).aside is None
    (target / "model").write_bytes(b"by hand")
    (target.parent / "out.changed-1").touch()
    restored = restore(store, old, target)
    assert restored.aside == target.parent / "out.changed-2"
    assert files_of(restored.aside) == {"model": b"by hand"}
    assert files_of(target) == {"model": b"old"}
    assert sorted(path.name for path in target.parent.iterdir()) == ["out", "out.changed-1", "out.changed-2"]


def test_a_link_in_the_place_of_an_output_is_put_aside_not_followed(
    store: Store, scratch: Path, tmp_path: Path
) -> None:
    fill(tmp_path, precious=b"p")
    (tmp_path / "model").symlink_to("precious")
    (scratch / "model").write_bytes(b"m")
    restored = restore(store, keep(store, scratch / "model"), tmp_path / "model")
    assert restored.aside is not None
    assert restored.aside.is_symlink()
    assert (tmp_path / "precious").read_bytes() == b"p"
    assert not (tmp_path / "model").is_symlink()


def test_links_to_files_inside_are_kept_as_the_files(store: Store, scratch: Path, tmp_path: Path) -> None:
    fill(scratch / "checkpoints", last=b"weights")
    (scratch / "checkpoints/best").symlink_to("last")
    (scratch / "model").symlink_to("checkpoints/last")
    contents = keep_all(store, scratch, ["checkpoints", "model"])
    for path, content in contents.items():
        restore(store, content, tmp_path / path)
    assert files_of(tmp_path / "checkpoints") == {"last": b"weights", "best": b"weights"}
    assert (tmp_path / "model").read_bytes() == b"weights"
    assert not (tmp_path / "model").is_symlink()


def _link_out(place: Path) -> None:
    place.symlink_to("/etc/passwd")


def _link_out_inside(place: Path) -> None:
    place.mkdir()
    (place / "f").symlink_to("/etc/passwd")


def _behind_a_link_out(place: Path) -> None:
    place.symlink_to("/etc")


def _link_to_a_folder(place: Path) -> None:
    (place.parent / "other").mkdir()
    place.symlink_to("other")


def _dangling(place: Path) -> None:
    place.symlink_to("nothing")


def _nothing(place: Path) -> None:
    del place


def _pipe_inside(place: Path) -> None:
    place.mkdir()
    os.mkfifo(place / "pipe")


@pytest.mark.parametrize(
    ("make", "path", "message"),
    [
        (_link_out, "out", "leads out"),
        (_link_out_inside, "out", "leads out"),
        (_behind_a_link_out, "out/passwd", "leads out"),
        (_link_to_a_folder, "out", "another folder"),
        (_dangling, "out", "leads nowhere"),
        (_nothing, "out", "was not written"),
        (os.mkfifo, "out", "no regular file"),
        (_pipe_inside, "out", "no regular file"),
    ],
    ids=[
        "link-out",
        "link-out-inside",
        "behind-a-link-out",
        "link-to-folder",
        "dangling",
        "nothing",
        "pipe",
        "pipe-inside",
    ],
)
def test_outputs_that_are_none_are_refused_and_nothing_is_kept(
    store: Store, scratch: Path, make, path: str, message: str
) -> None:
    (scratch / "good").write_bytes(b"good")
    make(scratch / "out")
    with pytest.raises(EnvbuildError) as caught:
        keep_all(store, scratch, ["good", path])
    assert message in str(caught.value)
    assert (scratch / "good").exists()
    assert not list(Kept.of(store).blobs())


def test_an_output_on_another_file_system_is_copied(
    store: Store, scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (scratch / "model").write_bytes(LARGE)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(18, "Invalid cross-device link")

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", refuse)
        content = keep(store, scratch / "model")
    with monkeypatch.context() as patch:
        patch.setattr(os, "link", refuse)
        restore(store, content, tmp_path / "model")
    assert (tmp_path / "model").stat().st_nlink == 1
    assert (tmp_path / "model").stat().st_mode & stat.S_IWUSR
    assert holds(store, content, tmp_path / "model")


def test_a_full_disk_leaves_what_was_there(
    store: Store, scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (keep(store, fill(scratch / name, model=name.encode())) for name in ("old", "new"))
    restore(store, old, tmp_path / "project/out")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("builder.history.kept.files.clone", lambda *_: False)
    monkeypatch.setattr("builder.history.kept.files.copy", full)
    with pytest.raises(EnvbuildError, match="cannot be restored") as caught:
        restore(store, new, tmp_path / "project/out")
    assert "No space left" in str(caught.value)
    assert files_of(tmp_path / "project") == {"out/model": b"old"}


def test_an_interruption_between_two_renames_leaves_what_was_there(
    store: Store, scratch: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = (keep(store, fill(scratch / name, model=name.encode())) for name in ("old", "new"))
    target = tmp_path / "project/out"
    restore(store, old, target)
    rename = os.rename

    def interrupted(source: Path, place: Path) -> None:
        if Path(source).name == "new":
            raise KeyboardInterrupt
        rename(source, place)

    monkeypatch.setattr(os, "rename", interrupted)
    with pytest.raises(KeyboardInterrupt):
        restore(store, new, target)
    assert files_of(target.parent) == {"out/model": b"old"}


def test_what_a_killed_restore_left_goes_with_the_next(store: Store, scratch: Path, tmp_path: Path) -> None:
    left = fill(tmp_path / "project/.out.envbuild-0123abcd/new", model=b"half").parent
    restore(store, keep(store, fill(scratch / "out", model=b"m")), tmp_path / "project/out")
    assert not left.exists()
    assert [path.name for path in (tmp_path / "project").iterdir()] == ["out"]


def test_a_result_is_given_only_while_all_of_its_outputs_are_kept(store: Store, scratch: Path) -> None:
    content = keep(store, fill(scratch / "out", a=b"a", b=b"b"))
    result = Result({"/app/out": content}, "20260131T235959Z-train-3f9a01", {"auc": 0.9, "loss": "NaN"})
    keep_result(store, "b" * 64, result)
    assert result_of(store, "b" * 64) == result
    Kept.of(store).discard(Digest.of(b"a"))
    assert result_of(store, "b" * 64) is None
    assert result_of(store, "c" * 64) is None


@pytest.mark.parametrize(
    "rows",
    [
        b'[["a","%s",1],["a","%s",1]]',
        b'[["a","%s",1],["a/b","%s",1]]',
        b'[["../a","%s",1],["b","%s",1]]',
        b'[["/a","%s",1],["b","%s",1]]',
        b'{"a":"%s","b":"%s"}',
    ],
    ids=["twice", "file-and-folder", "out", "absolute", "no-list"],
)
def test_a_list_that_no_folder_has_is_refused(rows: bytes) -> None:
    sha256 = Digest.of(b"").hex.encode()
    with pytest.raises(EnvbuildError):
        read_rows(rows % (sha256, sha256))


def test_a_pipe_in_the_place_of_a_kept_file_is_not_waited_for(store: Store) -> None:
    kept, digest = Kept.of(store), Digest.of(b"")
    os.mkfifo(kept.path(digest))
    assert not kept.has(digest, 0)
    assert not os.path.lexists(kept.path(digest))
