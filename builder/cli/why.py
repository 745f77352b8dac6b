"""`envbuild why`: what a package is locked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from builder.cli.locked_packages import kind_option, lock_argument, locked_packages, one_platform_option
from builder.cli.options import json_option
from builder.cli.output import Output, print_json, printable, writable
from builder.errors import EnvbuildError

if TYPE_CHECKING:
    from builder.lock.contents import LockedPackage, Packages
    from builder.lock.graph import Chains


@click.command("why", short_help="Show what a package is locked for.")
@click.argument("package")
@lock_argument
@one_platform_option
@kind_option
@click.option("--limit", type=click.IntRange(1), default=3, show_default=True, help="Ways shown from each beginning.")
@json_option
@click.pass_obj
def command(
    output: Output,
    package: str,
    path: str,
    platform: str | None,
    kinds: tuple[str, ...],
    limit: int,
    as_json: bool,
) -> None:
    """Show the shortest ways from what was asked for to PACKAGE in the lock of PATH.

    PATH is an environment, a project, a bundle or a git revision.
    """
    from builder.lock.contents import matching

    chosen = locked_packages(path, platform, kinds, output)
    found = [(group, one) for group in chosen.groups for one in matching([group], package)]
    if not found:
        raise EnvbuildError(f"`{package}` is not locked for {chosen.platform}", hint=chosen.nearest(package))
    if as_json:
        print_json({"platform": str(chosen.platform), "packages": [_json(*pair, limit) for pair in found]})
        return
    for group, one in found:
        for line in _lines(group, one, limit):
            click.echo(printable(line))


def _ways(group: Packages, package: LockedPackage, limit: int) -> dict[str, Chains]:
    from builder.lock.graph import chains

    return chains(group.roots, group.edges, package.name, limit)


def _lines(group: Packages, package: LockedPackage, limit: int) -> list[str]:
    arrow = writable(" → ", " -> ")
    lines = [f"{package.name} {package.version} ({group.kind})"]
    if package.name in group.roots:
        lines.append("  asked for itself")
    for root, ways in _ways(group, package, limit).items():
        if root == package.name:
            continue
        lines += [f"  {arrow.join(f'{name} {group.by_name[name].version}' for name in way)}" for way in ways.shown]
        if ways.more:
            lines.append(f"  and {ways.more} more such way{'s' if ways.more != 1 else ''} from {root}")
    return lines


def _json(group: Packages, package: LockedPackage, limit: int) -> dict[str, Any]:
    ways = _ways(group, package, limit)
    return {
        "kind": group.kind,
        "name": package.name,
        "version": package.version,
        "asked-for": package.name in group.roots,
        "ways": [list(way) for found in ways.values() for way in found.shown],
        "more": sum(found.more for found in ways.values()),
    }
