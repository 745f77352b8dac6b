"""Which C library and which Pythons an image has. Pure: rules over the files that were found in it."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from builder.errors import EnvbuildError
from builder.lock.base_image.files import File, ImageFiles

REVISION = 2
"""Of these rules: what older ones found is not taken."""

_ELF_MACHINES = {"amd64": 62, "arm64": 183}
_TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_USUAL = ("/usr/local/bin", "/usr/bin", "/bin", "/opt/conda/bin", "/opt/venv/bin", "/opt/python/bin")
_NAME = re.compile(r"python(?:3(?:\.\d{1,2})?)?")


@dataclass(frozen=True, slots=True)
class Python:
    """An interpreter in an image."""

    path: str
    """Of the file itself: links were followed."""
    version: str
    """Full, as in 3.11.2."""

    @property
    def minor(self) -> str:
        """Major and minor, as in 3.11."""
        return ".".join(self.version.split(".")[:2])


@dataclass(frozen=True, slots=True)
class Contents:
    """What an image can run."""

    glibc: str
    """Empty if it has none."""
    musl: bool
    """Whether another C library is there."""
    pythons: tuple[Python, ...]
    """In the order in which a shell would find them, the usual places last."""
    room: tuple[Any, ...] = ()
    """What is where an environment goes, as `Room.to_value`."""

    def to_dict(self) -> dict[str, Any]:
        """As the store keeps it."""
        return {
            "glibc": self.glibc,
            "musl": self.musl,
            "pythons": [[python.path, python.version] for python in self.pythons],
            "room": list(self.room),
        }

    @classmethod
    def from_dict(cls, document: Any) -> Contents:
        """From the store. Raises: KeyError, TypeError, ValueError."""
        pythons = tuple(Python(str(path), str(version)) for path, version in document["pythons"])
        return cls(str(document["glibc"]), bool(document["musl"]), pythons, tuple(document["room"]))

    def check_glibc(self, reference: str) -> None:
        """Refuse an image that wheels for Linux do not run in. Raises: EnvbuildError."""
        if not self.glibc:
            why = "its C library is musl" if self.musl else "it has no `libc.so.6` in the usual places"
            raise EnvbuildError(
                f"`{reference}` cannot be a base: it has no glibc, which packages are locked for",
                why,
                "Take an image of Debian, Ubuntu or the Red Hat family, such as `python:3.12-slim`, not `-alpine`",
            )

    def choose(self, wanted: str | None, reference: str) -> Python:
        """The first interpreter, or the first of the version that is wanted, as in 3.11.

        Raises: EnvbuildError, saying which there are.
        """
        for python in self.pythons:
            if wanted in (None, python.minor):
                return python
        found = [f"it has Python {python.version} at `{python.path}`" for python in self.pythons]
        raise EnvbuildError(
            f"`{reference}` has no Python{f' {wanted}' if wanted else ''}",
            found or "there is none on its `PATH` or in the usual places",
            "Ask for one that it has, or bring one along with `python: {version: …, source: standalone}`",
        )


def look_into(files: ImageFiles, architecture: str, environment: Mapping[str, str]) -> Contents:
    """What an image for `architecture` can run; `environment` is that of its config."""
    search = _Search(files, _ELF_MACHINES[architecture], _TRIPLETS[architecture], environment)
    folders = (f"/lib/{search.triplet}", f"/usr/lib/{search.triplet}", "/lib64", "/usr/lib64", "/lib", "/usr/lib")
    found = (search.binary(f"{folder}/libc.so.6") for folder in folders)
    glibc = next((file.glibc for _, file in filter(None, found) if file.glibc), "")
    musl = any(name.startswith("ld-musl-") for name in files.names("/lib"))
    return Contents(glibc, musl, tuple(search.pythons()), tuple(files.room.to_value()))


@dataclass(frozen=True, slots=True)
class _Search:
    files: ImageFiles
    machine: int
    triplet: str
    environment: Mapping[str, str]

    def binary(self, path: str) -> tuple[str, File] | None:
        """A file for this machine's processor, with its own path."""
        found = self.files.file(path)
        return found if found and found[1].machine == self.machine else None

    def pythons(self) -> Iterator[Python]:
        """Every interpreter with its library, in the order of PATH, each once."""
        path = self.environment.get("PATH") or _DEFAULT_PATH
        seen: set[str] = set()
        for folder in (*filter(posixpath.isabs, path.split(":")), *_USUAL):
            names = filter(_NAME.fullmatch, self.files.names(folder))
            for name in sorted(names, key=_preference):
                found = self.binary(f"{folder}/{name}")
                if found and found[1].executable and found[0] not in seen:
                    seen.add(found[0])
                    version = self._version(*found)
                    if version:
                        yield Python(found[0], version)

    def _version(self, path: str, file: File) -> str | None:
        """The full version of an interpreter; None if it has no library of its own, or does not tell."""
        folder, name = posixpath.split(path)
        prefix = posixpath.dirname(folder)
        minors = [minor for minor in self._libraries(prefix) if name in ("python", "python3", f"python{minor}")]
        if len(minors) != 1:
            return None
        versions = _of_minor(file, minors[0]) or self._shared_version(prefix, minors[0])
        stated = self.environment.get("PYTHON_VERSION", "")
        if stated in versions:
            return stated
        return versions.pop() if len(versions) == 1 else None

    def _libraries(self, prefix: str) -> set[str]:
        """The minor versions of which the standard library is there: its `os.py` is what Python itself looks for."""
        folders = [posixpath.join(prefix, name) for name in ("lib", "lib64")]
        return {
            name.removeprefix("python")
            for folder in folders
            for name in self.files.names(folder)
            if self.files.file(f"{folder}/{name}/os.py")
        }

    def _shared_version(self, prefix: str, minor: str) -> set[str]:
        """Told by the library that an interpreter is linked to, where it is only a few lines itself."""
        own = [posixpath.join(prefix, name) for name in ("lib", "lib64", f"lib/{self.triplet}")]
        system = [f"{top}/{name}" for top in ("/usr/local", "/usr", "") for name in ("lib", "lib64")]
        for folder in (*own, *system, f"/usr/lib/{self.triplet}", f"/lib/{self.triplet}"):
            for name in (f"libpython{minor}.so.1.0", f"libpython{minor}.so"):
                found = self.binary(f"{folder}/{name}")
                if found and _of_minor(found[1], minor):
                    return _of_minor(found[1], minor)
        return set()


def _of_minor(file: File, minor: str) -> set[str]:
    return {version for version in file.versions if version.startswith(f"{minor}.")}


def _preference(name: str) -> tuple[bool, bool, int]:
    """`python3` first, then `python`, then the others, the newest first."""
    return name != "python3", name != "python", -int(name.rpartition(".")[2] if "." in name else 0)
