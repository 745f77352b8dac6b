"""Resolving with pip-tools, run as a process; it sees this machine's indexes through one on loopback alone."""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.errors import EnvbuildError
from builder.fetch import Fetcher
from builder.fetch.project_name import normalised
from builder.lock.artifact import Sdist, Wheel
from builder.lock.interface import Line, Pin, PythonResolver, Request, Sources, Target
from builder.lock.programs import run_resolver
from builder.lock.pypi.choose import choose
from builder.lock.pypi.describe import Describer
from builder.lock.pypi.direct import commit_archive, direct_file
from builder.lock.pypi.edges import parsed
from builder.lock.pypi.found import Found
from builder.lock.pypi.index import SimpleIndexes
from builder.lock.pypi.offers import decided_requirement
from builder.lock.pypi.pins import choose_pins
from builder.lock.pypi.pip_words import explanation, hidden_versions
from builder.lock.pypi.provided import versions_of
from builder.lock.pypi.served import ServedIndex
from builder.lock.pypi.uv import check_python
from builder.lock.sources.statements import StatementError, statements

_DROPPED = re.compile(r"(PIP|PIPTOOLS|UV)_.*|CUSTOM_COMPILE_COMMAND", re.IGNORECASE)
"""Variables that pip-tools does not see: they would change what it chooses, or hold credentials."""
_INPUT, _CONSTRAINTS, _OUTPUT = "requirements.in", "constraints.txt", "requirements.txt"
_COMPILE = (
    "-m", "piptools", "compile", "--verbose", "--no-config", "--generate-hashes", "--allow-unsafe",
    "--strip-extras", "--no-header", "--no-annotate", "--no-emit-options", "--no-emit-index-url",
    "--no-emit-trusted-host", "--no-emit-find-links", "--resolver", "backtracking", "--cache-dir", "cache",
    "--output-file", _OUTPUT, "--constraint", _CONSTRAINTS, _INPUT,
)  # fmt: skip
_REPORT = ("-m", "pip", "install", "--dry-run", "--ignore-installed", "--no-deps", "--report", "report.json")


@dataclass(frozen=True, slots=True)
class Host:
    """What pip-tools resolves for: the interpreter that it runs in."""

    system: str
    """As `sys.platform`."""
    machine: str
    libc: str
    python: str
    """Major and minor."""

    @classmethod
    def this(cls) -> Host:
        """The interpreter that runs here."""
        return cls(sys.platform, platform.machine(), platform.libc_ver()[0], "{}.{}".format(*sys.version_info))

    def __str__(self) -> str:
        libc = f" with {self.libc}" if self.libc else ""
        return f"Python {self.python} on {self.system} {self.machine}{libc}"


