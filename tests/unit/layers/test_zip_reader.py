"""An archive that two readers could understand differently is refused, with a reason of its own."""

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from builder.errors import DigestMismatchError, EnvbuildError
from builder.layers import zip_reader
from builder.layers.zip_reader import Entry, ZipReader

LOCAL, CENTRAL, END = b"PK\3\4", b"PK\1\2", b"PK\5\6"


def make(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED, mode: int = 0o100644) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr, info.compress_type = mode << 16, compression
            archive.writestr(info, data)
    return target.getvalue()


def read(data: bytes, folder: Path, largest_total: int = 1 << 40) -> dict[str, bytes]:
    path = folder / "some.whl"
    path.write_bytes(data)
    with ZipReader(path) as archive:
        entries = archive.read_entries(largest_total)
        for entry in entries:
            assert b"".join(archive.pieces(entry)) == archive.stream(entry)
        return {entry.path: b"".join(archive.content(entry)) for entry in entries if not entry.is_directory}


def refusal(data: bytes, folder: Path) -> str:
    with pytest.raises(EnvbuildError) as caught:
        read(data, folder)
    return str(caught.value)


def patch(data: bytes, magic: bytes, at: int, value: bytes) -> bytes:
    """`data` with `value` written `at` bytes behind the first `magic`."""
    start = data.index(magic) + at
    return data[:start] + value + data[start + len(value) :]


def renamed(data: bytes, old: bytes, new: bytes) -> bytes:
    assert len(old) == len(new)
    return data.replace(old, new)


@pytest.mark.parametrize("compression", [zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED])
def test_files_are_read_as_they_were_written(compression: int, tmp_path: Path) -> None:
    files = {"a.txt": b"", "b/ü.txt": b"text" * 100, "b/big": bytes(3 << 20), "b/c": bytes(range(256))}
    assert read(make(files, compression), tmp_path) == files


def test_data_descriptors_are_read(tmp_path: Path) -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: bytes) -> int:
            self.data += data
            return len(data)

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", b"a" * 1000)
        with archive.open("wide", "w", force_zip64=True) as member:
            member.write(b"b" * 1000)
    data = bytes(pipe.data)
    assert read(data, tmp_path) == {"a": b"a" * 1000, "wide": b"b" * 1000}
    assert "data descriptor" in refusal(patch(data, b"PK\7\x08", 4, b"\0\0\0\0"), tmp_path)


def test_zip64_sizes_are_read(tmp_path: Path) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive, archive.open("wide", "w", force_zip64=True) as member:
        member.write(b"content")
    assert read(target.getvalue(), tmp_path) == {"wide": b"content"}


def zip64(content: bytes = b"content", offset: int | None = None) -> bytes:
    """An archive whose central directory states all numbers in zip64 fields."""
    crc, size, wide, narrow = zlib.crc32(content), len(content), 0xFFFFFFFF, 0xFFFF
    extra = struct.pack("<2H2Q", 1, 16, size, size)
    local = struct.pack("<4s5H3L2H", LOCAL, 45, 0, 0, 0, 0, crc, wide, wide, 1, len(extra)) + b"f" + extra + content
    extra = struct.pack("<2H3QL", 1, 28, size, size, 0, 0)
    central = struct.pack(
        "<4s6H3L5H2L", CENTRAL, 45, 45, 0, 0, 0, 0, crc, wide, wide, 1, len(extra), 0, narrow, 0, 0, wide
    )
    central += b"f" + extra
    at = len(local) if offset is None else offset
    end = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, 1, 1, len(central), at)
    locator = struct.pack("<4sLQL", b"PK\6\7", 0, len(local) + len(central), 1)
    return local + central + end + locator + struct.pack("<4s4H2LH", END, narrow, narrow, narrow, narrow, wide, wide, 0)


def test_zip64_directories_are_read(tmp_path: Path) -> None:
    assert zipfile.ZipFile(io.BytesIO(zip64())).read("f") == b"content"
    assert read(zip64(), tmp_path) == {"f": b"content"}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (zip64(offset=3), "not where its end says"),
        (patch(zip64(), b"PK\6\7", 0, b"PK\6\0"), "zip64 end"),
        (patch(zip64(), b"PK\6\6", 4, b"\x2d"), "zip64 end"),
        (patch(zip64(), b"f\1\0\x1c\0", 3, b"\x04"), "zip64 sizes"),
    ],
)
def test_zip64_records_that_lie_are_refused(data: bytes, reason: str, tmp_path: Path) -> None:
    assert reason in refusal(data, tmp_path)


def with_both_ends(data: bytes, count: int | None = None) -> bytes:
    """An archive that has a zip64 end besides one that says all, as PyTorch writes every one."""
    real, length, offset = struct.unpack("<HLL", data[-12:-2])
    real = real if count is None else count
    wide = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, real, real, length, offset)
    return data[:-22] + wide + struct.pack("<4sLQL", b"PK\6\7", 0, len(data) - 22, 1) + data[-22:]


