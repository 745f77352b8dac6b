"""Files of images that are read where their layers are."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from made_bundles import bundle_of, write_file, write_folder
from made_up_image import file, folder, layer, link

from builder.bundle.reading.contents import Files
from builder.bundle.reading.reader import open_bundle
from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.layer_rules import DIRECTORY
from builder.oci.layer_scan import LayerJob, scan_layer
from builder.oci.layer_stack import LayerStack


def opened(path: Path, *layers: bytes, whole: bool = False, compress: bool = True) -> Files:
    made = bundle_of({f"layer {number}": data for number, data in enumerate(layers)}, compress=compress)
    bundle = open_bundle(write_folder(path / "bundle", made))
    return Files(bundle.layout, bundle.images[min(bundle.images)], whole=whole)


def read(files: Files, path: str) -> bytes:
    return b"".join(files.content(files.find(path)))


def names(files: Files, path: str = "/") -> list[bytes]:
    return [placed.path for placed in files.children(files.find(path).path) if placed.path != b"bundle"]


def test_upper_layers_win_and_directories_are_merged(tmp_path: Path) -> None:
    files = opened(
        tmp_path, layer(folder("a", 0o700), file("a/low", b"1"), file("a/both", b"2")),
        layer(file("a/both", b"three", 0o600), file("b", b"4")),
    )  # fmt: skip
    assert names(files) == [b"a", b"b"]
    assert names(files, "/a") == [b"a/both", b"a/low"]
    assert (read(files, "a/both"), read(files, "/a/./low"), read(files, "a//../b")) == (b"three", b"1", b"4")
    assert files.find("a/both").item.mode == 0o600


def test_whiteouts_hide_what_lower_layers_have_and_nothing_of_their_own(tmp_path: Path) -> None:
    low = layer(file("gone", b"1"), file("kept/old", b"2"), file("dir/x", b"3"), file("file/y", b"4"))
    files = opened(
        tmp_path, low,
        layer(file(".wh.gone"), file("kept/.wh..wh..opq"), file("kept/new", b"5"), file(".wh.dir"), file("file", b"6")),
        layer(file("dir/z", b"7")),
    )  # fmt: skip
    assert names(files) == [b"dir", b"file", b"kept"]
    assert (names(files, "kept"), names(files, "dir"), read(files, "file")) == ([b"kept/new"], [b"dir/z"], b"6")
    for path in ("gone", "kept/old", "dir/x", "file/y"):
        with pytest.raises(EnvbuildError, match="is not in the image"):
            files.find(path)


def test_links_are_followed_inside_the_image_alone(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("of the host")
    files = opened(
        tmp_path,
        layer(
            file("etc/passwd", b"of the image"), link("absolute", "/etc/passwd"), link("up", "../../../../etc/passwd"),
            link("host", str(tmp_path / "secret")), link("folder", "etc"), link("loop", "loop"),
        ),
    )  # fmt: skip
    assert {read(files, path) for path in ("absolute", "up", "folder/passwd")} == {b"of the image"}
    assert files.find("absolute", follow=False).item.link == b"/etc/passwd"
    with pytest.raises(EnvbuildError, match="is not in the image"):
        read(files, "host")
    with pytest.raises(EnvbuildError, match="too many links"):
        read(files, "loop")
    with pytest.raises(EnvbuildError, match="is a directory"):
        read(files, "folder")


def test_a_hard_link_has_the_content_of_its_file(tmp_path: Path) -> None:
    files = opened(tmp_path, layer(file("a", b"content"), link("b", "a", hard=True)))
    assert (read(files, "b"), files.find("b").item.size) == (b"content", 7)


@pytest.mark.parametrize("compress", [True, False])
def test_only_the_layers_that_are_needed_are_read(
    compress: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = opened(tmp_path, layer(file("low", b"1")), layer(file("up", b"2")), compress=compress)
    asked = []
    monkeypatch.setattr(files, "has_layer", lambda number: asked.append(number) or True)
    assert (read(files, "bundle/bundle.json")[:1], asked) == (b"{", [2])
    assert (read(files, "up"), asked) == (b"2", [2, 1])
    assert (read(files, "low"), asked) == (b"1", [2, 1, 0])


def test_of_a_layer_that_is_not_compressed_the_headers_alone_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = opened(tmp_path, layer(file("model/w", bytes(1 << 24)), file("model/x", b"x")), compress=False)
    received = count_reads(monkeypatch)
    assert names(files, "model") == [b"model/w", b"model/x"]
    assert sum(received) < 1 << 17
    assert files.unverified == [0, 1]


def count_reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each reading of a blob gives."""
    received: list[int] = []

    class Watched(io.FileIO):
        def readinto(self, buffer: Any) -> int:
            received.append(super().readinto(buffer))
            return received[-1]

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            received.append(len(data))
            return data

    monkeypatch.setattr("builder.oci.layout.open_regular", lambda path: Watched(path, "rb"))
    return received


