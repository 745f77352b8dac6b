"""A program and its arguments, as documents write them: a list, or a text that is split as a shell would. Pure."""

from __future__ import annotations

from collections.abc import Iterator

_QUOTING = frozenset("\"'\\")
_SHELL_OPERATORS = frozenset({"&&", "||", "|", ";", "&", ">", ">>", "<", "2>", "2>&1"})


def split_command(run: str | tuple[str, ...]) -> tuple[str, ...]:
    """The list; empty, if a quote in the text is not closed."""
    import shlex

    if not isinstance(run, str):
        return run
    if run.isascii() and run.isprintable() and not _QUOTING.intersection(run):
        return tuple(run.split())  # as shlex does, which is slow
    try:
        return tuple(shlex.split(run))
    except ValueError:
        return ()


def command_problems(run: str | tuple[str, ...]) -> Iterator[tuple[str, str, str | None]]:
    """What is wrong with it, as problems of the key `run`."""
    arguments = split_command(run)
    if not arguments:
        unbalanced = isinstance(run, str) and run.strip()
        yield "run", "a quote in it is not closed" if unbalanced else "it is empty", None
    operators = _SHELL_OPERATORS.intersection(arguments) if isinstance(run, str) else ()
    for operator in sorted(operators):
        yield "run", f"`{operator}` would be an argument: there is no shell", 'write `[sh, -c, "…"]` if one is meant'
