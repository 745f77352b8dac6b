"""Bundles from someone who means harm, and what every command that reads one does with them in little memory."""

from __future__ import annotations

import gzip
import io
import os
import re
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from limited_commands import Result, run_limited
from made_bundles import bundle_of, documents, write_file, write_folder
from made_up_image import Image, file, folder, image, index, layer, link

from builder.oci.digest import Digest
from builder.oci.documents import MEDIA_TYPE_LAYER_GZIP, MEDIA_TYPE_MANIFEST, Descriptor, Index, Manifest

LAYERS = {"ls", "cat", "unpack", "verify"}
"""Commands that read layers of code and model, and refuse one that is not in order."""
ALL = {"inspect", "records", "diff", "ls", "cat", "unpack", "verify", "run", "push"}


@dataclass(frozen=True)
class Case:
    """A bundle, and what is said of it."""

    make: Callable[[Path], Path]
    says: str = ""
    """What the commands that refuse it say of it, as a regular expression."""
    refused: frozenset[str] = field(default_factory=frozenset)
    """The commands that must refuse it; the others must end in order."""
    other: Mapping[str, str] = field(default_factory=dict)
    """What single commands say instead."""
    left_out: frozenset[str] = field(default_factory=frozenset)
    """Commands that would take long."""


def code(*members: tuple[tarfile.TarInfo, bytes]) -> Callable[[Path], Path]:
    """A bundle whose code is made of these members."""
    return raw(layer(*members))


def raw(tar: bytes, **options: bool) -> Callable[[Path], Path]:
    """A bundle whose code is this layer."""
    return lambda path: write_file(path / "a.tar", bundle_of({"code": tar}, **options))


def kind(name: str, flag: bytes, **fields: object) -> tuple[tarfile.TarInfo, bytes]:
    info, data = file(name)
    info.type = flag
    for key, value in fields.items():
        setattr(info, key, value)
    return info, data


def header(name: str, size: int, flag: bytes = b"0") -> bytes:
    """A header alone, of any size."""
    info = tarfile.TarInfo(name)
    info.type, info.size = flag, size
    return info.tobuf(tarfile.GNU_FORMAT)


def changed(made: Image, old: bytes, new: bytes) -> Image:
    """With other bytes in the blobs that have `old`, under the digests that they had."""
    return Image(made.descriptor, {digest: data.replace(old, new) for digest, data in made.blobs.items()})


def with_manifest(made: Image, data: bytes, media_type: str = MEDIA_TYPE_MANIFEST) -> Image:
    """With this manifest, named by its digest."""
    digest = Digest.of(data)
    descriptor = Descriptor(media_type, digest, len(data), platform=made.descriptor.platform)
    return Image(descriptor, {**made.blobs, digest: data})


def folder_with_index(content: Callable[[Path], None]) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        place = write_folder(path / "a", bundle_of({"code": layer(file("app/x"))}))
        (place / "index.json").unlink()
        content(place / "index.json")
        return place

    return make


def hole(path: Path) -> None:
    with open(path, "wb") as file:
        file.truncate(1 << 30)


def layer_type(path: Path) -> Path:
    made = bundle_of({"code": layer(file("app/x"))})
    manifest = Manifest.from_bytes(made.blobs[made.descriptor.digest])
    layers = tuple(replace(one, media_type="application/x-evil") for one in manifest.layers)
    return write_file(path / "a.tar", with_manifest(made, replace(manifest, layers=layers).to_bytes()))


def deep_manifest(path: Path) -> Path:
    made = bundle_of({"code": layer(file("app/x"))})
    return write_file(path / "a.tar", with_manifest(made, b'{"layers":' + b"[" * 100_000 + b"]" * 100_000 + b"}"))


def nested(path: Path) -> Path:
    """An index of an index of an index …, and one that names its own digest, which is a lie."""
    made = bundle_of({"code": layer(file("app/x"))})
    for _ in range(50):
        made = index(made)
    return write_file(path / "a.tar", made)


def loop(path: Path) -> Path:
    made = bundle_of({"code": layer(file("app/x"))})
    digest = Digest.of(b"a loop")
    top = Descriptor("application/vnd.oci.image.index.v1+json", digest, 0)
    data = Index((top,)).to_bytes()
    top = replace(top, size=len(Index((replace(top, size=len(data)),)).to_bytes()))
    return write_file(path / "a.tar", Image(top, {**made.blobs, digest: Index((top,)).to_bytes()}))


def many_layers(path: Path) -> Path:
    made = image([layer(file(f"f{number}")) for number in range(3)])
    manifest = Manifest.from_bytes(made.blobs[made.descriptor.digest])
    return write_file(path / "a.tar", with_manifest(made, replace(manifest, layers=manifest.layers * 2000).to_bytes()))


