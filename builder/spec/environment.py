"""`environment.yaml`: what a team environment is made of. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from builder.oci.documents import Platform
from builder.spec.fields import Form, key

Suite = Literal["bookworm", "trixie", "forky", "sid"]

ENVIRONMENT_FILE = "environment.yaml"
PLATFORMS = ("linux/amd64", "linux/arm64")


def _check_requirement(text: str) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(str(error).splitlines()[0]) from error
    if requirement.url:
        raise ValueError("a direct URL is not taken; name the package and have it on an index")


def _check_timestamp(text: str) -> None:
    from datetime import datetime

    datetime.fromisoformat(text)


_PACKAGE = Form(r"[a-z0-9][a-z0-9+.-]+", "the name of a Debian package")
_REQUIREMENT = Form(r"[^\n]+", "a requirement (PEP 508)", _check_requirement)
_TIMESTAMP = Form(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "a full time in UTC like 2026-11-01T00:00:00Z", _check_timestamp
)  # fmt: skip
_PYTHON = Form(r"3\.\d{1,2}", "a Python version like 3.11")


@dataclass(frozen=True, slots=True)
class Base:
    """What the image starts from."""

    suite: Suite = key("The Debian suite that the image is assembled from.")


@dataclass(frozen=True, slots=True)
class PyPI:
    """Packages from a Python package index."""

    requirements: tuple[str, ...] = key("What to install, one requirement (PEP 508) an element.", form=_REQUIREMENT)
    resolver: Literal["uv"] = key("The program that chooses versions.", default="uv")
    exclude_newer: str | None = key(
        "Take no file uploaded after this time, so that locking again chooses the same.", default=None, form=_TIMESTAMP
    )


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment: base, interpreter and packages, for one or more platforms."""

    python: str = key("The Python version, major and minor.", form=_PYTHON)
    platforms: tuple[Literal["linux/amd64", "linux/arm64"], ...] = key(
        "The platforms to lock and build for.", default=PLATFORMS
    )
    base: Base | None = key("What the image starts from; by default the suite that has this Python.", default=None)
    debian: tuple[str, ...] = key("Debian packages to install besides the interpreter's.", default=(), form=_PACKAGE)
    pypi: PyPI | None = key("Packages from a Python package index.", default=None)

    def problems(self) -> Iterable[tuple[str, str, str | None]]:
        """What single keys cannot tell: (key, message, hint)."""
        if self.platforms == ():
            yield "platforms", "at least one platform is needed", None
        if len(set(self.platforms)) < len(self.platforms):
            yield "platforms", "a platform stands twice", None

    @property
    def targets(self) -> tuple[Platform, ...]:
        """The platforms, sorted."""
        return tuple(sorted(map(Platform.parse, self.platforms)))
