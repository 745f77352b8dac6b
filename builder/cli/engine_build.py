"""`envbuild build --builder docker|buildkit`: images made by an engine, of the Dockerfile that the lock gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from builder.cli.deliver import Delivered, Delivery, check, deliver
from builder.cli.output import Output, print_json
from builder.cli.target import Target
from builder.errors import EnvbuildError
from builder.oci.digest import Digest
from builder.oci.documents import Platform, pinned_name
from builder.progress import Progress, Silent

if TYPE_CHECKING:
    from builder.image.engine.connection import Connection
    from builder.image.engine.interface import BuildEngine
    from builder.image.workshop import Workshop

NATIVE = "native"


def _classic(connection: Connection) -> BuildEngine:
    from builder.image.engine.classic import ClassicEngine

    return ClassicEngine(connection)


def _buildkit(connection: Connection) -> BuildEngine:
    from builder.image.engine.buildkit import BuildKitEngine

    return BuildKitEngine(connection)


BUILDERS: dict[str, Callable[[Connection], BuildEngine]] = {"docker": _classic, "buildkit": _buildkit}
"""By name, besides the native one."""

_OPTIONS = (
    click.option(
        "--builder",
        type=click.Choice([NATIVE, *BUILDERS]),
        default=NATIVE,
        help="Who makes the image: envbuild itself, or an engine of a Dockerfile [default: native].",
    ),
    click.option("--base", metavar="IMAGE", help="With an engine: what the Dockerfile starts from."),
)


@dataclass(frozen=True, slots=True)
class Choice:
    """Who is to make the images."""

    builder: str = NATIVE
    base: str | None = None

    @property
    def is_native(self) -> bool:
        """Whether no engine is asked."""
        return self.builder == NATIVE

    def check(self) -> None:
        """Refuse what needs an engine where none is asked. Raises: click.UsageError."""
        if self.is_native and self.base is not None:
            raise click.UsageError("`--base` names what a Dockerfile starts from; add `--builder docker` or `buildkit`")


@dataclass(frozen=True, slots=True)
class Made:
    """An image in an engine."""

    platform: Platform
    identity: str
    """What the engine calls it: a digest."""
    name: str
    """With its tag."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is built, and by what."""

    target: Target
    choice: Choice
    workshop: Workshop
    output: Output


def builder_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the options of a Choice: `builder` and `base`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def build_by_engine(job: Job, delivery: Delivery) -> dict[str, Any]:
    """Build images in an engine, name them there, and deliver them; the record of what was made.

    Raises: EnvbuildError, if the engine cannot build this; DigestMismatchError.
    """
    from builder.image.engine.connection import Connection

    connection = Connection()
    engine = BUILDERS[job.choice.builder](connection)
    if reason := engine.unavailable():
        raise EnvbuildError(f"the builder `{job.choice.builder}` cannot be used here", reason, "Leave `--builder` out")
    delivery = _besides_docker(delivery)
    check(delivery, job.target.platforms)
    _check_platforms(job.target.platforms, connection)
    job.target.ensure_wheels(job.workshop, job.output)
    description = engine.description()
    job.output.say(f"building by {description}")
    made = [_build_one(job, engine, platform) for platform in job.target.platforms]
    for one in made:
        connection.tag(one.identity, pinned_name(one.name, Digest.parse(one.identity)))
    delivered = _deliver(job, made, connection, delivery)
    return {
        "name": made[0].name,
        "digest": made[0].identity if len(made) == 1 else None,
        "images": {str(one.platform): one.identity for one in made},
        "lock": str(job.target.lock.digest),
        "builder": job.choice.builder,
        "engine": description,
        **delivered.to_dict(),
    }


def print_made(record: dict[str, Any], as_json: bool) -> None:
    """The record, or the reference that was pushed, or one for each image."""
    if as_json:
        print_json(record)
    elif "pushed" in record:
        click.echo(record["pushed"]["reference"])
    else:
        for identity in record["images"].values():
            click.echo(f"{record['name'].rpartition(':')[0]}@{identity}")


def _besides_docker(delivery: Delivery) -> Delivery:
    """What is left to do where Docker Engine has the images already."""
    return replace(delivery, load=False, engine=None) if delivery.engine in (None, "docker") else delivery


def _deliver(job: Job, made: Sequence[Made], connection: Connection, delivery: Delivery) -> Delivered:
    """Bring images that Docker Engine has to where else they were asked for, through the store."""
    if delivery == Delivery():
        return Delivered()
    from builder.bundle.build import index_images
    from builder.image.engine.imported import import_image

    images = [import_image(one.identity, connection.saved, job.workshop) for one in made]
    return deliver(index_images(job.workshop.store, made[0].name, images), job.workshop, job.output, delivery)


def _check_platforms(platforms: tuple[Platform, ...], connection: Connection) -> None:
    """Make sure that the engine can run the steps of these platforms' builds, as far as that can be seen from here."""
    import os

    from builder.run.embedded.diagnosis import check_platform

    machine = connection.machine()
    for platform in platforms:
        if platform.architecture == machine.architecture or machine.kernel != os.uname().release:
            continue  # another machine's emulators are not seen from here
        try:
            check_platform(platform)
        except EnvbuildError as error:
            own = Platform(machine.architecture)
            hint = f"Add `--platform {own}`" if own in platforms else f"Build it where the engine is {platform}"
            raise EnvbuildError(f"this engine cannot build for {platform}", error.why, hint) from error


def _build_one(job: Job, engine: BuildEngine, platform: Platform) -> Made:
    from builder.cli.render import target_context
    from builder.image.dockerfile import write_context
    from builder.image.engine.interface import BuildRequest

    context = target_context(replace(job.target, platforms=(platform,)), job.workshop, job.choice.base)
    lock = job.target.lock
    paths = job.workshop.fetcher.with_indexes(dict(lock.indexes)).blobs(context.sources)
    arguments = {"SOURCE_DATE_EPOCH": f"{datetime.fromisoformat(lock.document.created).timestamp():.0f}"}
    tag = context.name if platform == job.target.platforms[0] else f"{context.name}-{platform.slug}"
    shown = _Shown(str(platform), job.workshop.progress, job.output)
    with job.workshop.store.scratch() as folder:
        write_context(folder / "context", context, paths)
        try:
            identity = engine.build(BuildRequest(folder / "context", tag, platform, arguments), shown)
        finally:
            shown.end()
    return Made(platform, identity, context.name)


class _Shown:
    """An Observer that shows the step that goes on, and in detail every line."""

    def __init__(self, label: str, progress: Progress | None, output: Output) -> None:
        self._label = label
        self._progress = progress or Silent()
        self._output = output
        self._step: str | None = None

    def step(self, title: str) -> None:
        self.end()
        self._step = f"{self._label}: {title}"
        self._progress.start(self._step)
        self._output.detail(self._step)

    def line(self, text: str) -> None:
        self._output.detail(f"  {text}")

    def end(self) -> None:
        """Show no step any more."""
        if self._step is not None:
            self._progress.finish(self._step)
            self._step = None
