"""What `envbuild verify` is to check: told apart by what is there, and opened."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from builder.cli.machine import make_registries
from builder.cli.opened_bundle import REFERENCE, completed, reference_in
from builder.cli.output import Output
from builder.cli.target import Target, is_image, open_target
from builder.cli.trusted import refuse
from builder.errors import DigestMismatchError, EnvbuildError
from builder.image.workshop import Workshop

if TYPE_CHECKING:
    from builder.bundle.build import Built
    from builder.bundle.checking.check import Verdict
    from builder.bundle.checking.subject import Subject
    from builder.bundle.checking.trust import Asked
    from builder.image.kept import Image
    from builder.lock.document import Lock
    from builder.oci.documents import Platform
    from builder.oci.layer_scan import LayerJob, LayerScan
    from builder.oci.problems import Problem
    from builder.oci.registry import Reference
    from builder.oci.validate import Scans
    from builder.records.policy.outcome import Outcome


def reference_of(text: str) -> Reference | None:
    """The image in a registry that is meant, or None where a path is.

    Any image may be: where nothing is at a path, names are taken that no bundle is named by (`python:3.11`).

    Raises: EnvbuildError, if it can be neither.
    """
    from builder.oci.registry import Reference

    first, slash, _ = text.partition("/")
    try:
        reference = reference_in(text)
        if reference is not None or Path(text).exists():
            return reference
        is_name = ":" in text or (slash and ("." in first.strip(".") or first == "localhost"))
        if is_name and first not in ("", ".", ".."):
            return Reference.parse(text)
    except EnvbuildError as error:
        raise _neither(text, error.why) from error
    raise _neither(text, ())


def _neither(text: str, why: Sequence[str]) -> EnvbuildError:
    return EnvbuildError(
        f"there is nothing at `{text}`, and it is not the name of an image in a registry",
        why,
        f"Name a project, an environment or a bundle that is there, or an image as `{REFERENCE}HOST/NAME:TAG`",
    )


@dataclass(frozen=True, slots=True)
class Origin:
    """What an image is to be of: a lock, and the project or environment that it is of, if that is known."""

    lock: Lock
    target: Target | None = None

    def build(self, images: Sequence[Image], workshop: Workshop, output: Output) -> Built:
        """What the lock gives for the platforms of `images`: an environment, or a bundle where they are one.

        Raises: EnvbuildError, if a bundle is to be made of a lock alone; DigestMismatchError.
        """
        from builder.bundle.reading.reader import is_bundle

        platforms = tuple(sorted({_locked_platform(image, self.lock) for image in images}))
        with_project = any(map(is_bundle, images))
        if with_project and (self.target is None or self.target.project is None):
            raise EnvbuildError(
                "a bundle cannot be made of a lock or an environment alone", hint="Name its project as `--lock`"
            )
        if self.target is not None:
            project = self.target.project if with_project else None
            return replace(self.target, project=project, platforms=platforms).build(workshop, output, here_only=True)
        from builder.bundle.build import build_environments
        from builder.cli.wheels import ensure_built_wheels

        ensure_built_wheels(self.lock, platforms, workshop, output, here_only=True)
        return build_environments("image", self.lock, platforms, workshop)

    def packed_as(self, subject: Subject, images: Sequence[Image]) -> Origin:
        """One that packs and records of data what `images` have. Raises: EnvbuildError, DigestMismatchError."""
        from builder.bundle.inside.promised import was_skipped
        from builder.bundle.parts.data import packing_of
        from builder.bundle.reading.reader import read_document

        if self.target is None or not images:
            return self
        document = read_document(subject.layout, images[0])
        no_check = was_skipped(document)
        target = replace(self.target, packing=packing_of(document), no_check=no_check, promised=frozenset())
        return replace(self, target=target)


def open_origin(path: Path) -> Origin:
    """A project, an environment, the folder of a lock, or a bundle with a lock inside.

    Raises: EnvbuildError, if it is none of these, or the lock is not as it was made.
    """
    from builder.lock.document import LOCK_FILE
    from builder.lock.folder import parse_lock, read_lock

    if (path / LOCK_FILE).is_file():
        return Origin(read_lock(path))
    if path.is_file() and path.name == LOCK_FILE:
        return Origin(read_lock(path.parent))
    if is_image(path):
        from builder.bundle.reading.reader import open_bundle, read_lock_files

        return Origin(parse_lock(read_lock_files(open_bundle(path)), str(path)))
    target = open_target(path)
    return Origin(target.lock, target)


@contextmanager
def opened_image(
    text: str, reference: Reference | None, output: Output, workshop: Workshop, asked: Asked | None = None
) -> Iterator[Subject]:
    """The image in a file, a folder or a registry, which is read while this lasts.

    Of a thin one, nothing is made or fetched unless it is signed as is `asked`.
    """
    from builder.bundle.checking.subject import open_file, open_reference

    if reference is None:
        yield _whole(open_file(Path(text)), workshop, output, asked)
        return
    registries = make_registries(workshop.fetcher)
    label = f"reading {reference}"
    workshop.progress.start(label)
    try:
        yield open_reference(reference, registries, functools.partial(workshop.progress.advance, label))
    finally:
        workshop.progress.finish(label)


def _whole(subject: Subject, workshop: Workshop, output: Output, asked: Asked | None) -> Subject:
    """With the layers that a thin bundle does without, made from the lock inside."""
    from builder.bundle.reading.reader import open_bundle
    from builder.bundle.thin import missing_layers

    try:
        is_thin = any(missing_layers(subject.layout, image) for image in subject.images())
    except EnvbuildError:  # what cannot be read is told by the check itself
        is_thin = False
    if not is_thin:
        return subject
    bundle = open_bundle(Path(subject.name))
    if asked:
        from builder.bundle.checking.trust import Judge

        refuse(bundle, Judge(bundle, asked).signatures())
    return replace(subject, layout=completed(bundle, workshop, output).layout)


def judged(subject: Subject, verdict: Verdict, asked: Asked) -> tuple[Outcome, ...]:
    """What comes of what is asked of a bundle that was checked; its contents are asked about if they are whole.

    Raises: EnvbuildError, if it is no bundle, or a key or a database cannot be read; DigestMismatchError.
    """
    from builder.bundle.checking.trust import Judge
    from builder.bundle.reading.reader import open_bundle, read_bundle
    from builder.oci.registry.layout import RegistryLayout

    if isinstance(subject.layout, RegistryLayout):
        bundle = read_bundle(subject.layout, subject.layout.top)
    else:
        bundle = open_bundle(Path(subject.name))
        if not {top.digest for top in subject.tops} <= {one.digest for one in (*bundle.subjects, *bundle.attached)}:
            raise DigestMismatchError(f"`{subject.name}` was replaced while it was read")
    judge = Judge(bundle, asked)
    outcomes = judge.signatures()
    return outcomes if verdict.problems else (*outcomes, *judge.contents(verdict.images))


def scans_of(subject: Subject, workshop: Workshop) -> Scans:
    """How layers are read: in parallel, in processes of their own where that is safe."""

    def scans(scan: Callable[[LayerJob], LayerScan], jobs: Sequence[LayerJob]) -> Iterable[tuple[int, LayerScan]]:
        if subject.forks:
            return workshop.as_done(scan, jobs, _blob_size, "checking layers")
        return enumerate(workshop.each(scan, jobs, _blob_size))

    return scans


def _blob_size(job: LayerJob) -> int:
    return job.blob.size


def rebuilt(
    subject: Subject, origin: Origin, names: tuple[str, str], workshop: Workshop, output: Output
) -> tuple[Problem, ...]:
    """Build what an image is said to be of once more, into an empty store, and say where the two differ.

    `names` are what to call the first and the second in sentences.

    Raises: EnvbuildError, DigestMismatchError.
    """
    from builder.image.difference import Side, image_differences
    from builder.image.rebuild import empty_workshop

    images = subject.images()
    origin = origin.packed_as(subject, images)
    with empty_workshop(workshop) as scratch:
        built = {image.config.platform: image for image in origin.build(images, scratch, output).images}
        return tuple(
            problem
            for image in images
            for problem in image_differences(
                Side(names[0], subject.layout, image),
                Side(names[1], scratch.store, built[_locked_platform(image, origin.lock)]),
            )
        )


def _locked_platform(image: Image, lock: Lock) -> Platform:
    """The lock's platform of an image. Raises: EnvbuildError, if there is none."""
    found = image.config.platform
    for platform in (found, replace(found, variant=None)):
        if platform in lock.document.platforms:
            return platform
    raise EnvbuildError(
        f"the lock has nothing for {found}, which the image is for", f"it has {', '.join(map(str, lock.platforms))}"
    )
