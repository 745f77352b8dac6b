"""What an environment asks of conda channels: its own lists, an `environment.yml`, or a lock that is taken as it is."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from builder.lock.conda.channels import ALIAS, SUBDIRS, ChannelRefusedError, channel_urls
from builder.lock.conda.environment_file import Entry, EnvironmentFile, read_environment_file
from builder.lock.interface import CondaPin, CondaSources, Line, Pin, Sources
from builder.oci.documents import Platform
from builder.spec.environment import Conda
from builder.spec.reader import Problem, SpecError

if TYPE_CHECKING:
    from builder.lock.sources.repository import Repository
    from builder.lock.sources.requirement_files import Written
    from builder.lock.sources.statements import Statement

_CHANNEL_OF_SPEC = re.compile(r"([^\s\[\]=<>!~]+)::(.+)")
_MACHINES = {Platform("amd64"): "x86_64", Platform("arm64"): "aarch64"}


def read_conda_inputs(conda: Conda, folder: Path, shown: str) -> dict[str, Any]:
    """What the files that `conda` names say now (see `Sources.inputs`); `shown` is the spec's name in messages.

    Raises: EnvbuildError, if one cannot be read.
    """
    repository = _repository(folder, shown)
    if conda.file:
        path = folder / conda.file
        found = _environment(repository, path, repository.text(path))
        inputs = {conda.file: found.entries, **_nested_inputs(repository, _pip_statements(repository, path, found))}
        repository.check(path)
        return inputs
    return {name: hashlib.sha256(repository.read(folder / name)).hexdigest() for name in _lock_files(conda)}


def read_conda_sources(conda: Conda, targets: Sequence[Platform], folder: Path, shown: str) -> CondaSources:
    """What `conda` asks for on these platforms.

    Raises: EnvbuildError, with every problem, each with file and line.
    """
    if conda.lockfile:
        return _of_locks(conda, targets, folder, shown)
    if conda.file:
        return _of_file(conda.file, targets, folder, shown)
    return _of_spec(conda, targets, _repository(folder, shown))


def _repository(folder: Path, shown: str) -> Repository:
    from builder.lock.sources.repository import Repository

    return Repository(folder, shown)


def _environment(repository: Repository, path: Path, text: str) -> EnvironmentFile:
    return read_environment_file(text, lambda line, message, hint: repository.report(path, line, message, hint))


def _of_spec(conda: Conda, targets: Sequence[Platform], repository: Repository) -> CondaSources:
    """Of lists in the spec itself."""
    shown = repository.spec
    problems: list[Problem] = []
    channels, dependencies = list[str](), list[Line]()
    for number, text in enumerate(conda.channels):
        if text != "nodefaults":
            _checked(_check_channel, text, f"conda.channels[{number}]", shown, problems)
            channels.append(text)
    for number, text in enumerate(conda.dependencies):
        key = f"conda.dependencies[{number}]"
        spec = _checked(_check_spec, text, key, shown, problems)
        dependencies.append(Line(spec or text, f"{shown}:{repository.spec_line(key)}"))
    if problems:
        raise SpecError(shown, problems)
    listed = tuple(dependencies)
    return CondaSources(
        tuple(channels), dict.fromkeys(targets, listed), document=_equivalent(channels, conda.dependencies)
    )


def _checked(check: Callable[[str], Any], text: str, key: str, shown: str, problems: list[Problem]) -> Any:
    try:
        return check(text)
    except ChannelRefusedError as error:
        problems.append(Problem(shown, _line_in(shown, text), key, str(error), error.hint))
        return None


def _line_in(shown: str, text: str) -> int:
    """Where a text stands in the spec."""
    try:
        lines = Path(shown).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return 1
    return next((number for number, line in enumerate(lines, 1) if text in line), 1)


def _equivalent(channels: Sequence[str], dependencies: Sequence[str]) -> bytes:
    """An `environment.yml` that says the same."""
    import yaml

    document = {"channels": list(channels), "dependencies": list(dependencies)}
    return yaml.safe_dump(document, sort_keys=False).encode()


def _of_file(name: str, targets: Sequence[Platform], folder: Path, shown: str) -> CondaSources:
    repository, path = _repository(folder, shown), folder / name
    data = repository.read(path)
    found = _environment(repository, path, repository.decoded(path, data))
    channels = found.platforms[targets[0]].channels
    for entry in channels:
        _reported(repository, path, entry, _check_channel)
    if any(wanted.channels != channels for wanted in found.platforms.values()):
        repository.report(path, channels[0].line if channels else 1, "a selector is not taken on a channel")
    specs = {
        platform: tuple(_spec_line(repository, path, entry) for entry in found.platforms[platform].dependencies)
        for platform in targets
    }
    for platform in targets:
        listed = found.platforms[platform].platforms
        if listed and SUBDIRS[platform] not in {entry.text for entry in listed}:
            message = f"it is not for `{SUBDIRS[platform]}`, which the environment is locked for"
            repository.report(path, listed[0].line, message, "add it, or leave `platforms` out")
    pip = _pip_sources(repository, path, found)
    repository.check(path)
    return CondaSources(
        tuple(entry.text for entry in channels),
        specs,
        pip,
        inputs={name: found.entries, **pip.inputs},
        document=data,
        source=name,
    )


def _spec_line(repository: Repository, path: Path, entry: Entry) -> Line:
    text = _reported(repository, path, entry, _check_spec)
    return Line(text or entry.text, f"{repository.shown(path)}:{entry.line}")


def _reported(repository: Repository, path: Path, entry: Entry, check: Callable[[str], Any]) -> Any:
    from builder.fetch.redaction import without_credentials_in
    from builder.lock.sources.repository import shown_text

    try:
        return check(entry.text)
    except ChannelRefusedError as error:
        repository.report(path, entry.line, f"`{shown_text(without_credentials_in(entry.text))}`: {error}", error.hint)
        return None


def _check_channel(text: str) -> None:
    channel_urls(text)


def _check_spec(text: str) -> str:
    """The specification in rattler's form, its channel as a URL. Raises: ValueError."""
    from rattler import MatchSpec
    from rattler.exceptions import InvalidMatchSpecError

    match = _CHANNEL_OF_SPEC.fullmatch(text)
    if match:
        (url, *_) = channel_urls(match[1])
        text = f"{url}::{match[2]}"
    try:
        spec = MatchSpec(text, strict=False)
    except InvalidMatchSpecError as error:
        reason = " ".join(str(error).split())
        raise ChannelRefusedError(
            f"this is not a match specification of conda: {reason}", "as in `numpy >=1.26,<3` or `python 3.11.*`"
        ) from error
    if "url=" in str(spec):
        raise ChannelRefusedError(
            "the URL of a package is not taken among specifications", "list it in an explicit list, with its hash"
        )
    if spec.name is not None and spec.name.normalized.startswith("__"):
        raise ChannelRefusedError("a virtual package is no dependency", "`base` and `cuda` say what hosts have")
    if spec.channel and not match and spec.channel.base_url.startswith(f"{ALIAS}/"):
        channel_urls(spec.channel.base_url.removeprefix(f"{ALIAS}/").rstrip("/"))
    return text