def many_images(path: Path) -> Path:
    made = bundle_of({"code": layer(file("app/x"))})
    data = Index((made.descriptor,) * 5000).to_bytes()
    top = Descriptor("application/vnd.oci.image.index.v1+json", Digest.of(data), len(data))
    return write_file(path / "a.tar", Image(top, {**made.blobs, top.digest: data}))


def large_config(path: Path) -> Path:
    made = bundle_of({"code": layer(file("app/x"))})
    manifest = Manifest.from_bytes(made.blobs[made.descriptor.digest])
    config = replace(manifest.config, size=1 << 30)
    return write_file(path / "a.tar", with_manifest(made, replace(manifest, config=config).to_bytes()))


def bomb(path: Path) -> Path:
    """A gigabyte and more of zero bytes in a megabyte."""
    piece = gzip.compress(bytes(1 << 24))
    blob = gzip.compress(header("app/zeros", 1 << 40)) + piece * 64 * 4
    made = bundle_of({"code": layer(file("app/x"))})
    manifest = Manifest.from_bytes(made.blobs[made.descriptor.digest])
    large = Descriptor(MEDIA_TYPE_LAYER_GZIP, Digest.of(blob), len(blob))
    data = replace(manifest, layers=(large, *manifest.layers[1:])).to_bytes()
    made = with_manifest(made, data)
    return write_file(path / "a.tar", Image(made.descriptor, {**made.blobs, large.digest: blob}))


def million(path: Path) -> Path:
    """More entries than anybody has, in a few megabytes."""
    block = bytearray(header("app/" + "0" * 7, 0))
    start = sum(block[:148]) + sum(block[156:]) + 256 - 7 * 48
    compressed = io.BytesIO()
    with gzip.GzipFile(fileobj=compressed, mode="wb", compresslevel=1, mtime=0) as output:
        for first in range(0, 600_000, 10_000):
            blocks = []
            for number in range(first, first + 10_000):
                digits = b"%07d" % number
                block[4:11], block[148:156] = digits, b"%06o\0 " % (start + sum(digits))
                blocks.append(bytes(block))
            output.write(b"".join(blocks))
        output.write(bytes(1024))
    blob = compressed.getvalue()
    made = bundle_of({"code": layer(file("app/x"))})
    manifest = Manifest.from_bytes(made.blobs[made.descriptor.digest])
    large = Descriptor(MEDIA_TYPE_LAYER_GZIP, Digest.of(blob), len(blob))
    made = with_manifest(made, replace(manifest, layers=(large, *manifest.layers[1:])).to_bytes())
    return write_file(path / "a.tar", Image(made.descriptor, {**made.blobs, large.digest: blob}))


def outer(*extra: tuple[tarfile.TarInfo, bytes]) -> Callable[[Path], Path]:
    return lambda path: write_file(path / "a.tar", bundle_of({"code": layer(file("app/x"))}), extra)


def outer_raw(data: bytes, size: int = 0) -> Callable[[Path], Path]:
    def make(path: Path) -> Path:
        (path / "a.tar").write_bytes(data)
        os.truncate(path / "a.tar", max(size, len(data)))
        return path / "a.tar"

    return make


def lying(old: bytes, new: bytes) -> Callable[[Path], Path]:
    made = bundle_of({"code": layer(file("app/x", b"good content"))}, compress=False)
    return lambda path: write_file(path / "a.tar", changed(made, old, new))


def with_document(data: bytes) -> Callable[[Path], Path]:
    tar = layer(folder("bundle"), file("bundle/bundle.json", data, 0o644))
    return lambda path: write_file(path / "a.tar", bundle_of({"bundle documents": tar}))


def pipe_blob(path: Path) -> Path:
    made = bundle_of({"code": layer(file("app/x"))})
    place = write_folder(path / "a", made)
    config = Manifest.from_bytes(made.blobs[made.descriptor.digest]).config
    (place / "blobs/sha256" / config.digest.hex).unlink()
    os.mkfifo(place / "blobs/sha256" / config.digest.hex)
    return place


def link_to_secret(path: Path) -> Path:
    """The blob of a layer is a link to a file of the host."""
    made = bundle_of({"code": layer(file("app/x"))})
    place = write_folder(path / "a", made)
    blob = Manifest.from_bytes(made.blobs[made.descriptor.digest]).layers[0].digest.hex
    (place / "blobs/sha256" / blob).unlink()
    (place / "blobs/sha256" / blob).symlink_to(path.parent / "canary")
    return place


READING = frozenset(LAYERS | {"run"})
ANY = frozenset(ALL)
DOCUMENTS = frozenset({"inspect", "records", "diff"})

