"""Reading one layer once: both digests recomputed, every entry judged, and what is asked for of the files remembered.

What is kept is bounded, whatever the layer holds: content streams through, names and captured files up to a limit.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.compression import compression, damage_errors, decompressed, largest_content
from builder.oci.digest import Digest
from builder.oci.documents import Descriptor
from builder.oci.layer_rules import FILE, Finding, LayerRules, Node, plain, shown
from builder.oci.layout import CHUNK, Layout
from builder.oci.problems import MOST, Problem
from builder.oci.streams import ObservedStream
from builder.oci.tar_entries import Entry, TarError, TarReader

MOST_ENTRIES = 500_000
"""Paths of one layer at most, directories above others among them."""
_MOST_TEXT = 128 << 20
"""Bytes of these paths at most."""
_CAPTURED_FILE, _CAPTURED = 32 << 20, 128 << 20
"""Bytes that are kept of one file, and of one layer, at most."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of the files in layers is to be remembered."""

    checksum: Callable[[bytes], str] = lambda _: ""
    """The algorithm of the checksum that is wanted of a path; empty where none is."""
    capture: Callable[[bytes], bool] = lambda _: False
    """Whether the content of a path is to be kept."""


@dataclass(frozen=True, slots=True)
class LayerJob:
    """A layer to be read."""

    blob: Descriptor
    diff_id: Digest | None
    """None where the config has none for it: then the content is not judged."""
    packages: int | None = None
    """How many packages it is made of, where envbuild made it."""


@dataclass(frozen=True, slots=True)
class LayerScan:
    """What came of reading a layer."""

    problems: tuple[Problem, ...] = ()
    notes: tuple[Problem, ...] = ()
    whole: bool = False
    """Whether it was read to its end and is what its digests say, so that the rest can be relied upon."""
    nodes: Mapping[bytes, Node] = field(default_factory=dict)
    whiteouts: frozenset[bytes] = frozenset()
    opaque: frozenset[bytes] = frozenset()
    outside_links: Mapping[bytes, bytes] = field(default_factory=dict)
    captured: Mapping[bytes, bytes] = field(default_factory=dict)


def scan_layer(layout: Layout, job: LayerJob, wanted: Wanted | None = None) -> LayerScan:
    """Read a layer to its end. Nothing is raised for what is wrong with it: that is in the result."""
    scan = _Scan(job, wanted or Wanted())
    try:
        scan.read(layout)
    except DigestMismatchError as error:
        return LayerScan((scan.damage(error.what),))
    except EnvbuildError as error:
        why = f": {error.why[0]}" if error.why else ""
        return LayerScan((scan.damage(error.what + why),))
    except damage_errors() as error:
        return LayerScan((scan.damage(f"layer {job.blob.digest} is not whole: {error}"),))
    return scan.result()


