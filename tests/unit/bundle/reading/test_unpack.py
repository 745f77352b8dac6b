"""What is in a bundle, written into a folder."""

from __future__ import annotations

import os
import stat
import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from made_bundles import bundle_of, documents, write_folder
from made_up_image import file, folder, layer, link

from builder.bundle.attached.attach import attach
from builder.bundle.reading.contents import Files
from builder.bundle.reading.reader import open_bundle
from builder.bundle.reading.unpack import USUAL, Part, Unpacked, unpack
from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.attachments import Attachment

CODE = layer(folder("app"), file("app/train.py", b"print(1)", 0o644), file("app/run", b"#!/bin/sh", 0o755))
MODEL = layer(folder("model"), file("model/weights", b"w" * 5000, 0o644))
SYSTEM = layer(file("etc/passwd", b"root"), link("bin", "usr/bin"), link("usr/bin/sh", "/bin/dash"), folder("app"))


def device(path: str) -> tuple[tarfile.TarInfo, bytes]:
    info, data = file(path)
    info.type = tarfile.CHRTYPE
    return info, data


def written(
    path: Path, layers: Mapping[str, bytes], *parts: Part, compress: bool = True, target: str = "out"
) -> Unpacked:
    bundle = open_bundle(write_folder(path / "bundle", bundle_of(layers, compress=compress)))
    files = Files(bundle.layout, bundle.images[min(bundle.images)], whole=False)
    return unpack(bundle, files, parts or USUAL, path / target)


def tree(root: Path) -> dict[str, Any]:
    return {
        path.relative_to(root).as_posix(): os.readlink(path) if path.is_symlink() else path.read_bytes()
        for path in root.rglob("*")
        if path.is_symlink() or path.is_file()
    }


@pytest.mark.parametrize("compress", [True, False])
def test_each_part_is_in_a_folder_of_its_name(compress: bool, tmp_path: Path) -> None:
    layers = {"system files": SYSTEM, "model": MODEL, "code": CODE, "bundle documents": documents({"README.md": b"hi"})}
    done = written(tmp_path, layers, compress=compress)
    found = tree(tmp_path / "out")
    assert found.pop("records/bundle.json")
    assert found == {
        "code/train.py": b"print(1)", "code/run": b"#!/bin/sh", "model/weights": b"w" * 5000, "records/README.md": b"hi"
    }  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["code", "data", "model", "records"]
    assert done.files == 5
    modes = {name: stat.S_IMODE((tmp_path / "out/code" / name).stat().st_mode) for name in ("train.py", "run")}
    assert modes == {"train.py": 0o644, "run": 0o755}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bundle", "out"]


def test_environment_and_root_are_file_systems_with_links_as_they_are(tmp_path: Path) -> None:
    layers = {"system files": SYSTEM, "code": CODE}
    written(tmp_path, layers, "environment")
    assert tree(tmp_path / "out/environment") == {"bin": "usr/bin", "usr/bin/sh": "/bin/dash", "etc/passwd": b"root"}
    written(tmp_path, layers, "root", target="all")
    assert {"app/train.py", "etc/passwd", "bundle/bundle.json"} <= tree(tmp_path / "all/root").keys()


def test_records_are_those_inside_and_those_attached(tmp_path: Path) -> None:
    place = write_folder(tmp_path / "bundle", bundle_of({"code": CODE}))
    attach(place, open_bundle(place).top, [Attachment("application/x.scan+json", "application/json", b'{"a":1}')])
    bundle = open_bundle(place)
    unpack(bundle, Files(bundle.layout, bundle.images[min(bundle.images)], whole=False), ["records"], tmp_path / "out")
    assert [path.read_bytes() for path in (tmp_path / "out/records/attached").iterdir()] == [b'{"a":1}']


