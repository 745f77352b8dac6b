"""Resolving with uv, run as a process for each target; its answer is narrowed to one file a package."""

from __future__ import annotations

import sys
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from builder.errors import EnvbuildError
from builder.fetch import Fetcher
from builder.fetch.project_name import normalised
from builder.lock.artifact import Sdist, Wheel
from builder.lock.interface import Line, Request, Target
from builder.lock.pypi.describe import Describer
from builder.lock.pypi.edges import parsed, reachable
from builder.lock.pypi.found import Found
from builder.lock.pypi.from_pylock import Commit, Selection, refused_commit, select_files
from builder.lock.pypi.provided import write_stand_ins
from builder.lock.pypi.tags import marker_environment
from builder.lock.pypi.uv_messages import failure, warnings
from builder.lock.pypi.uv_process import run_uv, uv_variables
from builder.lock.pypi.uv_project import PROVIDED, Project


@dataclass(frozen=True, slots=True)
class UvResolver:
    """Resolves with uv (a PythonResolver)."""

    variables: Mapping[str, str]
    """The environment variables of this process."""
    program: str
    """The path of uv."""
    fetcher: Fetcher
    warn: Callable[[str], None] = lambda _: None
    """Gets what uv warns of, once for each target."""

    def __call__(self, request: Request, target: Target) -> tuple[Wheel | Sdist, ...]:
        """The files, sorted by name; none of what is provided.

        Raises: EnvbuildError, with uv's own explanation.
        """
        check_python(request, target)
        fetcher = self.fetcher.with_indexes(request.index_urls)
        run = _Run(request, target, self.variables, self.program, fetcher, self.warn)
        files = [self._fetched(file) for file in run.files() if file.name not in request.sources.provided]
        asked = [line.text for line in (*request.sources.requirements, *request.sources.vcs)]
        return Describer(fetcher)(files, asked, target, request.index_urls.values())

    def _fetched(self, file: Found | Commit) -> Found:
        if isinstance(file, Found):
            return file
        from builder.lock.pypi.checkout_archive import checkout_archive

        digest, size = checkout_archive(file.url, self.fetcher.store)
        name = f"{file.name}-{file.version}.tar"
        return Found(file.name, file.version, name, digest, size, file.url, file.subdirectory, direct=True)


def check_python(request: Request, target: Target) -> None:
    """Raises: EnvbuildError, if the files ask for another Python than the target's."""
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    text = request.sources.requires_python
    if text is None:
        return
    try:
        suits = SpecifierSet(text).contains(target.python, prereleases=True)
    except InvalidSpecifier as error:
        raise EnvbuildError("`requires-python` cannot be read", str(error), "Write it like `>=3.11`") from error
    if not suits:
        raise EnvbuildError(
            f"Python {target.python}, which the environment has on {target.platform}, is not wanted",
            f'the project says `requires-python = "{text}"`',
            "Change `python` in the environment, or `requires-python` in the project",
        )