class _Scan:
    """One reading of one layer."""

    def __init__(self, job: LayerJob, wanted: Wanted) -> None:
        self._job = job
        self._wanted = wanted
        self._rules = LayerRules(job.packages)
        self._problems: list[Problem] = []
        self._notes: list[Problem] = []
        self._more = 0
        self._captured: dict[bytes, bytes] = {}
        self._room = _CAPTURED

    def read(self, layout: Layout) -> None:
        """Raises: DigestMismatchError, EnvbuildError, `damage_errors`, if the blob is not whole or not the one."""
        blob, diff_id = self._job.blob, self._job.diff_id
        what = f"layer {blob.digest}"
        with layout.open(blob.digest) as file:
            stream = ObservedStream(file, blob.size, what)
            received = io.BufferedReader(stream, CHUNK)
            found = stream
            try:
                if diff_id is not None:
                    found = self._read_content(received, stream)
            finally:
                _drain(received)
                _check_blob(blob, stream)
        if diff_id is not None and found.digest != diff_id:
            message = f"{what} inflates to {found.digest}, not to its diff_id {diff_id}"
            self._problems.insert(0, self.damage(message))

    def _read_content(self, received: io.BufferedReader[Any], stream: ObservedStream) -> ObservedStream:
        """Judge the tar in a layer; gives the stream that has its digest: of a plain layer, that of the blob."""
        blob = self._job.blob
        limit = largest_content(blob.size)
        self._check_type(received)
        if not compression(received) and blob.size <= limit:
            self._judge(received)
            return stream
        content = ObservedStream(decompressed(received), limit, f"layer {blob.digest}, inflated,")
        self._judge(io.BufferedReader(content, CHUNK))
        _drain(content)
        return content

    def damage(self, message: str) -> Problem:
        """A digest that does not hold."""
        return Problem("digest", message, str(self._job.blob.digest))

    def result(self) -> LayerScan:
        """What was found."""
        rules = self._rules
        if self._more:
            digest = self._job.blob.digest
            self._problems.append(Problem("layer", f"layer {digest}: {self._more} more problems", str(digest)))
        whole = self._job.diff_id is not None and not any(problem.is_digest for problem in self._problems)
        return LayerScan(
            tuple(self._problems), tuple(self._notes), whole, rules.nodes, frozenset(rules.whiteouts),
            frozenset(rules.opaque), rules.outside_links, self._captured,
        )  # fmt: skip

    def _check_type(self, received: io.BufferedReader[Any]) -> None:
        """The media type says how the layer is compressed."""
        stated = self._job.blob.media_type.rpartition("tar")[2].lstrip(".+")
        found = compression(received)
        if stated != found:
            self._note(Finding(b"", f"is of the type `{self._job.blob.media_type}`, and compressed: {found or 'no'}"))

    def _judge(self, archive: io.BufferedReader[Any]) -> None:
        reader = TarReader(archive)
        try:
            for count, entry in enumerate(reader):
                if self._rules.paths > MOST_ENTRIES or self._rules.text > _MOST_TEXT:
                    self._note(Finding(b"", f"has too many paths, and was not looked at behind {count} entries"))
                    break
                for contradiction in reader.contradictions:
                    self._note(Finding(entry.path, f"has headers that contradict each other: {contradiction}"))
                for finding in self._rules.check(entry):
                    self._note(finding)
                if entry.kind == FILE:
                    self._take(entry, reader)
            else:
                for finding in self._rules.finish():
                    self._note(finding)
                if not _rest_is_empty(archive):
                    self._note(Finding(b"", "goes on after the end of its archive"))
        except TarError as error:
            self._note(Finding(b"", f"is not a tar archive that can be read: {error}"))
        _drain(archive)

    def _take(self, entry: Entry, reader: TarReader) -> None:
        """Remember of a file's content what is wanted."""
        path, _ = plain(entry.path)
        if path is None:
            return
        algorithm = self._wanted.checksum(path)
        kept = entry.size <= min(_CAPTURED_FILE, self._room) and self._wanted.capture(path)
        if not algorithm and not kept:
            return
        checksum = hashlib.new(algorithm, usedforsecurity=False) if algorithm else None
        pieces = []
        for piece in reader.content():
            if checksum:
                checksum.update(piece)
            if kept:
                pieces.append(piece)
        if checksum:
            self._rules.checksum(entry, checksum.digest())
        if kept:
            self._captured[path] = b"".join(pieces)
            self._room -= entry.size

    def _note(self, finding: Finding) -> None:
        digest, path = str(self._job.blob.digest), shown(finding.path, 4096)
        about = f"layer {digest}: `{shown(finding.path)}` " if path else f"layer {digest} "
        problem = Problem("layer", about + finding.message, digest, path)
        if finding.is_note:
            if len(self._notes) < MOST:
                self._notes.append(problem)
        elif len(self._problems) < MOST:
            self._problems.append(problem)
        else:
            self._more += 1


def _check_blob(blob: Descriptor, stream: ObservedStream) -> None:
    if stream.size != blob.size:
        raise DigestMismatchError(f"layer {blob.digest} has {stream.size} bytes, not {blob.size}")
    if stream.digest != blob.digest:
        raise DigestMismatchError(f"layer {blob.digest} has the digest {stream.digest}")


def _drain(stream: Any) -> None:
    while stream.read(CHUNK):
        pass


def _rest_is_empty(archive: io.BufferedReader[Any]) -> bool:
    """Whether nothing but zero bytes follow; reads to the end."""
    empty = True
    while data := archive.read(CHUNK):
        empty = empty and not data.strip(b"\0")
    return empty
