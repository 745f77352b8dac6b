"""`envbuild push`: images into a registry. Also what `--push` of other commands does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.audit_trail import record_event
from builder.cli.interrupt import interruptible
from builder.cli.machine import make_workshop
from builder.cli.model_run import allow_stale_option, of_run, run_option
from builder.cli.opened_bundle import REFERENCE, completed
from builder.cli.options import Existing, json_option, no_check_option, offline_option, platform_option, workers_option
from builder.cli.output import Output, print_json, size_text
from builder.cli.target import is_image, open_target
from builder.errors import EnvbuildError

if TYPE_CHECKING:
    from builder.image.workshop import Workshop
    from builder.oci.documents import Descriptor
    from builder.oci.registry import Reference
    from builder.oci.registry.push import Origin, Pushed


@click.command("push", short_help="Push the images of a project, an environment or a bundle to a registry.")
@click.argument("target", type=Existing())
@click.argument("reference", metavar="HOST/NAME[:TAG]")
@run_option
@allow_stale_option
@platform_option
@workers_option
@no_check_option
@offline_option
@json_option
@click.pass_obj
@interruptible()
def command(
    output: Output,
    target: Path,
    reference: str,
    run: str | None,
    allow_stale: bool,
    platforms: tuple[str, ...],
    workers: int | None,
    no_check: bool,
    offline: bool,
    as_json: bool,
) -> None:
    """Push TARGET: the project or environment there, built from its lock first, or a bundle's file or folder as it is.

    The folder of a module is pushed as an artifact of its files, for stages to use by `oci://HOST/NAME@sha256:…`.

    What the registry has already is not sent again. Without TAG, two tags are set: the version, and the first 12
    digits of the digest. A model that `bundle` would not pack is not pushed. Logins are those of docker and podman.
    Prints one reference, by digest.
    """
    destination = parse_destination(reference)
    workshop = make_workshop(output, workers, offline=offline)
    if is_image(target):
        if platforms or run:
            option = "--platform" if platforms else "--run"
            raise EnvbuildError("a bundle is pushed as it is", hint=f"Leave `{option}` out")
        pushed = _push_bundle(target, destination, workshop, output)
        project = None
    elif _is_module(target):
        pushed, project = _push_module(target, destination, workshop, output), None
    else:
        from builder.cli.deliver import push_built

        opened = replace(open_target(target, platforms), no_check=no_check)
        with workshop.store.scratch() as scratch:
            opened = of_run(opened, run, workshop, output, allow_stale=allow_stale, scratch=scratch)
            built, project = opened.build(workshop, output), opened.folder
        pushed = push_built(built, built.top, destination, workshop, output)
    record_event("pushed", target.name, str(pushed.reference.digest), {"reference": str(pushed.reference)}, project)
    if as_json:
        print_json(pushed_as_json(pushed))
    else:
        click.echo(str(pushed.reference))


def parse_destination(text: str) -> Reference:
    """Where something is to be pushed. Raises: EnvbuildError."""
    from builder.oci.registry import Reference

    reference = Reference.parse_place(text.removeprefix(REFERENCE))
    if reference.digest:
        raise EnvbuildError(
            f"`{text}` cannot be pushed to", "a digest follows from what is pushed", "Leave it out, or name a tag"
        )
    return reference


def push_images(
    top: Descriptor, name: str, origin: Origin, destination: Reference, workshop: Workshop, output: Output
) -> Pushed:
    """Push `top`, which is called `name`, under the tag of `destination` or under tags of its own.

    Raises: EnvbuildError, DigestMismatchError.
    """
    from builder.oci.registry.push import push
    from builder.oci.registry.reference import is_tag
    from builder.oci.registry.siblings import remember, siblings

    version = name.rpartition(":")[2]
    own = [*([version] if is_tag(version) else []), top.digest.hex[:12]]
    tags = [destination.tag] if destination.tag else own
    origin = replace(origin, siblings=siblings(workshop.store, destination.registry))
    pushed = push(workshop.registries(), destination, top, origin, tags, workshop.progress)
    remember(workshop.store, destination, pushed.known)
    done = ", ".join(f"{count} {'were ' if way != 'sent' else ''}{way}" for way, count in sorted(pushed.blobs.items()))
    place = f"{destination.registry}/{destination.repository}"
    output.say(f"pushed to {place}, tagged {' and '.join(tags)}: {size_text(pushed.sent)} sent")
    output.detail(f"of its blobs, {done}" if done else "all of it was there")
    return pushed


def pushed_as_json(pushed: Pushed) -> dict[str, Any]:
    """What was pushed, for `--json`."""
    return {"reference": str(pushed.reference), "tags": list(pushed.tags), "sent": pushed.sent}


def _is_module(target: Path) -> bool:
    from builder.spec.environment import ENVIRONMENT_FILE
    from builder.spec.load import PROJECT_FILE
    from builder.spec.module import MODULE_FILE

    is_other = any((target / name).is_file() for name in (PROJECT_FILE, ENVIRONMENT_FILE))
    return (target / MODULE_FILE).is_file() and not is_other


def _push_module(target: Path, destination: Reference, workshop: Workshop, output: Output) -> Pushed:
    from builder.oci.registry.push import Origin
    from builder.pipeline.modules.publish import module_artifact

    top, version = module_artifact(target, workshop.store)
    return push_images(top, f"{target.name}:{version}", Origin(workshop.store), destination, workshop, output)


def _push_bundle(target: Path, destination: Reference, workshop: Workshop, output: Output) -> Pushed:
    from builder.bundle.attached.attach import attached_by_subject
    from builder.bundle.reading.reader import open_bundle
    from builder.oci.registry.push import Origin

    bundle = completed(open_bundle(target), workshop, output)
    origin = Origin(bundle.layout, attached=attached_by_subject(bundle))
    return push_images(bundle.top, bundle.name, origin, destination, workshop, output)
