"""Which of a package's files to take for a target: the wheel that suits it best, else the source distribution. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from builder.errors import EnvbuildError
from builder.lock.interface import Target
from builder.lock.pypi.found import Found, refused_sdist
from builder.lock.pypi.tags import best_wheel

_MOST_NAMED = 8
"""Files that a message lists."""


def choose(candidates: Iterable[Found], target: Target, *, sdists: bool, place: str = "") -> Found:
    """The file to take for a target, of the files of one version of one package.

    `place` is where the package was asked for, for messages.

    Raises: EnvbuildError, if no wheel runs there and there is no source distribution, or none may be taken.
    """
    files = sorted(candidates)
    wheels = {file.file_name: file for file in files if file.is_wheel}
    best = best_wheel(wheels, target)
    if best is not None:
        return wheels[best]
    source = next((file for file in files if not file.is_wheel), None)
    if source is not None and sdists:
        return source
    if source is not None:
        raise refused_sdist(source.name, source.version, target, place)
    raise _no_wheel(files, target, place)


def _no_wheel(files: Sequence[Found], target: Target, place: str) -> EnvbuildError:
    where = f"{place}: " if place else ""
    if not files:
        return EnvbuildError(f"{where}there is no file to take for {target.platform}")
    named = [f"there is `{file.file_name}`" for file in files[:_MOST_NAMED]]
    if len(files) > _MOST_NAMED:
        named.append(f"and {len(files) - _MOST_NAMED} more")
    glibc = ".".join(map(str, target.glibc))
    return EnvbuildError(
        f"{where}`{files[0].name}` {files[0].version} has no wheel for {target.platform} "
        f"with Python {target.python} and glibc {glibc}",
        named,
        "Ask for a version that has one, for another Python or base, or for fewer `platforms`",
    )