@dataclass(frozen=True, slots=True)
class PipToolsResolver:
    """Resolves with pip-tools (a PythonResolver), for the platform and Python that it runs on."""

    variables: Mapping[str, str]
    """The environment variables of this process."""
    fetcher: Fetcher
    host: Host
    locks: PythonResolver
    """Takes locks as they are, for which no resolver is needed."""

    def __call__(self, request: Request, target: Target) -> tuple[Wheel | Sdist, ...]:
        """The files, sorted by name.

        Raises: EnvbuildError, with pip's own explanation, or if the target is another than the host.
        """
        if request.sources.pins or request.sources.pylock is not None:
            return self.locks(request, target)
        sources = request.sources
        check_python(request, target)
        check_host(self.host, target)
        _check_overrides(sources)
        fetcher = self.fetcher.with_indexes(request.index_urls)
        found = self._resolve(request, target, fetcher)
        asked = [line.text for line in (*sources.requirements, *sources.vcs)]
        return Describer(fetcher)(found, asked, target, request.index_urls.values())

    def _resolve(self, request: Request, target: Target, fetcher: Fetcher) -> tuple[Found, ...]:
        sources, indexes = request.sources, SimpleIndexes(request, fetcher)
        lines = _applying(sources.requirements, target)
        commits = _applying(sources.vcs, target)
        if not lines and not commits:
            return ()
        for line in commits if not request.sdists else ():
            raise EnvbuildError(
                f"{line.place}: `{line.text}` is a commit, of which a wheel must be built",
                "building from source is refused here",
                "Leave out `--no-sdist`, or name a wheel",
            )
        provided = versions_of(sources.provided)
        indexes.read_ahead(_named(lines) - provided.keys())
        with (
            ServedIndex(indexes, fetcher, target, request.sdists, provided) as served,
            tempfile.TemporaryDirectory(prefix="envbuild-") as folder,
        ):
            work = _Work(Path(folder), served, (*lines, *commits), sources.constraints)
            directs = work.write(fetcher)
            self._compile(work, request.preferences)
            pins = tuple(_read_output(work.output.read_text("utf-8")))
            versions = self._versions(work, commits)
        directs |= {name: commit_archive(text, version, fetcher) for name, (text, version) in versions.items()}
        resolved = [pin for pin in pins if pin.name not in directs and pin.name not in sources.provided]
        taken = choose_pins(resolved, request, target, indexes)
        return (*taken, *(directs[pin.name] for pin in pins if pin.name in directs))

    def _compile(self, work: _Work, preferences: Mapping[str, str]) -> None:
        finished = self._run(work, preferences)
        if finished.returncode != 0 and preferences and not work.served.failures:
            finished = self._run(work, {})  # pip-tools gives up where what it keeps stands in the way of two packages
        work.check(finished)

    def _run(self, work: _Work, preferences: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        kept = "".join(f"{name}=={version}\n" for name, version in sorted(preferences.items()))
        work.output.write_text(kept, encoding="utf-8")
        return _run_python(_COMPILE, work.folder, self._variables(work.served.url))

    def _versions(self, work: _Work, commits: list[Line]) -> dict[str, tuple[str, str]]:
        """What was asked for and the version of each commit by name, which pip-tools does not write."""
        if not commits:
            return {}
        texts = {normalised(requirement.name): line.text for line in commits if (requirement := parsed(line.text))}
        plain = [text.partition(" ;")[0] for text in texts.values()]
        work.check(_run_python([*_REPORT, *plain], work.folder, self._variables(work.served.url)))
        report = json.loads((work.folder / "report.json").read_text("utf-8"))
        found = {normalised(entry["metadata"]["name"]): entry["metadata"]["version"] for entry in report["install"]}
        return {name: (text, found[name]) for name, text in texts.items()}

    def _variables(self, index: str) -> dict[str, str]:
        kept = {name: value for name, value in self.variables.items() if not _DROPPED.fullmatch(name)}
        bypass = ",".join(filter(None, (kept.get("no_proxy") or kept.get("NO_PROXY"), "127.0.0.1")))
        return kept | {
            "PIP_CONFIG_FILE": os.devnull,
            "PIP_INDEX_URL": index,
            "PIP_NO_CACHE_DIR": "1",
            "PIP_NO_INPUT": "1",
            "PIP_PROGRESS_BAR": "off",
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "PIP_RETRIES": "0",
            "PIP_TIMEOUT": "3600",  # what it waits for is this process, which has limits of its own
            "NO_PROXY": bypass,
            "no_proxy": bypass,
            "NO_COLOR": "1",
        }


def check_host(host: Host, target: Target) -> None:
    """Refuse a target that is another than the host.

    Raises: EnvbuildError.
    """
    minor = ".".join(target.python.split(".")[:2])
    if (host.system, host.machine, host.libc, host.python) != ("linux", target.machine, "glibc", minor):
        raise EnvbuildError(
            f"pip-tools cannot resolve for {target.platform} with Python {minor} here",
            f"it resolves for the interpreter that it runs in, which is {host}",
            "Use `resolver: uv`, which resolves for every platform and Python, or lock on such a machine",
        )


def _read_output(text: str) -> Iterator[Pin]:
    """The pins that pip-tools wrote, sorted as it did.

    Raises: EnvbuildError, if there is anything else.
    """
    for statement in statements(text):
        requirement = None if isinstance(statement, StatementError) else parsed(statement.text)
        if isinstance(statement, StatementError) or requirement is None:
            raise EnvbuildError("what pip-tools wrote cannot be read", f"line {statement.line} of it is no pin")
        version = next((specifier.version for specifier in requirement.specifier), "")
        hashes = frozenset(value.removeprefix("sha256:") for value in statement.hashes)
        yield Pin(normalised(requirement.name), version, hashes, None, requirement.url, "pip-tools")


def _check_overrides(sources: Sources) -> None:
    for line in sources.overrides:
        raise EnvbuildError(
            f"{line.place}: pip-tools knows no overrides",
            f"`{line.text}` is to be taken in place of what packages ask for",
            "Use `resolver: uv`, or write it as a constraint",
        )


def _run_python(
    arguments: Sequence[str], folder: Path, variables: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a module of this interpreter in a folder; what it says is all in its output.

    Raises: EnvbuildError, if it does not come to an end within an hour.
    """
    hint = "Look whether an index is very slow, and pin what has very many versions"
    return run_resolver([sys.executable, *arguments], folder, variables, name="pip-tools", hint=hint, joined=True)


def _applying(lines: Iterable[Line], target: Target) -> list[Line]:
    """The requirements that apply on a target, without their markers."""
    decided = [(line, decided_requirement(line.text, target)) for line in lines]
    return [Line(text, line.place) for line, text in decided if text]


def _named(lines: Iterable[Line]) -> set[str]:
    """The normalised names of what is asked of indexes."""
    requirements = [parsed(line.text) for line in lines]
    return {normalised(requirement.name) for requirement in requirements if requirement and not requirement.url}


@dataclass(frozen=True, slots=True)
class _Work:
    """The folder that pip-tools works in."""

    folder: Path
    served: ServedIndex
    requirements: tuple[Line, ...]
    constraints: tuple[Line, ...]

    @property
    def output(self) -> Path:
        return self.folder / _OUTPUT

    def write(self, fetcher: Fetcher) -> dict[str, Found]:
        """Write what to resolve, a line each, and give the files of direct references by name."""
        target, directs = self.served.target, dict[str, Found]()
        lines = []
        for line in self.requirements:
            found = direct_file(line, fetcher)
            if found is not None:
                directs[found.name] = choose([found], target, sdists=self.served.sdists, place=line.place)
            lines.append(self._asking(line.text, found) if found else line.text)
        (self.folder / _INPUT).write_text("\n".join(lines) + "\n", encoding="utf-8")
        limits = [decided_requirement(line.text, target) or "" for line in self.constraints]
        limits += [f"{name}=={version}" for name, version in self.served.provided.items()]
        (self.folder / _CONSTRAINTS).write_text("\n".join(limits) + "\n", encoding="utf-8")
        return directs

    def _asking(self, text: str, found: Found) -> str:
        requirement = parsed(text)
        extras = f"[{','.join(sorted(requirement.extras))}]" if requirement and requirement.extras else ""
        return f"{found.name}{extras}{self.served.direct(found)}"

    def check(self, finished: subprocess.CompletedProcess[str]) -> None:
        """Raises: EnvbuildError, if a run failed, with what kept it from going on."""
        if self.served.failures:
            raise self.served.failures[0]
        if finished.returncode == 0:
            return
        places = {
            name: [f"`{line.text}` ({line.place})" for line in given]
            for name, given in ((_INPUT, self.requirements), (_CONSTRAINTS, self.constraints))
        }
        causes = explanation(finished.stdout, places)
        indexes = self.served.indexes
        unknown = sorted(name for name in self.served.unknown if any(name in cause for cause in causes))
        causes += [f"`{name}` is on no index: {', '.join(indexes.asked(name))} was asked" for name in unknown]
        causes += hidden_versions(causes, self.served.hidden)
        hint = "Check the name, or name the index that has it in `indexes`" if unknown else None
        platform = self.served.target.platform
        raise EnvbuildError(f"the Python packages cannot be resolved for {platform}", causes, hint)
