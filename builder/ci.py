"""What a team's CI does with its environments, as a file for the service: check locks, build, push by digest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from builder import __version__
from builder.errors import EnvbuildError
from builder.resources import render


@dataclass(frozen=True, slots=True)
class Service:
    """A CI service."""

    template: str
    file: str
    """Where it looks for the workflow in a repository."""
    registry: str
    """Its own registry, where images go unless another is named."""
    user: str
    password: str


SERVICES = {
    "github": Service(
        "ci/github.yml.j2",
        ".github/workflows/environments.yml",
        "ghcr.io/${GITHUB_REPOSITORY,,}",
        "${{ github.actor }}",
        "${{ secrets.GITHUB_TOKEN }}",
    ),
    "gitlab": Service(
        "ci/gitlab.yml.j2",
        ".gitlab-ci.yml",
        "$CI_REGISTRY_IMAGE",
        "$CI_REGISTRY_USER",
        "$CI_REGISTRY_PASSWORD",
    ),
}
"""By the name that the command line gives them."""

_OWN_REGISTRY = {"github": "ghcr.io", "gitlab": "$CI_REGISTRY"}
_SAFE = re.compile(r"[A-Za-z0-9._/-]+")


@dataclass(frozen=True, slots=True)
class CheckedEnvironment:
    """An environment that the workflow builds."""

    name: str
    path: str
    """From the repository's folder, with `/`."""


def render_workflow(
    service: str, folder: str, environments: Sequence[CheckedEnvironment], registry: str | None, branch: str
) -> str:
    """The workflow for a service.

    Raises: EnvbuildError, if a name cannot stand in a workflow without being taken for something else.
    """
    if not environments:
        raise EnvbuildError(f"there is no environment of its own in `{folder}`")
    chosen = SERVICES[service]
    names = [folder, branch, *(text for one in environments for text in (one.name, one.path))]
    for name in (*names, *([registry] if registry else ())):
        if not _SAFE.fullmatch(name.replace(":", "")):
            raise EnvbuildError(f"`{name}` cannot stand in a workflow", hint="Use letters, digits, `.`, `_`, `-`, `/`")
    own = registry is None
    variables = ("${{ secrets.REGISTRY_USER }}", "${{ secrets.REGISTRY_PASSWORD }}")
    if service == "gitlab":
        variables = ("$REGISTRY_USER", "$REGISTRY_PASSWORD")
    values = {
        "version": __version__,
        "folder": folder,
        "branch": branch,
        "environments": [{"name": one.name, "path": one.path} for one in environments],
        "registry": registry or chosen.registry,
        "registry_host": registry.partition("/")[0] if registry else _OWN_REGISTRY[service],
        "user": chosen.user if own else variables[0],
        "password": chosen.password if own else variables[1],
    }
    return render(chosen.template, values)
