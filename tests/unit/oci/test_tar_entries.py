from __future__ import annotations

import io
import tarfile

import pytest

from builder.oci.tar_entries import EXTENSION_LIMIT, SeekingTarReader, TarError, TarReader


def archive(*infos: tarfile.TarInfo, form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for info in infos:
            tar.addfile(info, io.BytesIO(bytes(info.size)))
    return buffer.getvalue()


def info(name: str, **fields: object) -> tarfile.TarInfo:
    result = tarfile.TarInfo(name)
    for key, value in fields.items():
        setattr(result, key, value)
    return result


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_every_field_is_read_as_tarfile_wrote_it(form):
    written = [
        info("a" * 300, size=700, uid=3_000_000, gid=5_000_000, mtime=1_000_000_000, mode=0o4711),
        info("link", type=tarfile.SYMTYPE, linkname="t" * 300),
        info("d/" * 90 + "x", type=tarfile.DIRTYPE, mode=0o1777),
    ]
    entries = list(TarReader(io.BytesIO(archive(*written, form=form))))
    for expected, entry in zip(written, entries, strict=True):
        assert entry.path.rstrip(b"/").decode() == expected.name
        assert entry.link.decode() == expected.linkname
        assert (entry.uid, entry.gid, entry.mode, entry.mtime) == (
            expected.uid,
            expected.gid,
            expected.mode,
            expected.mtime,
        )


def test_content_is_read_in_pieces_or_skipped():
    reader = TarReader(io.BytesIO(archive(info("a", size=1300), info("b", size=10))))
    for entry in reader:
        if entry.path == b"b":
            assert list(reader.content(4)) == [bytes(4), bytes(4), bytes(2)]


def test_times_are_made_whole_and_not_negative():
    infos = [info("a", mtime=1.75), info("b", mtime=-5), info("c", mtime=1 << 40)]
    assert [entry.mtime for entry in TarReader(io.BytesIO(archive(*infos)))] == [1, 0, 1 << 34]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [("GNU.sparse.map", "0,1", "sparse"), ("size", "-1", "not a number"), ("uid", "x", "not a number")],
)
def test_records_that_are_not_understood_are_refused(key, value, message):
    with pytest.raises(TarError, match=message):
        list(TarReader(io.BytesIO(archive(info("a", pax_headers={key: value}, size=1)))))


def test_extension_records_are_bounded():
    data = archive(info("a" * (EXTENSION_LIMIT + 1)), form=tarfile.GNU_FORMAT)
    with pytest.raises(TarError, match="extension record"):
        list(TarReader(io.BytesIO(data)))


@pytest.mark.parametrize("cut", [100, 600, 1030])
def test_a_cut_archive_is_refused(cut):
    with pytest.raises(TarError, match=r"ends inside|checksum"):
        list(TarReader(io.BytesIO(archive(info("a", size=700))[:cut])))


def test_a_flood_of_extension_records_is_refused():
    """They are kept until the entry that they belong to comes."""
    records = {f"key{number}": "v" * 900 for number in range(1000)}
    (header,) = (archive(info("a", pax_headers=records))[: 512 + 1024 * 900],)
    size = int(header[124:135], 8)
    flood = header[:512] + header[512 : 512 + size].ljust(-(-size // 512) * 512, b"\0")
    assert len(list(TarReader(io.BytesIO(flood + archive(info("a")))))) == 1
    with pytest.raises(TarError, match="extension record"):
        list(TarReader(io.BytesIO(flood * 2 + archive(info("a")))))


def test_a_wrong_checksum_is_refused():
    data = bytearray(archive(info("a")))
    data[0] ^= 1
    with pytest.raises(TarError, match="checksum"):
        list(TarReader(io.BytesIO(data)))


def header(size: bytes) -> bytes:
    """A header of a file whose size is written as `size`."""
    block = bytearray(info("a").tobuf(tarfile.USTAR_FORMAT))
    block[124:136] = size.ljust(12, b"\0")
    block[148:156] = b"%06o\0 " % (256 + sum(block[:148]) + sum(block[156:]))
    return bytes(block)


@pytest.mark.parametrize("size", [b"-1000", b"1_0", b"+7", b"0x10", b"9", b"\xff" * 12, b"\x80" + b"\xff" * 11])
def test_a_size_that_is_no_octal_number_is_refused(size):
    with pytest.raises(TarError, match="a header's number is"):
        list(TarReader(io.BytesIO(header(size))))


def test_content_that_nobody_asks_for_is_not_read():
    class Watched(io.BytesIO):
        received = 0

        def read(self, size: int | None = -1, /) -> bytes:
            data = super().read(size)
            self.received += len(data)
            return data

    data = archive(info("a", size=1 << 20), info("b/" * 100 + "c", size=5), info("d", size=0))
    stream = Watched(data)
    reader = SeekingTarReader(stream, len(data))
    found = {entry.path: (reader.position, entry.size) for entry in reader}
    assert stream.received < 1 << 14
    assert found == {
        entry.path: (whole.position, entry.size) for whole in [TarReader(io.BytesIO(data))] for entry in whole
    }


def test_an_archive_that_ends_inside_a_file_is_refused_without_reading_it():
    data = archive(info("a", size=1 << 20))[:5000]
    with pytest.raises(TarError, match="ends inside a file"):
        list(SeekingTarReader(io.BytesIO(data), len(data)))
