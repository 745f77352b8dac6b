"""What uv is given for one run: files in a folder of its own, and a command line. Pure.

Nothing here holds credentials: uv has them from its environment, by the names that indexes have in these files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from builder.errors import EnvbuildError
from builder.fetch.project_name import normalised
from builder.lock.indexes import is_pypi
from builder.lock.interface import Line, Request, Target
from builder.lock.pypi.edges import parsed
from builder.lock.pypi.provided import versions_of
from builder.lock.pypi.tags import marker_environment
from builder.spec.environment import Index

_NEWEST_GLIBC = 40
"""Minor version, of the newest platform that uv knows by name."""
PROVIDED = "provided"
"""The folder with stand-ins for what is there already."""


@dataclass(frozen=True, slots=True)
class Project:
    """One run of uv."""

    request: Request
    target: Target
    requirements: tuple[Line, ...]
    here: frozenset[str] = frozenset()
    """The packages that have an index of their own and are taken from it; others that have one are left out."""
    dependencies: bool = True
    """Whether what the requirements ask for is resolved too."""
    mirror: str | None = None
    """Of PyPI, on this machine, without credentials."""

    @property
    def elsewhere(self) -> tuple[str, ...]:
        """The packages that have an index of their own and are left out."""
        return tuple(sorted(self.owners.keys() - self.here))

    @property
    def owners(self) -> dict[str, Index]:
        """The indexes that single packages are taken from, by normalised name."""
        owners = {normalised(name): index for index in reversed(self.request.indexes) for name in index.packages}
        return {name: index for name, index in owners.items() if name not in self.request.sources.provided}

    def asked_of_owners(self) -> frozenset[str]:
        """The packages with an index of their own that the requirements name for the target."""
        names = {name for line in self.requirements if (name := applying_name(line.text, self.target))}
        return frozenset(names & self.owners.keys())

    @property
    def indirect(self) -> bool:
        """Whether packages with an index of their own are left out, or are there for the sake of others."""
        return bool(self.elsewhere or self.here - self.asked_of_owners())

    def files(self) -> dict[str, str]:
        """Their content by name."""
        sources = self.request.sources
        provided = [f"{name}=={version}" for name, version in versions_of(sources.provided).items()]
        texts = {
            "requirements.in": _lines(line.text for line in self.requirements),
            "constraints.txt": _lines([*(line.text for line in sources.constraints), *provided]),
            "overrides.txt": _lines(line.text for line in sources.overrides),
            "excludes.txt": _lines(self.elsewhere),
            "uv.toml": _toml({"index": [*self.indexes()]}),
            "pyproject.toml": self._pyproject() if self.here else "",
            "pylock.toml": _toml(self._before()) if self.request.preferences else "",
        }
        return {name: text for name, text in texts.items() if text or name == "uv.toml"}

    def arguments(self, python: str) -> list[str]:
        """The command line after the program, whose output is `pylock.toml`; `python` builds what must be built."""
        target, files = self.target, self.files()
        glibc = min(target.glibc[1], _NEWEST_GLIBC)
        return [
            "pip", "compile", "requirements.in", *(["pyproject.toml"] if self.here else []),
            *(word for name in ("constraints", "overrides", "excludes") if f"{name}.txt" in files
              for word in (f"--{name}", f"{name}.txt")),
            "--config-file", "uv.toml", "--output-file", "pylock.toml", "--format", "pylock.toml",
            "--no-header", "--no-progress", "--color", "never",
            "--python", python, "--python-version", target.python, "--no-python-downloads",
            "--python-platform", f"{target.machine}-manylinux_2_{glibc}",
            *([] if self.request.sdists else ["--only-binary", ":all:"]),
            *([] if self.dependencies else ["--no-deps"]),
            *(["--find-links", PROVIDED] if self.request.sources.provided else []),
            *self._times(),
        ]  # fmt: skip

    def _times(self) -> Iterator[str]:
        request = self.request
        if request.exclude_newer:
            yield from ("--exclude-newer", request.exclude_newer)
        for name, time in sorted(request.exclude_newer_package.items()):
            yield from ("--exclude-newer-package", f"{normalised(name)}={'false' if time == 'none' else time}")

    def indexes(self) -> Iterator[dict[str, Any]]:
        """The indexes as uv's settings have them."""
        for index in self.request.indexes:
            kind = "explicit" if index.packages else "default"
            more = {kind: True} if index.packages or index.default else {}
            yield {"name": index.name, "url": self._url(index.url), **more}

    def _url(self, url: str) -> str:
        return self.mirror if self.mirror and is_pypi(url) else url

    def _pyproject(self) -> str:
        """The packages that are taken from an index of their own; uv wants to be told where they are required."""
        owners = {name: self.owners[name] for name in sorted(self.here)}
        indexes = {index["name"]: index for index in self.indexes() if "explicit" in index}
        project = {"name": "indexes-of-the-environment", "version": "0", "dependencies": [*owners]}
        uv = {
            "workspace": {},
            "index": [*indexes.values()],
            "sources": {name: {"index": index.name} for name, index in owners.items()},
        }
        return _toml({"project": project, "tool": {"uv": uv}})

    def _before(self) -> dict[str, object]:
        """The lock before, as uv reads it: it prefers its versions."""
        packages = [{"name": name, "version": version} for name, version in sorted(self.request.preferences.items())]
        return {"lock-version": "1.0", "created-by": "envbuild", "packages": packages}

    def check(self) -> None:
        """Raises: EnvbuildError, for what uv cannot do together."""
        for line in self.request.sources.overrides:
            requirement = parsed(line.text)
            name = normalised(requirement.name) if requirement else ""
            if name in self.owners:
                raise EnvbuildError(
                    f"{line.place}: `{name}` has an index of its own, and cannot be overridden",
                    f"it is taken from `{self.owners[name].name}`",
                    "Write a requirement or a constraint in place of the override",
                )


def applying_name(text: str, target: Target) -> str | None:
    """The normalised name of what a requirement asks of an index for a target; None if it asks for nothing."""
    requirement = parsed(text)
    if requirement is None or requirement.url:
        return None
    environment = marker_environment(target.python, target.machine)
    if requirement.marker is not None and not requirement.marker.evaluate({**environment, "extra": ""}):
        return None
    return normalised(requirement.name)


def _lines(texts: Iterable[str]) -> str:
    return "".join(f"{text}\n" for text in texts)


def _toml(document: Mapping[str, object]) -> str:
    import tomli_w

    return tomli_w.dumps(document)
