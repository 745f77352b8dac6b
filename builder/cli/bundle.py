"""`envbuild bundle`: one file with the image, code, model and documents of a project."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.audit_trail import record_event
from builder.cli.deliver import Delivered, Delivery, built_as_json, check, pack_built, push_built, push_option
from builder.cli.machine import make_workshop, this_builder
from builder.cli.model_run import allow_stale_option, of_run, run_option
from builder.cli.options import (
    full_option,
    json_option,
    no_check_option,
    offline_option,
    path_argument,
    platform_option,
    thin_bundle_option,
    workers_option,
)
from builder.cli.output import Output, print_json
from builder.cli.target import Target
from builder.spec.load import load_project

if TYPE_CHECKING:
    from builder.bundle.model_pack import Form
    from builder.bundle.parts.data import Packing
    from builder.image.workshop import Workshop
    from builder.oci.digest import Digest
    from builder.oci.registry import Reference
    from builder.spec import LoadedProject

deny_option = click.option(
    "--deny-license",
    "denied",
    multiple=True,
    metavar="SPDX",
    help="Stop if a package needs this licence: an SPDX identifier or a glob (`GPL-*`); may be repeated.",
)


@click.command("bundle", short_help="Pack a project into one file that trains and serves anywhere.")
@path_argument
@click.option(
    "-o", "--output", "target", type=click.Path(path_type=Path), help="FILE.tar, or a folder [default: NAME.tar]."
)
@full_option
@thin_bundle_option
@click.option(
    "--modelpack",
    type=click.Choice(["shared", "raw", "none"]),
    default="shared",
    show_default=True,
    help="How the model is listed beside the images, for readers of models.",
)
@run_option
@allow_stale_option
@push_option
@click.option(
    "--builder-id",
    envvar="ENVBUILD_BUILDER_ID",
    metavar="URI",
    help="Who builds, for the provenance [default: ENVBUILD_BUILDER_ID, else a machine of which nothing is said].",
)
@deny_option
@platform_option
@workers_option
@no_check_option
@offline_option
@json_option
@click.pass_obj
def command(
    output: Output,
    path: Path,
    target: Path | None,
    packing: Packing | None,
    modelpack: Form,
    run: str | None,
    allow_stale: bool,
    push: Reference | None,
    builder_id: str | None,
    denied: tuple[str, ...],
    platforms: tuple[str, ...],
    workers: int | None,
    no_check: bool,
    offline: bool,
    as_json: bool,
) -> None:
    """Pack the project in PATH: environment, code, model, data and documents in one OCI layout.

    A FILE.tar is also an archive for `docker load -i`. Prints one reference: name and digest of the index inside.

    Data are inside if all of them together have at most 64 MiB; else a run fetches them. With `--full` they are inside
    whatever their size, and nothing needs a network. With `--thin` they are not, and neither are the layers of the
    environment, which `envbuild run`, `push` and `verify` make again from the lock inside.

    Data with a contract are held to it first: a rule that is broken stops it, and what came of all is in the bundle.

    A package whose licence cannot be met without one of `--deny-license`, or of `licenses` in the spec, stops it.

    The model is that of `--run`, or what is at its path. Where a run is recorded that made it, and its code, data or
    lock have changed since, nothing is packed, unless `--allow-stale` says so, which the bundle records.

    Beside the images is the model as a CNCF ModelPack artifact, which shares their layers; `--modelpack raw` gives its
    files blobs of their own instead, for readers that take no tars.

    Attached to the bundle is its provenance: what it was made of, by whom (SLSA, in-toto).
    """
    from builder.bundle.attached.provenance import with_provenance
    from builder.bundle.inside.lineage import remember_bundle
    from builder.bundle.model_pack import with_model

    builder = this_builder(builder_id)
    loaded = _denying(load_project(path), denied)
    project = Target.of(loaded.environment, loaded, platforms)
    project = replace(project, packing=packing or "default", no_check=no_check)
    file = target or Path(f"{project.name}.tar")
    check(Delivery(file), project.platforms)
    workshop = make_workshop(output, workers, offline=offline)
    with workshop.store.scratch() as scratch:
        project = of_run(project, run, workshop, output, allow_stale=allow_stale, scratch=scratch)
        built = project.build(workshop, output)
        built = with_model(built, loaded, workshop, modelpack, project.origin.model if project.origin else None)
        built = with_provenance(built, loaded, project.lock, builder, workshop.store)
        size = pack_built(built, file, workshop, output, _left_out(project, workshop))
    for note in built.notes:
        output.say(note)
    if packing == "thin":
        output.say(f"{file} is thin: `docker load` cannot read it; `envbuild run` and `envbuild push` can")
    model = loaded.project.model
    if model and model.path and not run and not (loaded.folder / model.path).exists():
        output.say(f"no model is packed: there is nothing at `{loaded.folder / model.path}` yet")
    pushed = push_built(built, built.index, push, workshop, output) if push else None
    delivered, digest = Delivered(file, size, pushed), str(built.index.digest)
    holds = remember_bundle(workshop.store, built.name, digest, built.images)
    record_event("bundled", built.name, digest, {"lock": str(project.lock.digest), "holds": holds}, loaded.folder)
    if pushed:
        record_event("pushed", built.name, digest, {"reference": str(pushed.reference)}, loaded.folder)
    if as_json:
        print_json({**built_as_json(built), "digest": digest, **delivered.to_dict()})
    else:
        click.echo(delivered.reference(f"{built.name.rpartition(':')[0]}@{digest}"))


def _denying(loaded: LoadedProject, denied: tuple[str, ...]) -> LoadedProject:
    """The project with these licences denied besides those that its spec denies."""
    from builder.spec.project import Licenses

    rules = loaded.project.licenses or Licenses()
    licenses = replace(rules, deny=(*rules.deny, *denied)) if denied else loaded.project.licenses
    return replace(loaded, project=replace(loaded.project, licenses=licenses))


def _left_out(target: Target, workshop: Workshop) -> frozenset[Digest]:
    """The layers that the file does without."""
    from builder.bundle.thin import environment_layers

    return environment_layers(target.lock, target.platforms, workshop) if target.packing == "thin" else frozenset()
