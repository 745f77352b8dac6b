"""An engine's archive becomes an image in the store that holds together, or an error; nothing in it is believed."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from made_up_image import file, folder, layer, link

from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch import Fetcher, Mirrors
from builder.image.engine import imported
from builder.image.engine.archive import SavedArchive
from builder.image.engine.imported import import_image
from builder.image.workshop import Workshop
from builder.oci.store import Store
from builder.oci.validate import validate

FIRST, SECOND = layer(folder("a"), file("a/one", b"1" * 5000)), layer(file("a/two", b"2"))


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def config(*layers: bytes, **more: object) -> bytes:
    rootfs = {"type": "layers", "diff_ids": [f"sha256:{sha(one)}" for one in layers]}
    return json.dumps({"architecture": "amd64", "os": "linux", "rootfs": rootfs, "OnBuild": None, **more}).encode()


def manifest(config_name: str, *names: str) -> bytes:
    return json.dumps([{"Config": config_name, "RepoTags": None, "Layers": list(names)}]).encode()


CONFIG = config(FIRST, SECOND)
IDENTITY = f"sha256:{sha(CONFIG)}"


def classic() -> list:
    """As engines before 25 write it: a folder a layer, a link where one is there twice."""
    return [
        folder("x"),
        file("x/layer.tar", FIRST),
        file("y/VERSION", b"1.0"),
        file("z/layer.tar", SECOND),
        link("y/layer.tar", "../z/layer.tar"),
        file("c.json", CONFIG),
        file("manifest.json", manifest("c.json", "x/layer.tar", "y/layer.tar")),
    ]


def blob(data: bytes) -> tuple:
    return file(f"blobs/sha256/{sha(data)}", data)


def oci() -> tuple[str, list]:
    """As engines with containerd's store write it: compressed layers below a manifest below an index."""
    layers = [gzip.compress(one, mtime=0) for one in (FIRST, SECOND)]

    def descriptor(data: bytes, kind: str) -> dict:
        return {"mediaType": kind, "digest": f"sha256:{sha(data)}", "size": len(data)}

    inner = json.dumps(
        {"schemaVersion": 2, "config": descriptor(CONFIG, "c"), "layers": [descriptor(one, "l") for one in layers]}
    )
    absent = {"mediaType": "m", "digest": f"sha256:{'0' * 64}", "size": 3}
    top = json.dumps({"schemaVersion": 2, "manifests": [absent, descriptor(inner.encode(), "m")]}).encode()
    names = [f"blobs/sha256/{sha(one)}" for one in (CONFIG, *layers)]
    documents = [blob(top), blob(inner.encode()), blob(CONFIG), *map(blob, layers)]
    return f"sha256:{sha(top)}", [*documents, file("manifest.json", manifest(*names))]


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    store = Store(tmp_path / "store")
    store.create()
    return Workshop(store, Fetcher(store, Mirrors()), workers=1)


def saved(members: list):
    @contextmanager
    def give(_: str) -> Iterator[Iterator[bytes]]:
        data = layer(*members)
        yield (data[position : position + 1000] for position in range(0, len(data), 1000))

    return give


@pytest.mark.parametrize(("identity", "members"), [(IDENTITY, classic()), oci()], ids=["classic", "oci"])
def test_an_archive_of_an_engine_becomes_an_image_that_holds_together(workshop, identity, members):
    image = import_image(identity, saved(members), workshop)
    assert validate(workshop.store, image.descriptor).problems == ()
    assert [str(one) for one in image.config.diff_ids] == [f"sha256:{sha(one)}" for one in (FIRST, SECOND)]
    assert str(image.manifest.config.digest) == IDENTITY, "the engine knows it again after a pull"
    assert list(workshop.store.temporary.iterdir()) == []


def test_both_kinds_of_archives_give_one_digest(workshop):
    identity, members = oci()
    first = import_image(IDENTITY, saved(classic()), workshop)
    assert import_image(identity, saved(members), workshop) == first


