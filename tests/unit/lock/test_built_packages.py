"""What a builder of wheels is told while locking, and when it is asked at all."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import pytest
from lock_tools import tools_with
from made_locks import made_deb, made_wheel

from builder.errors import EnvbuildError
from builder.lock.artifact import Build, Sdist, Wheel
from builder.lock.debian.archive import Resolution
from builder.lock.folder import parse_lock
from builder.lock.interface import BuildRoot, FileIndex, Line, Request, Sources, Target
from builder.lock.make import make_lock
from builder.lock.upgrade import Upgrade
from builder.lock.wish import Tools, Wish
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.spec import Environment, PyPI
from builder.spec.environment import Index

AMD64, ARM64 = Platform("amd64"), Platform("arm64")
SDIST = Sdist("odd", "1.0", "odd-1.0.tar.gz", Digest.of(b"odd"), 3, "https://files.example/odd-1.0.tar.gz", ("six",))
ENVIRONMENT = Environment("3.11", pypi=PyPI(("odd", "six")), build_debian=("gcc",))


class Debian:
    def resolve(self, suite: str, architecture: str, names: tuple[str, ...]) -> Resolution:
        packages = tuple(
            replace(made_deb(name, "3.11.2"), architecture=architecture) for name in sorted({*names, "python3.11"})
        )
        return Resolution(suite, architecture, packages, (), tuple(package.name for package in packages))


@dataclass
class Builder:
    """Answers with a wheel, and remembers what it was told."""

    roots: dict[Platform, BuildRoot] = field(default_factory=dict)
    known: dict[Platform, tuple[Wheel, ...]] = field(default_factory=dict)

    def __call__(self, sdists: tuple[Sdist, ...], root: BuildRoot, known: tuple[Wheel, ...]) -> tuple[Wheel, ...]:
        platform = root.target.platform
        self.roots[platform], self.known[platform] = root, known
        requirements = root.resolve(Sources((Line("setuptools", "here"),)))
        build = Build(sdists[0], requirements, root.build_debian)
        return (replace(made_wheel("odd", "1.0", "six"), url="", built=build),)


def resolver(request: Request, target: Target) -> tuple[Wheel | Sdist, ...]:
    if [line.text for line in request.sources.requirements] == ["setuptools"]:
        assert not request.sdists
        return (made_wheel("setuptools", "80.0"),)
    return (SDIST, made_wheel("six", "1.17"))


def tools(builder: Builder) -> Tools:
    return tools_with(debian=Debian(), python={"uv": resolver}, build=builder)


WISH = Wish(ENVIRONMENT, Sources((Line("odd", "a"), Line("six", "a")), overrides=(Line("numpy>=3", "b"),)))


def test_a_builder_is_told_what_is_locked_and_what_the_other_platforms_stand_on() -> None:
    builder = Builder()
    files = make_lock(WISH, 1, tools(builder))
    root = builder.roots[AMD64]
    assert root.locked == {"odd": "1.0", "six": "1.17", "numpy": None}
    assert [place.target.platform for place in root.elsewhere] == [ARM64]
    assert {package.architecture for package in root.elsewhere[0].debian} == {"arm64"}
    names = {package.name for package in root.build_debian}
    assert {"gcc", "dash", "coreutils"} <= names
    assert names < {package.name for package in root.debian}
    assert builder.known[AMD64] == ()
    wheel = parse_lock(files, "here").wheels[AMD64][0]
    assert wheel.built is not None
    assert (wheel.built.sdist, wheel.built.debian) == (SDIST, root.build_debian)


def test_what_builds_need_is_asked_of_the_indexes_that_a_file_names() -> None:
    asked = []

    def remembering(request: Request, target: Target) -> tuple[Wheel | Sdist, ...]:
        asked.append([(index.url, index.default) for index in request.indexes])
        return resolver(request, target)

    index = FileIndex("https://corp.example/simple", "requirements.in:1", is_default=True)
    wish = replace(WISH, sources=replace(WISH.sources, indexes=(index,)))
    make_lock(wish, 1, tools_with(debian=Debian(), python={"uv": remembering}, build=Builder()))
    assert asked == [[(index.url, True)]] * 4


def test_contradicting_indexes_are_refused_before_anything_is_asked() -> None:
    pypi = replace(ENVIRONMENT.pypi or PyPI(), indexes=(Index("corp", "https://corp.example/simple", default=True),))
    index = FileIndex("https://more.example/simple", "requirements.in:1", is_default=True)
    wish = Wish(replace(ENVIRONMENT, pypi=pypi), Sources(indexes=(index,)))
    with pytest.raises(EnvbuildError, match=r"`corp` of the spec[\s\S]*requirements.in:1"):
        make_lock(wish, 1, tools_with())


@pytest.mark.parametrize(
    ("upgrade", "known"), [("six", ["odd"]), ("odd", []), (None, [])], ids=["another", "itself", "everything"]
)
def test_what_was_built_before_is_known_unless_it_is_to_move(upgrade: str | None, known: list[str]) -> None:
    previous = parse_lock(make_lock(WISH, 1, tools(Builder())), "here")
    builder = Builder()
    wanted = Upgrade.parse(upgrade is None, [upgrade] if upgrade else [])
    make_lock(replace(WISH, previous=previous, upgrade=wanted), 1, tools(builder))
    assert [wheel.name for wheel in builder.known[AMD64]] == known


def test_what_was_built_on_another_interpreter_is_not_known() -> None:
    files = make_lock(WISH, 1, tools(Builder()))
    previous = parse_lock(files, "here")
    locked = previous.document.platforms[AMD64]
    older = replace(locked, interpreter=replace(locked.interpreter, version="3.11.1"))
    platforms = {**previous.document.platforms, AMD64: older}
    changed = replace(previous, document=replace(previous.document, platforms=platforms))
    builder = Builder()
    make_lock(replace(WISH, previous=changed, upgrade=Upgrade.parse(False, ["six"])), 1, tools(builder))
    assert builder.known == {AMD64: (), ARM64: builder.known[ARM64]}
    assert [wheel.name for wheel in builder.known[ARM64]] == ["odd"]
