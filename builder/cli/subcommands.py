"""A command that takes a path, with commands of its own beside it: `lock PATH` and `lock diff A B`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click


class CommandWithSubcommands(click.Command):
    """A command; where its first argument is the name of another one, that one. A folder of this name is `./NAME`."""

    def __init__(self, *arguments: Any, subcommands: Mapping[str, click.Command], **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.subcommands = subcommands

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """The context of the command that is meant, which then is invoked."""
        if args and args[0] in self.subcommands:
            return self.subcommands[args[0]].make_context(f"{info_name} {args[0]}", args[1:], parent, **extra)
        return super().make_context(info_name, args, parent, **extra)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options, and the commands beside."""
        super().format_options(ctx, formatter)
        with formatter.section("Commands"):
            formatter.write_dl([(name, command.get_short_help_str(80)) for name, command in self.subcommands.items()])
