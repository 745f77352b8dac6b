from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from made_up_image import file, folder, layer, link

from builder.errors import EnvbuildError
from builder.image import skeleton
from builder.layers.archive import INTERPRETER_PREFIX
from builder.lock.base_image import BaseImage
from builder.lock.base_image.files import ImageFiles
from builder.lock.base_image.pinned import Folder
from builder.lock.base_image.room import ENVIRONMENT, FOLDERS, INTERPRETER, LayerRoom, check_room, folders_of
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_LAYER_GZIP, Descriptor
from builder.oci.tar_entries import Entry, TarReader

BLOB = Descriptor(MEDIA_TYPE_LAYER_GZIP, Digest("5" * 64), 1234)
BASE = BaseImage("registry.example/base:1", BLOB, BLOB, (BLOB,), (BLOB.digest,), "2.36", folders=())

FILE = Entry(b"x", b"0", 0o644, 0, 0, 0, 0, b"")


def whiteout(path: str) -> Any:
    parent, slash, name = path.rpartition("/")
    return file(f"{parent}{slash}.wh.{name}")


def found(*layers: bytes) -> tuple[Folder, ...]:
    """The folders of an image of these layers, through what the store keeps of them."""
    files = ImageFiles()
    for data in layers:
        files.add_layer(TarReader(io.BytesIO(data)))
    return folders_of(files.room.to_value(), "base:1")


def test_every_folder_of_an_environment_is_looked_at() -> None:
    own = {skeleton.ENVIRONMENT, skeleton.CODE, skeleton.MODEL, skeleton.DATA, skeleton.BUNDLE, skeleton.OUTPUT}
    assert (ENVIRONMENT, INTERPRETER) == (skeleton.ENVIRONMENT, INTERPRETER_PREFIX)
    assert {*FOLDERS} == own | {INTERPRETER_PREFIX, "opt"}


def test_an_image_without_any_of_the_folders_tells_of_none() -> None:
    assert found(layer(folder("usr"), file("usr/app"), folder("srv/app"), file("optional"))) == ()


def test_modes_and_owners_are_those_of_the_highest_layer_that_names_the_folder() -> None:
    lower = layer(folder("./opt/", 0o700), folder("opt/tools"), folder("data", 0o2775, 5, 6))
    upper = layer(folder("opt", 0o755, 7, 8), folder("app", 0o1777))
    assert found(lower, upper) == (
        Folder("app", 0o1777), Folder("data", 0o2775, 5, 6), Folder("opt", 0o755, 7, 8, filled=True)
    )  # fmt: skip


@pytest.mark.parametrize(
    "crowd", [file, whiteout, lambda path: file(f"{path}/.wh..wh..opq"), lambda path: file(f"{path}/x")],
    ids=["files", "whiteouts", "opaque", "implied"],
)  # fmt: skip
def test_a_crowd_of_files_neither_hides_a_folder_nor_fills_the_memory(crowd: Any) -> None:
    names = [crowd(f"opt/{number}") for number in range(3000)]
    crowded = layer(*names, folder("data", 0o700), whiteout("app"), link("model", "elsewhere"))
    files = ImageFiles()
    for data in (layer(folder("app"), file("opt/env/x")), crowded):
        files.add_layer(TarReader(io.BytesIO(data)))
    value = files.room.to_value()
    assert ["model", "a link to `elsewhere`"] in value
    assert {one["path"] for one in value if isinstance(one, dict)} == {"data", "opt", "opt/env"}


def test_of_a_crowd_only_so_much_is_kept() -> None:
    room = LayerRoom()
    for number in range(3000):
        room.white_out(("opt", f"{number}"))
        room.empty(("opt", f"{number}"))
        room.see(("opt", f"{number}", "x"), FILE)
        room.see(("opt", f"{number}"), FILE)
    assert max(map(len, (room.nodes, room.implied, room.gone, room.emptied))) < 1010


def test_a_folder_that_a_layer_only_needs_keeps_what_lower_layers_say() -> None:
    assert found(layer(file("opt/x"))) == (Folder("opt", filled=True),)
    assert found(layer(folder("opt", 0o711)), layer(file("opt/x"))) == (Folder("opt", 0o711, filled=True),)