def _pip_sources(repository: Repository, path: Path, found: EnvironmentFile) -> Sources:
    """The `pip:` section under the rules of requirements files."""
    from builder.lock.sources.requirements import to_resolve

    written = _pip_statements(repository, path, found)
    return replace(to_resolve(repository, written), inputs=_nested_inputs(repository, written))


def _pip_statements(repository: Repository, path: Path, found: EnvironmentFile) -> tuple[Written, ...]:
    """What stands in the `pip:` section and in files that it names; what is for one platform alone gets a marker."""
    from builder.lock.sources.requirement_files import Written
    from builder.lock.sources.statements import Statement, statements

    where: dict[Entry, list[Platform]] = {}
    for platform, wanted in found.platforms.items():
        for entry in wanted.pip:
            where.setdefault(entry, []).append(platform)
    written = list[Written]()
    for entry, platforms in where.items():
        marker = "" if len(platforms) == len(found.platforms) else f'platform_machine == "{_MACHINES[platforms[0]]}"'
        for statement in statements(entry.text):
            if not isinstance(statement, Statement):
                repository.report(path, entry.line, str(statement))
                continue
            here = replace(statement, line=entry.line, text=_marked(statement.text, marker))
            written += [Written(path, here), *_nested(repository, path, here)]
    return tuple(written)


