"""Interpreters that are published as archives: python-build-standalone, from the list that `pbs-installer` carries.

The list is a file of an installed package, so nothing is asked of the network; it is as new as that package.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import resources
from typing import Any

from builder.errors import EnvbuildError
from builder.fetch.mirrors import STANDALONE_PYTHONS
from builder.lock.artifact import Archive
from builder.lock.document import Interpreter
from builder.lock.pypi.pylock import MACHINES
from builder.oci.digest import Digest
from builder.oci.documents import Platform

PREFIX = "/opt/python"
"""Where such an interpreter is put in an image: its archive holds one folder, `python`."""

_UPGRADE = "A newer list comes with a newer `pbs-installer` in envbuild's own environment"


@dataclass(frozen=True, slots=True)
class Published:
    """One archive that was published."""

    version: tuple[int, int, int]
    machine: str
    """`x86_64` or `aarch64`."""
    url: str
    sha256: str

    @property
    def text(self) -> str:
        """The version as one writes it."""
        return ".".join(map(str, self.version))

    @property
    def age(self) -> tuple[tuple[int, int, int], str]:
        """Sorts by version, then by the day of the build, which stands behind the publisher's prefix."""
        return self.version, self.url.rpartition("/download/")[2]


def published_interpreters() -> tuple[Published, ...]:
    """The archives for Linux with glibc that can be taken: ready to run, with a hash, with the usual locking.

    Raises: EnvbuildError, if the installed list cannot be read.
    """
    # The file, and not the package's functions: those follow an environment variable, which must not reach a lock.
    try:
        document = json.loads((resources.files("pbs_installer") / "versions.json").read_bytes())
        return tuple(_taken(document))
    except (ModuleNotFoundError, OSError, ValueError, KeyError, TypeError) as error:
        raise EnvbuildError(
            "the list of standalone interpreters cannot be read",
            f"{type(error).__name__}: {error}",
            "Install `pbs-installer` again in envbuild's own environment",
        ) from error


def _taken(document: Any) -> Iterator[Published]:
    for entry in document:
        python = entry["python_version"]
        if python["implementation"] != "cpython" or python["freethreaded"]:
            continue
        version = (int(python["major"]), int(python["minor"]), int(python["micro"]))
        for file in entry["files"]:
            url, sha256 = str(file["url"]), file["sha256"]
            ready = file["platform"] == "linux" and file["install_only"] and "-linux-gnu-" in url
            if ready and sha256 and url.startswith(STANDALONE_PYTHONS):
                yield Published(version, str(file["arch"]), url, str(sha256))


@dataclass(frozen=True, slots=True)
class StandaloneInterpreters:
    """Finds an interpreter in a list, as a `StandaloneResolver`."""

    published: Callable[[], Iterable[Published]] = published_interpreters

    def __call__(self, version: str, platform: Platform) -> Interpreter:
        """The newest interpreter of a version, as in 3.12 or 3.12.4, with its archive.

        Raises: EnvbuildError, if there is none, naming those that there are.
        """
        machine = MACHINES[platform.architecture]
        offered = sorted((entry for entry in self.published() if entry.machine == machine), key=lambda one: one.age)
        wanted = _numbers(version)
        matching = [entry for entry in offered if entry.version[: len(wanted)] == wanted]
        if not matching:
            raise _missing(version, platform, offered)
        newest = matching[-1]
        path = f"{PREFIX}/bin/python{newest.version[0]}.{newest.version[1]}"
        return Interpreter("standalone", newest.text, path, Archive(newest.url, Digest(newest.sha256), None))


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _missing(version: str, platform: Platform, offered: Iterable[Published]) -> EnvbuildError:
    """Names the patches of a minor version that is there, else the minor versions."""
    minor = _numbers(version)[:2]
    patches = list(dict.fromkeys(entry.text for entry in offered if entry.version[:2] == minor))
    minors = list(dict.fromkeys(".".join(map(str, entry.version[:2])) for entry in offered))
    known = f"there are {', '.join(patches or minors)}" if minors else "there are none for this platform"
    return EnvbuildError(f"there is no standalone Python {version} for {platform}", known, _UPGRADE)