def test_equal_layers_are_compressed_once(workshop, monkeypatch):
    import_image(IDENTITY, saved(classic()), workshop)
    monkeypatch.setattr(imported, "EncodedWriter", None)
    assert import_image(IDENTITY, saved(classic()), workshop).manifest.layers


def without(name: str, *instead: tuple) -> list:
    return [*(one for one in classic() if one[0].name != name), *instead]


HOSTILE = {
    "no-manifest": without("manifest.json"),
    "no-list": without("manifest.json", file("manifest.json", b"{}")),
    "two-images": without("manifest.json", file("manifest.json", b"[{},{}]")),
    "no-json": without("manifest.json", file("manifest.json", b"[")),
    "deep": without("manifest.json", file("manifest.json", b"[" * 100_000)),
    "no-layers": without("manifest.json", file("manifest.json", b'[{"Config": "c.json"}]')),
    "odd-layers": without("manifest.json", file("manifest.json", b'[{"Config": "c.json", "Layers": [1]}]')),
    "fewer-layers": without("manifest.json", file("manifest.json", manifest("c.json", "x/layer.tar"))),
    "missing-layer": without("x/layer.tar"),
    "path-outside": without("manifest.json", file("manifest.json", manifest("/etc/passwd", "a", "b"))),
    "link-outside": without("x/layer.tar", link("x/layer.tar", "/etc/passwd")),
    "circle": without("z/layer.tar", link("z/layer.tar", "../y/layer.tar")),
    "twice": [*classic(), file("c.json", CONFIG)],
    "other-config": without("c.json", file("c.json", config(FIRST, SECOND, created="now"))),
    "other-layer": without("x/layer.tar", file("x/layer.tar", SECOND)),
    "damaged-layer": without("x/layer.tar", file("x/layer.tar", gzip.compress(FIRST)[:-10])),
    "huge-config": without("c.json", file("c.json", b" " * (5 << 20))),
}


@pytest.mark.parametrize("name", sorted(HOSTILE))
def test_an_archive_that_does_not_hold_together_is_refused(workshop, name):
    with pytest.raises(EnvbuildError):
        import_image(IDENTITY, saved(HOSTILE[name]), workshop)
    assert list(workshop.store.temporary.iterdir()) == []


def test_another_image_than_the_one_that_was_asked_for_is_a_wrong_digest(workshop):
    identity, members = oci()
    with pytest.raises(DigestMismatchError):
        import_image(IDENTITY, saved(HOSTILE["other-config"]), workshop)
    swapped = [one for one in members if one[0].name != f"blobs/{identity.replace(':', '/')}"]
    other = file(f"blobs/{identity.replace(':', '/')}", b'{"schemaVersion": 2, "manifests": []}')
    with pytest.raises(DigestMismatchError):
        import_image(identity, saved([*swapped, other]), workshop)


def test_what_is_no_tar_is_refused(tmp_path):
    (tmp_path / "x.tar").write_bytes(b"no tar" * 1000)
    with pytest.raises(EnvbuildError):
        SavedArchive(tmp_path / "x.tar")


def test_an_engine_that_sends_without_end_is_stopped(workshop, monkeypatch):
    monkeypatch.setattr(imported, "ARCHIVE_LIMIT", 5000)
    with pytest.raises(EnvbuildError, match="without end"):
        import_image(IDENTITY, saved(classic()), workshop)
    assert list(workshop.store.temporary.iterdir()) == []


def test_a_layer_that_inflates_without_end_is_stopped(workshop, monkeypatch):
    flood = layer(file("a", bytes(1 << 22)))
    data = config(flood, SECOND)
    members = without("x/layer.tar", file("x/layer.tar", gzip.compress(flood)))
    members = [one for one in members if one[0].name != "c.json"] + [file("c.json", data)]
    monkeypatch.setattr(imported, "ARCHIVE_LIMIT", 1 << 20)
    with pytest.raises(EnvbuildError, match="no end"):
        import_image(f"sha256:{sha(data)}", saved(members), workshop)