def test_a_zip64_end_that_is_not_needed_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", b"N.")
    data = path.read_bytes()
    path.write_bytes(with_both_ends(data))
    with ZipReader(path) as reader:
        assert [entry.path for entry in reader.read_entries()] == ["a/data.pkl"]
    path.write_bytes(with_both_ends(data, count=2))
    with ZipReader(path) as reader, pytest.raises(EnvbuildError) as caught:
        reader.read_entries()
    assert "its two ends do not say the same" in caught.value.why


def test_names_without_the_flag_of_utf8_are_code_page_437(tmp_path: Path) -> None:
    data = renamed(make({"n_me": b""}), b"n_me", b"n\x84me")
    assert list(read(data, tmp_path)) == ["näme"]


def test_an_empty_archive_has_no_entries(tmp_path: Path) -> None:
    assert read(make({}), tmp_path) == {}


def test_a_comment_is_legal(tmp_path: Path) -> None:
    data = make({"a": b"1"})
    assert read(data[:-2] + struct.pack("<H", 5) + b"hello", tmp_path) == {"a": b"1"}


BAD_PATHS = [
    "/abs", "../up", "a/../b", "a//b", "./a", "a/.", "a\\b", "a\0b", "a\nb", "..", ".", "", "/", "x" * 256, "a\u2028b",
    "d/" * 1500 + "f",
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD_PATHS)
def test_unsafe_paths_are_refused(bad: str, tmp_path: Path) -> None:
    data = make({"?" * len(bad.encode()): b""})
    data = data.replace(b"?" * len(bad.encode()), bad.encode()) if bad else make_unnamed()
    flag = struct.pack("<H", 0x800)
    data = patch(patch(data, LOCAL, 6, flag), CENTRAL, 8, flag)
    assert "the path" in refusal(data, tmp_path)


def make_unnamed() -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr(zipfile.ZipInfo(""), b"")
    return target.getvalue()


@pytest.mark.parametrize(
    ("first", "second", "reason"),
    [
        ("pkg/aa", "pkg/bb", "is there twice"),
        ("pkg/Aa", "pkg/bb", "differ only in case"),
        ("pkg/aa/x", "pkg_bb", "is a file and a directory"),
    ],
)
def test_clashing_names_are_refused(first: str, second: str, reason: str, tmp_path: Path) -> None:
    data = make({first: b"1", second: b"2"})
    assert reason in refusal(renamed(data, second.encode(), b"pkg/aa"), tmp_path)


def test_names_that_differ_only_in_normalisation_are_refused(tmp_path: Path) -> None:
    assert "differ only" in refusal(make({"pkg/\u00e9": b"", "pkg/e\u0301": b""}), tmp_path)
    assert "differ only" in refusal(make({"pkg/stra\u00dfe": b"", "pkg/STRASSE": b""}), tmp_path)


def test_a_directory_and_a_file_of_one_name_are_refused(tmp_path: Path) -> None:
    assert "a file and a directory" in refusal(make({"a/": b"", "b": b"1"}).replace(b"b", b"a"), tmp_path)


