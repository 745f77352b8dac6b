"""The wheels of one platform: kept from the lock before, chosen by a resolver, built of source where there is none."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from builder.errors import EnvbuildError
from builder.fetch.project_name import normalised
from builder.lock.artifact import CondaPackage, Sdist, Wheel
from builder.lock.foundation import Ground
from builder.lock.interface import BuildRoot, CondaSources, Line, PythonResolver, Request, Sources, Target
from builder.lock.named_lines import with_places
from builder.lock.wish import Tools, Wish
from builder.oci.documents import Platform

_NAME = re.compile(r"[A-Za-z0-9._-]+")
"""What a requirement begins with."""


def lock_python_packages(
    wish: Wish, platform: Platform, grounds: Mapping[Platform, Ground], tools: Tools
) -> tuple[Wheel, ...]:
    """The wheels of a platform, sorted by name; `grounds` are what stands below the wheels of every platform.

    Raises: EnvbuildError, if they cannot be resolved or built.
    """
    ground = grounds[platform]
    sources = _sources(wish, platform, ground.conda)
    if sources is None:
        return ()
    kept = _kept(wish, ground)
    if kept is not None:
        return kept
    pypi = wish.environment.pypi
    resolver, request = tools.python[pypi.resolver if pypi else "uv"], _request(wish, sources, platform)
    files = _resolved(resolver, request, ground.target, _moved(wish, platform))
    wheels = tuple(file for file in files if isinstance(file, Wheel))
    sdists = tuple(file for file in files if isinstance(file, Sdist))
    if not sdists:
        return wheels
    roots = _Roots(resolver, request, _built_may_ask_for(sources, files))
    elsewhere = tuple(roots.on(other) for name, other in grounds.items() if name != platform)
    built = tools.build(sdists, replace(roots.on(ground), elsewhere=elsewhere), _known(wish, ground))
    return tuple(sorted((*wheels, *built)))


def _request(wish: Wish, sources: Sources, platform: Platform) -> Request:
    pypi = wish.environment.pypi
    return Request(
        sources,
        wish.indexes,
        pypi.exclude_newer if pypi else None,
        _limits(wish),
        _preferences(wish, platform),
        wish.sdists,
    )


def _limits(wish: Wish) -> Mapping[str, str]:
    """As `Request.exclude_newer_package`: PyTorch's indexes tell no upload times, so that no time holds there."""
    pypi, index = wish.environment.pypi, wish.cuda_index
    if pypi is None or not pypi.exclude_newer:
        return pypi.exclude_newer_package if pypi else {}
    said = {normalised(name) for name in pypi.exclude_newer_package}
    free = {name: "none" for name in (index.packages if index else ()) if name not in said}
    return free | dict(pypi.exclude_newer_package)


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


def _built_may_ask_for(sources: Sources, files: Iterable[Wheel | Sdist]) -> dict[str, str | None]:
    """As `BuildRoot.locked`: what is overridden may be of any version."""
    overridden = {normalised(match[0]) for line in sources.overrides if (match := _NAME.search(line.text))}
    return {**sources.provided, **{file.name: file.version for file in files}, **dict.fromkeys(overridden)}


@dataclass(frozen=True, slots=True)
class _Roots:
    """Where wheels are built of what one request led to."""

    resolver: PythonResolver
    request: Request
    locked: Mapping[str, str | None]

    def on(self, ground: Ground) -> BuildRoot:
        """The root of one platform."""
        below, target = ground.foundation, ground.target

        def resolve(wanted: Sources) -> tuple[Wheel, ...]:
            asked = replace(self.request, sources=wanted, preferences={}, sdists=False)
            return tuple(file for file in self.resolver(asked, target) if isinstance(file, Wheel))

        return BuildRoot(
            target,
            below.suite,
            ground.interpreter,
            tuple(sorted((*below.debian, *below.build_debian))),
            below.build_debian,
            resolve,
            below.image,
            ground.conda,
            self.locked,
            tuple(self.request.index_urls.items()),
        )


def _known(wish: Wish, ground: Ground) -> tuple[Wheel, ...]:
    """The wheels that were built on the same base for the lock before, apart from those that are to move."""
    base = ground.foundation
    before = wish.before(base.platform)
    if wish.previous is None or before is None or (before.suite, before.image) != (base.suite, base.image):
        return ()
    wheels = wish.previous.wheels.get(base.platform, ()) if before.interpreter == ground.interpreter else ()
    return tuple(wheel for wheel in wheels if wheel.built and wish.upgrade.keeps(wheel.name))


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


def _kept(wish: Wish, ground: Ground) -> tuple[Wheel, ...] | None:
    """The wheels of the lock before, unless what they follow from has changed."""
    base = ground.foundation
    before, previous = wish.before(base.platform), wish.previous
    if previous is None or before is None or wish.upgrade:
        return None
    same_base = (before.suite, before.image, before.build_debian) == (base.suite, base.image, base.build_debian)
    if not same_base or before.interpreter != ground.interpreter or previous.document.inputs != wish.inputs:
        return None
    if not wish.kept("pypi", "conda", "cuda"):
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
