"""Checking an image against its own promises and the specification: every mismatch is reported, all at once.

Every digest, size and diff_id is recomputed; documents and layers are judged by their rules. Each layer is read once,
for everything that is asked of it.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import zip_longest
from typing import IO, cast

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.digest import Digest
from builder.oci.document_rules import (
    Told,
    artifact_rules,
    config_rules,
    image_rules,
    index_rules,
    is_layer_type,
    manifest_rules,
)
from builder.oci.documents import INDEXES, MEDIA_TYPE_LAYER, Descriptor, ImageConfig, Index, Manifest
from builder.oci.layer_rules import Finding, shown
from builder.oci.layer_scan import LayerJob, LayerScan, Wanted, scan_layer
from builder.oci.layer_stack import LayerStack
from builder.oci.layout import CHUNK, Layout
from builder.oci.problems import Problem, first
from builder.oci.streams import ObservedStream, gunzip, inflate_errors

MOST_ENTRIES = 1_000_000
"""Entries of all layers of an image at most that are kept in memory."""
_MOST_CAPTURED = 128 << 20
"""Bytes of captured files of an image at most."""
_MOST_DOCUMENTS = 10_000

Scans = Callable[[Callable[[LayerJob], LayerScan], Sequence[LayerJob]], Iterable[tuple[int, LayerScan]]]
"""Applies a function to jobs, in any order: gives the number of each and what came of it."""


def one_by_one(scan: Callable[[LayerJob], LayerScan], jobs: Sequence[LayerJob]) -> Iterator[tuple[int, LayerScan]]:
    """Layers read one after the other, in this process."""
    return ((number, scan(job)) for number, job in enumerate(jobs))


@dataclass(frozen=True, slots=True)
class Checked:
    """An image whose documents and layers are as they promise, and the files in it."""

    descriptor: Descriptor
    manifest: Manifest
    config: ImageConfig
    files: LayerStack


@dataclass(frozen=True, slots=True)
class Report:
    """What came of checking."""

    problems: tuple[Problem, ...]
    notes: tuple[Problem, ...] = ()
    """What is worth knowing and no fault: files that run as their owner, devices."""
    images: tuple[Checked, ...] = ()
    """Those that are whole."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of an image besides whether it keeps its promises."""

    wanted: Wanted = field(default_factory=Wanted)
    packages: Callable[[ImageConfig, int], Sequence[int | None]] = lambda _, layers: [None] * layers
    """Of each layer, told the config and their number: how many packages it has, if envbuild made it."""
    scans: Scans = one_by_one


def validate(layout: Layout, tops: Descriptor | Sequence[Descriptor], question: Question | None = None) -> Report:
    """Everything that is wrong with what `tops` name and all below it. Reads every layer once."""
    return _Validation(layout, question or Question()).report([tops] if isinstance(tops, Descriptor) else tops)


@contextmanager
def checked_stream(layout: Layout, descriptor: Descriptor, diff_id: Digest, limit: int) -> Iterator[IO[bytes]]:
    """The tar inside a layer, gzip or plain, read to its end by the caller, and both digests checked behind it.

    Raises: DigestMismatchError, if either is another; EnvbuildError, if it is larger than `limit`.
    """
    what = f"layer {descriptor.digest}"
    with layout.open(descriptor.digest) as file:
        received = ObservedStream(file, descriptor.size, what)
        plain = descriptor.media_type == MEDIA_TYPE_LAYER
        with io.BufferedReader(received, CHUNK) if plain else gunzip(received) as content:
            tar = ObservedStream(content, limit, f"{what}, inflated,")
            try:
                yield cast("IO[bytes]", tar)
            except (OSError, EOFError, inflate_errors()) as error:
                raise DigestMismatchError(f"{what} is not whole", str(error)) from error
    if received.size != descriptor.size or received.digest != descriptor.digest:
        raise DigestMismatchError(f"{what} has the digest {received.digest}")
    if tar.digest != diff_id:
        raise DigestMismatchError(f"{what} inflates to {tar.digest}, not to its diff_id {diff_id}")


@dataclass(slots=True)
class _Image:
    """An image while it is checked."""

    descriptor: Descriptor
    manifest: Manifest
    config: ImageConfig | None
    files: LayerStack = field(default_factory=LayerStack)
    waiting: dict[int, LayerScan] = field(default_factory=dict)
    """Layers that were read before those below them, by number."""
    sound: bool = True
    """Whether every layer so far is whole, and few enough entries are there to be kept."""

    @property
    def is_too_large(self) -> bool:
        """Whether more of it is in memory than may be."""
        entries = self.files.entries + sum(len(scan.nodes) for scan in self.waiting.values())
        captured = (len(data) for scan in self.waiting.values() for data in scan.captured.values())
        return entries > MOST_ENTRIES or self.files.captured_size + sum(captured) > _MOST_CAPTURED


