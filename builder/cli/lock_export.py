"""`envbuild lock --export`: the packages of one platform in the form of another tool."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from builder.cli.output import Output
from builder.errors import EnvbuildError
from builder.oci.documents import Platform
from builder.spec import load_environment

F = TypeVar("F", bound=Callable[..., Any])
FORMS = ("requirements.txt", "pylock.toml", "conda-lock.yml", "explicit")
"""As `builder.lock.export` has them."""


def export_options(command: F) -> F:
    """The options of exporting."""
    form = click.option("--export", "form", type=click.Choice(FORMS), help="Lock nothing; print packages in this form.")
    platform = click.option("--platform", metavar="OS/ARCH", help="Of this platform [default: this machine's].")
    file = click.option("-o", "--output", "file", type=click.Path(path_type=Path), help="Write them to this file.")
    return form(platform(file(command)))


@dataclass(frozen=True, slots=True)
class Export:
    """What is to be exported."""

    form: str
    platform: str | None
    file: Path | None

    @classmethod
    def take(cls, options: dict[str, Any], others: bool) -> Export | None:
        """From the options of the command, out of which it is taken; `others` says whether something else was asked.

        Raises: click.UsageError.
        """
        form, platform, file = (options.pop(name) for name in ("form", "platform", "file"))
        if form is None:
            if platform is not None or file is not None:
                raise click.UsageError("`--platform` and `--output` go with `--export`.")
            return None
        if others or any(options.values()):
            raise click.UsageError("`--export` goes with `--platform` and `--output` alone.")
        return cls(form, platform, file)

    def write(self, path: Path, output: Output) -> int:
        """Print or write the packages of the current lock of `path`.

        Raises: EnvbuildError, if it is stale, or has nothing of this form.
        """
        from builder.cli.machine import current_lock
        from builder.lock.export import export_lock, left_out
        from builder.oci.layout import write_atomically

        lock = current_lock(load_environment(path))
        chosen = _platform(lock.platforms, self.platform, self.form)
        data = export_lock(lock, chosen, self.form)
        missing = left_out(lock, chosen, self.form)
        if missing:
            output.say(f"note: `{self.form}` has no place for {_listed(missing)}")
        if self.file is None:
            click.echo(data, nl=False)
            return 0
        try:
            write_atomically(self.file, data)
        except OSError as error:
            raise EnvbuildError(f"`{self.file}` cannot be written", error.strerror or str(error)) from error
        whose = "every platform" if self.form == "conda-lock.yml" else chosen
        output.say(f"the packages for {whose} are in `{self.file}`")
        return 0


def _listed(names: tuple[str, ...]) -> str:
    shown = ", ".join(f"`{name}`" for name in names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"


def _platform(locked: tuple[Platform, ...], wanted: str | None, form: str) -> Platform:
    """The platform that is wanted, else this machine's, else the only one."""
    from builder.cli.machine import host_platform

    if wanted is not None:
        return Platform.parse(wanted)
    if len(locked) == 1 or form == "conda-lock.yml":
        return locked[0]
    try:
        host = host_platform()
    except EnvbuildError:
        host = None
    if host in locked:
        return host
    listed = ", ".join(map(str, locked))
    raise EnvbuildError(
        "the lock is for several platforms", f"it has {listed}", f"Choose one: `--platform {locked[0]}`"
    )
