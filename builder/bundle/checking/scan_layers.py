"""Scanning the layers of a finished image, wherever it is: also what a higher layer deletes again is found.

A layer is read once, as it comes: small files stay in memory, large ones go through a temporary file.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from builder.bundle.inside.scan import bytes_of, moved_back, own_imports, own_modules
from builder.bundle.reading.reader import document_file, is_bundle
from builder.errors import EnvbuildError
from builder.image.contents.layers import ADDED, kinds_of
from builder.image.kept import Image, kept_value
from builder.image.skeleton import BUNDLE, CODE, DATA, MODEL
from builder.oci.layer_index import layer_stream
from builder.oci.layer_rules import FILE, plain, shown
from builder.oci.layer_scan import MOST_ENTRIES
from builder.oci.layout import Layout
from builder.oci.store import Store
from builder.oci.tar_entries import Entry, TarReader
from builder.records.scan.file_scan import Role, ScannedFile, is_safe_format, scan_file
from builder.records.scan.finding import RULES, FileVerdict, Finding
from builder.records.scan.report import Report, make_report
from builder.records.scan.statement import SCAN_FILE, recorded_allowances
from builder.spec.project import Allowance

_IN_MEMORY = 9 << 20
_LARGEST_FILE = 64 << 30
_MOST_FINDINGS = 10_000
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
_ROLES: dict[str, Role] = {CODE: "code", MODEL: "model", DATA: "data", BUNDLE: "documents"}


@dataclass(frozen=True, slots=True)
class _Layer:
    """What was found in one layer."""

    verdicts: dict[str, FileVerdict]
    """Of files in which something was found, or was not looked at, by path."""
    scanned: dict[str, tuple[int, int]]
    modules: frozenset[str]
    """That its code has."""
    hidden: frozenset[str]
    """Paths that it deletes of lower layers."""


def scan_image(layout: Layout, image: Image, store: Store, *, all_layers: bool = False) -> Report:
    """The scan of an image: of the layers that a project put on its environment, or of all.

    Raises: EnvbuildError, if a layer is missing or cannot be read; DigestMismatchError.
    """
    kinds = kinds_of(image.config, len(image.layers))
    chosen = range(0 if all_layers else _first_own(kinds), len(kinds))
    here = [n for n in chosen if layout.has(image.layers[n].descriptor.digest, image.layers[n].descriptor.size)]
    layers = [_kept(layout, image, number, store) for number in here]
    config = _config_verdict(layout, image)
    own = frozenset().union(*(layer.modules for layer in layers))
    found: dict[str, FileVerdict] = {"image config": config}
    for position, layer in enumerate(layers):
        above = frozenset().union(*(higher.hidden for higher in layers[position + 1 :]))
        for path, verdict in layer.verdicts.items():
            told = own_imports(_deleted(verdict) if _is_below(path, above) else verdict, own)
            found[path] = found[path] + told if path in found else told
    absent = [str(image.layers[number].descriptor.digest) for number in chosen if number not in here]
    found |= {f"layer {digest}": FileVerdict((), ("the layer is not inside",)) for digest in absent}
    allowances, places = _allowed(layout, image)
    return make_report(
        found.values(), list(found), _total(layers), allowances, lambda path: moved_back(path, places)
    )  # fmt: skip


def _first_own(kinds: Sequence[str]) -> int:
    """The lowest layer that a project put on its environment, above which all is looked at; 0 where none is known."""
    return next((number for number, kind in enumerate(kinds) if kind in ADDED), 0 if not any(kinds) else len(kinds))


def _config_verdict(layout: Layout, image: Image) -> FileVerdict:
    """Of what an image says of itself: variables, labels, and the commands that made it."""
    data = layout.read(image.manifest.config)
    verdict = scan_file(ScannedFile("config.json", "documents", len(data), bytes_of(data)))
    variables = "\n".join(image.config.env).encode()
    return verdict + scan_file(ScannedFile("variables", "documents", len(variables), bytes_of(variables)))


def _allowed(layout: Layout, image: Image) -> tuple[tuple[Allowance, ...], dict[str, str]]:
    """What the record inside a bundle allows, and which paths of the project its files have."""
    data = document_file(layout, image, SCAN_FILE) if is_bundle(image) else None
    return recorded_allowances(data) if data is not None else ((), {})


def _kept(layout: Layout, image: Image, number: int, store: Store) -> _Layer:
    blob = image.layers[number].descriptor
    key = {"scan": RULES, "layer": str(blob.digest), "diff_id": str(image.layers[number].diff_id)}
    value = kept_value(store, "scans", key, lambda: _to_value(_read(layout, image, number, store)))
    return _Layer(
        {path: FileVerdict.from_value(one) for path, one in value["verdicts"].items()},
        {role: (files, size) for role, (files, size) in value["scanned"].items()},
        frozenset(value["modules"]),
        frozenset(value["hidden"]),
    )


def _to_value(layer: _Layer) -> Any:
    return {
        "verdicts": {path: verdict.to_value() for path, verdict in layer.verdicts.items()},
        "scanned": {role: list(count) for role, count in layer.scanned.items()},
        "modules": sorted(layer.modules),
        "hidden": sorted(layer.hidden),
    }


def _read(layout: Layout, image: Image, number: int, store: Store) -> _Layer:
    """One reading of one layer, its digests checked. Raises: EnvbuildError, DigestMismatchError."""
    layer = image.layers[number]
    with layer_stream(layout, layer.descriptor, layer.diff_id) as tar:
        return _scanned(TarReader(tar), store.temporary)


def _scanned(reader: TarReader, temporary: Path) -> _Layer:
    verdicts: dict[str, FileVerdict] = {}
    scanned: dict[str, tuple[int, int]] = {}
    modules: set[str] = set()
    hidden: set[str] = set()
    count = 0
    for number, entry in enumerate(reader):
        if number > MOST_ENTRIES:
            raise EnvbuildError(f"a layer has more than {MOST_ENTRIES} entries", "which is more than is scanned")
        path = _path(entry)
        if path is None or entry.kind != FILE:
            continue
        folder, _, name = path.rpartition("/")
        if name.startswith(_WHITEOUT):
            hidden.add(f"{folder}/" if name == _OPAQUE else f"{folder}/{name.removeprefix(_WHITEOUT)}".lstrip("/"))
            continue
        role = _ROLES.get(path.partition("/")[0], "code")
        files, size = scanned.get(role, (0, 0))
        scanned[role] = files + 1, size + entry.size
        if path.startswith(f"{CODE}/"):
            modules |= own_modules([path.removeprefix(f"{CODE}/")])
        verdict = _verdict(path, role, entry, reader, temporary)
        count += len(verdict.findings)
        if (verdict.findings or verdict.not_measured) and count <= _MOST_FINDINGS:
            verdicts[path] = verdict
    return _Layer(verdicts, scanned, frozenset(modules), frozenset(hidden))


def _path(entry: Entry) -> str | None:
    path, _ = plain(entry.path)
    return shown(path, 4096) if path else None


def _verdict(path: str, role: Role, entry: Entry, reader: TarReader, temporary: Path) -> FileVerdict:
    if entry.size > _LARGEST_FILE:
        return FileVerdict((), ("it is too large",))
    pieces = reader.content()
    head = _first(pieces, _IN_MEMORY)
    file = ScannedFile(path, role, entry.size, bytes_of(head))
    if is_safe_format(file, head[:16]) or (len(head) == entry.size and not head.startswith(b"PK")):
        return scan_file(file)
    with _spooled(head, pieces, temporary) as place:
        return scan_file(ScannedFile(path, role, entry.size, lambda: open(place, "rb"), place))


def _first(pieces: Iterator[bytes], size: int) -> bytes:
    data = bytearray()
    for piece in pieces:
        data += piece
        if len(data) >= size:
            break
    return bytes(data)


@contextmanager
def _spooled(head: bytes, pieces: Iterator[bytes], temporary: Path) -> Iterator[Path]:
    """A file with these bytes, removed afterwards."""
    with tempfile.NamedTemporaryFile(prefix="scan-", dir=temporary) as file:
        _write(file, head, pieces)
        yield Path(file.name)


def _write(file: IO[bytes], head: bytes, pieces: Iterator[bytes]) -> None:
    file.write(head)
    for piece in pieces:
        file.write(piece)
    file.flush()


def _is_below(path: str, hidden: frozenset[str]) -> bool:
    """Whether a path, or a folder that it is in, is among those that are deleted."""
    parts = path.split("/")
    tops = ["/".join(parts[:count]) for count in range(1, len(parts) + 1)]
    return any(top in hidden or f"{top}/" in hidden for top in tops)


def _deleted(verdict: FileVerdict) -> FileVerdict:
    def told(finding: Finding) -> Finding:
        place = f"{finding.place}, " if finding.place else ""
        return Finding(
            finding.rule, finding.level, finding.message, finding.line, f"{place}deleted in a higher layer",
            finding.subject, finding.path,
        )  # fmt: skip

    return FileVerdict(tuple(map(told, verdict.findings)), verdict.not_measured)


def _total(layers: Sequence[_Layer]) -> dict[str, tuple[int, int]]:
    result: dict[str, tuple[int, int]] = {}
    for layer in layers:
        for role, (files, size) in layer.scanned.items():
            before = result.get(role, (0, 0))
            result[role] = before[0] + files, before[1] + size
    return result
