from __future__ import annotations

import gzip
import hashlib
import io
import os
import stat
import tarfile
from contextlib import suppress
from pathlib import Path

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_LAYER_GZIP, Descriptor, ImageConfig, Manifest, Platform
from builder.oci.store import Store, remove_tree
from builder.progress import Silent
from builder.run.unpack import unpack_image, unpack_layer

pytestmark = pytest.mark.skipif(not hasattr(os, "setxattr"), reason="layers are unpacked on Linux")


def entry(name: str, data: bytes = b"", **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def folder(name: str, mode: int = 0o755, **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.DIRTYPE, mode=mode, **fields)


def symlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.SYMTYPE, linkname=target)


def hardlink(name: str, target: str) -> tuple[tarfile.TarInfo, bytes]:
    return entry(name, type=tarfile.LNKTYPE, linkname=target)


def archive(entries, form=tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as tar:
        for info, data in entries:
            tar.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return buffer.getvalue()


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "store")
    store.create()
    return store


def keep(store: Store, tar: bytes, compressed: bytes | None = None) -> tuple[Descriptor, Digest]:
    blob = gzip.compress(tar, 1) if compressed is None else compressed
    return Descriptor(MEDIA_TYPE_LAYER_GZIP, store.write(blob), len(blob)), Digest(hashlib.sha256(tar).hexdigest())


def unpack(store: Store, *entries, form=tarfile.PAX_FORMAT) -> Path:
    return unpack_layer(store, *keep(store, archive(entries, form)), Silent())


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_content_modes_times_and_links_are_the_layers(store, form):
    long = "/".join(["folder" * 6] * (3 if form == tarfile.USTAR_FORMAT else 9))
    root = unpack(
        store, folder("./a", 0o500, mtime=86400), entry("a/file", b"x" * 3000, mode=0o751, mtime=1000),
        hardlink("a/same", "./a/file"), symlink("a/link", "/etc/passwd"), entry(f"{long}/deep", b"deep"), form=form,
    )  # fmt: skip
    file = (root / "a/file").lstat()
    assert (stat.S_IMODE(file.st_mode), file.st_mtime, file.st_size, file.st_nlink) == (0o751, 1000, 3000, 2)
    assert (stat.S_IMODE((root / "a").stat().st_mode), (root / "a").stat().st_mtime) == (0o500, 86400)
    assert os.readlink(root / "a/link") == "/etc/passwd"
    assert (root / long / "deep").read_bytes() == b"deep"


def test_names_need_not_be_utf8(store):
    info, data = entry("caf\udce9", b"x")
    tar = archive([(info, data)], tarfile.GNU_FORMAT)
    assert os.listdir(os.fsencode(unpack_layer(store, *keep(store, tar), Silent()))) == [b"caf\xe9"]


def test_a_layer_of_many_gzip_members_and_an_uncompressed_one_are_equal(store):
    tar = archive([entry("a", os.urandom(100_000)), entry("b", b"y")])
    members = b"".join(gzip.compress(tar[start : start + 5000]) for start in range(0, len(tar), 5000))
    for blob in (members, tar):
        layer, diff_id = keep(store, tar, blob)
        root = unpack_layer(store, layer, diff_id, Silent())
        assert sorted(os.listdir(root)) == ["a", "b"]
        remove_tree(root)


def test_a_layer_is_unpacked_once(store):
    layer, diff_id = keep(store, archive([entry("a")]))
    root = unpack_layer(store, layer, diff_id, Silent())
    store.path(layer.digest).unlink()
    assert unpack_layer(store, layer, diff_id, Silent()) == root
    assert list((store.root / "tmp").iterdir()) == []


