"""What a Dockerfile says of its platforms in common: they may differ in files, and not in steps. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from builder.errors import EnvbuildError
from builder.image.config import bundle_config, environment_config
from builder.image.dockerfile.context import Addition
from builder.image.dockerfile.tools import PIP, RATTLER, Tool
from builder.lock.base_image import BaseImage
from builder.oci.documents import ImageConfig, Platform
from builder.plan import Plan

SLIM = "debian:{}-slim"
"""Debian's official image of a suite."""
LINKER = "python:3.13-slim"
"""An official image with a Python, where conda packages are linked and the environment has none before."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What decides the steps of a Dockerfile."""

    base: str
    """The image to start from."""
    base_image: BaseImage | None
    """The one that the lock names; None on a suite, where Debian packages are installed."""
    interpreter: str
    """Its path."""
    source: str
    """Where it comes from, as `Interpreter.source`."""
    has_debian: bool
    has_conda: bool
    has_wheels: bool
    has_linker: bool
    """Whether conda packages are linked in an image of their own, for want of a Python."""
    compiled: bool
    """Whether bytecode is wanted."""
    created: str
    config: ImageConfig
    """What the image is to say of itself; its platform and layers mean nothing."""


def common_shape(plans: Sequence[Plan], addition: Addition | None, base: str | None) -> Shape:
    """That of all platforms; `base` is the image to start from instead of the usual or locked one.

    Raises: EnvbuildError, if they have none in common, or a tool does not run on their Python.
    """
    first, *others = (_shape(plan, addition, base) for plan in plans)
    if any(other != first for other in others):
        raise EnvbuildError(
            "one Dockerfile cannot stand for all platforms",
            f"{' and '.join(str(plan.platform) for plan in plans)} differ in more than their files",
            "Render one after the other, with `--platform`",
        )
    return first


def _shape(plan: Plan, addition: Addition | None, base: str | None) -> Shape:
    source = plan.interpreter.source
    python = _numbers(plan.interpreter.version)
    rattler = RATTLER[plan.platform.architecture]
    if plan.wheels and python < PIP.oldest_python:
        raise _too_old(plan, PIP)
    return Shape(
        base or _base(plan),
        plan.base,
        plan.interpreter.path,
        source,
        bool(plan.debian),
        bool(plan.conda),
        bool(plan.wheels),
        bool(plan.conda) and (source == "conda" or python < rattler.oldest_python),
        bool(plan.bytecode),
        plan.created,
        replace(_config(plan, addition), platform=Platform("any")),
    )


def _base(plan: Plan) -> str:
    if plan.base:
        repository = plan.base.reference.rpartition("@")[0] or plan.base.reference
        if ":" in repository.rpartition("/")[2]:
            repository = repository.rpartition(":")[0]
        return f"{repository}@{plan.base.manifest.digest}"
    return SLIM.format(plan.base_name.partition(":")[2])


def _config(plan: Plan, addition: Addition | None) -> ImageConfig:
    config = environment_config(plan, ())
    if addition is None:
        return config
    return bundle_config(config, (), addition.labels, addition.variables, addition.ports)


def _numbers(version: str) -> tuple[int, int]:
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def _too_old(plan: Plan, tool: Tool) -> EnvbuildError:
    return EnvbuildError(
        f"Python {plan.interpreter.version} is too old for a Dockerfile",
        f"{tool.source.name}, which installs the wheels, needs {'.'.join(map(str, tool.oldest_python))}",
        "Build the image with the native builder",
    )
