"""`envbuild cache`: what the store takes on disk, and cleaning it."""

from __future__ import annotations

from pathlib import Path

import click

from builder.cli.machine import chosen_platforms, current_lock, make_workshop, open_store
from builder.cli.options import json_option, offline_option, path_argument, platform_option
from builder.cli.output import Output, count, print_json, size_text
from builder.oci.store import BUILT_WHEELS, CHECKOUTS


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
@click.pass_obj
def prune(output: Output, everything: bool, built: bool) -> None:
    """Delete what killed processes and broken-off downloads left behind, or everything.

    Wheels that were built from source stay, as no index has them, and so do commits of git repositories: locks name
    them by digest. `--all --built` deletes them too; a build makes them again where that is possible.
    """
    if built and not everything:
        raise click.UsageError("`--built` goes with `--all`")
    store = open_store()
    kinds = () if built else (CHECKOUTS, BUILT_WHEELS)
    freed = store.prune(everything, kinds)
    output.say(f"freed {size_text(freed)} in {store.root}")
    if everything and not built:
        kept = [store.path(digest).stat().st_size for digest in store.named_blobs(kinds)]
        if kept:
            output.say(
                f"kept {len(kept)} wheels and commits that no index has ({size_text(sum(kept))}); `--all --built` "
                "deletes them too"
            )


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
