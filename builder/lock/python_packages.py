"""The wheels of one platform: kept from the lock before, chosen by a resolver, built of source where there is none."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from builder.errors import EnvbuildError
from builder.fetch.project_name import normalised
from builder.lock.artifact import CondaPackage, Sdist, Wheel
from builder.lock.document import Interpreter
from builder.lock.foundation import Foundation
from builder.lock.interface import BuildRoot, CondaSources, Line, PythonResolver, Request, Sources, Target
from builder.lock.named_lines import with_places
from builder.lock.pypi.pylock import MACHINES
from builder.lock.wish import Tools, Wish
from builder.oci.documents import Platform

Ground = tuple[Foundation, Interpreter, Sequence[CondaPackage]]
"""What stands below the wheels of a platform."""


def lock_python_packages(
    wish: Wish,
    base: Foundation,
    interpreter: Interpreter,
    conda: Sequence[CondaPackage],
    tools: Tools,
    others: Sequence[Ground] = (),
) -> tuple[Wheel, ...]:
    """The wheels of a platform, sorted by name; `others` is what stands below those of the other platforms.

    Raises: EnvbuildError, if they cannot be resolved or built.
    """
    sources = _sources(wish, base.platform, conda)
    if sources is None:
        return ()
    kept = _kept(wish, base, interpreter)
    if kept is not None:
        return kept
    target = target_of(base, interpreter)
    pypi = wish.environment.pypi
    resolver = tools.python[pypi.resolver if pypi else "uv"]
    request = Request(
        sources,
        wish.indexes,
        pypi.exclude_newer if pypi else None,
        pypi.exclude_newer_package if pypi else {},
        _preferences(wish, base.platform),
        wish.sdists,
    )
    files = _resolved(resolver, request, target, _moved(wish, base.platform))
    sdists = tuple(file for file in files if isinstance(file, Sdist))
    if not sdists:
        return tuple(file for file in files if isinstance(file, Wheel))

    overridden = {normalised(_NAME.split(line.text.strip())[0]) for line in sources.overrides}
    locked = {**sources.provided, **{file.name: file.version for file in files}, **dict.fromkeys(overridden)}

    def root_of(ground: Ground) -> BuildRoot:
        below, python, packages = ground
        machine = target_of(below, python)

        def resolve(wanted: Sources) -> tuple[Wheel, ...]:
            found = resolver(replace(request, sources=wanted, preferences={}, sdists=False), machine)
            return tuple(file for file in found if isinstance(file, Wheel))

        return BuildRoot(
            machine,
            below.suite,
            python,
            tuple(sorted((*below.debian, *below.build_debian))),
            below.build_debian,
            resolve,
            below.image,
            tuple(packages),
            locked,
            tuple(request.index_urls.items()),
        )

    root = replace(root_of((base, interpreter, conda)), elsewhere=tuple(map(root_of, others)))
    built = tools.build(sdists, root, _known(wish, base, interpreter))
    return tuple(sorted((*(file for file in files if isinstance(file, Wheel)), *built)))


def _resolved(
    resolver: PythonResolver, request: Request, target: Target, moved: Sequence[Line]
) -> tuple[Wheel | Sdist, ...]:
    """What the resolver chooses.

    First it is asked whether the versions that packages are to move to can be had together with everything else: as
    constraints alone they would send it back to old releases of other packages that do without them.
    """
    sources = request.sources
    lines = (*sources.requirements, *sources.vcs, *sources.constraints, *sources.overrides)
    try:
        if moved and sources.pylock is None and not sources.pins:
            resolver(replace(request, sources=replace(sources, requirements=(*sources.requirements, *moved))), target)
        return resolver(request, target)
    except EnvbuildError as error:
        raise with_places(error, lines) from error


def _moved(wish: Wish, platform: Platform) -> tuple[Line, ...]:
    """The versions that wheels which the platform had are to move to."""
    had = {wheel.name for wheel in wish.previous.wheels.get(platform, ())} if wish.previous else set()
    return tuple(line for name, line in _versions(wish).items() if name in had)


def _versions(wish: Wish) -> dict[str, Line]:
    """The versions that were asked for by name, by normalised name."""
    return {
        name: Line(f"{name}=={version}", f"--upgrade-package {name}=={version}")
        for name, version in wish.upgrade.packages.items()
        if version
    }


_NAME = re.compile(r"[^A-Za-z0-9._-]")


def _known(wish: Wish, base: Foundation, interpreter: Interpreter) -> tuple[Wheel, ...]:
    """The wheels that were built on the same base for the lock before, apart from those that are to move."""
    before = wish.before(base.platform)
    if wish.previous is None or before is None or (before.suite, before.image) != (base.suite, base.image):
        return ()
    wheels = wish.previous.wheels.get(base.platform, ()) if before.interpreter == interpreter else ()
    return tuple(wheel for wheel in wheels if wheel.built and wish.upgrade.keeps(wheel.name))


def target_of(base: Foundation, interpreter: Interpreter) -> Target:
    """What the wheels of a platform must run on."""
    return Target(base.platform, MACHINES[base.platform.architecture], interpreter.version, base.glibc)


def _sources(wish: Wish, platform: Platform, conda: Sequence[CondaPackage]) -> Sources | None:
    """What is asked of package indexes: by the spec and by the `pip:` section of a conda environment.

    What conda brings is told as constraints, so that it is not brought twice in two versions.
    """
    if wish.environment.pypi is None and not _asks_pip(wish.conda, platform):
        return None
    sources = replace(wish.sources, constraints=(*wish.sources.constraints, *_versions(wish).values()))
    if wish.conda is None:
        return sources
    return replace(
        sources,
        requirements=(*sources.requirements, *wish.conda.pip.requirements),
        constraints=(*sources.constraints, *wish.conda.pip.constraints),
        vcs=(*sources.vcs, *wish.conda.pip.vcs),
        indexes=(*sources.indexes, *wish.conda.pip.indexes),
        pins=(*sources.pins, *wish.conda.pip_pins.get(platform, ())),
        provided={normalised(package.name): package.version for package in conda},
    )


def _asks_pip(conda: CondaSources | None, platform: Platform) -> bool:
    """Whether a conda environment asks package indexes for something."""
    return conda is not None and bool(conda.pip.requirements or conda.pip.vcs or conda.pip_pins.get(platform))


def _kept(wish: Wish, base: Foundation, interpreter: Interpreter) -> tuple[Wheel, ...] | None:
    """The wheels of the lock before, unless what they follow from has changed."""
    before, previous = wish.before(base.platform), wish.previous
    if previous is None or before is None or wish.upgrade:
        return None
    same_base = (before.suite, before.image, before.build_debian) == (base.suite, base.image, base.build_debian)
    if not same_base or before.interpreter != interpreter or previous.document.inputs != wish.inputs:
        return None
    if not wish.kept("pypi", "conda"):
        return None
    wheels = previous.wheels[base.platform]
    return wheels if wish.sdists or all(not wheel.built for wheel in wheels) else None


def _preferences(wish: Wish, platform: Platform) -> dict[str, str]:
    """The versions that the lock before had on this platform, or else on another."""
    if wish.previous is None:
        return {}
    before = wish.previous.wheels
    order = [*(other for other in sorted(before) if other != platform), *(name for name in before if name == platform)]
    versions = {wheel.name: wheel.version for other in order for wheel in before[other]}
    return {name: version for name, version in versions.items() if wish.upgrade.keeps(name)}
