"""The packages of one platform of a lock, as commands that look into a lock choose them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from builder.cli.opened_lock import open_lock
from builder.cli.output import Output
from builder.errors import EnvbuildError

if TYPE_CHECKING:
    from builder.lock.contents import Packages
    from builder.oci.documents import Platform

lock_argument = click.argument("path", default=".")
one_platform_option = click.option(
    "--platform", metavar="OS/ARCH", help="Of which platform [default: this machine's, or the first]."
)
kind_option = click.option(
    "--kind", "kinds", multiple=True, type=click.Choice(["python", "conda", "debian"]), help="Only these packages."
)


@dataclass(frozen=True, slots=True)
class LockedPackages:
    """The packages of one platform."""

    platform: Platform
    groups: tuple[Packages, ...]
    """Of the kinds that are wanted."""

    def nearest(self, name: str) -> str | None:
        """A hint for a name that is not there."""
        from builder.spec.reader import nearest

        return nearest(name, [known for group in self.groups for known in group.by_name])


def locked_packages(path: str, platform: str | None, kinds: tuple[str, ...], output: Output) -> LockedPackages:
    """The packages of the lock that `path` means.

    Raises: EnvbuildError, if there is no lock, or it has no such platform.
    """
    from builder.lock.contents import contents

    lock = open_lock(path, None, output).lock
    chosen = choose_platform(lock.platforms, platform)
    groups = tuple(group for kind, group in contents(lock, chosen).items() if not kinds or kind in kinds)
    return LockedPackages(chosen, groups)


def choose_platform(platforms: tuple[Platform, ...], wanted: str | None) -> Platform:
    """The platform that is wanted, else this machine's if it is there, else the first.

    Raises: EnvbuildError, if it is not locked.
    """
    from builder.cli.machine import host_platform
    from builder.oci.documents import Platform

    if wanted is None:
        try:
            host = host_platform()
        except EnvbuildError:
            return platforms[0]
        return host if host in platforms else platforms[0]
    platform = Platform.parse(wanted)
    if platform not in platforms:
        raise EnvbuildError(f"the lock has no platform {platform}", f"it has {', '.join(map(str, platforms))}")
    return platform