CASES = {
    "out by dots": Case(code(file("../../../../escaped")), "leads out of the layer", READING),
    "out by dots inside": Case(code(file("app/../../escaped")), "leads out of the layer", READING),
    "absolute": Case(code(file("/tmp/escaped")), "is absolute", frozenset(LAYERS)),
    "through a link": Case(
        code(link("app/out", "/tmp"), file("app/out/escaped")), "symbolic link|as a directory", READING
    ),
    "through a link to a folder above": Case(
        code(link("app", "../../.."), file("app/escaped")), "symbolic link|as a directory", READING
    ),
    "link out": Case(code(link("app/x", "/etc/passwd")), "leads out|not in the image", frozenset({"cat", "unpack"})),
    "hard link out": Case(code(link("app/x", "/etc/passwd", hard=True)), "hard link", READING),
    "hard link to later": Case(code(link("app/x", "app/y", hard=True), file("app/y")), "hard link", READING),
    "device": Case(code(kind("app/sda", tarfile.BLKTYPE, devmajor=8), file("app/x"))),
    "pipe": Case(code(kind("app/pipe", tarfile.FIFOTYPE), file("app/x"))),
    "setuid": Case(code(file("app/x", b"#!/bin/sh", 0o6755))),
    "twice": Case(code(file("app/x", b"harmless"), file("app/x", b"harmful")), "there twice", frozenset(LAYERS)),
    "a file and a folder": Case(code(file("app/x"), file("app/x/y")), "entries below it|same layer|directory", READING),
    "of no kind": Case(code(kind("app/x", b"Q")), "kind", READING),
    "sparse of GNU": Case(
        raw(header("app/x", 1 << 40, tarfile.GNUTYPE_SPARSE) + bytes(1024)), "kind|end|contradict", READING
    ),
    "sparse of PAX": Case(code(kind("app/x", b"0", pax_headers={"GNU.sparse.size": str(1 << 60)})), "sparse", READING),
    "records too large": Case(raw(header("app/x", 1 << 33, b"x") + bytes(4096)), "extension record", READING),
    "endless name": Case(raw(header("app/x", 1 << 33, b"L") + bytes(4096)), "extension record", READING),
    "two sizes": Case(
        code(kind("app/x", b"0", pax_headers={"size": "1000000"})), "contradict|ends inside", frozenset(LAYERS)
    ),
    "negative size": Case(
        raw(header("app/x", 0).replace(b"00000000000\0", b"-0000001000\0")), "checksum|number", READING
    ),
    "deep": Case(code(file("app/" + "d/" * 2040 + "x")), "longer|deep|bytes", READING - {"verify"}),
    "escapes": Case(code(file("app/\x1b]0;owned\x07x"), file("app/x")), "terminal", frozenset({"unpack"})),
    "bidi": Case(code(file("app/x\u202egpj.py"), file("app/x")), "terminal", frozenset({"unpack"})),
    "capitals": Case(code(file("app/x", b"1"), file("app/X", b"2"))),
    "layer of a foreign type": Case(layer_type, "application/x-evil", frozenset({"verify"})),
    "layer lies": Case(
        lying(b"good content", b"evil content"), "digest", frozenset({"cat", "unpack", "verify", "run"})
    ),
    "config lies": Case(lying(b"dev.envbuild.lock", b"dev.envbuild.LOCK"), "digest", ANY),
    "cut short": Case(
        lambda path: outer_raw(outer()(path).read_bytes()[:5000])(path), "cut short|ends|missing|has no", ANY
    ),
    "more images than a bundle has": Case(many_images, "lists 5000 manifests", ANY - {"verify"}),
    "more layers than an image has": Case(many_layers, "layers", frozenset(LAYERS)),
    "nested indexes": Case(nested, "not an OCI image manifest|holds", ANY - {"verify"}),
    "an index that names itself": Case(loop, "digest|not an OCI", ANY),
    "deep manifest": Case(deep_manifest, "JSON|deep|recursion", ANY),
    "large config": Case(large_config, "too large|1073741824", ANY),
    "deep document": Case(with_document(b'{"format":1,"a":' + b"[" * 100_000), "JSON", DOCUMENTS | {"run"}),
    "document that is not whole": Case(with_document(b'{"format": NaN}'), "JSON|format", DOCUMENTS | {"run"}),
    "key twice": Case(with_document(b'{"format": 1, "format": 1}'), "JSON", DOCUMENTS | {"run"}),
    "index of a gigabyte": Case(folder_with_index(hole), "cannot be read|JSON|index", ANY),
    "index a pipe": Case(folder_with_index(os.mkfifo), "not a bundle|no `index|index.json", ANY),
    "blob a pipe": Case(pipe_blob, "no regular file|not have the bytes|bytes", ANY),
    "blob a link out": Case(link_to_secret, "digest|bytes|archive|not inside|missing", frozenset(LAYERS)),
    "outer dots": Case(outer(file("../escaped")), "has an entry", ANY - {"verify"}, {"verify": "entry"}),
    "outer link": Case(outer(link("blobs/sha256/" + "0" * 64, "/etc/passwd")), "has an entry", ANY),
    "outer twice": Case(outer(file("index.json", b"{}")), "twice", ANY),
    "outer records too large": Case(outer_raw(header("x", 1 << 30, b"x"), 1 << 31), "extension record", ANY),
    "outer endless": Case(outer_raw(header("index.json", 1 << 60)), "ends inside", ANY),
}

