"""The image configs: what engines are told of an environment and of a bundle. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from builder.image.skeleton import BUNDLE, CODE, ENVIRONMENT
from builder.oci.digest import Digest
from builder.oci.documents import ImageConfig
from builder.plan import Plan

USER = "65532:65532"
"""The user `nonroot`; any other user id works too."""

LOCK_LABEL = "dev.envbuild.lock"

_VARIABLES = {
    "PATH": f"/{ENVIRONMENT}/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/tmp",  # noqa: S108 - the one folder that every user id can write to
    "LANG": "C.UTF-8",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONUNBUFFERED": "1",
}


def environment_config(plan: Plan, diff_ids: Sequence[Digest]) -> ImageConfig:
    """The config of an environment image: an interpreter, not root, in an empty folder for code."""
    return ImageConfig(
        plan.platform,
        plan.created,
        tuple(diff_ids),
        tuple(layer.name for layer in plan.layers),
        env=tuple(f"{name}={value}" for name, value in _variables(plan).items()),
        cmd=(f"/{ENVIRONMENT}/bin/python",),
        user=USER,
        working_dir=f"/{CODE}",
        labels={LOCK_LABEL: str(plan.lock_digest), "org.opencontainers.image.base.name": plan.base_name},
    )


def _variables(plan: Plan) -> dict[str, str]:
    """Those of every image, and how tools recognise the environment: as a virtual one, as conda's, or as both."""
    kinds = {"VIRTUAL_ENV": plan.interpreter.source != "conda", "CONDA_PREFIX": bool(plan.conda)}
    return _VARIABLES | {name: f"/{ENVIRONMENT}" for name, so in kinds.items() if so}


def bundle_config(
    environment: ImageConfig,
    layers: Sequence[tuple[str, Digest]],
    labels: Mapping[str, str],
    variables: Mapping[str, str],
    ports: Sequence[int],
) -> ImageConfig:
    """The config of a bundle's image: `layers` (name and diff_id) on an environment, started by the launcher."""
    return replace(
        environment,
        diff_ids=(*environment.diff_ids, *(diff_id for _, diff_id in layers)),
        history=(*environment.history, *(name for name, _ in layers)),
        env=(*environment.env, *(f"{name}={value}" for name, value in variables.items())),
        entrypoint=(f"/{ENVIRONMENT}/bin/python", "-I", f"/{BUNDLE}/launcher.py"),
        cmd=(),
        labels={**environment.labels, **labels},
        exposed_ports=tuple(f"{port}/tcp" for port in sorted(set(ports))),
    )