def _nested(repository: Repository, path: Path, statement: Statement) -> Iterator[Written]:
    """The statements of the files that an entry of the `pip:` section names."""
    from builder.lock.sources.requirement_files import NESTED, read_statements

    for option, value in statement.options if not statement.text else ():
        if option in NESTED:
            for each in read_statements(repository, path.parent / value):
                yield replace(each, is_constraint=each.is_constraint or option == "constraint")


def _nested_inputs(repository: Repository, written: Sequence[Written]) -> dict[str, Any]:
    """What the lock keeps of the files that the `pip:` section names."""
    files: dict[str, list[str]] = {}
    for each in written:
        files.setdefault(repository.name(each.file), []).append(each.entry)
    own = repository.name(written[0].file) if written else ""
    return {name: entries for name, entries in files.items() if name != own}


def _marked(text: str, marker: str) -> str:
    if not text or not marker:
        return text
    requirement, separator, before = text.partition(";")
    return f"{requirement.rstrip()} ; ({before.strip()}) and {marker}" if separator else f"{text} ; {marker}"


def _lock_files(conda: Conda) -> tuple[str, ...]:
    lockfile = conda.lockfile
    names = lockfile.values() if isinstance(lockfile, Mapping) else [lockfile] if lockfile else []
    return tuple(dict.fromkeys(names))


def _of_locks(conda: Conda, targets: Sequence[Platform], folder: Path, shown: str) -> CondaSources:
    """Of a `conda-lock.yml`, or of explicit lists."""
    from builder.lock.conda.foreign_lock import ForeignLock

    repository = _repository(folder, shown)
    files: dict[str, _LockFile] = {}
    for name in _lock_files(conda):
        files[name] = _LockFile(repository, folder / name)
    pins, wheels = dict[Platform, tuple[CondaPin, ...]](), dict[Platform, tuple[Pin, ...]]()
    for platform in targets:
        listed = conda.lockfile.get(str(platform)) if isinstance(conda.lockfile, Mapping) else conda.lockfile
        if listed is None:
            repository.report_spec("conda.lockfile", f"there is no list for `{platform}`, which is locked for")
        else:
            pins[platform], wheels[platform] = files[listed].packages(platform)
    repository.check(folder)
    locks = [file.lock for file in files.values() if isinstance(file.lock, ForeignLock)]
    inputs = {name: file.digest for name, file in files.items()}
    channels = locks[0].channels if locks else ()
    return CondaSources(channels, pins=pins, pip_pins=wheels, inputs=inputs, source=next(iter(files)))


class _LockFile:
    """One lock of others, read once for all platforms."""

    def __init__(self, repository: Repository, path: Path) -> None:
        from builder.lock.conda.explicit import is_explicit
        from builder.lock.conda.foreign_lock import read_foreign_lock

        self._repository, self._path, self._shown = repository, path, repository.shown(path)
        data = repository.read(path)
        self.digest = hashlib.sha256(data).hexdigest()
        self._text = repository.decoded(path, data)
        self.lock = None if is_explicit(self._text) else read_foreign_lock(self._text, self._report)

    def packages(self, platform: Platform) -> tuple[tuple[CondaPin, ...], tuple[Pin, ...]]:
        from builder.lock.conda.explicit import read_explicit

        if self.lock is None:
            return read_explicit(self._text, SUBDIRS[platform], self._place, self._report), ()
        return self.lock.packages(SUBDIRS[platform], self._place, self._report)

    def _report(self, line: int, message: str, hint: str | None = None) -> None:
        self._repository.report(self._path, line, message, hint)

    def _place(self, line: int) -> str:
        return f"{self._shown}:{line}"
