"""`envbuild lock`: from an environment's spec to hashes of everything that it becomes."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from builder.cli.interrupt import interruptible
from builder.cli.lock_data import DataWork, failure_as_json, rehash_option
from builder.cli.lock_diff import command as diff
from builder.cli.lock_export import Export, export_options
from builder.cli.lock_modules import lock_modules
from builder.cli.options import json_option, path_argument
from builder.cli.output import Output, count, print_json, show_error_of
from builder.cli.subcommands import CommandWithSubcommands
from builder.errors import EnvbuildError
from builder.layers.interface import LAYER_FORMAT
from builder.spec import LoadedEnvironment, load_environment

if TYPE_CHECKING:
    from builder.lock.document import Lock


@click.command(
    "lock",
    cls=CommandWithSubcommands,
    subcommands={"diff": diff},
    short_help="Lock an environment: every package of every platform by hash.",
)
@path_argument
@click.option("--all", "all_", is_flag=True, help="Every environment below PATH; one that fails does not stop others.")
@click.option("--check", is_flag=True, help="Change nothing; exit 1 with the reason if the lock is stale.")
@click.option("--online", is_flag=True, help="With `--check`, also ask whether every artifact can still be had.")
@click.option("--upgrade", is_flag=True, help="Resolve anew, although the lock is current.")
@click.option(
    "-P", "--upgrade-package", "packages", multiple=True, metavar="NAME[==VERSION]", help="Move this package alone."
)
@click.option("--no-sdist", is_flag=True, help="Take wheels of indexes alone; build none of source.")
@rehash_option
@export_options
@json_option
@click.pass_obj
@interruptible()
def command(output: Output, /, path: Path, all_: bool, as_json: bool, **options: Any) -> int:
    """Write `lock/` beside the spec of the environment (or the project's environment) in PATH.

    Debian packages come from signed indexes, Python packages through uv or pip-tools, conda packages from channels;
    each platform for itself and from any host. A lock that is current is left alone, and what need not move stays
    where it is, unless `--upgrade` or `--upgrade-package` is given. `--check` needs no network, but with `--online`.
    """
    if export := Export.take(options, others=all_ or as_json):
        return export.write(path, output)
    if options["online"] and not options["check"]:
        raise click.UsageError("`--online` goes with `--check`.")
    if options["check"] and (options["upgrade"] or options["packages"]):
        raise click.UsageError("`--check` changes nothing, so it does not go with `--upgrade` and `--upgrade-package`.")
    data_work = DataWork(output, options["check"], options["upgrade"], options.pop("rehash"), options["online"])
    work = _work(output, **options)
    if all_:
        others = data_work.all(path) | _modules_of_all(path, output, options["check"])
        return _print_all(_lock_all(path, work) | others, as_json, output)
    data = data_work.before_others(path)
    modules = lock_modules(path, output, check=options["check"], data=data.lock)
    if modules.error and not options["check"]:
        raise modules.error
    outcome = work(load_environment(path))
    if not outcome.error:
        data.write()
        modules.write()
    if as_json:
        print_json(modules.beside(data.beside(outcome.as_json())))
    if outcome.error:
        data.show_before(outcome.error)
        modules.show_before(outcome.error)
        raise outcome.error
    modules.show_before(data.error)
    data.finish(output)
    modules.finish(output)
    _say(outcome, options, output)
    if not as_json:
        click.echo(str(outcome.digest))
    return 0


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What came of one environment."""

    loaded: LoadedEnvironment | None
    lock: Lock | None = None
    changed: bool = False
    error: EnvbuildError | None = None

    @property
    def digest(self) -> str | None:
        return str(self.lock.digest) if self.lock else None

    def as_json(self) -> dict[str, Any]:
        if self.error:
            return failure_as_json(self.error)
        return {"current": True, "digest": self.digest, "changed": self.changed, "platforms": _counts(self.lock)}


def _work(
    output: Output, check: bool, online: bool, upgrade: bool, packages: tuple[str, ...], no_sdist: bool
) -> Callable[[LoadedEnvironment], _Outcome]:
    """What is done with each environment."""
    work = _checks(online, output) if check else _locks(upgrade, packages, no_sdist, output)

    def caught(loaded: LoadedEnvironment) -> _Outcome:
        try:
            return work(loaded)
        except EnvbuildError as error:
            return _Outcome(loaded, error=error)

    return caught


def _checks(online: bool, output: Output) -> Callable[[LoadedEnvironment], _Outcome]:
    from builder.lock.folder import read_current_lock

    fetcher = _Once(lambda: _fetcher(output))

    def work(loaded: LoadedEnvironment) -> _Outcome:
        lock = read_current_lock(loaded, LAYER_FORMAT)
        if online:
            from builder.lock.online import look_up

            found = look_up(lock, fetcher(), _images(fetcher(), output).probe)
            found.check(f"the lock in `{loaded.lock_folder}`")
        return _Outcome(loaded, lock)

    return work


def _locks(
    upgrade: bool, packages: tuple[str, ...], no_sdist: bool, output: Output
) -> Callable[[LoadedEnvironment], _Outcome]:
    from builder.lock.locking import Policy, lock_environment
    from builder.lock.upgrade import Upgrade

    policy = Policy(LAYER_FORMAT, Upgrade.parse(upgrade, packages), sdists=not no_sdist)
    tools = _Once(lambda: _tools(_fetcher(output), output))

    def work(loaded: LoadedEnvironment) -> _Outcome:
        locked = lock_environment(loaded, policy, tools)
        for reason in locked.reasons:
            output.detail(reason)
        return _Outcome(loaded, locked.lock, locked.changed)

    return work


class _Once:
    """A value that is made when it is first asked for, by one of several threads."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = functools.cache(make)
        self._lock = threading.Lock()

    def __call__(self) -> Any:
        with self._lock:
            return self._make()


def _fetcher(output: Output) -> Any:
    from builder.cli.machine import make_fetcher, open_store

    return make_fetcher(open_store(), output)


def _images(fetcher: Any, output: Output) -> Any:
    from builder.cli.resolvers import make_images

    return make_images(fetcher, output)


def _tools(fetcher: Any, output: Output) -> Any:
    from builder.cli.resolvers import make_tools

    return make_tools(fetcher, output)


def _say(outcome: _Outcome, options: dict[str, Any], output: Output) -> None:
    if outcome.loaded is None or outcome.lock is None:
        return
    folder = outcome.loaded.lock_folder
    if options["check"]:
        output.say(f"the lock in `{folder}` is current")
    elif not outcome.changed:
        more = "" if options["upgrade"] or options["packages"] else "; `--upgrade` resolves anew"
        output.say(f"the lock in `{folder}` is current{more}")
    else:
        for platform, counts in _counts(outcome.lock).items():
            wheels = count(counts["python"], "wheel")
            conda = f", {count(counts['conda'], 'conda package')}" if counts["conda"] else ""
            output.say(f"{platform}: {count(counts['debian'], 'Debian package')}{conda}, {wheels}")


def _counts(lock: Lock | None) -> dict[str, dict[str, int]]:
    if lock is None:
        return {}
    return {
        str(platform): {
            "debian": len(locked.debian),
            "conda": len(lock.conda.get(platform, ())),
            "python": len(lock.wheels[platform]),
        }
        for platform, locked in sorted(lock.document.platforms.items())
    }


def _lock_all(folder: Path, work: Callable[[LoadedEnvironment], _Outcome]) -> dict[Path, _Outcome]:
    """What came of every environment below `folder`, several at a time; a lock that projects share is made once."""
    from concurrent.futures import Future, ThreadPoolExecutor

    from builder.lock.locking import find_environments

    outcomes: dict[Path, _Outcome] = {}
    with ThreadPoolExecutor(4) as pool:
        pending: dict[Path, Future[_Outcome]] = {}
        for file in find_environments(folder):
            try:
                loaded = load_environment(file)
            except EnvbuildError as error:
                outcomes[file] = _Outcome(None, error=error)
            else:
                pending.setdefault(loaded.file, pool.submit(work, loaded))
        outcomes |= {file: future.result() for file, future in pending.items()}
    return dict(sorted(outcomes.items()))


def _modules_of_all(folder: Path, output: Output, check: bool) -> dict[Path, Any]:
    """What came of the modules of every project below `folder`, by a path below what is shown of each."""
    from builder.lock.locking import find_environments

    outcomes = {}
    for file in find_environments(folder):
        outcome = lock_modules(file, output, check=check)
        outcome.write()
        if outcome.loaded:
            outcomes[Path(f"{file.parent} (modules)") / file.name] = outcome
    return outcomes


def _print_all(outcomes: dict[Path, _Outcome], as_json: bool, output: Output) -> int:
    """A line for each environment, and the errors of those that failed; the exit code."""
    if as_json:
        print_json({str(file.parent): outcome.as_json() for file, outcome in outcomes.items()})
    width = max(len(str(file.parent)) for file in outcomes)
    for file, outcome in outcomes.items():
        word = "failed " if outcome.error else "changed" if outcome.changed else "current"
        if not as_json:
            click.echo(f"{file.parent!s:{width}}  {word}  {outcome.digest or ''}".rstrip())
    failed = {file.parent: outcome.error for file, outcome in outcomes.items() if outcome.error}
    for folder, error in failed.items():
        show_error_of(folder, error)
    output.say(f"{len(outcomes) - len(failed)} of {len(outcomes)} environments have a current lock")
    return max((int(error.exit_code) for error in failed.values()), default=0)
