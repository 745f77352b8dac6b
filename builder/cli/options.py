"""Arguments and options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from builder.errors import EnvbuildError

_Command = TypeVar("_Command", bound=Callable[..., Any])
path_argument = click.argument("path", type=click.Path(path_type=Path), default=Path())
platform_option = click.option(
    "--platform", "platforms", multiple=True, metavar="OS/ARCH", help="Only this platform; may be repeated."
)
workers_option = click.option(
    "--workers", type=click.IntRange(1, 64), help="How many layers to make at once [default: the processors]."
)


def _set_packing(context: click.Context, parameter: click.Parameter, given: bool) -> None:
    """`packing` is `full`, `thin` or None. Raises: click.UsageError, if both are asked for."""
    if given and context.params.get("packing"):
        raise click.UsageError("`--full` and `--thin` exclude each other.", context)
    if given or "packing" not in context.params:
        context.params["packing"] = parameter.name if given else None


def _packing_option(name: str, text: str) -> Callable[[_Command], _Command]:
    return click.option(name, is_flag=True, expose_value=False, callback=_set_packing, help=text)


full_option = _packing_option("--full", "Put all data into the image.")
thin_option = _packing_option("--thin", "Put no data into the image.")
thin_bundle_option = _packing_option("--thin", "Leave out all data, and the layers that the lock gives again.")
no_check_option = click.option(
    "--no-check", is_flag=True, help="Do not hold data to their contracts first; that is recorded."
)
project_option = click.option(
    "-C",
    "--project",
    "project",
    type=click.Path(path_type=Path),
    default=Path(),
    show_default=False,
    metavar="PATH",
    help="The folder of the project [default: this one].",
)
offline_option = click.option("--offline", is_flag=True, help="Fetch nothing; fail if something is not in the store.")


def _ask_for_json(context: click.Context, _: click.Parameter, value: bool) -> bool:
    """A failure is to be printed as JSON too; asked before other options can fail."""
    if value and context.obj is not None:
        context.obj.answer.as_json = True
    return value


json_option = click.option(
    "--json", "as_json", is_flag=True, is_eager=True, callback=_ask_for_json, help="Print the result as JSON."
)

_UNITS = {"": 1, "b": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


class Size(click.ParamType):  # type: ignore[type-arg]
    """A number of bytes: `512m`, `2g`."""

    name = "size"

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """The number of bytes."""
        if isinstance(value, int):
            return value
        number, unit = value.rstrip("bBkKmMgG"), value.lower()[len(value.rstrip("bBkKmMgG")) :]
        if not number.isdecimal() or unit not in _UNITS:
            self.fail(f"`{value}` is not a size like 512m or 2g", param, ctx)
        return int(number) * _UNITS[unit]


class Existing(click.Path):
    """The path of something that is there. Where it is not, the user's state is wrong, not the usage."""

    def __init__(self, *, file_okay: bool = True) -> None:
        super().__init__(exists=True, file_okay=file_okay, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path. Raises: EnvbuildError, if it cannot be taken."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter as error:
            kind = "file or folder" if self.file_okay else "folder"
            problem = f"is no {kind} that can be read" if os.path.exists(value) else "is not there"
            hint = f"Name a {kind} that is there as {_shown(param)}" if param else None
            raise EnvbuildError(f"`{os.fspath(value)}` {problem}", hint=hint) from error


def _shown(parameter: click.Parameter) -> str:
    return f"`{parameter.opts[-1]}`" if isinstance(parameter, click.Option) else (parameter.name or "").upper()
