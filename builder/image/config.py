"""The image configs: what engines are told of an environment and of a bundle. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from builder.image.base import (
    BASE_NAME,
    USER,
    base_entrypoint,
    base_history,
    base_labels,
    base_user,
    base_variables,
    with_path,
)
from builder.image.skeleton import BUNDLE, CODE, ENVIRONMENT
from builder.lock.base_image import BaseImage
from builder.oci.digest import Digest
from builder.oci.documents import ImageConfig
from builder.plan import Plan

LAUNCHER = f"/{BUNDLE}/launcher.py"
"""What starts a bundle, as its entry point names it."""
LOCK_LABEL = "dev.envbuild.lock"

_VARIABLES = {
    "HOME": "/tmp",  # noqa: S108 - the one folder that every user id can write to
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}


def environment_config(plan: Plan, diff_ids: Sequence[Digest]) -> ImageConfig:
    """The config of an environment image: an interpreter, not root, in an empty folder for code.

    On a base that is an image, what that says stays, and ours is added.
    """
    own = ImageConfig(
        plan.platform,
        plan.created,
        tuple(diff_ids),
        tuple(layer.name for layer in plan.layers),
        env=_pairs(_variables(plan, {})),
        cmd=(f"/{ENVIRONMENT}/bin/python",),
        user=USER,
        working_dir=f"/{CODE}",
        labels={
            LOCK_LABEL: str(plan.lock_digest),
            BASE_NAME: plan.base_name,
            **(plan.cuda.labels if plan.cuda else {}),
        },
    )
    return _on_base(own, plan, plan.base) if plan.base else own


def _on_base(own: ImageConfig, plan: Plan, base: BaseImage) -> ImageConfig:
    return replace(
        own,
        history=(*base_history(base), *own.history),
        env=_pairs(_variables(plan, base_variables(base))),
        entrypoint=base_entrypoint(base, plan.entrypoint),
        user=base_user(base),
        working_dir=base.settings.working_directory or own.working_dir,
        labels={**own.labels, **base_labels(base)},
        exposed_ports=base.settings.ports,
        volumes=base.settings.volumes,
        stop_signal=base.settings.stop_signal,
    )


def _variables(plan: Plan, given: Mapping[str, str]) -> dict[str, str]:
    """Those of every image, where a base has `given` none; and how tools recognise the environment.

    It is recognised as a virtual one, as conda's, or as both.
    """
    kinds = {"VIRTUAL_ENV": plan.interpreter.source != "conda", "CONDA_PREFIX": bool(plan.conda)}
    own = {name: f"/{ENVIRONMENT}" for name, so in kinds.items() if so}
    usual = _VARIABLES | (plan.cuda.variables if plan.cuda else {})
    return {"PATH": with_path(given, f"/{ENVIRONMENT}/bin")} | usual | _without_path(given) | own


def _without_path(variables: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in variables.items() if name != "PATH"}


def _pairs(variables: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(f"{name}={value}" for name, value in variables.items())


def bundle_config(
    environment: ImageConfig,
    layers: Sequence[tuple[str, Digest]],
    labels: Mapping[str, str],
    variables: Mapping[str, str],
    ports: Sequence[int],
) -> ImageConfig:
    """The config of a bundle's image: `layers` (name and diff_id) on an environment, started by the launcher.

    What a base has as entry point starts the launcher. Its stop signal is one of its own program, so it goes.
    """
    return replace(
        environment,
        diff_ids=(*environment.diff_ids, *(diff_id for _, diff_id in layers)),
        history=(*environment.history, *(name for name, _ in layers)),
        env=(*environment.env, *(f"{name}={value}" for name, value in variables.items())),
        entrypoint=(*environment.entrypoint, f"/{ENVIRONMENT}/bin/python", "-I", LAUNCHER),
        cmd=(),
        working_dir=f"/{CODE}",
        labels={**environment.labels, **labels},
        exposed_ports=tuple(sorted({*environment.exposed_ports, *(f"{port}/tcp" for port in ports)})),
        stop_signal="",
    )
