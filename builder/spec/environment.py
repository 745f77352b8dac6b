"""`environment.yaml`: what a team environment is made of. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from builder.errors import EnvbuildError
from builder.oci.documents import Platform
from builder.spec.fields import Form, as_document, key, keys, missing_file

Suite = Literal["bookworm", "trixie", "forky", "sid"]

ENVIRONMENT_FILE = "environment.yaml"
PLATFORMS = ("linux/amd64", "linux/arm64")


def _check_requirement(text: str) -> None:
    if PLAIN_REQUIREMENT.fullmatch(text):
        return
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(str(error).splitlines()[0]) from error
    except RecursionError as error:
        raise ValueError("its marker nests too deep") from error
    if requirement.url and "#sha256=" not in requirement.url and not _COMMIT.fullmatch(requirement.url):
        raise ValueError("a direct URL needs its hash: `name @ https://…/file.whl#sha256=…`")


def _check_timestamp(text: str) -> None:
    from datetime import datetime

    if text != "none":
        datetime.fromisoformat(text)


def _check_index(text: str) -> None:
    parts = urlsplit(text)
    if "@" in parts.netloc or parts.query:
        raise ValueError("it holds credentials or a query, which do not belong into a file that is shared")


def _check_image(text: str) -> None:
    from builder.oci.registry.reference import Reference

    try:
        Reference.parse(text)
    except EnvbuildError as error:
        raise ValueError(error.why[0] if error.why else error.what) from error


_PROJECT = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
PLAIN_REQUIREMENT = re.compile(rf"{_PROJECT}(?:\[{_PROJECT}\])?(?:(?:[=!<>]=|[<>])\d+(?:\.\d+)*)?", re.ASCII)
"""A requirement as most are. Importing the library that reads them all would take a tenth of a second."""
_COMMIT = re.compile(r"git\+\S+@[0-9a-f]{40}(?:#\S*)?")
_PACKAGE = Form(r"[a-z0-9][a-z0-9+.-]+", "the name of a Debian package")
_REQUIREMENT = Form(r"[^\n]+", "a requirement (PEP 508)", _check_requirement)
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"
_TIMESTAMP = Form(_TIME, "a full time in UTC like 2026-11-01T00:00:00Z", _check_timestamp)
_LIMIT = Form(rf"none|{_TIME}", "`none`, or a full time in UTC like 2026-11-01T00:00:00Z", _check_timestamp)
_PYTHON = Form(r"3\.\d{1,2}", "a Python version like 3.11")
_PYTHON_VERSION = Form(r"3\.\d{1,2}(?:\.\d{1,2})?", "a Python version like 3.11 or 3.11.9")
_NAME = Form(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?", "a name of letters, digits, `.`, `_` and `-`")
_FILE = Form(r"(?!/).+", "a path from the folder of this file", missing_file=missing_file)
_INDEX = Form(r"(?:https?|file)://\S+", "the URL of a simple index (PEP 503)", _check_index, confidential=True)
_IMAGE = Form(
    r"[^\s@]+(?:@sha256:[0-9a-f]{64})?", "the reference of an image like registry.example/team/base:1",
    _check_image, confidential=True,
)  # fmt: skip
_CUDA = Form(r"\d{1,2}\.\d{1,2}", "a CUDA version like 12.8")
_SPEC = Form(r"[^\n]+", "a conda requirement like `numpy >=1.26`")
_CHANNEL = Form(r"\S+", "the name or URL of a conda channel", _check_index, confidential=True)


@dataclass(frozen=True, slots=True)
class Base:
    """What the image starts from."""

    ONE_OF: ClassVar = ("suite", "image")

    suite: Suite | None = key("The Debian suite that the image is assembled from.", default=None)
    image: str | None = key(
        "An image of a registry instead, whose digest the lock pins; what is installed goes on top of it.",
        default=None,
        form=_IMAGE,
    )
    entrypoint: Literal["keep", "replace"] | None = key(
        "Whether the image's own entry point starts what is run, being given it as arguments; by default it does, "
        "unless it is a shell or an interpreter.",
        default=None,
    )

    def problems(self) -> Iterable[tuple[str, str, str | None]]:
        """What single keys cannot tell: (key, message, hint)."""
        if self.suite is not None and self.image is not None:
            yield "image", "a base is a suite or an image, not both", None
        if self.entrypoint is not None and self.image is None:
            yield "entrypoint", "it is that of an `image`", None


@dataclass(frozen=True, slots=True)
class Python:
    """The interpreter."""

    version: str = key("Major and minor; of a standalone one also the patch.", form=_PYTHON_VERSION)
    source: Literal["debian", "standalone", "base", "conda"] | None = key(
        "Where it comes from: the suite's packages, python-build-standalone, the base image or a conda channel; "
        "by default the base image or the channel if there is one, else the suite, else standalone.",
        default=None,
    )


@dataclass(frozen=True, slots=True)
class Index:
    """A package index (PEP 503, PEP 691)."""

    name: str = key("Its name; credentials come from `UV_INDEX_<NAME>_USERNAME` and the like.", form=_NAME)
    url: str = key("Its URL, without credentials.", form=_INDEX)
    packages: tuple[str, ...] = key(
        "Take these packages from this index alone, and nothing else from it.", default=(), form=_NAME
    )
    default: bool = key("Whether it stands in place of PyPI, which is asked last.", default=False)


@dataclass(frozen=True, slots=True)
class PyPI:
    """Packages from Python package indexes."""

    ONE_OF: ClassVar = ("requirements", "file", "lockfile")

    requirements: tuple[str, ...] = key(
        "What to install; a direct URL needs its hash, a git repository its commit.", default=(), form=_REQUIREMENT
    )
    file: str | None = key(
        "A `requirements.in` or `pyproject.toml` that says what to install; `requirements` may stand beside it.",
        default=None,
        form=_FILE,
    )
    lockfile: str | None = key(
        "A `uv.lock`, `pylock.toml` or `requirements.txt` with hashes, taken as it is.", default=None, form=_FILE
    )
    extras: tuple[str, ...] = key("Extras of the `pyproject.toml` or lockfile.", default=(), form=_NAME)
    groups: tuple[str, ...] = key("Dependency groups (PEP 735) of the same.", default=(), form=_NAME)
    resolver: Literal["uv", "pip-tools"] = key("The program that chooses versions.", default="uv")
    exclude_newer: str | None = key(
        "Take no file uploaded after this time, so that locking again chooses the same; also the image's date.",
        default=None,
        form=_TIMESTAMP,
    )
    exclude_newer_package: Mapping[str, str] = key(
        "The same for single packages; `none` for an index that gives no upload times.",
        default=dict,
        form=_LIMIT,
        key_form=_NAME,
    )
    indexes: tuple[Index, ...] = key(
        "Indexes to ask before PyPI, the first that has a package wins.", default=()
    )  # fmt: skip

    def problems(self) -> Iterable[tuple[str, str, str | None]]:
        """What single keys cannot tell: (key, message, hint)."""
        if self.lockfile and (self.requirements or self.file):
            yield "lockfile", "a lockfile is taken as it is; nothing can be added", "leave out the requirements"
        if (self.extras or self.groups) and not (self.file or self.lockfile):
            yield "extras" if self.extras else "groups", "they need `file` or `lockfile`", None
        names = [index.name for index in self.indexes]
        for number, name in enumerate(names):
            if name in names[:number]:
                yield f"indexes[{number}].name", f"another index is called `{name}`", None
        if sum(index.default for index in self.indexes) > 1:
            yield "indexes", "only one index can stand in place of PyPI", None
        for number, index in enumerate(self.indexes):
            if index.default and index.packages:
                yield f"indexes[{number}].packages", "an index in place of PyPI is for all packages", "leave out one"


@dataclass(frozen=True, slots=True)
class Conda:
    """Packages from conda channels."""

    ONE_OF: ClassVar = ("file", "dependencies", "lockfile")

    file: str | None = key(
        "An `environment.yml` that says what to install, instead of `channels` and `dependencies`.",
        default=None,
        form=_FILE,
    )
    channels: tuple[str, ...] = key(
        "Channels by name or URL, the first that has a package wins.", default=(), form=_CHANNEL
    )
    dependencies: tuple[str, ...] = key("What to install from them.", default=(), form=_SPEC)
    lockfile: str | Mapping[str, str] | None = key(
        "A `conda-lock.yml`, or an explicit list (`@EXPLICIT`) for each platform, taken as it is.",
        default=None,
        form=_FILE,
    )

    def problems(self) -> Iterable[tuple[str, str, str | None]]:
        """What single keys cannot tell: (key, message, hint)."""
        listed = bool(self.channels or self.dependencies)
        if (self.file is not None) + listed + (self.lockfile is not None) > 1:
            yield "", "only one of `file`, `lockfile`, and `channels` with `dependencies` can be taken", None
        elif listed and not (self.channels and self.dependencies):
            yield "", "`channels` and `dependencies` belong together", None
        if isinstance(self.lockfile, Mapping):
            for name in self.lockfile:
                if name not in PLATFORMS:
                    yield f"lockfile.{name}", "this is not a platform", f"one of {', '.join(PLATFORMS)}"


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment: base, interpreter and packages, for one or more platforms."""

    ONE_OF: ClassVar = ("python", "conda", "base")

    python: str | Python | None = key(
        "The Python version, major and minor; a base image or a conda environment may bring its own.",
        default=None,
        form=_PYTHON,
    )
    platforms: tuple[Literal["linux/amd64", "linux/arm64"], ...] = key(
        "The platforms to lock and build for.", default=PLATFORMS
    )
    base: Base | None = key("What the image starts from; by default the suite that has this Python.", default=None)
    debian: tuple[str, ...] = key(
        "Debian packages to install besides those of the base and interpreter; on a suite.", default=(), form=_PACKAGE
    )
    build_debian: tuple[str, ...] = key(
        "Debian packages that building wheels from source needs: compilers and headers; in no image.",
        default=(),
        form=_PACKAGE,
    )
    pypi: PyPI | None = key("Packages from Python package indexes.", default=None)
    conda: Conda | None = key("Packages from conda channels.", default=None)
    cuda: str | None = key(
        "The CUDA version to have packages for: PyTorch's wheels come from its index for it, conda packages are chosen "
        "for hosts whose driver supports it (`__cuda`), and images say which driver they need.",
        default=None,
        form=_CUDA,
    )
    compile: bool = key(
        "Ship the bytecode of the standard library and of all packages, in layers of its own: faster to start, larger.",
        default=False,
    )
    description: str = key("What it is for, in a sentence.", default="")
    owner: str = key("Who looks after it: a person or team, with a way to reach them.", default="")

    def problems(self) -> Iterable[tuple[str, str, str | None]]:
        """What single keys cannot tell: (key, message, hint)."""
        if self.platforms == ():
            yield "platforms", "at least one platform is needed", None
        if len(set(self.platforms)) < len(self.platforms):
            yield "platforms", "a platform stands twice", None
        if self.python is None and self.conda is None and self.base and self.base.suite:
            yield "python", "it is missing", keys(Environment)["python"].doc
        if self.base is not None and self.base.image is not None:
            for name, packages in (("debian", self.debian), ("build-debian", self.build_debian)):
                if packages:
                    yield name, "Debian packages are installed on a suite, not on another image", None
        yield from self._interpreter_problems()

    def _interpreter_problems(self) -> Iterable[tuple[str, str, str | None]]:
        image = self.base is not None and self.base.image is not None
        if self.source == "conda" and self.conda is None:
            yield "python", "a conda interpreter needs `conda`", None
        if self.source == "base" and not image:
            yield "python", "`source: base` needs an image as `base`", None
        if self.source == "debian" and image:
            yield "python", "`source: debian` needs a suite as `base`", None
        if (self.version or "").count(".") > 1 and self.source != "standalone":
            yield "python", "only `source: standalone` can choose the patch version", None

    @property
    def version(self) -> str | None:
        """The Python version that is wanted."""
        return self.python.version if isinstance(self.python, Python) else self.python

    @property
    def source(self) -> str | None:
        """Where the interpreter is to come from, if it was said."""
        return self.python.source if isinstance(self.python, Python) else None

    @property
    def content(self) -> dict[str, Any]:
        """The document without what says nothing of the image: what a lock belongs to."""
        return {name: value for name, value in as_document(self).items() if name not in ("description", "owner")}

    @property
    def targets(self) -> tuple[Platform, ...]:
        """The platforms, sorted."""
        return tuple(sorted(map(Platform.parse, self.platforms)))