@pytest.mark.parametrize(
    ("mode", "reason"),
    [
        (stat.S_IFLNK | 0o777, "symbolic link"),
        (stat.S_IFIFO | 0o644, "not a regular file"),
        (stat.S_IFCHR | 0o644, "not a regular file"),
        (stat.S_IFBLK | 0o644, "not a regular file"),
        (stat.S_IFSOCK | 0o644, "not a regular file"),
        (stat.S_IFDIR | 0o755, "not a regular file"),
    ],
)
def test_special_files_are_refused(mode: int, reason: str, tmp_path: Path) -> None:
    assert reason in refusal(make({"a": b"target"}, mode=mode), tmp_path)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: patch(patch(data, LOCAL, 6, b"\1"), CENTRAL, 8, b"\1"), "is encrypted"),
        (lambda data: patch(data, CENTRAL, 8, b"\x40"), "is encrypted"),
        (lambda data: patch(data, CENTRAL, 9, b"\x20"), "is encrypted"),
        (lambda data: patch(data, CENTRAL, 8, b"\x20"), "compressed by method"),
        (lambda data: patch(patch(data, LOCAL, 8, b"\x0c"), CENTRAL, 10, b"\x0c"), "compressed by method 12"),
        (lambda data: patch(data, CENTRAL, 10, b"\0"), "sizes of `a` differ"),
        (lambda data: patch(data, LOCAL, 8, b"\0"), "another method"),
        (lambda data: patch(data, LOCAL, 6, b"\0\x08"), "other flags"),
        (lambda data: patch(data, LOCAL, 30, b"b"), "another name"),
        (lambda data: patch(data, LOCAL, 0, b"PK\3\5"), "another name"),
        (lambda data: patch(data, LOCAL, 14, b"\0\0\0\0"), "another size or CRC-32 in its local header"),
        (lambda data: patch(data, LOCAL, 18, b"\0\0\0\0"), "another size or CRC-32 in its local header"),
        (lambda data: patch(data, LOCAL, 28, b"\xff"), "overlaps"),
        (lambda data: patch(data, CENTRAL, 24, b"\xff\xff\xff\x7f"), "more than DEFLATE can hold"),
        (lambda data: patch(data, CENTRAL, 20, b"\xff\xff"), "overlaps"),
        (lambda data: patch(data, CENTRAL, 34, b"\1"), "several parts"),
        (lambda data: patch(data, CENTRAL, 0, b"PK\1\3"), "malformed"),
        (lambda data: patch(data, CENTRAL, 28, b"\xff"), "malformed"),
        (lambda data: patch(data, END, 4, b"\1"), "several parts"),
        (lambda data: patch(data, END, 8, b"\2\0\2\0"), "cut off|as many entries"),
        (lambda data: patch(data, END, 8, b"\0\0\0\0"), "as many entries"),
        (lambda data: patch(data, END, 16, b"\0"), "not where its end says"),
        (lambda data: data + b"x", "behind its end"),
        (lambda data: data + data[data.index(END) :] + b"x", "behind its end"),
        (lambda data: data[:-1], "cut off"),
        (lambda data: b"x" + data, "not where its end says"),
        (lambda data: data[:0], "not a zip"),
        (lambda data: data[:30] * 100, "not a zip"),
        (lambda data: shifted(data, b"data before the first entry", 0), "before its first entry"),
        (lambda data: shifted(data, b"data behind the last entry", data.index(CENTRAL)), "belong to no entry"),
        (lambda data: shifted(data, bytes(1 << 20), data.index(CENTRAL)), "belong to no entry"),
    ],
)
def test_archives_that_lie_are_refused(damage: Callable[[bytes], bytes], reason: str, tmp_path: Path) -> None:
    message = refusal(damage(make({"a": b"content" * 100})), tmp_path)
    assert any(part in message for part in reason.split("|")), message


def shifted(data: bytes, inserted: bytes, at: int) -> bytes:
    """`data` with bytes inserted, and the offsets behind them corrected."""
    start = struct.unpack_from("<L", data, data.index(END) + 16)[0] + len(inserted)
    data = patch(data, END, 16, struct.pack("<L", start))
    if at == 0:
        data = patch(data, CENTRAL, 42, struct.pack("<L", len(inserted)))
    return data[:at] + inserted + data[at:]


def test_entries_that_share_their_data_are_refused(tmp_path: Path) -> None:
    data = make({"a": b"content" * 100, "b": b"content" * 100})
    second = data.rindex(CENTRAL)
    shared = data[: second + 42] + bytes(4) + data[second + 46 :]
    assert "overlaps" in refusal(shared, tmp_path)


def test_damaged_content_is_refused(tmp_path: Path) -> None:
    data = make({"a": b"content"}, zipfile.ZIP_STORED)
    with pytest.raises(DigestMismatchError, match="damaged"):
        read(data.replace(b"content", b"contemt"), tmp_path)
    deflated = make({"a": bytes(range(256))})
    with pytest.raises(DigestMismatchError, match="damaged"):
        read(patch(deflated, LOCAL, 33, b"\xff\xff\xff"), tmp_path)
    lying = patch(patch(deflated, LOCAL, 22, b"\xff\0"), CENTRAL, 24, b"\xff\0")
    with pytest.raises(DigestMismatchError, match="damaged"):
        read(lying, tmp_path)


def test_limits_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make({"a": b"content", "b": b"content"})
    with pytest.raises(EnvbuildError) as caught:
        read(data, tmp_path, largest_total=13)
    assert "larger than 13 bytes" in str(caught.value)
    assert read(data, tmp_path, largest_total=14)
    monkeypatch.setattr(zip_reader, "MOST_ENTRIES", 1)
    assert "too large: 2 entries" in refusal(data, tmp_path)
    monkeypatch.setattr(zip_reader, "MOST_ENTRIES", 2)
    monkeypatch.setattr(zip_reader, "LARGEST_DIRECTORY", 50)
    assert "too large" in refusal(data, tmp_path)


def test_execute_bits_count_only_on_a_regular_file(tmp_path: Path) -> None:
    def entry(mode: int) -> Entry:
        (tmp_path / "one.whl").write_bytes(make({"a": b""}, mode=mode))
        with ZipReader(tmp_path / "one.whl") as archive:
            return archive.read_entries()[0]

    assert entry(0o100755).is_executable
    assert entry(0o100010).is_executable
    assert not entry(0o100644).is_executable
    assert not entry(0o755).is_executable
