"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

path_argument = click.argument("path", type=click.Path(path_type=Path), default=Path())
platform_option = click.option(
    "--platform", "platforms", multiple=True, metavar="OS/ARCH", help="Only this platform; may be repeated."
)
workers_option = click.option(
    "--workers", type=click.IntRange(1, 64), help="How many layers to make at once [default: the processors]."
)


offline_option = click.option("--offline", is_flag=True, help="Fetch nothing; fail if something is not in the store.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")

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