@dataclass(frozen=True, slots=True)
class _Run:
    """Everything that one request asks for on one target."""

    request: Request
    target: Target
    variables: Mapping[str, str]
    program: str
    fetcher: Fetcher
    warn: Callable[[str], None]

    def files(self) -> tuple[Found | Commit, ...]:
        """One a package."""
        sources = self.request.sources
        if sources.vcs and not self.request.sdists:
            line = sources.vcs[0]
            raise refused_commit(*next(_direct(line)), line.place)
        found = [*self._pinned(), *self._locked()]
        lines = sources.requirements
        if sources.pylock is None and not sources.pins:
            found += self.resolved((*lines, *sources.vcs))
        else:
            # A lock is whole: what a commit asks for is in it too, and requirements of other files must agree with it.
            names = {file.name for file in found}
            found += [file for file in self.resolved(sources.vcs, alone=True) if file.name not in names]
            found += [file for file in self._beside(lines, found) if file.name not in {each.name for each in found}]
        return tuple(found)

    def _pinned(self) -> tuple[Found, ...]:
        from builder.lock.pypi.index import SimpleIndexes
        from builder.lock.pypi.pins import choose_pins

        pins = self.request.sources.pins
        if not pins:
            return ()
        return choose_pins(pins, self.request, self.target, SimpleIndexes(self.request, self.fetcher))

    def _locked(self) -> tuple[Found | Commit, ...]:
        sources = self.request.sources
        if sources.pylock is None:
            return ()
        wanted = Selection(self.target, self.request.sdists, sources.extras, sources.groups)
        return select_files(sources.pylock, wanted, "the lockfile")

    def _beside(self, lines: tuple[Line, ...], locked: Iterable[Found | Commit]) -> tuple[Found | Commit, ...]:
        """What requirements ask for besides a lock, which it must agree with."""
        kept = tuple(Line(f"{file.name}=={file.version}", "the lockfile") for file in locked if file.version != "0")
        sources = self.request.sources
        request = replace(self.request, sources=replace(sources, constraints=(*sources.constraints, *kept)))
        return replace(self, request=request).resolved(lines)

    def resolved(self, lines: tuple[Line, ...], *, alone: bool = False) -> tuple[Found | Commit, ...]:
        """With every package from the index that it belongs to.

        uv takes only packages that are required themselves from an index of their own. What is asked for by other
        packages is so found in rounds: whatever belongs to such an index is left out of a round, unless it is known to
        be needed, so that no other index is ever asked for it.
        """
        if not lines:
            return ()
        mirrors = self.fetcher.mirrors
        here = tuple(replace(index, url=mirrors.candidates(index.url)[0]) for index in self.request.indexes)
        request, mirror = replace(self.request, indexes=here), mirrors.python_index
        project = Project(request, self.target, lines, dependencies=not alone, mirror=mirror)
        project.check()
        project = replace(project, here=project.asked_of_owners())
        for _ in range(len(project.owners) + 1):
            files = self._compile(project)
            if alone or not project.indirect:
                return files
            metadata = Describer(self.fetcher).metadata(file for file in files if isinstance(file, Found))
            environment = marker_environment(self.target.python, self.target.machine)
            needed = reachable(metadata, [line.text for line in lines], environment)
            missing = needed & project.owners.keys() - project.here
            if not missing:
                break
            project = replace(project, here=project.here | missing)
        known = len(metadata) == len(files) and all(one.complete for one in metadata.values())
        return tuple(file for file in files if file.name in needed or not known)

    def _compile(self, project: Project) -> tuple[Found | Commit, ...]:
        with tempfile.TemporaryDirectory(prefix="envbuild-") as name:
            folder = Path(name)
            for file, text in project.files().items():
                (folder / file).write_text(text, encoding="utf-8")
            write_stand_ins(folder / PROVIDED, self.request.sources.provided)
            access = self.fetcher.mirrors.access
            variables = uv_variables(self.variables, [*project.indexes()], access)
            finished = run_uv([self.program, *project.arguments(sys.executable)], folder, variables)
            if finished.returncode != 0:
                raise failure(finished.stderr, self.target, sdists=self.request.sdists)
            for text in warnings(finished.stderr):
                self.warn(text)
            document = tomllib.loads((folder / "pylock.toml").read_text("utf-8"))
        directs = {name: url for line in project.requirements for name, url in _direct(line)}
        provided = self.request.sources.provided
        document["packages"] = [each for each in document.get("packages", ()) if each["name"] not in provided]
        wanted = Selection(self.target, self.request.sdists, directs=directs)
        return select_files(document, wanted, "uv's answer")


def _direct(line: Line) -> Iterator[tuple[str, str]]:
    """Name and URL of a direct reference."""
    requirement = parsed(line.text)
    if requirement and requirement.url:
        yield normalised(requirement.name), requirement.url