class _Validation:
    """One run of checking."""

    def __init__(self, layout: Layout, question: Question) -> None:
        self._layout = layout
        self._question = question
        self._problems: list[Problem] = []
        self._notes: list[Problem] = []
        self._images: list[_Image] = []
        self._blobs: dict[Digest, Descriptor] = {}
        """Of what is no image."""

    def report(self, tops: Sequence[Descriptor]) -> Report:
        """Check what `tops` name."""
        self._documents(tops)
        read = self._layers()
        for blob in self._blobs.values():
            if blob.digest not in read:
                self._blob(blob)
        images = (
            Checked(image.descriptor, image.manifest, image.config, image.files)
            for image in self._images
            if image.sound and image.config is not None
        )
        return Report(tuple(self._problems), tuple(self._notes), tuple(images))

    def _documents(self, tops: Sequence[Descriptor]) -> None:
        waiting, seen = list(reversed(tops)), set[Digest]()
        while waiting:
            descriptor = waiting.pop()
            if descriptor.digest in seen:
                continue
            seen.add(descriptor.digest)
            if len(seen) > _MOST_DOCUMENTS:
                self._problems.append(Problem("document", f"there are more than {_MOST_DOCUMENTS} documents"))
                return
            try:
                if descriptor.media_type in INDEXES:
                    waiting += reversed(self._index(descriptor))
                elif descriptor.is_artifact:
                    self._artifact(descriptor)
                else:
                    self._image(descriptor)
            except DigestMismatchError as error:
                self._problems.append(Problem("digest", error.what))
            except EnvbuildError as error:
                self._problems.append(self._unread(descriptor, error))

    def _index(self, descriptor: Descriptor) -> Sequence[Descriptor]:
        data = self._layout.read(descriptor)
        manifests = Index.from_bytes(data).manifests
        self._told(f"index {descriptor.digest}", index_rules(data, descriptor))
        return manifests

    def _image(self, descriptor: Descriptor) -> None:
        data = self._layout.read(descriptor)
        manifest = Manifest.from_bytes(data)
        self._told(f"image {descriptor.digest}", manifest_rules(data, descriptor))
        image = _Image(descriptor, manifest, None)
        self._images.append(image)
        try:
            data = self._layout.read(manifest.config)
            image.config = ImageConfig.from_bytes(data)
            self._told(f"config {manifest.config.digest}", config_rules(data))
            self._told(f"image {descriptor.digest}", image_rules(descriptor, manifest, image.config))
        except DigestMismatchError as error:
            self._problems.append(Problem("digest", error.what))
        except EnvbuildError as error:
            self._problems.append(self._unread(manifest.config, error))

    def _artifact(self, descriptor: Descriptor) -> None:
        """What is no image: its blobs may be of any type."""
        data = self._layout.read(descriptor)
        manifest = Manifest.from_bytes(data)
        self._told(f"artifact {descriptor.digest}", artifact_rules(data, descriptor))
        self._blobs.update({blob.digest: blob for blob in (manifest.config, *manifest.layers)})

    def _blob(self, blob: Descriptor) -> None:
        try:
            with self._layout.open(blob.digest) as file:
                observed = ObservedStream(file, blob.size, f"blob {blob.digest}")
                while observed.read(CHUNK):
                    pass
            if (observed.size, observed.digest) != (blob.size, blob.digest):
                what = f"blob {blob.digest} has {observed.size} bytes and the digest {observed.digest}"
                self._problems.append(Problem("digest", what))
        except EnvbuildError as error:
            self._problems.append(Problem("digest", error.what))

    def _unread(self, descriptor: Descriptor, error: EnvbuildError) -> Problem:
        """Of a document that is not there, or is none."""
        missing = not self._layout.has(descriptor.digest, descriptor.size)
        about = "" if str(descriptor.digest) in error.what else f"{descriptor.digest}: "
        return Problem("digest" if missing else "document", about + error.what)

    def _told(self, about: str, told: Told) -> None:
        """Problems that a pure rule tells."""
        self._problems += first(Problem("document", f"{about}: `{where}` {what}", path=where) for where, what in told)

    def _layers(self) -> set[Digest]:
        """Read every layer of every image once, whatever images have it; the digests of those that were read."""
        jobs: dict[tuple[object, ...], LayerJob] = {}
        users: dict[tuple[object, ...], list[tuple[_Image, int]]] = {}
        for image in self._images:
            for number, job in enumerate(self._jobs(image)):
                key = (job.blob.digest, job.blob.size, job.diff_id, job.packages)
                jobs.setdefault(key, job)
                users.setdefault(key, []).append((image, number))
        keys = list(jobs)
        scan = partial(scan_layer, self._layout, wanted=self._question.wanted)
        for position, result in self._question.scans(scan, list(jobs.values())):
            self._problems += [problem for problem in result.problems if problem not in self._problems]
            self._notes += result.notes
            for image, number in users[keys[position]]:
                self._take(image, number, result, jobs[keys[position]].packages is not None)
        return {job.blob.digest for job in jobs.values()}

    def _jobs(self, image: _Image) -> Iterator[LayerJob]:
        layers, config = image.manifest.layers, image.config
        diff_ids = config.diff_ids[: len(layers)] if config else ()
        packages = self._question.packages(config, len(layers)) if config else ()
        for layer, diff_id, count in zip_longest(layers, diff_ids, packages):
            yield LayerJob(layer, diff_id if is_layer_type(layer.media_type) else None, count)

    def _take(self, image: _Image, number: int, scan: LayerScan, own: bool) -> None:
        """Put a layer on those below it, as soon as all of these are there."""
        image.waiting[number] = scan
        if image.sound and scan.whole and image.is_too_large:
            image.sound = False
            why = "has more files, or longer lists of them, than can be compared"
            self._problems.append(Problem("layer", f"image {image.descriptor.digest} {why}"))
        image.sound = image.sound and scan.whole
        if not image.sound:  # what is missing would make everything above it wrong
            image.waiting, image.files = {}, LayerStack()
            return
        while image.files.layers in image.waiting:
            digest = str(image.manifest.layers[image.files.layers].digest)
            self._stacked(digest, image.files.add(image.waiting.pop(image.files.layers), own=own))

    def _stacked(self, digest: str, findings: Iterable[Finding]) -> None:
        told = [
            (finding.is_note, Problem("layer", f"layer {digest}: `{shown(finding.path)}` {finding.message}", digest,
                                      shown(finding.path, 4096)))
            for finding in findings
        ]  # fmt: skip
        self._problems += first(problem for is_note, problem in told if not is_note)
        self._notes += first(problem for is_note, problem in told if is_note)
