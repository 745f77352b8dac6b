"""`envbuild run`: a command of a project or a bundle, on an engine of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.audit_trail import record_event
from builder.cli.machine import make_workshop
from builder.cli.opened_bundle import REFERENCE, bundle_here, reference_in
from builder.cli.options import Existing, Size, full_option, no_check_option, offline_option, thin_option
from builder.cli.output import Output
from builder.cli.recorded_run import Recording, Running, run_recorded
from builder.cli.running import (
    check_gpus,
    engine_option,
    environment_option,
    gpus_option,
    network_option,
    parse_gpus,
    parse_pairs,
    parse_port,
    parse_variables,
    publish_option,
    read_env_file,
)
from builder.cli.sweep_options import SweepingCommand, project_folder, sweep_options, wanted_sweep
from builder.cli.target import open_target
from builder.cli.trusted import require, signature_option
from builder.errors import EnvbuildError
from builder.spec.environment import ENVIRONMENT_FILE
from builder.spec.load import PROJECT_FILE

if TYPE_CHECKING:
    from builder.bundle.parts.data import Packing
    from builder.image.workshop import Workshop
    from builder.run.interface import Engine, LocalImage, PortMapping, RunRequest
    from builder.spec import LoadedProject


@click.command(
    "run",
    cls=SweepingCommand,
    short_help="Run a command of a project or a bundle.",
)
@click.argument("target")
@click.argument("name", metavar="[COMMAND]", required=False)
@click.argument("arguments", nargs=-1)
@engine_option
@click.option("--param", "parameters", multiple=True, metavar="NAME=VALUE", help="Set a parameter.")
@click.option("--seed", type=int, help="Set the seed.")
@click.option("--data", "data", multiple=True, metavar="NAME=PATH", help="Use this file as data NAME.")
@click.option("--out", "out", type=click.Path(path_type=Path), help="Where outputs go [default: out].")
@publish_option
@environment_option
@click.option("--env-file", type=Existing(), help="A file of NAME=VALUE lines.")
@gpus_option
@click.option("--memory", type=Size(), help="Memory that it may use at most: 512m, 2g.")
@click.option("--shm-size", type=Size(), help="Size of /dev/shm.")
@network_option
@click.option("--read-only", is_flag=True, help="Give it a root that cannot be written to.")
@click.option("--user", metavar="UID[:GID]", help="Run as this user [default: yours].")
@click.option("--mount-code", is_flag=True, help="Use the working tree instead of the packed code.")
@click.option("--why", default="", metavar="TEXT", help="Say why it is run, in its record.")
@signature_option
@full_option
@thin_option
@no_check_option
@offline_option
@click.option("--parent", metavar="ID", help="What the run is a part of, for its record.")
@click.option("--id-file", type=click.Path(path_type=Path), metavar="FILE", help="Write the run's id there.")
@click.option("--image", hidden=True, help="NAME:TAG@DIGEST of an image in the store, instead of building it.")
@sweep_options
@click.pass_obj
def command(output: Output, /, target: str, name: str | None, arguments: tuple[str, ...], **options: Any) -> int:
    """Run COMMAND of TARGET: a project, a bundle's file or folder, or `oci://HOST/NAME:TAG` in a registry.

    Data that COMMAND reads are held to their contract first; what breaks it stops the run. So are those of `--data`.

    What was run, with what, and what came of it stays in `runs` of the project, or beside the folder of outputs.

    Without COMMAND, list the commands. Of a bundle in a registry, the image for this machine is fetched and kept.
    Arguments behind `--` go to the command. Its exit code is the exit code of `run`.

    With `--sweep lr=0.1,0.01 seed=1..5` it is run for every combination, and what came of all is compared. Points that
    were run before are not run again. Exits 3 if one of them failed.
    """
    from builder.cli.engines import choose_engine
    from builder.run.prepare import Wish, prepare
    from builder.run.promised import check_given

    sweep = wanted_sweep(target, name, arguments, options)
    name = sweep[0].command if sweep else name
    data = {key: Path(value) for key, value in parse_pairs("--data", options["data"]).items()}
    ports = tuple(parse_port(text) for text in options["ports"])
    gpus = parse_gpus(options["gpus"])
    environment = {**read_env_file(options["env_file"]), **parse_variables(options["environment"])}
    engine = choose_engine(options["engine"], output)
    if listens_here(ports, options["network"], engine):
        environment.setdefault("ENVBUILD_HOST", "127.0.0.1")
    workshop = make_workshop(output, offline=options["offline"])
    image, document, folder = _open(target, workshop, output, {**options, "reads": _Reads(name, frozenset(data))})
    if not options["no_check"]:
        check_given(image, document, data if name else {}, datetime.now(UTC))
    check_gpus(engine, image, gpus, output)
    if sweep:
        from builder.cli.sweeping import run_sweep

        return run_sweep(*sweep, (image, document, folder), output, options)
    wish = Wish(
        command=name,
        arguments=arguments,
        parameters=options["parameters"],
        seed=options["seed"],
        data=data,
        output=options["out"] or (folder or Path()) / "out",
        code=folder if options["mount_code"] else None,
        environment=environment,
        ports=ports,
        network=options["network"],
        memory=options["memory"],
        shared_memory=options["shm_size"],
        read_only=options["read_only"],
        user=options["user"],
        gpus=gpus,
        no_check=options["no_check"],
    )
    request = prepare(wish, image, document, folder or Path(), workshop.fetcher)
    if name is not None:
        output.say(f"running `{name}` of {image.name} on the {engine.name} engine")
        note = port_note(name, document["commands"][name].get("port"), request, engine)
        if note:
            output.say(f"note: {note}")
    if name is None:
        return engine.run(image, request)
    what = Recording(document, folder, options["why"], options["parent"], options["id_file"])
    code = run_recorded(wish, image, what, Running(engine, request), output)
    told = {"command": name, "exit-code": code, "engine": engine.name}
    record_event("run", image.name, str(image.descriptor.digest), told, folder)
    return code


@dataclass(frozen=True, slots=True)
class _Reads:
    """What a run reads."""

    command: str | None
    given: frozenset[str]
    """The names of data that stand for the project's own."""

    def promised(self, loaded: LoadedProject | None) -> frozenset[str]:
        """The project's data that must keep their contracts."""
        commands = loaded.project.commands if loaded else {}
        command = commands.get(self.command or "")
        return frozenset(command.inputs if command else ()) - self.given


