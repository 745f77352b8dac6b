"""`envbuild lock`: from an environment's spec to hashes of everything that it becomes."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import click

from builder.cli.options import json_option, path_argument
from builder.cli.output import Output, print_json
from builder.errors import EnvbuildError
from builder.layers.interface import LAYER_FORMAT
from builder.lock.document import Lock
from builder.lock.folder import parse_lock, read_current_lock, read_lock, write_lock
from builder.spec import LoadedEnvironment, load_environment


@click.command("lock", short_help="Lock an environment: every package of every platform by hash.")
@path_argument
@click.option("--check", is_flag=True, help="Change nothing; exit 1 with the reason if the lock is stale.")
@click.option("--upgrade", is_flag=True, help="Resolve anew, although the lock is current.")
@json_option
@click.pass_obj
def command(output: Output, path: Path, check: bool, upgrade: bool, as_json: bool) -> None:
    """Write `lock/` beside the spec of the environment (or the project's environment) in PATH.

    Debian packages come from signed indexes, wheels through uv, each platform for itself and from any host. A lock
    that is current is left alone unless `--upgrade` is given. `--check` needs no network.
    """
    loaded = load_environment(path)
    if check:
        lock, changed = _check(loaded, as_json), False
        output.say(f"the lock in `{loaded.lock_folder}` is current")
    else:
        lock, changed = _lock(loaded, upgrade, output)
    if as_json:
        platforms = {
            str(platform): {"debian": len(locked.debian), "python": len(lock.wheels[platform])}
            for platform, locked in sorted(lock.document.platforms.items())
        }
        print_json({"current": True, "digest": str(lock.digest), "changed": changed, "platforms": platforms})
    else:
        click.echo(str(lock.digest))


def _check(loaded: LoadedEnvironment, as_json: bool) -> Lock:
    try:
        return read_current_lock(loaded, LAYER_FORMAT)
    except EnvbuildError as error:
        if as_json:
            print_json({"current": False, "problem": error.what, "reasons": list(error.why)})
        raise


def _lock(loaded: LoadedEnvironment, upgrade: bool, output: Output) -> tuple[Lock, bool]:
    if not upgrade:
        try:
            lock = read_current_lock(loaded, LAYER_FORMAT)
        except EnvbuildError as error:
            output.detail("\n".join((error.what, *error.why)))
        else:
            output.say(f"the lock in `{loaded.lock_folder}` is current; `--upgrade` resolves anew")
            return lock, False
    files = _resolve(loaded, output)
    write_lock(loaded.lock_folder, files)
    lock = parse_lock(files, str(loaded.lock_folder))
    for platform in lock.platforms:
        counts = len(lock.document.platforms[platform].debian), len(lock.wheels[platform])
        output.say("{}: {} Debian packages, {} wheels".format(platform, *counts))
    return lock, True


def _resolve(loaded: LoadedEnvironment, output: Output) -> dict[str, bytes]:
    from builder.cli.machine import make_fetcher, open_store
    from builder.lock.debian.archive import Archives
    from builder.lock.interface import Line, Sources
    from builder.lock.make import Tools, Wish, make_lock
    from builder.lock.pypi.uv import UvResolver, uv_program

    fetcher = make_fetcher(open_store(), output)
    try:
        previous = read_lock(loaded.lock_folder)
    except EnvbuildError:
        previous = None
    tools = Tools(Archives(fetcher, datetime.now(UTC)), {"uv": UvResolver(os.environ, uv_program(), fetcher)})
    pypi = loaded.environment.pypi
    sources = Sources(tuple(Line(text, str(loaded.file)) for text in pypi.requirements) if pypi else ())
    return make_lock(Wish(loaded.environment, sources, previous=previous), LAYER_FORMAT, tools)