@pytest.mark.parametrize("above", [[whiteout("opt/env")], [whiteout("opt")], [file("opt/.wh..wh..opq")]])
def test_what_a_whiteout_hides_is_not_there(above: list[Any]) -> None:
    below = layer(folder("opt"), folder("opt/env"), file("opt/env/x"))
    left = found(below, layer(*above))
    assert [one.path for one in left if one.path != "opt"] == []
    assert not any(one.filled for one in left)


def test_a_whiteout_hides_nothing_of_its_own_layer() -> None:
    below = layer(folder("opt/env"), file("opt/env/old"))
    assert found(below, layer(whiteout("opt/env"), folder("opt/env", 0o750), file("opt/env/new"))) == (
        Folder("opt", filled=True), Folder("opt/env", 0o750, filled=True)
    )  # fmt: skip
    assert found(below, layer(whiteout("opt/env/old")))[1] == Folder("opt/env")


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (link("opt", "/var/opt"), "`/opt` is a link to `/var/opt`"),
        (file("app"), "`/app` is no folder"),
        (link("data", "app", hard=True), "`/data` is no folder"),
    ],
)
def test_what_is_no_folder_is_refused_by_name(entry: Any, words: str) -> None:
    with pytest.raises(EnvbuildError, match="cannot be a base") as caught:
        found(layer(folder("opt/env"), file("opt/env/x"), folder("app"), folder("data")), layer(entry))
    assert words in caught.value.why[0]
    assert found(layer(entry), layer(whiteout(entry[0].name), folder(entry[0].name)))


def test_an_environment_that_is_there_already_is_refused() -> None:
    with pytest.raises(EnvbuildError, match="something is where the environment goes") as caught:
        check_room(
            replace(BASE, folders=(Folder("opt", filled=True), Folder("opt/env", filled=True))), standalone=False
        )
    assert caught.value.why == ("`/opt/env` is not empty",)
    check_room(replace(BASE, folders=(Folder("opt", filled=True), Folder("opt/env"))), standalone=False)


def test_an_interpreter_that_is_there_is_in_the_way_of_another_alone() -> None:
    base = replace(BASE, folders=(Folder("opt/python", filled=True),))
    check_room(base, standalone=False)
    with pytest.raises(EnvbuildError, match="something is where"):
        check_room(base, standalone=True)


def test_a_folder_that_not_every_user_can_enter_is_refused() -> None:
    with pytest.raises(EnvbuildError) as caught:
        check_room(replace(BASE, folders=(Folder("app", 0o750, 1000, 1000), Folder("opt"))), standalone=False)
    assert "`/app` has the mode 0750" in caught.value.why[0]
    check_room(replace(BASE, folders=(Folder("data", 0o700), Folder("out", 0o750))), standalone=False)


def test_a_lock_that_says_nothing_of_the_folders_has_to_be_made_again() -> None:
    old = BaseImage.from_dict({key: value for key, value in BASE.to_dict().items() if key != "folders"})
    with pytest.raises(EnvbuildError, match="the lock does not say") as caught:
        check_room(old, standalone=False)
    assert "envbuild lock --upgrade" in str(caught.value.hint)


def test_folders_survive_the_lock() -> None:
    base = replace(BASE, folders=(Folder("app", 0o2755, 5, 6, filled=True), Folder("opt")))
    assert BaseImage.from_dict(base.to_dict()) == base
    assert BaseImage.from_dict(BASE.to_dict()).folders == ()


def test_a_hostile_layer_fills_no_memory() -> None:
    many = layer(*(file(f"opt/env/{number}") for number in range(3000)))
    assert found(many)[1] == Folder("opt/env", filled=True)


@pytest.mark.parametrize(
    "change", [{"diff-ids": []}, {"history": ["one", "two"]}, {"folders": [{"path": "app", "mode": "rwx"}]}]
)
def test_a_base_in_a_lock_that_does_not_belong_together_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        BaseImage.from_dict(BASE.to_dict() | change)
