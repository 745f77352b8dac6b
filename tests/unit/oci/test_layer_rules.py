"""The rules for one layer, and for layers on top of each other: each one broken on purpose, and what is in order."""

from __future__ import annotations

import gzip
import io
import tarfile
import tracemalloc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_image import file, folder, layer, link

from builder.layers.tar_headers import header
from builder.oci import layer_scan
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_LAYER, MEDIA_TYPE_LAYER_GZIP, Descriptor
from builder.oci.layer_scan import LayerJob, LayerScan, Wanted, scan_layer
from builder.oci.layer_stack import LayerStack
from builder.oci.layout import Layout


def scan(root: Path, data: bytes, packages: int | None = None, wanted: Wanted | None = None) -> LayerScan:
    """What comes of a layer with this archive."""
    layout = Layout(root)
    layout.create()
    blob = gzip.compress(data, 1, mtime=0)
    descriptor = Descriptor(MEDIA_TYPE_LAYER_GZIP, layout.write(blob), len(blob))
    return scan_layer(layout, LayerJob(descriptor, Digest.of(data), packages), wanted)


def told(result: LayerScan) -> list[tuple[str, str]]:
    """Each problem's path, and what is said behind it."""
    return [(problem.path, problem.message.partition("` " if problem.path else f"{problem.layer} ")[2])
            for problem in result.problems]  # fmt: skip


