"""Python's own tarfile reads what is written, and nothing of the writer is left in it."""

import io
import tarfile

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from builder.layers.interface import PACKAGE_MTIME
from builder.layers.tar_headers import (
    BLOCK,
    DIRECTORY,
    END_OF_ARCHIVE,
    FILE,
    HARD_LINK,
    SYMBOLIC_LINK,
    header,
    padding,
)

PART = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=120)
PATH = st.lists(PART, min_size=1, max_size=6).map("/".join)


def read_one(data: bytes) -> tarfile.TarInfo:
    with tarfile.open(fileobj=io.BytesIO(data + END_OF_ARCHIVE), mode="r:") as archive:
        (entry,) = archive.getmembers()
        return entry


@settings(deadline=None)
@given(PATH, st.sampled_from([FILE, DIRECTORY]), st.integers(0, 0o7777))
@example("a" * 100, FILE, 0o644)
@example("a" * 101, FILE, 0o644)
@example("a" * 155 + "/" + "b" * 100, FILE, 0o644)
@example("a" * 156 + "/" + "b" * 100, FILE, 0o644)
@example("a" * 155 + "/" + "b" * 100, DIRECTORY, 0o755)
@example("a" * 150, DIRECTORY, 0o755)
@example("a" * 99, DIRECTORY, 0o755)
@example("é" * 50, FILE, 0o644)
def test_any_path_is_read_back(path: str, kind: bytes, mode: int) -> None:
    entry = read_one(header(path, kind=kind, mode=mode))
    assert entry.name.rstrip("/") == path.rstrip("/")
    assert (entry.type, entry.mode, entry.mtime) == (kind, mode, PACKAGE_MTIME)
    assert (entry.uid, entry.gid, entry.uname, entry.gname) == (0, 0, "", "")


@settings(deadline=None)
@given(PATH, PATH, st.sampled_from([HARD_LINK, SYMBOLIC_LINK]))
@example("link", "t" * 100, SYMBOLIC_LINK)
@example("link", "t" * 101, SYMBOLIC_LINK)
@example("link", "ü", HARD_LINK)
def test_any_link_target_is_read_back(path: str, target: str, kind: bytes) -> None:
    entry = read_one(header(path, kind=kind, link=target))
    assert (entry.type, entry.linkname) == (kind, target)
    assert kind != SYMBOLIC_LINK or entry.mode == 0o777


@pytest.mark.parametrize("name", ["linkpath", "path"])
def test_names_that_are_not_ascii_are_in_a_pax_record(name: str) -> None:
    data = header("ü", kind=SYMBOLIC_LINK, link="t") if name == "path" else header("l", kind=SYMBOLIC_LINK, link="ü")
    assert name in read_one(data).pax_headers


@pytest.mark.parametrize("size", [0, 1, 8**11 - 1, 8**11, 20 << 30])
def test_any_size_is_read_back(size: int) -> None:
    data = header("big", size=size)
    assert tarfile.TarInfo.frombuf(data[-BLOCK:], "utf-8", "strict").size == min(size, 8**11 - 1)
    stream = io.BytesIO(data)
    with tarfile.open(fileobj=stream, mode="r:") as archive:
        entry = archive.next()
    assert entry is not None
    assert entry.size == size


@pytest.mark.parametrize("owner", [0, 1000, 8**7 - 1, 8**7, 2**32 - 2])
def test_any_owner_is_read_back(owner: int) -> None:
    entry = read_one(header("file", uid=owner, gid=owner))
    assert (entry.uid, entry.gid) == (owner, owner)


@given(st.integers(80, 120))
def test_a_record_counts_its_own_digits(length: int) -> None:
    path = "é" + "a" * length
    assert read_one(header(path)).name == path


def test_usual_entries_are_one_block() -> None:
    assert len(header("opt/env/lib/python3.11/site-packages/numpy/__init__.py", size=5)) == BLOCK
    assert len(header("d" * 150 + "/" + "f" * 100)) == BLOCK


@given(st.integers(0, 3 * BLOCK))
def test_padding_fills_the_last_block(size: int) -> None:
    assert (size + len(padding(size))) % BLOCK == 0
    assert len(padding(size)) < BLOCK
