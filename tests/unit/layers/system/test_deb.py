"""Debian packages as segments."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import io
import json
import lzma
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.errors import EnvbuildError
from builder.layers.deb import open_deb
from builder.layers.interface import PACKAGE_MTIME, Directory
from builder.layers.system import DebFacts


def control(name: str = "hello", version: str = "1.0-1", **fields: str) -> str:
    lines = {"Package": name, "Version": version, "Architecture": "amd64", **fields}
    return "".join(f"{key}: {value}\n" for key, value in lines.items())


def ar(*members: tuple[str, bytes]) -> bytes:
    data = b"!<arch>\n"
    for name, content in members:
        data += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(content):<10}`\n".encode() + content
        data += b"\n" * (len(content) % 2)
    return data


@dataclass
class Member:
    """An entry of a tar archive as a test wants it."""

    path: str
    data: bytes = b""
    kind: bytes = tarfile.REGTYPE
    target: str = ""
    mode: int = 0o644
    uid: int = 0
    gid: int = 0
    pax: dict[str, str] = field(default_factory=dict)


def tar(members: Sequence[Member], form: int = tarfile.GNU_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for member in members:
            info = tarfile.TarInfo(member.path)
            info.type, info.linkname, info.size = member.kind, member.target, len(member.data)
            info.mode, info.uid, info.gid, info.mtime = member.mode, member.uid, member.gid, 1_700_000_000
            info.pax_headers = member.pax
            archive.addfile(info, io.BytesIO(member.data))
    return file.getvalue()


COMPRESS: dict[str, Callable[[bytes], bytes]] = {"": bytes, ".gz": gzip.compress, ".xz": lzma.compress}


def directory(path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> Member:
    return Member(path, kind=tarfile.DIRTYPE, mode=mode, uid=uid, gid=gid)


def link(path: str, target: str, kind: bytes = tarfile.SYMTYPE) -> Member:
    return Member(path, kind=kind, target=target, mode=0o777)


class MakeDeb:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __call__(
        self,
        members: Sequence[Member],
        scripts: dict[str, str] | None = None,
        *,
        compression: str = ".xz",
        form: int = tarfile.GNU_FORMAT,
        **fields: str,
    ) -> Path:
        files = {"control": control(**fields), **(scripts or {})}
        inner = tar([Member(f"./{name}", text.encode()) for name, text in files.items()])
        return self.raw(
            ("debian-binary", b"2.0\n"),
            (f"control.tar{compression}", COMPRESS[compression](inner)),
            (f"data.tar{compression}", COMPRESS[compression](tar(members, form))),
        )

    def raw(self, *members: tuple[str, bytes]) -> Path:
        path = self._folder / "package.deb"
        path.write_bytes(ar(*members))
        return path


@pytest.fixture
def make_deb(tmp_path: Path) -> MakeDeb:
    return MakeDeb(tmp_path)


class Collector:
    def __init__(self) -> None:
        self.gz, self.tar = bytearray(), bytearray()

    def compressed(self, data: bytes | memoryview) -> None:
        self.gz += data

    def uncompressed(self, data: bytes | memoryview) -> None:
        self.tar += data


def written(path: Path, left_out: tuple[str, ...] = ()) -> dict[str, tuple[tarfile.TarInfo, bytes | None]]:
    sink = Collector()
    with open_deb(path) as package:
        package.write(sink, left_out)
        names = [name for name in package.contents().paths if name not in left_out]
    assert gzip.decompress(bytes(sink.gz)) == bytes(sink.tar)
    with tarfile.open(fileobj=io.BytesIO(bytes(sink.tar) + bytes(1024))) as archive:
        members = archive.getmembers()
        assert [member.name for member in members] == names
        return {member.name: (member, _content(archive, member)) for member in members}


def _content(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | None:
    file = archive.extractfile(member) if member.isfile() else None
    return file.read() if file is not None else None


@pytest.mark.parametrize("compression", ["", ".gz", ".xz"])
def test_files_are_written_in_bytewise_order_with_constant_times(make_deb: Any, compression: str) -> None:
    members = [
        directory("./"),
        directory("./usr/"),
        Member("./usr/b", b"2"),
        Member("./usr/a", b"1", mode=0o4755, gid=42),
    ]
    files = written(make_deb(members, compression=compression))
    assert {name: content for name, (_, content) in files.items()} == {"usr/a": b"1", "usr/b": b"2"}
    info = files["usr/a"][0]
    assert (info.mode, info.uid, info.gid, info.mtime, info.uname) == (0o4755, 0, 42, PACKAGE_MTIME, "")


def test_zstandard_is_read(make_deb: Any) -> None:
    parts = [tar([Member("./control", control().encode())]), tar([Member("./a", bytes(300_000))])]
    inner, data = (zstandard.compress(part[:1024]) + zstandard.compress(part[1024:]) for part in parts)
    path = make_deb.raw(("debian-binary", b"2.0\n"), ("control.tar.zst", inner), ("data.tar.zst", data))
    assert written(path)["a"][1] == bytes(300_000)


def test_usr_is_merged_and_sbin_stays_apart(make_deb: Any) -> None:
    members = [
        directory("./bin/"), Member("./bin/a"), Member("./sbin/b"), Member("./lib/x86_64-linux-gnu/c"),
        Member("./lib64/d"),
        Member("./var/run/e"), Member("./usr/bin/f"), directory("./var/lock", 0o1777), link("./lib/g", "/lib/h"),
    ]  # fmt: skip
    path = make_deb(members)
    assert list(written(path)) == [
        "run/e", "usr/bin/a", "usr/bin/f", "usr/lib/g", "usr/lib/x86_64-linux-gnu/c", "usr/lib64/d", "usr/sbin/b",
    ]  # fmt: skip
    with open_deb(path) as package:
        assert package.contents().directories == (Directory("run/lock", 0o1777),)


def test_the_links_of_merged_usr_stay_where_a_package_ships_them(make_deb: Any) -> None:
    files = written(make_deb([link("./bin", "usr/bin"), Member("./usr/bin/a")]))
    assert files["bin"][0].linkname == "usr/bin"


def test_relative_links_that_merging_moves_still_work_or_are_refused(make_deb: Any) -> None:
    good = [link("./bin/a", "b"), link("./lib/c", "../bin/a"), link("./lib/x/d", "../../sbin/e")]
    assert {name: info.linkname for name, (info, _) in written(make_deb(good)).items()} == {
        "usr/bin/a": "b", "usr/lib/c": "../bin/a", "usr/lib/x/d": "../../sbin/e",
    }  # fmt: skip
    with pytest.raises(EnvbuildError) as caught:
        open_deb(make_deb([link("./lib/a", "../etc/b")]))
    assert "`lib/a` does not work" in str(caught.value)


def test_hard_links_point_to_the_first_path_of_the_segment(make_deb: Any) -> None:
    members = [Member("./usr/z", b"content", mode=0o755), link("./usr/a", "./usr/z", tarfile.LNKTYPE)]
    files = written(make_deb(members))
    assert (files["usr/a"][1], files["usr/a"][0].mode) == (b"content", 0o755)
    assert (files["usr/z"][0].islnk(), files["usr/z"][0].linkname) == (True, "usr/a")
    assert written(make_deb(members), ("usr/a",))["usr/z"][1] == b"content"


def test_an_empty_file_is_no_hard_link_to_the_next_one(make_deb: Any) -> None:
    files = written(make_deb([Member("./a"), Member("./b", b"1"), Member("./c"), Member("./d")]))
    assert [content for _, content in files.values()] == [b"", b"1", b"", b""]


def test_directories_of_their_own_are_declared_and_others_not(make_deb: Any) -> None:
    members = [
        directory("./"), directory("./usr"), directory("./usr/full"), Member("./usr/full/a"), directory("./usr/empty"),
        directory("./var", 0o2775, gid=50), Member("./var/b"),
    ]  # fmt: skip
    with open_deb(make_deb(members)) as package:
        assert package.contents().directories == (Directory("usr/empty"), Directory("var", 0o2775, 0, 50))


@pytest.mark.parametrize("form", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_are_read(make_deb: Any, form: int) -> None:
    long = "usr/" + "/".join(["n" * 120] * 3)
    files = written(make_deb([Member(f"./{long}", b"1"), link("./usr/l", "/" + long), Member("./usr/é")], form=form))
    assert (files[long][1], files["usr/l"][0].linkname, "usr/é" in files) == (b"1", "/" + long, True)


def test_extended_attributes_are_not_read(make_deb: Any) -> None:
    member = Member("./a", b"1", pax={"SCHILY.xattr.security.capability": "x", "comment": "y"})
    assert written(make_deb([member], form=tarfile.PAX_FORMAT))["a"][1] == b"1"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([Member("/etc/passwd")], "cannot be a path"),
        ([Member("./../etc/passwd")], "cannot be a path"),
        ([Member("./a/../../b")], "cannot be a path"),
        ([Member("./a\nb")], "cannot be a path"),
        ([Member("./dev/null", kind=tarfile.CHRTYPE)], "neither a file"),
        ([Member("./pipe", kind=tarfile.FIFOTYPE)], "neither a file"),
        ([Member("./a"), Member("./a")], "twice"),
        ([Member("./bin/a"), Member("./usr/bin/a")], "twice"),
        ([Member("./a"), Member("./a/b")], "lies below"),
        ([link("./a", "/etc"), Member("./a/b")], "lies below"),
        ([link("./a", "/etc"), directory("./a")], "directory and a file"),
        ([link("./a", "./b", tarfile.LNKTYPE)], "no file before it"),
        ([Member("./b"), link("./a", "../b", tarfile.LNKTYPE)], "cannot be a path"),
        ([link("./b", "c"), link("./a", "./b", tarfile.LNKTYPE)], "no file before it"),
        ([Member(".", b"1")], "root of the archive"),
        ([Member("./a", pax={"GNU.sparse.major": "1"})], "sparse"),
    ],
)
def test_what_a_deb_may_not_hold_is_refused(make_deb: Any, members: list[Any], message: str) -> None:
    with pytest.raises(EnvbuildError) as caught:
        open_deb(make_deb(members, form=tarfile.PAX_FORMAT))
    assert "`package.deb`" in caught.value.what
    assert message in str(caught.value)


def test_sizes_that_lie_are_refused(make_deb: Any) -> None:
    inner = tar([Member("./control", control().encode())])
    data = bytearray(tar([Member("./a", b"1")]))
    data[124:136] = b"%011o\0" % (1 << 30)
    data[148:156] = b"%06o\0 " % (sum(data[:148]) + sum(data[156:512]) + 8 * 32)
    with pytest.raises(EnvbuildError, match=r"package\.deb"):
        open_deb(make_deb.raw(("debian-binary", b"2.0\n"), ("control.tar", inner), ("data.tar", bytes(data))))
    path = make_deb([Member("./a")])
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(EnvbuildError) as caught:
        open_deb(path)
    assert "cut off" in str(caught.value)


def test_damage_is_refused(make_deb: Any) -> None:
    good = make_deb([Member("./a", bytes(2000))], compression="").read_bytes()
    for data, message in (
        (b"", "not a Debian package"),
        (good.replace(b"2.0\n", b"3.0\n", 1), "format 2"),
        (good.replace(b"data.tar ", b"data.tgz ", 1), "compressed in an unknown way"),
        (good[:-1] + b"x", "goes on after its end"),
        (good.replace(b"./a\0", b"./b\0", 1), "checksum"),
        (good.replace(b"Package: hello", b"Pockage: hello", 1), "lacks a name"),
    ):
        path = make_deb.raw()
        path.write_bytes(data)
        with pytest.raises(EnvbuildError) as caught:
            open_deb(path)
        assert message in str(caught.value)


def test_streams_that_are_cut_off_or_need_too_much_memory_are_refused(make_deb: Any) -> None:
    inner = lzma.compress(tar([Member("./control", control().encode())]))
    data = tar([Member("./a", bytes(300_000))])
    huge = lzma.compress(
        data, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 512 << 20, "mode": lzma.MODE_FAST, "mf": lzma.MF_HC3}]
    )
    for name, content in (("xz", lzma.compress(data)[:-40]), ("xz", huge), ("gz", gzip.compress(data)[:-20])):
        path = make_deb.raw(("debian-binary", b"2.0\n"), ("control.tar.xz", inner), (f"data.tar.{name}", content))
        with pytest.raises(EnvbuildError, match="cannot be used"):
            open_deb(path)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 5000), value=st.integers(0, 255))
def test_any_changed_byte_gives_a_package_or_an_error(make_deb: Any, place: int, value: int) -> None:
    data = bytearray(
        make_deb([directory("./usr"), Member("./usr/a", b"1"), link("./usr/b", "a")], compression="").read_bytes()
    )
    data[place % len(data)] = value
    path = make_deb.raw()
    path.write_bytes(data)
    with contextlib.suppress(EnvbuildError):
        written(path)


def test_facts_survive_json(make_deb: Any) -> None:
    members = [
        Member("./usr/share/ca-certificates/mozilla/A.crt", "é".encode()), Member("./usr/bin/tool"),
        Member("./usr/share/x"),
        Member("./etc/ld.so.conf.d/a.conf", b"/opt/lib\n"), link("./usr/lib/liba.so.1", "liba.so.1.2"),
        Member("./etc/named"),
    ]  # fmt: skip
    scripts = {
        "postinst": "#!/bin/sh\ncat /etc/named\n",
        "prerm": "#!/bin/sh\n",
        "md5sums": "0  a\n",
        "conffiles": "/etc/named\n",
    }
    with open_deb(make_deb(members, scripts, name="pkg", version="1:2")) as package:
        facts = package.facts
    assert (facts.name, facts.version, facts.architecture) == ("pkg", "1:2", "amd64")
    assert facts.links == (("usr/lib/liba.so.1", "liba.so.1.2"),)
    assert dict(facts.files) == {
        "etc/ld.so.conf.d/a.conf": b"/opt/lib\n",
        "usr/share/ca-certificates/mozilla/A.crt": "é".encode(),
    }
    assert facts.listed == ("etc/named", "usr/bin/tool")
    assert [name for name, _ in facts.scripts] == ["postinst"]
    assert DebFacts.from_dict(json.loads(json.dumps(facts.to_dict()))) == facts
    assert DebFacts.from_dict({**facts.to_dict(), "format": 0}) is None


def test_fields_may_go_over_several_lines(make_facts: Callable[..., DebFacts]) -> None:
    facts = dataclasses.replace(
        make_facts("a"), paragraph="Package: a\nDescription: short\n long\n .\nMulti-Arch: same\n"
    )
    assert (facts.field("description"), facts.field("Multi-Arch"), facts.field("none")) == (
        "short\n long\n .",
        "same",
        "",
    )
