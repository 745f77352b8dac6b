"""`envbuild verify`: an image or a bundle against every digest that it promises."""

from __future__ import annotations

from pathlib import Path

import click

from builder.cli.machine import chosen_platforms, current_lock, make_workshop
from builder.cli.options import json_option, platform_option, workers_option
from builder.cli.output import Output, print_json
from builder.cli.wheels import ensure_built_wheels
from builder.errors import DigestMismatchError, EnvbuildError
from builder.spec.load import PROJECT_FILE, find_spec, load_environment, load_project


@click.command("verify", short_help="Check an image or a bundle against every digest that it promises.")
@click.argument("target", type=click.Path(path_type=Path), default=Path())
@click.option("--rebuild", is_flag=True, help="Build again into an empty store and compare the digest.")
@platform_option
@workers_option
@json_option
@click.pass_obj
def command(
    output: Output, target: Path, rebuild: bool, platforms: tuple[str, ...], workers: int | None, as_json: bool
) -> None:
    """Recompute every digest, size and diff_id of the bundle TARGET, or of the image of the project TARGET.

    `--rebuild` takes a project or an environment and proves that its lock gives the same digest again. Exits 5 if
    anything differs.
    """
    if target.suffix == ".tar" or (target / "oci-layout").is_file():
        from builder.bundle.reader import open_bundle

        if rebuild:
            raise EnvbuildError("a bundle cannot be rebuilt from itself", hint="Name the project or the environment")
        bundle = open_bundle(target)
        digest, problems = str(bundle.top.digest), bundle.problems()
    else:
        digest, problems = _verify_project(target, rebuild, platforms, workers, output)
    if as_json:
        print_json({"digest": digest, "rebuilt": rebuild, "problems": list(problems)})
    if problems:
        raise DigestMismatchError(f"`{target}` is not what it promises to be", problems)
    output.say("rebuilt into an empty store: the same digest" if rebuild else "every digest, size and diff_id holds")
    if not as_json:
        click.echo(digest)


def _verify_project(
    target: Path, rebuild: bool, platforms: tuple[str, ...], workers: int | None, output: Output
) -> tuple[str, tuple[str, ...]]:
    from builder.bundle.build import Built, build_environments, build_project
    from builder.image.rebuild import differences, empty_workshop
    from builder.image.workshop import Workshop
    from builder.oci.validate import validate

    file = find_spec(target)
    project = load_project(file) if file.name == PROJECT_FILE else None
    environment = project.environment if project else load_environment(file)
    lock = current_lock(environment)
    targets = chosen_platforms(lock, platforms)

    def build(workshop: Workshop) -> Built:
        if project:
            return build_project(project, lock, targets, workshop)
        return build_environments(environment.name, lock, targets, workshop)

    workshop = make_workshop(output, workers)
    ensure_built_wheels(lock, targets, workshop, output)
    built = build(workshop)
    problems = validate(workshop.store, built.index)
    if rebuild and not problems:
        with empty_workshop(workshop) as scratch:
            ensure_built_wheels(lock, targets, scratch, output, here_only=True)
            problems = tuple(differences(built.images, build(scratch).images))
    return built.digest, problems