@pytest.mark.parametrize("as_file", [True, False])
def test_what_is_printed_was_checked_before(as_file: bool, tmp_path: Path) -> None:
    made = bundle_of({"code": layer(file("app/a", b"good"), file("app/b", b"good"))}, compress=False)
    digest = next(digest for digest, data in made.blobs.items() if b"app/a" in data)
    made.blobs[digest] = made.blobs[digest].replace(b"good", b"evil")
    path = write_file(tmp_path / "a.tar", made) if as_file else write_folder(tmp_path / "a", made)
    bundle = open_bundle(path)
    files = Files(bundle.layout, bundle.images[min(bundle.images)], whole=True)
    with pytest.raises(DigestMismatchError, match="does not have the bytes"):
        files.find("app/a")


@pytest.mark.parametrize(
    ("members", "why"),
    [
        ([file("../out")], "leads out"),
        ([file("a/../../out")], "leads out"),
        ([file("/etc/passwd")], "is absolute"),
        ([link("a", "/tmp"), file("a/out")], "is a symbolic link, and the layer has entries below it"),
        ([file("a/b"), link("a", "/tmp")], "is a symbolic link, and the layer has entries below it"),
        ([file("a"), file("a")], "is there twice"),
        ([file("a"), file("./a")], "is there twice"),
        ([link("a", "b", hard=True), file("b")], "is a hard link to what no entry before it holds"),
        ([link("a", "../../etc/passwd", hard=True)], "is a hard link to what no entry before it holds"),
        ([folder("d"), link("a", "d", hard=True)], "is a hard link to what no entry before it holds"),
        ([file(".wh.a"), file("a")], "both hidden by a whiteout and held"),
        ([file(".wh...")], "no whiteout of a form"),
        ([file("a/" * 2100 + "b")], "longer than Linux allows"),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(info.name[:20] for info, _ in value),
)
def test_a_layer_that_is_not_in_order_has_no_listing(members: Any, why: str, tmp_path: Path) -> None:
    files = opened(tmp_path, layer(*members))
    with pytest.raises(EnvbuildError) as caught:
        files.children(b"")
    assert why in str(caught.value)


def test_the_memory_for_names_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builder.oci.layer_index.MOST_ENTRIES", 50)
    with pytest.raises(EnvbuildError, match="cannot be read") as caught:
        opened(tmp_path, layer(*(file(f"f{number}") for number in range(60)))).children(b"")
    assert "more than 50 paths" in str(caught.value)
    monkeypatch.setattr("builder.bundle.reading.contents._MOST_ENTRIES", 40)
    layers = [layer(*(file(f"{number}/{name}") for name in range(20))) for number in range(3)]
    with pytest.raises(EnvbuildError, match="more than 40 files"):
        opened(tmp_path / "b", *layers).children(b"")


NAMES = st.sampled_from(["a", "b", "c", ".wh.a", ".wh.b", ".wh..wh..opq"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map("/".join)
MEMBERS = st.lists(
    st.one_of(
        st.builds(file, PATHS, st.binary(max_size=3)),
        st.builds(folder, PATHS),
        st.builds(link, PATHS, PATHS, st.booleans()),
    ),
    max_size=6,
)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(stack=st.lists(MEMBERS, min_size=1, max_size=3))
@example(stack=[[file(".wh.a"), folder("a/a")]])
def test_files_are_those_that_verify_finds(stack: list[Any], tmp_path_factory: pytest.TempPathFactory) -> None:
    """Where every layer is in order, both ways of putting layers together give one tree."""
    made = bundle_of({f"layer {number}": layer(*members) for number, members in enumerate(stack)})
    bundle = open_bundle(write_folder(tmp_path_factory.mktemp("stack"), made))
    image = bundle.images[min(bundle.images)]
    expected = LayerStack()
    for one in image.layers:
        scan = scan_layer(bundle.layout, LayerJob(one.descriptor, one.diff_id))
        if scan.problems or any(not finding.is_note for finding in expected.add(scan)):
            return
    files = Files(bundle.layout, image, whole=True)
    listed = {one.path: (one.item.kind, one.item.size, one.layer) for one in files.below(b"")}
    found = dict(expected.below(b""))
    assert {path: facts for path, facts in listed.items() if facts[0] != DIRECTORY} == {
        path: (placed.node.kind, placed.node.size, placed.layer) for path, placed in found.items()
    }
    for path, placed in found.items():
        if placed.node.kind == tarfile.REGTYPE:
            assert len(b"".join(files.content(files.find("/" + path.decode(), follow=False)))) == placed.node.size
