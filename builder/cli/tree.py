"""`envbuild tree`: which locked package needs which."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from builder.cli.locked_packages import kind_option, lock_argument, locked_packages, one_platform_option
from builder.cli.options import json_option
from builder.cli.output import Output, print_json, printable, size_text, writable
from builder.errors import EnvbuildError

if TYPE_CHECKING:
    from builder.lock.contents import Packages
    from builder.lock.graph import Row


@click.command("tree", short_help="Show which locked package needs which.")
@lock_argument
@one_platform_option
@kind_option
@click.option("--depth", type=click.IntRange(0), help="Levels below what was asked for.")
@click.option("--package", "names", multiple=True, metavar="NAME", help="Begin with this package; may be repeated.")
@json_option
@click.pass_obj
def command(
    output: Output,
    path: str,
    platform: str | None,
    kinds: tuple[str, ...],
    depth: int | None,
    names: tuple[str, ...],
    as_json: bool,
) -> None:
    """Show the packages of the lock of PATH as trees, from those that were asked for down.

    PATH is an environment, a project, a bundle or a git revision. `*` marks a package whose needs stand further up.
    """
    from builder.lock.contents import matching

    chosen = locked_packages(path, platform, kinds, output)
    groups = chosen.groups
    if names:
        for name in names:
            if not list(matching(groups, name)):
                raise EnvbuildError(f"`{name}` is not locked for {chosen.platform}", hint=chosen.nearest(name))
        groups = tuple(group for group in groups if any(list(matching([group], name)) for name in names))
    if as_json:
        print_json({"platform": str(chosen.platform), "packages": [_json(group) for group in groups]})
        return
    for group in groups:
        roots = [package.name for name in names for package in matching([group], name)] or group.roots
        count, size = len(group.by_name), size_text(sum(package.size for package in group.by_name.values()))
        click.echo(f"{group.kind}: {count} package{'s' if count != 1 else ''}, {size} to download")
        for line in _lines(group, tuple(roots), depth):
            click.echo(line)


def _lines(group: Packages, roots: tuple[str, ...], depth: int | None) -> Iterator[str]:
    from builder.lock.graph import tree

    fork, corner, pipe = (writable(*pair) for pair in (("├── ", "|-- "), ("└── ", "`-- "), ("│   ", "|   ")))
    for row in tree(roots, group.edges, depth):
        package = group.by_name[row.name]
        stem = "".join("    " if last else pipe for last in row.last[1:-1])
        branch = (corner if row.last[-1] else fork) if len(row.last) > 1 else ""
        license_ = f" ({package.license})" if package.license else ""
        yield printable(f"{stem}{branch}{row.name} {package.version}{license_}{_mark(row)}")


def _mark(row: Row) -> str:
    return {"": "", "repeated": " *", "cycle": writable(" ↻", " (cycle)")}[row.mark]


def _json(group: Packages) -> dict[str, Any]:
    edges = group.edges
    return {
        "kind": group.kind,
        "roots": list(group.roots),
        "packages": [
            {
                "name": name,
                "version": package.version,
                "sha256": package.digest.hex,
                "size": package.size,
                "license": package.license,
                "dependencies": list(edges[name]),
            }
            for name, package in group.by_name.items()
        ],
    }