def node(kind: bytes, name: str = "x", target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


END = bytes(1024)


@pytest.mark.parametrize(
    ("members", "path", "said"),
    [
        ([file("a"), file("a")], "a", "is there twice"),
        ([file("a"), file("./a")], "a", "is there twice"),
        ([folder("a"), folder("./a")], "a", "is there twice"),
        ([folder("a"), file("a")], "a", "is there twice"),
        ([file("/etc/passwd")], "/etc/passwd", "is absolute"),
        ([file("../etc/passwd")], "../etc/passwd", "leads out of the layer"),
        ([file("a/../../b")], "a/../../b", "leads out of the layer"),
        ([file("a/" + "b" * 256)], "a/" + "b" * 256, "is longer than Linux allows"),
        ([file("a"), file("a/b")], "a/b", "lies below `a`, which is a file in the same layer"),
        ([link("a", "b"), file("a/b")], "a/b", "lies below `a`, which is a symbolic link in the same layer"),
        ([file("a/b"), file("a")], "a", "is a file, and the layer has entries below it"),
        ([file(".wh.a", b"x")], ".wh.a", "is a whiteout and not an empty file"),
        ([folder(".wh.a")], ".wh.a", "is a whiteout and not an empty file"),
        ([file(".wh.")], ".wh.", "is no whiteout of a form that the specification knows"),
        ([file("a/.wh...")], "a/.wh...", "is no whiteout of a form that the specification knows"),
        ([file(".wh..wh.aufs")], ".wh..wh.aufs", "is no whiteout of a form that the specification knows"),
        ([file(".wh.a"), file(".wh.a")], ".wh.a", "is there twice"),
        ([file(".wh..wh..opq"), file(".wh..wh..opq")], ".wh..wh..opq", "is there twice"),
        ([file(".wh.a"), file("a")], "a", "is both hidden by a whiteout and held by the same layer"),
        ([folder("a"), link("b", "a", hard=True)], "b", "is a hard link to the directory `a`"),
        ([link("b", "../a", hard=True)], "b", "is a hard link whose target leads out of the layer"),
        ([node(b"9")], "x", "is of the kind '9'"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_each_broken_rule_is_told_with_its_path(members: list[Any], path: str, said: str, tmp_path: Path) -> None:
    ((where, what),) = told(scan(tmp_path, layer(*members)))
    assert where == path
    assert what.startswith(said)


def test_what_other_tools_write_is_in_order(tmp_path: Path) -> None:
    made = layer(
        node(tarfile.DIRTYPE, "./"), file("./z", b"1"), folder("./a/"), file("./b/without/parent"),
        link("./a/l", "../../anywhere"), link("./a/h", "./z", hard=True), file("./a/.wh..wh..opq"),
        file("./a/kept", b"2"), file("./.wh.gone"), file("./" + "long/" * 40 + "name"),
        node(tarfile.CHRTYPE, "./dev/null"), node(tarfile.FIFOTYPE, "./run/pipe"), file("./su", mode=0o4755),
    )  # fmt: skip
    result = scan(tmp_path, made)
    assert result.problems == ()
    assert [note.path for note in result.notes] == ["dev/null", "run/pipe", "su"]
    assert result.whiteouts == {b"gone"}
    assert result.opaque == {b"a"}
    assert result.nodes[b"a/h"] == result.nodes[b"z"]


@pytest.mark.parametrize(
    ("members", "packages", "path", "said"),
    [
        ([folder("b"), folder("a")], 1, "a", "is a directory out of order, behind `b`"),
        ([folder("a"), file("a/f"), folder("b")], 1, "b", "is a directory behind the first file"),
        ([file("a/f")], 1, "a/f", "comes before its parent `a`, or without it"),
        ([file("b"), file("a")], 1, "a", "is the end of 2 runs of sorted files, where there are 1 packages"),
        ([file("./a")], 1, "a", "is not written in the plain form, but `./a`"),
        ([file(".wh.a")], 1, ".wh.a", "is a whiteout, which envbuild never writes"),
        ([node(tarfile.CHRTYPE)], 1, "x", "is a character device"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_layer_of_envbuild_keeps_an_order_besides(
    members: list[Any], packages: int, path: str, said: str, tmp_path: Path
) -> None:
    assert (path, said) in told(scan(tmp_path, layer(*members), packages))
    if said.startswith(("is a directory", "comes", "is the end", "is not written")):
        assert scan(tmp_path, layer(*members)).problems == ()


def test_the_files_of_each_package_are_sorted_by_themselves(tmp_path: Path) -> None:
    made = layer(folder("a"), file("a/1"), file("b"), file("a/0"), file("c"))
    assert scan(tmp_path, made, 2).problems == ()


def pax(**records: str) -> bytes:
    body = b""
    for key, value in records.items():
        text = f" {key}={value}\n".encode()
        length = len(text) + len(str(len(text) + 2))
        body += str(length).encode() + text
    return header("pax", kind=b"x", size=len(body)) + body + bytes(-len(body) % 512)


def longname(path: str) -> bytes:
    body = path.encode() + b"\0"
    return header("././@LongLink", kind=b"L", size=len(body)) + body + bytes(-len(body) % 512)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (longname("good") + pax(path="evil") + header("good"), "two records give `path`"),
        (pax(path="good") + pax(path="evil") + header("good"), "two records give `path`"),
        (pax(size="512") + header("a", size=1024) + bytes(512), "two records give `size`"),
        (header("a", kind=b"2", size=512, link="b"), "it is no file and has a size"),
        (pax(path="evil").replace(b"x\0\0\0", b"g\0\0\0") + header("good"), "a header's checksum is wrong"),
    ],
    ids=["two ways of a long name", "twice in PAX", "two sizes", "a link with a size", "damaged"],
)
def test_headers_that_contradict_each_other_are_told(data: bytes, said: str, tmp_path: Path) -> None:
    ((_, what),) = told(scan(tmp_path, data + END))
    assert said in what


@pytest.mark.parametrize(
    "data",
    [header("a") + END + header("hidden") + END, header("a") + bytes(512) + header("hidden") + END, END + b"x"],
    ids=["an archive behind the archive", "one empty block", "a byte"],
)
def test_what_hides_behind_the_end_of_the_archive_is_told(data: bytes, tmp_path: Path) -> None:
    assert told(scan(tmp_path, data)) == [("", "goes on after the end of its archive")]


def test_the_content_is_compressed_as_the_type_says(tmp_path: Path) -> None:
    layout, data = Layout(tmp_path), layer(file("a"))
    layout.create()
    plain = Descriptor(MEDIA_TYPE_LAYER_GZIP, layout.write(data), len(data))
    (problem,) = scan_layer(layout, LayerJob(plain, Digest.of(data))).problems
    assert "and compressed: no" in problem.message
    right = Descriptor(MEDIA_TYPE_LAYER, plain.digest, plain.size)
    assert scan_layer(layout, LayerJob(right, Digest.of(data))).problems == ()


def test_what_is_wanted_of_files_is_remembered(tmp_path: Path) -> None:
    wanted = Wanted(lambda path: "md5" if path == b"a" else "", lambda path: path == b"b")
    result = scan(tmp_path, layer(file("./a", b"1"), file("b", b"22"), link("c", "a", hard=True)), None, wanted)
    assert result.nodes[b"a"].checksum.hex() == "c4ca4238a0b923820dcc509a6f75849b"
    assert result.nodes[b"c"] == result.nodes[b"a"]
    assert result.captured == {b"b": b"22"}


@pytest.fixture
def stacked(tmp_path: Path) -> Any:
    def stack(*layers: bytes, own: bool = False) -> tuple[LayerStack, list[tuple[str, str, bool]]]:
        files, found = LayerStack(), []
        for data in layers:
            result = scan(tmp_path, data)
            assert result.problems == ()
            found += [(one.path.decode(), one.message, one.is_note) for one in files.add(result, own=own)]
        return files, found

    return stack


def paths(files: LayerStack) -> set[str]:
    return {path.decode() for path, _ in files.below(b"")}


def test_layers_are_applied_as_the_specification_says(stacked: Any) -> None:
    files, found = stacked(
        layer(file("a/1"), file("a/2"), file("b/1"), file("c"), folder("d"), file("d/x")),
        layer(file("a/.wh.1"), file("b/.wh..wh..opq"), file("b/2"), folder("c"), file("c/inside"), file("d")),
    )
    assert paths(files) == {"a/2", "b/2", "c/inside", "d"}
    assert found == []


def test_a_whiteout_of_what_is_not_there_is_worth_knowing(stacked: Any) -> None:
    _, found = stacked(layer(file("a/1")), layer(file("a/.wh.2"), file("a/.wh.1"), file("z/.wh.b")))
    assert found == [
        ("a/2", "is hidden by a whiteout, and no lower layer has it", True),
        ("z/b", "is hidden by a whiteout, and no lower layer has it", True),
    ]


@pytest.mark.parametrize(("below", "kind"), [(link("lib", "usr/lib"), "a symbolic link"), (file("lib"), "a file")])
def test_an_entry_below_a_link_or_file_of_a_lower_layer_is_told_once(stacked: Any, below: Any, kind: str) -> None:
    files, found = stacked(layer(below), layer(file("lib/a"), file("lib/b")))
    assert found == [("lib/a", f"lies below `lib`, which is {kind} in a lower layer", False)]
    assert paths(files) == {"lib"}


def test_a_directory_may_take_the_place_of_a_link_but_not_in_a_layer_of_envbuild(stacked: Any) -> None:
    layers = layer(folder("usr"), folder("usr/lib"), link("lib", "usr/lib")), layer(folder("lib"), file("lib/a"))
    assert stacked(*layers)[1] == []
    _, found = stacked(*layers, own=True)
    assert found == [("lib", "is a directory, and a symbolic link in a lower layer", False)]


def test_a_hard_link_out_of_its_layer_is_told(stacked: Any) -> None:
    _, found = stacked(layer(file("a")), layer(link("b", "a", hard=True), link("c", "z", hard=True)))
    assert found == [
        ("b", "is a hard link to `a`, which only a lower layer holds", False),
        ("c", "is a hard link to `z`, which nothing before it is", False),
    ]


def test_links_are_followed_inside_the_image_and_circles_end(stacked: Any) -> None:
    files, _ = stacked(
        layer(
            file("usr/bin/python3", b"12"),
            link("bin", "usr/bin"),
            link("usr/bin/python", "../../../bin/python3"),
            link("a", "b"),
            link("b", "/a"),
            link("abs", "/usr/bin/python"),
        )
    )
    assert files.find(b"/bin/python").node.size == 2
    assert files.find(b"abs").node.size == 2
    assert files.find(b"a") is None
    assert files.find(b"bin/python3", follow=False) is None


names = st.sampled_from(["a", "b", "a/b", "a/c", "./a", "a/", "../a", "/a", ".wh.a", "a/.wh.b", ".wh..wh..opq", "a//b"])
kinds = st.sampled_from([tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, b"9"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(st.tuples(names, kinds, names), max_size=8), max_size=3), st.sampled_from([None, 1, 2]))
def test_any_layers_are_judged_and_stacked_without_failing(
    tmp_path_factory: pytest.TempPathFactory, layers: list[list[tuple[str, bytes, str]]], packages: int | None
) -> None:
    files = LayerStack()
    for members in layers:
        data = layer(*(node(kind, name, target) for name, kind, target in members))
        result = scan(tmp_path_factory.getbasetemp() / "any", data, packages)
        assert result.whole
        list(files.add(result, own=packages is not None))
    for path, placed in files.below(b""):
        assert files.find(path, follow=False) is placed


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=3000), st.integers(0, 5000))
def test_any_bytes_in_a_layer_are_judged_without_failing(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, position: int
) -> None:
    sound = layer(folder("a"), file("a/1", b"x" * 700), link("a/2", "1"), file("é" * 80, b"y"))
    position %= len(sound)
    data = sound[:position] + noise + sound[position + len(noise) :]
    result = scan(tmp_path_factory.getbasetemp() / "noise", data)
    assert all(problem.message for problem in result.problems)


def test_more_entries_than_can_be_kept_are_told_and_the_digest_still_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_scan, "MOST_ENTRIES", 10)
    result = scan(tmp_path, layer(*(file(str(number)) for number in range(20))))
    assert told(result) == [("", "has too many paths, and was not looked at behind 10 entries")]
    assert len(result.nodes) == 10


def test_deep_paths_are_bounded_by_the_directories_that_they_imply(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_scan, "_MOST_TEXT", 1 << 20)
    deep = "/a" * 1000
    result = scan(tmp_path, layer(*(file(f"{number}{deep}") for number in range(20))))
    assert told(result) == [("", "has too many paths, and was not looked at behind 2 entries")]


def test_content_takes_no_memory_and_too_large_lists_are_not_kept(tmp_path: Path) -> None:
    large = tarfile.TarInfo("large")
    large.size = 200 << 20
    data = io.BytesIO()
    with gzip.GzipFile(fileobj=data, mode="wb", compresslevel=1, mtime=0) as out:
        out.write(large.tobuf())
        for _ in range(200):
            out.write(bytes(1 << 20))
        out.write(END)
    layout = Layout(tmp_path)
    layout.create()
    blob = data.getvalue()
    with gzip.open(io.BytesIO(blob)) as inflated:
        diff_id = Digest.of(inflated.read())
    descriptor = Descriptor(MEDIA_TYPE_LAYER_GZIP, layout.write(blob), len(blob))
    tracemalloc.start()
    result = scan_layer(layout, LayerJob(descriptor, diff_id), Wanted(lambda _: "sha256", lambda _: True))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result.problems == ()
    assert result.captured == {}
    assert peak < 16 << 20
