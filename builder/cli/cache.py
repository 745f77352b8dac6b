"""`envbuild cache`: what the store takes on disk, and cleaning it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from builder.cli.machine import chosen_platforms, current_lock, make_workshop, open_store
from builder.cli.options import json_option, offline_option, path_argument, platform_option
from builder.cli.output import Output, count, print_json, size_text
from builder.errors import EnvbuildError
from builder.oci.store import BUILT_WHEELS, CHECKOUTS, Store

if TYPE_CHECKING:
    from builder.history.content import Content


@click.group("cache", short_help="Show or clean the store.")
def command() -> None:
    """Show or clean the store: what was fetched and built."""


@command.command("size")
@json_option
def size(as_json: bool) -> None:
    """Show what the store takes on disk."""
    store = open_store()
    usage = store.usage()
    if as_json:
        print_json({"folder": str(store.root), "parts": {part.name: part.size for part in usage}})
        return
    width = max(len(part.name) for part in usage)
    click.echo(f"{'':{width}} {'files':>7} {'size':>12}")
    for part in usage:
        click.echo(f"{part.name:{width}} {part.files:7} {size_text(part.size):>12}")
    size = size_text(sum(part.size for part in usage))
    click.echo(f"{'all':{width}} {sum(part.files for part in usage):7} {size:>12}")


@command.command("prune")
@click.option(
    "--all", "everything", is_flag=True, help="Delete everything that can be fetched or made again at any time."
)
@click.option(
    "--built", is_flag=True, help="With --all: also wheels that were built from source, and commits of repositories."
)
@click.option("--outputs", is_flag=True, help="Also outputs of stages and runs, which only running them gives again.")
@click.option(
    "--except", "projects", type=click.Path(exists=True, file_okay=False, path_type=Path), multiple=True,
    metavar="PROJECT", help="With --outputs: not those that this project's stages and runs name. Repeatable.",
)  # fmt: skip
@click.pass_obj
def prune(output: Output, everything: bool, built: bool, outputs: bool, projects: tuple[Path, ...]) -> None:
    """Delete what killed processes and broken-off downloads left behind, or everything.

    Wheels that were built from source stay, as no index has them, and so do commits of git repositories: locks name
    them by digest. `--all --built` deletes them too; a build makes them again where that is possible.

    Outputs of stages and runs stay as well, as they may be hours of work. `--outputs` deletes them too; what is laid
    out in a project stays there.
    """
    if built and not everything:
        raise click.UsageError("`--built` goes with `--all`")
    if projects and not outputs:
        raise click.UsageError("`--except` goes with `--outputs`")
    store = open_store()
    kinds = () if built else (CHECKOUTS, BUILT_WHEELS)
    freed = _pruned_outputs(store, outputs, projects) + store.prune(everything, kinds)
    output.say(f"freed {size_text(freed)} in {store.root}")
    if everything and not outputs:
        _tell_outputs(store, output)
    if everything and not built:
        kept = [store.path(digest).stat().st_size for digest in store.named_blobs(kinds)]
        if kept:
            output.say(
                f"kept {len(kept)} wheels and commits that no index has ({size_text(sum(kept))}); `--all --built` "
                "deletes them too"
            )


def _pruned_outputs(store: Store, outputs: bool, projects: tuple[Path, ...]) -> int:
    """Bytes that were freed of outputs. What projects name is read first: one that cannot be read stops it."""
    from builder.history.kept.removal import drop_leftovers, remove_outputs

    used = [content for project in projects for content in _used_by(project)]
    freed = drop_leftovers(store)
    return freed + (remove_outputs(store, used) if outputs else 0)


def _used_by(project: Path) -> list[Content]:
    """What the stages of a project last made, and what its runs wrote and read."""
    from builder.history.folder import read_runs
    from builder.pipeline.stages_lock import read_stages_lock
    from builder.spec.load import LOCK_FOLDER

    runs = read_runs(project)
    if runs.failures:
        raise runs.failures[0]
    used = [one for entry in read_stages_lock(project / LOCK_FOLDER).stages.values() for one in entry.outputs.values()]
    for run in runs.runs:
        used += (*run.record.outputs.values(), *run.record.data.values())
    if not used:
        raise EnvbuildError(f"`{project}` names no outputs", "it has neither runs nor stages that were run")
    return used


def _tell_outputs(store: Store, output: Output) -> None:
    from builder.history.kept.removal import kept_files

    files, size = kept_files(store)
    if files:
        output.say(f"kept {count(files, 'file')} of outputs ({size_text(size)}); `--outputs` deletes them too")


@command.command("wheels")
@path_argument
@click.option(
    "-o", "--output", "folder", type=click.Path(path_type=Path), required=True, metavar="FOLDER",
    help="Where they go, as FOLDER/SHA256/FILE.",
)  # fmt: skip
@platform_option
@offline_option
@json_option
@click.pass_obj
def wheels(output: Output, path: Path, folder: Path, platforms: tuple[str, ...], offline: bool, as_json: bool) -> None:
    """Write the wheels that the lock of PATH had built from source to FOLDER.

    Other machines take them from there instead of building them again: name it, or the web server or bucket that it
    is synced to, in `ENVBUILD_WHEELS`. What the store lacks is taken or built first; what FOLDER has already stays.
    """
    from builder.cli.wheels import ensure_built_wheels
    from builder.spec import load_environment

    lock = current_lock(load_environment(path))
    targets = chosen_platforms(lock, platforms)
    built = [wheel for platform in targets for wheel in lock.wheels.get(platform, ()) if wheel.built]
    written, there = 0, 0
    if built:
        from builder.run.wheels.place import fill_place

        workshop = make_workshop(output, offline=offline)
        ensure_built_wheels(lock, targets, workshop, output)
        filled = fill_place(built, workshop.store, folder)
        written, there = filled.written, filled.there
        output.say(f"wrote {count(written, 'wheel')} to {folder}" + (f"; {there} were there already" if there else ""))
    else:
        output.say(f"nothing to do: no package in the lock of {path} was built from source")
    if as_json:
        print_json({"folder": str(folder), "written": written, "there": there})
