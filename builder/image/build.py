"""The native builder: from plans to environment images in the store, without daemon, root or network.

Only what is not in the store is made, each piece once, in parallel: the listing of each package, the segment of each
small one, each layer, the image. What several images have in common is made once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from builder.errors import EnvbuildError
from builder.image.base import base_places, check_base
from builder.image.kept import Image, keep_image, known_image, locked_images
from builder.image.workshop import Workshop
from builder.plan import Plan

if TYPE_CHECKING:
    from builder.image.assemble import Assembly, Job

R = TypeVar("R")

_AT_ONCE = 64
"""Images that are made together; more would want too much memory, and too many open locks."""


def build_environment(plan: Plan, workshop: Workshop) -> Image:
    """The environment image of `plan`, made where it is not in the store yet.

    Raises: EnvbuildError, if an artifact cannot be had or built from; DigestMismatchError.
    """
    (image,) = whole(build_images([plan], workshop))
    return image


def build_images(plans: Iterable[Plan], workshop: Workshop) -> list[Image | EnvbuildError]:
    """The environment image of each plan, or why it cannot be made, which does not stop the others."""
    plans = list(plans)
    found: dict[str, Image | EnvbuildError] = {}
    for some in _batches(list({plan.key: plan for plan in plans}.values())):
        found |= _build_at_once(some, workshop)
    return [found[plan.key] for plan in plans]


def build_platforms(plans: Sequence[Plan], workshop: Workshop) -> list[Image]:
    """The images of one environment, one a platform: all of them, or none is begun where one cannot be compiled here.

    Raises: EnvbuildError, DigestMismatchError.
    """
    compiler = workshop.compiler
    for plan in plans if len(plans) > 1 and compiler else ():
        if compiler and plan.bytecode and _known(plan, workshop) is None:
            compiler.check(plan.platform)
    return whole(build_images(plans, workshop))


def _build_at_once(plans: Sequence[Plan], workshop: Workshop) -> dict[str, Image | EnvbuildError]:
    """By the key of the plan."""

    def left(some: Sequence[Plan]) -> list[Plan]:
        """Those that the store does not have."""
        found.update({plan.key: kept for plan in some if (kept := _known(plan, workshop))})
        return [plan for plan in some if plan.key not in found]

    found: dict[str, Image | EnvbuildError] = {}
    missing = left(plans)
    with locked_images(workshop.store, map(_key, missing)):
        missing = left(missing)
        for plan, image in zip(missing, _made(missing, workshop), strict=True):
            found[plan.key] = image
            if isinstance(image, Image):
                keep_image(workshop.store, _key(plan), image)
    return found


def _made(plans: Sequence[Plan], workshop: Workshop) -> list[Image | EnvbuildError]:
    if not plans:
        return []
    try:
        return _Build(plans, workshop).images()
    except EnvbuildError as error:  # of one plan alone
        return [error for _ in plans]


class _Build:
    """One run of the builder, step by step, over all images at once."""

    def __init__(self, plans: Sequence[Plan], workshop: Workshop) -> None:
        from builder.image.assemble import Assembly, OpenWheels  # slow, and not needed where all images are there

        opened = OpenWheels()
        self._workshop = workshop
        self._all = [Assembly(plan, workshop, opened) for plan in plans]
        self._errors: dict[Assembly, EnvbuildError] = {}

    def images(self) -> list[Image | EnvbuildError]:
        """In the order of the plans. Of one plan alone, raises what goes wrong."""
        from builder.image.assemble import Assembly

        self._each(lambda one: _check(one.plan, self._workshop))
        self._each(Assembly.fetch)
        unpacked = self._run(Assembly.unpacking, "unpacking packages")
        listed = self._run(Assembly.listing)
        self._each(lambda one: one.merge(unpacked[one], listed[one]))
        self._run(Assembly.segments, "copying wheels")
        layers = self._run(Assembly.layers, "writing layers")
        bytecode = self._each(lambda one: one.bytecode(layers[one], self._workshop))
        images = self._each(lambda one: one.image(layers[one], bytecode[one]))
        return [self._errors.get(one) or images[one] for one in self._all]

    def _each(self, step: Callable[[Assembly], R]) -> dict[Assembly, R]:
        """What `step` gives of each image that can still be made."""
        results = {one: self._attempted(lambda one=one: step(one)) for one in self._all if one not in self._errors}  # type: ignore[misc]
        self._errors |= {one: result for one, result in results.items() if isinstance(result, EnvbuildError)}
        return {one: result for one, result in results.items() if not isinstance(result, EnvbuildError)}

    def _run(self, step: Callable[[Assembly], list[Job[R]]], label: str = "") -> dict[Assembly, list[R]]:
        """What came of the jobs of a step, each made once: in processes of their own where it has a label."""
        jobs = self._each(step)
        unique = {job.name: job for one in jobs for job in jobs[one]}
        run = self._spread(list(unique.values()), label)
        outcomes = dict(zip(unique, run, strict=True))
        return self._each(lambda one: whole([outcomes[job.name] for job in jobs[one]]))

    def _spread(self, jobs: Sequence[Job[R]], label: str) -> list[R | EnvbuildError]:
        def work(job: Job[R]) -> R | EnvbuildError:
            return self._attempted(job.run)

        if not label:
            return self._workshop.each(work, jobs, _size)
        whose = str(self._all[0].plan.platform) if len(self._all) == 1 else f"{len(self._all)} images"
        return self._workshop.split(work, jobs, _size, f"{whose}: {label}")

    def _attempted(self, work: Callable[[], R]) -> R | EnvbuildError:
        if len(self._all) == 1:
            return work()
        try:
            return work()
        except EnvbuildError as error:
            return error


def whole(outcomes: Sequence[R | EnvbuildError]) -> list[R]:
    """The results, if all are. Raises: the first error, if there is one."""
    results: list[R] = []
    for outcome in outcomes:
        if isinstance(outcome, EnvbuildError):
            raise outcome
        results.append(outcome)
    return results


def _check(plan: Plan, workshop: Workshop) -> None:
    if plan.base:
        check_base(plan.base, plan.platform, workshop.store)


def _batches(plans: list[Plan]) -> Iterator[list[Plan]]:
    for start in range(0, len(plans), _AT_ONCE):
        yield plans[start : start + _AT_ONCE]


def _key(plan: Plan) -> dict[str, str]:
    return {"plan": plan.key}


def _known(plan: Plan, workshop: Workshop) -> Image | None:
    """The image of a plan, if the store has it."""
    return known_image(workshop.store, _key(plan), base_places(plan.base))


def _size(job: Job[Any]) -> int:
    return job.size
