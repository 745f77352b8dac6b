"""The comparison that other tests rely on finds each kind of difference, and excuses what a page says and no more."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from filesystem_comparison import (
    Entry,
    Files,
    assert_same,
    differences,
    of_docker_archive,
    of_folder,
    of_layers,
    of_tar,
    rules,
    unexplained,
)
from made_up_image import file, folder, layer, link

EMPTY = (0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
TREE = {
    "bin": Entry("directory", 0o755, (0, 0)),
    "bin/tool": Entry("file", 0o755, (0, 0), content=EMPTY),
    "bin/same": Entry("link", 0o777, (0, 0), target="tool"),
}


def tar(*members: tuple[tarfile.TarInfo, bytes]) -> io.BytesIO:
    return io.BytesIO(layer(*members))


@pytest.mark.parametrize(
    ("change", "aspect"),
    [
        ({"type": "fifo", "content": None}, ("type", "content")),
        ({"mode": 0o4755}, ("mode",)),
        ({"owner": (0, 5)}, ("owner",)),
        ({"content": (0, "0" * 64)}, ("content",)),
        ({"names": ("bin/other", "bin/tool")}, ("names",)),
    ],
    ids=["type", "mode", "owner", "content", "names"],
)
def test_each_difference_of_a_path_is_found(change, aspect):
    (found,) = differences(TREE, {**TREE, "bin/tool": replace(TREE["bin/tool"], **change)})
    assert (found.path, found.kind, found.aspects) == ("bin/tool", "changed", aspect)


def test_another_target_of_a_link_is_found():
    (found,) = differences(TREE, {**TREE, "bin/same": Entry("link", 0o777, (0, 0), target="other")})
    assert (found.path, found.aspects) == ("bin/same", ("target",))


def test_paths_of_one_side_are_found():
    fewer = {path: entry for path, entry in TREE.items() if path != "bin/same"}
    assert [(one.path, one.kind) for one in differences(TREE, fewer)] == [("bin/same", "missing")]
    assert [(one.path, one.kind) for one in differences(fewer, TREE)] == [("bin/same", "added")]


def test_what_differs_is_told_with_both_sides():
    other = {**TREE, "bin/tool": replace(TREE["bin/tool"], mode=0o644), "new": TREE["bin"]}
    with pytest.raises(AssertionError, match=r"(?s)2 paths differ.*changed: /bin/tool\n    mode: 0755 and 0644.*/new"):
        assert_same(TREE, other)
    with pytest.raises(AssertionError, match=r"and 1 more"):
        assert_same(TREE, other, shown=1)


@pytest.mark.parametrize(
    ("page", "excused"),
    [
        ("```changed\nbin/tool\n```", True),
        ("```changed mode\nbin/*\n```", True),
        ("```changed mode content\n**/tool\n```", True),
        ("```changed content\nbin/tool\n```", False),
        ("```missing\nbin/tool\n```", False),
        ("```added\nbin/tool\n```", False),
        ("```changed\n*\n```", False),
        ("```changed\n*/tools\n```", False),
        ("some words\nbin/tool\n", False),
    ],
)
def test_a_page_excuses_what_it_says_and_no_more(page, excused):
    found = differences(TREE, {**TREE, "bin/tool": replace(TREE["bin/tool"], mode=0o644)})
    assert (unexplained(found, list(rules(page))) == []) == excused


def test_a_page_cannot_excuse_what_is_not_compared():
    with pytest.raises(AssertionError, match="size"):
        list(rules("```changed size\nbin\n```"))


def test_a_folder_and_its_tar_are_the_same(tmp_path):
    root = tmp_path / "root"
    (root / "usr/bin").mkdir(parents=True)
    (root / "usr/bin/tool").write_bytes(b"tool")
    (root / "usr/bin/tool").chmod(0o4755)
    os.link(root / "usr/bin/tool", root / "usr/again")
    (root / "bin").symlink_to("usr/bin")
    os.mkfifo(root / "fifo", 0o600)
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w") as archive:
        archive.add(root, ".")
    data.seek(0)
    files = of_folder(root)
    assert files["usr/again"].names == ("usr/again", "usr/bin/tool")
    assert files["usr/bin/tool"].mode == 0o4755
    assert_same(files, of_tar(data))


def merged(*layers: io.BytesIO) -> list[str]:
    return sorted(of_layers(layers))


def test_whiteouts_remove_what_lies_below_and_nothing_else():
    lower = tar(folder("a"), file("a/one"), file("a/two"), folder("b"), file("b/three"), folder("c"), file("c/four"))
    upper = tar(folder("a"), file("a/.wh.one"), file(".wh.b"), folder("c"), file("c/five"), file("c/.wh..wh..opq"))
    assert merged(lower, upper) == ["a", "a/two", "c", "c/five"]


def test_a_file_in_place_of_a_folder_removes_what_was_in_it():
    assert merged(tar(folder("a"), file("a/one")), tar(file("a"))) == ["a"]


def test_a_folder_keeps_its_files_and_takes_the_mode_of_the_last():
    info, content = folder("a")
    info.mode = 0o700
    files = of_layers([tar(folder("a"), file("a/one")), tar((info, content))])
    assert (sorted(files), files["a"].mode) == (["a", "a/one"], 0o700)


def test_a_copy_of_one_name_parts_it_from_the_others():
    lower = tar(file("one", b"x"), link("two", "one", hard=True), link("three", "one", hard=True))
    files = of_layers([lower, tar(file("two", b"y"))])
    assert (files["one"].names, files["two"].names) == (("one", "three"), ())
    assert files["three"].content == files["one"].content != files["two"].content


def test_a_path_below_a_link_is_refused():
    with pytest.raises(AssertionError, match="/lib/x is below /lib, which is a link"):
        merged(tar(link("lib", "usr/lib")), tar(file("lib/x")))


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    def make(*layers: bytes) -> Path:
        names = [f"{number}/layer.tar" for number in range(len(layers))]
        document = str([{"Config": "c.json", "Layers": names}]).replace("'", '"').encode()
        members = [file(name, data) for name, data in zip(names, layers, strict=True)]
        path = tmp_path / "saved.tar"
        path.write_bytes(layer(*members, file("manifest.json", document)))
        return path

    return make


def test_an_archive_of_docker_is_read_through_all_its_layers(saved):
    files: Files = of_docker_archive(saved(layer(file("a", b"1")), layer(file("a", b"2"), file("b"))))
    assert sorted(files) == ["a", "b"]
    assert files["a"].content is not None
    assert files["a"].content[0] == 1
