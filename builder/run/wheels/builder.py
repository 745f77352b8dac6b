"""The builder of wheels: what was built of the same before is taken, everything else is built once and kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch import Fetcher
from builder.image.workshop import Workshop
from builder.layers.wheel import open_wheel
from builder.layers.wheel_layout import WheelTarget
from builder.lock.artifact import Build, DebianPackage, Sdist, Wheel
from builder.lock.interface import BuildRoot, Line, Sources
from builder.lock.pypi.checkout_archive import checkout_archive
from builder.lock.pypi.metadata import wheel_metadata
from builder.lock.pypi.tags import best_wheel
from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.oci.store import BUILT_WHEELS, Store
from builder.plan import Plan
from builder.run.embedded import EmbeddedEngine
from builder.run.wheels.checks import check_file_name, check_metadata, is_pure
from builder.run.wheels.container import Job, called
from builder.run.wheels.normal import FORMAT, normalised_wheel
from builder.run.wheels.root import root_image, root_plan
from builder.run.wheels.source import BuildSystem, read_build_system

_REQUIREMENTS = "build-requirements"
_WHEELS_ONLY = "Only packages with a wheel are taken to build with; name compilers and the like under `build-debian`"


@dataclass(frozen=True, slots=True)
class BuiltFile:
    """A wheel that was built, in the store."""

    file_name: str
    digest: Digest
    size: int
    """In bytes."""


@dataclass(frozen=True, slots=True)
class WheelBuilder:
    """Builds wheels on this machine (an SdistBuilder)."""

    workshop: Workshop
    host: Platform | None
    """The platform whose programs this machine runs, if there is one."""
    say: Callable[[str], None] = lambda _: None
    """Gets a sentence for each wheel that is built."""
    detail: Callable[[str], None] = lambda _: None
    """Gets each line that a build prints."""
    unavailable: Callable[[], str | None] = lambda: EmbeddedEngine().unavailable()
    """Why no container can be run here, or None."""
    failed: dict[str, EnvbuildError] = field(default_factory=dict, repr=False)
    """Builds that have failed, by key: the same for another platform or environment would fail too."""

    def __call__(self, sdists: tuple[Sdist, ...], root: BuildRoot, known: tuple[Wheel, ...]) -> tuple[Wheel, ...]:
        """One wheel an sdist, sorted by name; one of `known` where it was built of the same before.

        Raises: EnvbuildError, with the build's own output, or if it cannot be built on this machine.
        """
        return tuple(sorted(self._known(sdist, root, known) or self._wheel(sdist, root) for sdist in sdists))

    def build(self, sdist: Sdist, root: BuildRoot, requirements: tuple[Wheel, ...]) -> BuiltFile:
        """Build with just these requirements, unless the store has what came of it.

        Raises: EnvbuildError.
        """
        job = self._job(sdist, root)
        return self._built(job, sdist, root_plan(root, requirements), bool(root.build_debian))

    def _wheel(self, sdist: Sdist, root: BuildRoot) -> Wheel:
        place = self._native(sdist, root)
        job = self._job(sdist, root)
        requirements = self._requirements(job, sdist, place)
        file = self._built(job, sdist, root_plan(place, requirements), bool(place.build_debian))
        if place is not root and not is_pure(file.file_name):
            raise _foreign(sdist, root, f"it is compiled: on {place.target.platform} it gives `{file.file_name}`")
        check_file_name(file.file_name, sdist, root.target)
        metadata = wheel_metadata(self.workshop.store.path(file.digest), file.file_name)
        return Wheel(
            sdist.name,
            sdist.version,
            file.file_name,
            file.digest,
            file.size,
            "",
            check_metadata(metadata, sdist, root),
            metadata.license or sdist.license,
            Build(sdist, requirements, place.build_debian),
        )

    def _native(self, sdist: Sdist, root: BuildRoot) -> BuildRoot:
        """The root that runs on this machine: that of the target, or of another platform of the lock."""
        for place in (root, *root.elsewhere):
            if place.target.platform == self.host:
                return place
        raise _foreign(sdist, root, f"this machine is {self.host or 'another'}, which is not among the platforms")

    def _job(self, sdist: Sdist, root: BuildRoot) -> Job:
        path = fetched_source(sdist, self.workshop.store, self.workshop.fetcher.with_indexes(dict(root.indexes)))
        return Job(
            f"{sdist.name} {sdist.version}",
            path,
            read_build_system(path, sdist),
            sdist.subdirectory,
            _told_version(sdist),
        )

    def _requirements(self, job: Job, sdist: Sdist, root: BuildRoot) -> tuple[Wheel, ...]:
        """What the project and its backend ask for, as wheels (PEP 517, get_requires_for_build_wheel)."""
        wheels = _resolved(job, job.system.requires, root)
        plan = root_plan(root, wheels)
        key = _key(sdist, job.system, plan)
        more = self.workshop.store.record(_REQUIREMENTS, key)
        if more is None:
            self._check_available(job)
            image = root_image(plan, self.workshop, job.name)
            try:
                with called(job, "get_requires_for_build_wheel", image, self.detail) as outcome:
                    more = outcome.value
            except EnvbuildError as error:
                raise _hinted(error, plan, bool(root.build_debian)) from error
            if not isinstance(more, list) or not all(isinstance(text, str) for text in more):
                raise EnvbuildError(f"{job.name} cannot be built", "its backend does not say what it asks for")
            self.workshop.store.keep_record(_REQUIREMENTS, key, more)
        return _resolved(job, (*job.system.requires, *more), root) if more else wheels

    def _built(self, job: Job, sdist: Sdist, plan: Plan, compilers: bool) -> BuiltFile:
        store, key = self.workshop.store, _key(sdist, job.system, plan)
        found = self._kept(key)
        if found is None:
            with store.locked(f"wheel-{key}"):
                found = self._kept(key)
                if key in self.failed:
                    raise self.failed[key]
                if found is None:
                    found = self._make(job, plan, compilers, key)
                    record = {"file": found.file_name, "digest": str(found.digest), "size": found.size}
                    store.keep_record(BUILT_WHEELS, key, {**record, "name": job.name})
        return found

    def _kept(self, key: str) -> BuiltFile | None:
        record = self.workshop.store.record(BUILT_WHEELS, key)
        if record is None:
            return None
        found = BuiltFile(str(record["file"]), Digest.parse(record["digest"]), int(record["size"]))
        return found if self.workshop.store.has(found.digest, found.size) else None

    def _make(self, job: Job, plan: Plan, compilers: bool, key: str) -> BuiltFile:
        self._check_available(job)
        self.say(f"building {job.name} from source for {plan.platform}")
        store = self.workshop.store
        image = root_image(plan, self.workshop, job.name)
        try:
            with called(job, "build_wheel", image, self.detail) as outcome, store.scratch() as folder:
                name = outcome.value
                if not isinstance(name, str) or not name.endswith(".whl") or "/" in name or len(name) > 250:
                    raise EnvbuildError(f"{job.name} cannot be built", "its backend does not name a wheel")
                outcome.copy_file(name, folder / name)
                digest, size = normalised_wheel(folder / name, store)
        except EnvbuildError as error:
            self.failed[key] = _hinted(error, plan, compilers)
            raise self.failed[key] from error
        _check_installable(store.path(digest), plan, name)
        return BuiltFile(name, digest, size)

    def _check_available(self, job: Job) -> None:
        reason = self.unavailable()
        if reason is not None:
            raise EnvbuildError(
                f"{job.name} cannot be built here",
                reason,
                "Lock on a Linux machine where namespaces work, or ask for a version that has a wheel",
            )

    def _known(self, sdist: Sdist, root: BuildRoot, known: tuple[Wheel, ...]) -> Wheel | None:
        """The wheel that was built of the same source with the same compilers, although requirements may be newer."""
        compilers = {_digests(place.build_debian) for place in (root, *root.elsewhere)}
        for wheel in known:
            if wheel.built is None or _digests(wheel.built.debian) not in compilers:
                continue
            before = wheel.built.sdist
            same = (before.name, before.version, before.digest, before.subdirectory) == (
                sdist.name, sdist.version, sdist.digest, sdist.subdirectory
            )  # fmt: skip
            if same and best_wheel([wheel.file_name], root.target):
                return replace(wheel, dependencies=sdist.dependencies or wheel.dependencies)
        return None


def _digests(packages: tuple[DebianPackage, ...]) -> frozenset[Digest]:
    return frozenset(package.digest for package in packages)


def fetched_source(sdist: Sdist, store: Store, fetcher: Fetcher) -> Path:
    """The file of an sdist in the store, fetched if it is not there.

    Raises: EnvbuildError; DigestMismatchError, if a commit's archive is another than was locked.
    """
    if not sdist.url.startswith("git+") or store.has(sdist.digest, sdist.size):
        return fetcher.blob(sdist.source)
    digest, _ = checkout_archive(sdist.url, store)
    if digest != sdist.digest:
        raise DigestMismatchError(
            f"the source of {sdist.name} {sdist.version} is another than was locked",
            f"the archive of `{sdist.url}` is {digest}, and {sdist.digest} was locked",
        )
    return store.path(digest)


def _resolved(job: Job, requires: tuple[str, ...], root: BuildRoot) -> tuple[Wheel, ...]:
    if not requires:
        return ()
    lines = tuple(Line(text, f"what {job.name} is built with") for text in dict.fromkeys(requires))
    try:
        wheels = root.resolve(Sources(lines))
    except EnvbuildError as error:
        what = f"what {job.name} is built with cannot be had as wheels"
        raise EnvbuildError(what, (error.what, *error.why), _WHEELS_ONLY) from error
    return tuple(sorted(replace(wheel, built=None) for wheel in wheels))


def _key(sdist: Sdist, system: BuildSystem, plan: Plan) -> str:
    """Names a build by everything that it depends on."""
    inputs = {
        "sdist": [sdist.digest.hex, sdist.subdirectory, sdist.name, sdist.version],
        "system": [list(system.requires), system.backend, list(system.backend_path)],
        "root": plan.key,
        "format": FORMAT,
    }
    return hashlib.sha256(canonical_json(inputs)).hexdigest()


def _told_version(sdist: Sdist) -> dict[str, str]:
    """The version, for backends that would ask git for it: there is none in the archive of a commit."""
    if not sdist.url.startswith("git+"):
        return {}
    names = (
        "SETUPTOOLS_SCM_PRETEND_VERSION",
        "PBR_VERSION",
        "PDM_BUILD_SCM_VERSION",
        "POETRY_DYNAMIC_VERSIONING_BYPASS",
    )
    return dict.fromkeys(names, sdist.version)


def _check_installable(path: Path, plan: Plan, file_name: str) -> None:
    major, minor = plan.interpreter.minor.split(".")
    try:
        open_wheel(path, WheelTarget(python_version=(int(major), int(minor))))
    except EnvbuildError as error:
        raise EnvbuildError(f"`{file_name}` was built, and cannot be installed", error.why or error.what) from error


def _hinted(error: EnvbuildError, plan: Plan, compilers: bool) -> EnvbuildError:
    """An error of a build with what to do about it."""
    python = plan.interpreter.minor
    headers = f", libpython{python}-dev" if plan.interpreter.source == "debian" else ""  # others bring them
    hint = f"If it wants a compiler, name it: `build-debian: [gcc, libc6-dev{headers}]`"
    if compilers:
        hint = "If it wants a program or a header, name its Debian package under `build-debian`"
    if plan.base:
        hint = f"If it wants a compiler or a header, take a base that has it; `{plan.base_name}` is what it is built in"
    wheel = f"a version that has a wheel for {plan.platform} and Python {python} needs no build"
    return EnvbuildError(error.what, error.why, error.hint or f"{hint}; {wheel}; `--verbose` shows all that it printed")


def _foreign(sdist: Sdist, root: BuildRoot, why: str) -> EnvbuildError:
    return EnvbuildError(
        f"{sdist.name} {sdist.version} has no wheel for {root.target.platform}, and none can be built here",
        why,
        f"Lock on a machine that is {root.target.platform}, ask for a version with a wheel, or leave the platform out",
    )