LARGE = {
    "million": Case(million, "more than|too many paths", frozenset(LAYERS), left_out=frozenset({"run"})),
    "bomb": Case(bomb, "larger than the", READING),
}
"""Those that take long."""


def write_good(folder: Path) -> Path:
    """A bundle that means no harm."""
    tar = documents({"README.md": b"hello"})
    made = bundle_of({"code": layer(file("app/x", b"fine")), "bundle documents": tar})
    return write_file(folder / "good.tar", made)


def lines(bundle: Path, good: Path, work: Path) -> dict[str, list[str]]:
    """The command lines, by name."""
    return {
        "inspect": ["inspect", str(bundle), "--layers"],
        "records": ["inspect", str(bundle), "--records", "--json"],
        "diff": ["diff", str(good), str(bundle)],
        "ls": ["ls", str(bundle), "-lR"],
        "cat": ["cat", str(bundle), "app/x"],
        "unpack": ["unpack", str(bundle), "-o", str(work / "unpacked")],
        "root": ["unpack", str(bundle), "-o", str(work / "whole"), "--only", "root"],
        "verify": ["verify", str(bundle)],
        "run": ["run", str(bundle), "train", "--engine", "embedded", "--network", "none", "--out", str(work / "out")],
        "push": ["push", str(bundle), "127.0.0.1:1/a:1"],
    }


@dataclass(frozen=True)
class Outcome:
    """What every command did with the bundle of a case, and what lies around it."""

    folder: Path
    results: Mapping[str, Result]
    before: list[Path]
    """What was there, relative to the folder."""


_AT_ONCE = 8


def outcomes_of(cases: Mapping[str, Case], root: Path) -> dict[str, Outcome]:
    """Of each case. A process goes through several, since to start one takes longer than what is to be seen."""
    found: dict[str, Outcome] = {}
    good, names = write_good(root), list(cases)
    for first in range(0, len(names), _AT_ONCE):
        batch = names[first : first + _AT_ONCE]
        made = {name: _made(cases[name], root / f"case{names.index(name)}", good) for name in batch}
        asked = [line for _, commands, _ in made.values() for line in commands.values()]
        results = iter(run_limited(asked, root, root / "store", seconds=300))
        for name, (place, commands, before) in made.items():
            found[name] = Outcome(place, {command: next(results) for command in commands}, before)
    return found


def check(case: Case, outcome: Outcome) -> None:
    """What is to be refused is refused with a message, and nothing was written but what was asked for."""
    for command, result in outcome.results.items():
        told = f"{command}: {result.code}\n{result.out[-500:]}\n{result.err[-1500:]}"
        assert "Traceback" not in result.err, told
        assert "something unexpected" not in result.err, told
        assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", result.out + result.err), told
        assert "of the host" not in result.out, told
        if command in case.refused:
            assert result.code in (1, 3, 5), told
            assert re.search(case.other.get(command, case.says), result.err), told
    _check_surroundings(outcome)
    assert not ((outcome.folder / "work/unpacked").exists() and "unpack" in case.refused)


def _check_surroundings(outcome: Outcome) -> None:
    """Nothing is written but what was asked for, and nothing of that runs as its owner."""
    kept = {Path("work") / name for name in ("unpacked", "whole", "out", "runs")}
    after = [path.relative_to(outcome.folder) for path in outcome.folder.rglob("*")]
    assert sorted(path for path in after if not kept & {path, *path.parents}) == outcome.before
    assert not any(Path(place, "escaped").exists() for place in ("/", "/tmp", outcome.folder.parent))
    assert (outcome.folder / "canary").read_text() == "of the host"
    for root, _, files in os.walk(outcome.folder / "work"):
        assert all(os.lstat(os.path.join(root, name)).st_mode & 0o6000 == 0 for name in files)


def _made(case: Case, place: Path, good: Path) -> tuple[Path, dict[str, list[str]], list[Path]]:
    (place / "place").mkdir(parents=True)
    (place / "work").mkdir()
    (place / "canary").write_text("of the host")
    bundle = case.make(place / "place")
    before = sorted(path.relative_to(place) for path in place.rglob("*"))
    commands = lines(bundle, good, place / "work")
    for command in {"push"} - case.refused | case.left_out:
        del commands[command]  # to push it would wait for the registry
    return place, commands, before