def listens_here(ports: tuple[PortMapping, ...], network: str, engine: Engine) -> bool:
    """Whether a command must be told to listen for this machine alone: nothing is published, and nothing hides it."""
    return not ports and network != "none" and not (network == "default" and engine.has_own_network)


def port_note(name: str, port: int | None, request: RunRequest, engine: Engine) -> str | None:
    """What to say where the port that a command declares is reached otherwise than the options suggest."""
    if port is None or request.network == "none" or any(port == given.container_port for given in request.ports):
        return None
    if request.ports:
        given = request.ports[0]
        host = given.host_port if engine.has_own_network else port
        return f"`{name}` listens on port {port}, not {given.container_port}; publish it with `-p {host}:{port}`"
    if engine.has_own_network:
        return f"port {port} of `{name}` is not published; to reach it, add `-p {port}:{port}`"
    return None


def _open(
    text: str, workshop: Workshop, output: Output, options: Mapping[str, Any]
) -> tuple[LocalImage, dict[str, Any], Path | None]:
    """The image for this machine, its `bundle.json`, and the project's folder where the target is a project."""
    from builder.bundle.reading.reader import read_document
    from builder.run.interface import LocalImage

    store, target = workshop.store, Path(text)
    if options["image"]:
        from builder.cli.sweeping import image_of

        name, given = image_of(options["image"], store)
        folder = project_folder(text)
        return LocalImage.of(given, name, workshop), read_document(store, given), folder
    packing: Packing | None = options["packing"]
    required: Path | None = options["require_signature"]
    if target.name == PROJECT_FILE or (target / PROJECT_FILE).is_file():
        if required:
            raise EnvbuildError(f"`{target}` is a project, which nobody signs", hint="Name a bundle")
        opened = open_target(target)
        promised = options["reads"].promised(opened.project)
        project = replace(opened, packing=packing or "default", no_check=options["no_check"], promised=promised)
        built = project.build_here(workshop, output)
        image = built.images[0]
        return LocalImage.of(image, built.name, workshop), read_document(store, image), project.folder
    if options["mount_code"] or packing:
        option = "--mount-code" if options["mount_code"] else f"--{packing}"
        raise EnvbuildError(f"`{text}` is not a project", hint=f"`{option}` needs the folder of a project")
    if reference_in(text) is None:
        _check_bundle(target)
    check = partial(require, trusted=required, workshop=workshop, output=output) if required else None
    bundle, image = bundle_here(text, workshop, output, check)
    return LocalImage.of(image, bundle.name, workshop), read_document(store, image), None


def _check_bundle(target: Path) -> None:
    """Refuse a path where no bundle is. Raises: EnvbuildError."""
    if target.name == ENVIRONMENT_FILE or _is_environment(target):
        raise EnvbuildError(
            f"`{target}` is an environment, which has no commands",
            hint=f"Name the folder of a project that uses it: one with `{PROJECT_FILE}`",
        )
    if not target.exists():
        hint = f"Name a project's folder, a bundle, or `{REFERENCE}HOST/NAME:TAG` in a registry"
        raise EnvbuildError(f"`{target}` is not there", hint=hint)
    if target.is_dir() and not (target / "index.json").is_file():
        raise EnvbuildError(
            f"`{target}` is neither a project nor a bundle",
            f"it has neither `{PROJECT_FILE}` nor `index.json`",
            f"Name a folder with `{PROJECT_FILE}`, or a bundle's file or folder",
        )


def _is_environment(folder: Path) -> bool:
    return (folder / ENVIRONMENT_FILE).is_file() and not (folder / "index.json").exists()
