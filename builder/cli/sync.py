"""`envbuild sync`: the locked packages in an environment of this machine, a virtual one or a conda prefix."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from builder.cli.machine import current_lock, host_platform, make_workshop
from builder.cli.options import json_option, offline_option, path_argument
from builder.cli.output import Output, print_json
from builder.cli.wheels import ensure_built_wheels
from builder.errors import CheckFailedError, EnvbuildError, command_text
from builder.spec import load_environment
from builder.spec.load import find_spec


@click.command("sync", short_help="Make a virtual environment of this machine what the lock says.")
@path_argument
@click.option(
    "--venv", type=click.Path(path_type=Path), help="The virtual environment [default: .venv beside the spec]."
)
@click.option("--python", "interpreter", metavar="PATH", help="The interpreter to make it with.")
@click.option("--check", is_flag=True, help="Change nothing; exit 3 and say what differs.")
@offline_option
@json_option
@click.pass_obj
def command(
    output: Output, path: Path, venv: Path | None, interpreter: str | None, check: bool, offline: bool, as_json: bool
) -> None:
    """Install just the locked Python packages of PATH, for this machine's platform, and remove others.

    So editor, notebook and image agree. Where the Python is conda's, the folder is a conda prefix. Says what differed.
    The folder is made where it is not there; one that something else made is left alone.
    """
    from builder.lock.programs import uv_program
    from builder.run.local import local_environment
    from builder.run.local_wheels import not_there

    loaded = load_environment(path)
    lock = current_lock(loaded)
    platform = host_platform()
    if sys.platform != "linux" or platform not in lock.wheels:
        here = str(platform) if sys.platform == "linux" else sys.platform
        raise EnvbuildError(
            f"the lock has nothing for this machine, {here}",
            f"it has {', '.join(map(str, lock.platforms))}",
            "Use `envbuild shell`, which works inside the image",
        )
    folder = venv or find_spec(path).parent / ".venv"
    local = local_environment(lock, platform, folder)
    found = local.differences()
    if found and not check:
        workshop = make_workshop(output, offline=offline)
        ensure_built_wheels(lock, [platform], workshop, output)
        local.sync(workshop.fetcher.with_indexes(dict(lock.indexes)), uv_program(), interpreter)
        left = local.differences()
        if left:
            raise CheckFailedError(f"`{folder}` still differs from the lock", left)
    if as_json:
        print_json({"venv": str(folder), "synced": not (check and found), "differences": found})
    elif not check:
        for sentence in found if found != [not_there(folder)] else [f"made `{folder}`"]:
            output.say(sentence)
        click.echo(str(folder))
    for note in local.notes() if not check or not found else ():
        output.say(f"note: {note}")
    if check and found:
        hint = f"Run {command_text('sync', path)}"
        raise CheckFailedError(f"`{folder}` differs from the lock in `{loaded.lock_folder}`", found, hint)