@pytest.mark.parametrize("compress", [True, False])
@pytest.mark.parametrize("part", ["code", "model"])
def test_nothing_appears_where_a_digest_lies(part: str, compress: bool, tmp_path: Path) -> None:
    """Also not where it is of a layer that has no file to write, since its names could have hidden some."""
    made = bundle_of({"model": MODEL, "code": CODE}, compress=compress)
    digest = made.blobs.keys() - bundle_of({"code": CODE}, compress=compress).blobs.keys()
    wrong = next(one for one in digest if b"weights" in made.blobs[one] or made.blobs[one][:2] == b"\x1f\x8b")
    data = bytearray(made.blobs[wrong])
    data[-600 if not compress else -5] ^= 1
    made.blobs[wrong] = bytes(data)
    bundle = open_bundle(write_folder(tmp_path / "bundle", made))
    files = Files(bundle.layout, bundle.images[min(bundle.images)], whole=False)
    with pytest.raises(EnvbuildError) as caught:
        unpack(bundle, files, [part], tmp_path / "out")
    assert compress or isinstance(caught.value, DigestMismatchError)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_nothing_runs_as_its_owner_and_devices_are_left_out(tmp_path: Path) -> None:
    done = written(
        tmp_path,
        {
            "code": layer(
                file("app/tool", b"x", 0o6777), folder("app/d", 0o1777), device("app/null"), file("app/no", b"", 0)
            )
        },
    )
    modes = {path.name: stat.S_IMODE(path.lstat().st_mode) for path in (tmp_path / "out/code").iterdir()}
    assert modes == {"tool": 0o755, "d": 0o755, "no": 0o400}
    assert done.left_out == ("app/null",)


@pytest.mark.parametrize(
    "target", ["/etc/passwd", "../../outside", "a/../../../x", "..", "d/../.."], ids=lambda target: target
)
def test_a_link_that_leads_out_of_its_part_is_refused(target: str, tmp_path: Path) -> None:
    with pytest.raises(EnvbuildError, match=r"`/app/link` is not written") as caught:
        written(tmp_path, {"code": layer(link("app/link", target))})
    assert "a link that leads out" in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["bundle"]


def test_a_link_that_stays_inside_is_written(tmp_path: Path) -> None:
    written(tmp_path, {"code": layer(link("app/d/link", "../train.py"), file("app/train.py", b"x"))})
    assert (tmp_path / "out/code/d/link").read_bytes() == b"x"


@pytest.mark.parametrize(
    "name", ["a\x1b[31m", "a\u202egpj.exe", "a\nb", "\u200bhidden", "a\x07", "a\u2028b"], ids=ascii
)
def test_a_name_that_could_be_a_command_to_a_terminal_is_not_written(name: str, tmp_path: Path) -> None:
    with pytest.raises(EnvbuildError, match="is not written") as caught:
        written(tmp_path, {"code": layer(file(f"app/{name}"))})
    assert "commands to a terminal" in str(caught.value)


def test_names_that_differ_in_capitals_or_composition_alone_are_told(tmp_path: Path) -> None:
    done = written(
        tmp_path,
        {"code": layer(*(file(f"app/{name}") for name in ("Readme", "README", "caf\u00e9", "cafe\u0301", "other")))},
    )
    assert {frozenset(pair) for pair in done.collisions} == {
        frozenset(("Readme", "README")),
        frozenset(("caf\u00e9", "cafe\u0301")),
    }


def test_hard_links_take_the_room_of_one_file(tmp_path: Path) -> None:
    links = (link(f"app/{number}", "app/big", hard=True) for number in range(100))
    done = written(tmp_path, {"code": layer(file("app/big", bytes(100_000)), *links)}, "code")
    assert (done.files, done.size) == (101, 100_000)
    assert (tmp_path / "out/code/big").stat().st_nlink == 101


def test_a_folder_that_has_something_in_it_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    written(tmp_path, {"code": CODE})
    with pytest.raises(EnvbuildError, match="is there"):
        written(tmp_path, {"code": CODE})
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(EnvbuildError, match="is there"):
        written(tmp_path, {"code": CODE}, target="link")


def test_names_that_are_no_utf8_are_kept(tmp_path: Path) -> None:
    written(tmp_path, {"code": layer(file("app/caf\udce9", b"x"))})
    assert os.listdir(os.fsencode(tmp_path / "out/code")) == [b"caf\xe9"]
