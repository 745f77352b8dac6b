"""What reads a bundle, given any bytes: for tests that try many. Anything but an error for users is a fault."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path

from made_bundles import bundle_of, documents, write_file, write_folder
from made_up_image import file, folder, layer, link

from builder.bundle.reading.contents import Files
from builder.bundle.reading.diff import diff_bundles
from builder.bundle.reading.reader import Bundle, open_bundle
from builder.bundle.reading.summary import summarise
from builder.bundle.reading.unpack import USUAL, unpack
from builder.cli import inspect
from builder.errors import EnvbuildError

_LAYER = layer(
    folder("app"), file("app/train.py", b"print(1)"), link("app/link", "train.py"), file("app/.wh.gone"),
    link("app/hard", "app/train.py", hard=True), file("app/" + "long/" * 30 + "name", b"x" * 700),
)  # fmt: skip


def _archive() -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as place:
        return write_file(Path(place, "a.tar"), bundle_of({"code": _LAYER}, compress=False)).read_bytes()


SEEDS = {"archive": _archive(), "layer": _LAYER, "document": documents()}


def read_archive(path: Path, data: bytes) -> None:
    """Read what claims to be a bundle's file, in every way."""
    path.write_bytes(data)
    with suppress(EnvbuildError):
        _read(open_bundle(path), path.parent / "out")


def read_layer(path: Path, tar: bytes) -> None:
    """Read a bundle whose digests are right and whose code is any bytes."""
    for compress in (True, False):
        _read_made(path, {"code": tar}, compress)


def read_document(path: Path, document: bytes) -> None:
    """Read a bundle with any `bundle.json`."""
    tar = layer(folder("bundle"), file("bundle/bundle.json", document))
    _read_made(path, {"bundle documents": tar}, True)


def _read_made(path: Path, layers: dict[str, bytes], compress: bool) -> None:
    shutil.rmtree(path, ignore_errors=True)
    write_folder(path, bundle_of(layers, compress=compress))
    with suppress(EnvbuildError):
        _read(open_bundle(path), path.parent / "out")


def _read(bundle: Bundle, target: Path) -> None:
    with suppress(EnvbuildError):
        list(inspect._lines(summarise(bundle, with_records=True), with_layers=True))
    with suppress(EnvbuildError):
        diff_bundles(bundle, bundle)
    image = bundle.images[min(bundle.images)]
    shutil.rmtree(target, ignore_errors=True)
    with suppress(EnvbuildError):
        files = Files(bundle.layout, image, whole=False)
        for placed in list(files.below(b"")):
            with suppress(EnvbuildError):
                list(files.content(placed))
    with suppress(EnvbuildError):
        unpack(bundle, Files(bundle.layout, image, whole=False), USUAL, target)
