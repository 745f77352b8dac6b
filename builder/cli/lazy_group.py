"""A group of commands that are imported when they are called, so that every command starts fast."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from keyword import iskeyword
from typing import Any

import click


class LazyGroup(click.Group):
    """Commands by name with the first line of their help; `NAME` is `command` of the module `PACKAGE.NAME`.

    Of a name that is a word of Python, such as `import`, the module is `PACKAGE.import_`.
    """

    def __init__(
        self,
        *arguments: Any,
        package: str,
        listed: Mapping[str, str],
        finish: Callable[[click.Command], click.Command] = lambda command: command,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self.finish = finish
        self._package, self._listed = package, listed

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Their names, in the order of use."""
        return list(self._listed)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The command of a name; None if there is none."""
        if name not in self._listed:
            return None
        place = name.replace("-", "_")
        module = importlib.import_module(
            f"{self._package}.{place}_" if iskeyword(place) else f"{self._package}.{place}"
        )
        command: click.Command = module.command
        return self.finish(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list, without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._listed.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant. Raises: click.UsageError, with the nearest name."""
        if args and args[0] not in self._listed and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], self._listed, 1)
            hint = f" Did you mean `{near[0]}`?" if near else ""
            raise click.UsageError(f"There is no command `{args[0]}`.{hint}", ctx)
        return super().resolve_command(ctx, args)