@pytest.mark.parametrize(
    "entries",
    [
        [entry("../out")],
        [entry("a/../../out")],
        [symlink("a", "/tmp"), entry("a/out")],
        [symlink("a", ".."), folder("a/out")],
        [symlink("a", ".."), folder("a")],
        [symlink("a", ".."), entry("a/.wh.b")],
        [symlink("a", "/etc"), hardlink("b", "a/passwd")],
        [hardlink("b", "../../../../etc/passwd")],
        [hardlink("b", "/etc/passwd")],
        [folder("d"), hardlink("b", "d")],
        [entry("a"), entry("a/b")],
        [folder("a"), entry("a")],
        [entry(".wh...")],
        [entry("a/.wh.")],
        [entry("/".join("d" * 1500))],
        [entry("/".join("d" * 300_000))],
        [entry("link", type=tarfile.SYMTYPE, pax_headers={"linkpath": "a\0b"})],
        [entry("wide", uid=1 << 62)] if os.geteuid() == 0 else [entry("..")],
    ],
    ids=lambda entries: "+".join(info.name[:40] for info, _ in entries),
)
def test_hostile_layers_are_refused_and_leave_nothing(store, tmp_path, entries):
    with pytest.raises(EnvbuildError, match="cannot be unpacked"):
        unpack(store, *entries)
    assert list((store.root / "tmp").iterdir()) == []
    assert list((store.root / "unpacked").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["store"]


def test_a_hard_link_to_what_another_layer_holds_is_refused(store):
    """Layers are unpacked apart from each other, as engines on overlayfs do it too (image-spec issue 1204)."""
    lower, upper = keep(store, archive([entry("a", b"x")])), keep(store, archive([hardlink("b", "a")]))
    config = ImageConfig(Platform("amd64"), "", (lower[1], upper[1]), ())
    with pytest.raises(EnvbuildError, match="a hard link to `a`, which the layer does not hold"):
        unpack_image(store, Manifest(lower[0], (lower[0], upper[0])), config)


def test_a_layer_that_unpacks_to_more_than_any_layer_has_is_left(store, monkeypatch):
    monkeypatch.setattr("builder.oci.compression.LARGEST_LAYER", 1 << 20)
    with pytest.raises(EnvbuildError, match="larger than the 1048576 bytes"):
        unpack(store, entry("bomb", bytes(1 << 24)))
    assert list((store.root / "tmp").iterdir()) == []


def test_a_layer_of_endless_entries_is_left(store, monkeypatch):
    monkeypatch.setattr("builder.run.unpack._ENTRY_LIMIT", 50)
    with pytest.raises(EnvbuildError, match="more than 50 entries"):
        unpack(store, *(entry(f"f{number}") for number in range(60)))
    assert list((store.root / "tmp").iterdir()) == []


def test_attributes_and_odd_owners_of_a_layer_do_not_get_into_the_store(store):
    records = {"SCHILY.xattr.user.overlay.opaque": "y", "SCHILY.xattr.user.overlay.redirect": "/etc", "uid": "70000"}
    root = unpack(store, folder("a", pax_headers=records), entry("a/b", pax_headers=records))
    assert [os.listxattr(path) for path in (root, root / "a", root / "a/b")] == [[], [], []]


def test_an_absolute_path_is_taken_as_the_images(store):
    assert (unpack(store, entry("/etc/file", b"x")) / "etc/file").read_bytes() == b"x"


def test_of_two_entries_the_later_counts_and_never_writes_through_a_link(store, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("safe")
    root = unpack(
        store, symlink("a", str(victim)), entry("a", b"new"), entry("b", b"1"), hardlink("c", "b"), entry("b", b"2")
    )
    assert victim.read_text() == "safe"
    assert [(root / name).read_bytes() for name in "abc"] == [b"new", b"2", b"1"]


def test_whiteouts_become_those_of_overlayfs(store):
    root = unpack(
        store, folder("a"), entry("a/.wh..wh..opq"), entry(".wh.gone"), folder("kept"), entry("kept/x"),
        entry(".wh.kept"), entry(".wh.back"), folder("back"), entry(".wh..wh.plnk"),
    )  # fmt: skip
    gone = (root / "gone").lstat()
    assert (stat.S_ISCHR(gone.st_mode), gone.st_rdev) == (True, 0)
    for name in ("a", "kept", "back"):
        assert os.getxattr(root / name, "user.overlay.opaque") == b"y"
    assert sorted(os.listdir(root)) == ["a", "back", "gone", "kept"]


@pytest.mark.parametrize("damage", ["blob", "diff_id", "truncated", "trailing", "deflate"])
def test_other_bytes_than_promised_are_refused(store, damage):
    tar = archive([entry("a", os.urandom(10_000))])
    layer, diff_id = keep(store, tar)
    blob = bytearray(store.path(layer.digest).read_bytes())
    if damage == "blob":
        blob[9] ^= 1  # a byte that inflating ignores
    elif damage == "deflate":
        blob[11:40] = bytes(29)
    elif damage == "truncated":
        del blob[-20:]
    elif damage == "trailing":
        blob += gzip.compress(b"more")
    else:
        diff_id = Digest.of(b"other")
    store.path(layer.digest).write_bytes(blob)
    error = EnvbuildError if damage in ("truncated", "deflate") else DigestMismatchError
    with pytest.raises(error):
        unpack_layer(store, layer, diff_id, Silent())
    assert list((store.root / "unpacked").iterdir()) == []


@pytest.mark.parametrize("compress", [zstandard.compress, bytes, gzip.compress], ids=["zstd", "none", "gzip"])
def test_a_layer_of_a_base_may_be_compressed_in_any_way(store, compress):
    tar = archive([entry("a", b"content")])
    root = unpack_layer(store, *keep(store, tar, compress(tar)), Silent())
    assert (root / "a").read_bytes() == b"content"
    broken = compress(archive([entry("b", bytes(1 << 21))]))[:-100]
    with pytest.raises(EnvbuildError):
        unpack_layer(store, *keep(store, tar + b"other", broken), Silent())


def test_devices_are_left_out(store):
    root = unpack(store, entry("dev/null", type=tarfile.CHRTYPE), entry("dev/sda", type=tarfile.BLKTYPE), entry("a"))
    assert sorted(path.name for path in root.rglob("*")) == ["a", "dev"]


def test_blobs_are_asked_for_where_a_layer_is_not_unpacked_yet(store):
    pairs = [keep(store, archive([entry(name)])) for name in "ab"]
    config = ImageConfig(Platform("amd64"), "", tuple(diff_id for _, diff_id in pairs), ())
    manifest = Manifest(pairs[0][0], tuple(layer for layer, _ in pairs))
    unpack_layer(store, *pairs[0], Silent())
    asked: list[Descriptor] = []
    for _ in range(2):
        unpack_image(store, manifest, config, bring=asked.extend)
    assert asked == [pairs[1][0]]


def test_an_image_is_unpacked_in_its_order_and_must_agree_with_itself(store):
    pairs = [keep(store, archive([entry(name)])) for name in "abc"]
    config = ImageConfig(Platform("amd64"), "", tuple(diff_id for _, diff_id in pairs), ())
    manifest = Manifest(pairs[0][0], tuple(layer for layer, _ in pairs))
    assert [os.listdir(root) for root in unpack_image(store, manifest, config)] == [["a"], ["b"], ["c"]]
    with pytest.raises(EnvbuildError, match="inconsistent"):
        unpack_image(store, Manifest(pairs[0][0], ()), config)


def test_setuid_files_are_out_of_other_users_reach(store):
    root = unpack(store, entry("tool", mode=0o4755))
    assert stat.S_IMODE(root.parent.stat().st_mode) == 0o700


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=2000), st.integers(0, 3000))
def test_garbage_is_an_error_that_can_be_read(store, noise, position):
    tar = bytearray(archive([folder("a"), entry("a/" + "long" * 60, b"x" * 600), symlink("b", "a")]))
    tar[position : position + len(noise)] = noise
    layer, diff_id = keep(store, bytes(tar))
    with suppress(EnvbuildError):
        remove_tree(unpack_layer(store, layer, diff_id, Silent()))
    assert list((store.root / "tmp").iterdir()) == []
