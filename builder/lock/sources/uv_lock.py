"""A `uv.lock`, taken as it is: uv itself makes a `pylock.toml` of it, without network and without the project's files.

uv is given the lock and a project with nothing but its name, so that no setting of a project or a machine, and no file
that a lock names, has a part in the answer.
"""

from __future__ import annotations

import subprocess
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.fetch.project_name import normalised
from builder.lock.interface import Sources
from builder.lock.programs import run_program, uv_program
from builder.lock.sources.pylock_toml import check_packages, chosen_names, parsed_pylock
from builder.lock.sources.repository import Repository, shown_text
from builder.lock.sources.toml_file import TomlFile, strings, table
from builder.spec.environment import PyPI

_VERSION, _REVISION = 1, 5
"""What is known of uv's format."""
_SECONDS = 120
"""A lock of a thousand packages takes a tenth of one."""
_EXPORT = "`uv export --format pylock.toml -o pylock.toml`, and write `lockfile: pylock.toml`"


def uv_lock_sources(repository: Repository, file: TomlFile, pypi: PyPI) -> Sources:
    """What a file locks for the project, with the extras and groups of the spec; what cannot be taken is reported."""
    if not _is_known(repository, file):
        return Sources()
    root = _root(repository, file)
    if root is None:
        return Sources()
    metadata = table(root.get("metadata"))
    # Those without any requirement stand in the metadata alone.
    known_extras = (*table(root.get("optional-dependencies")), *(strings(metadata.get("provides-extras")) or ()))
    known_groups = (*table(root.get("dev-dependencies")), *table(metadata.get("requires-dev")))
    extras = chosen_names(repository, pypi.extras, known_extras, "extra")
    groups = chosen_names(repository, pypi.groups, known_groups, "dependency group")
    if repository.problems:
        return Sources()
    document = _exported(repository, file, str(root["name"]), extras, groups)
    pylock = parsed_pylock(repository, file, document)
    if pylock is not None:
        check_packages(repository, file, pylock)
    return Sources(pylock=document)


def _is_known(repository: Repository, file: TomlFile) -> bool:
    for key, known in (("version", _VERSION), ("revision", _REVISION)):
        value = file.document.get(key, 0)
        if not isinstance(value, int) or (key == "version" and value < 1):
            repository.report(file.path, file.line(key), f"this is not a lock of uv: its `{key}` is not a number")
            return False
        if value > known:
            message = f"it is of {key} {value}; this envbuild knows uv's format up to {key} {known}"
            repository.report(file.path, file.line(key), message, f"use a newer envbuild, or run {_EXPORT}")
            return False
    return True


def _root(repository: Repository, file: TomlFile) -> Mapping[str, Any] | None:
    """The entry of the project itself."""
    entries = file.document.get("package")
    packages = [table(entry) for entry in entries] if isinstance(entries, list) else []
    local = [(package, table(package.get("source"))) for package in packages if isinstance(package.get("name"), str)]
    for package, source in local:
        if any(source.get(kind) == "." for kind in ("virtual", "editable", "directory")):
            return package
    members = strings(table(file.document.get("manifest")).get("members")) or ()
    found = [package for package, _ in local if package["name"] in members]
    if len(found) == 1:
        return found[0]
    if members:
        listed = ", ".join(f"`{shown_text(name)}`" for name in members[:20])
        message = f"it locks a workspace without a project of its own: {listed}"
        repository.report(
            file.path, file.line("manifest"), message, f"run {_EXPORT.replace('--', '--package NAME --', 1)}"
        )
    else:
        repository.report(file.path, 1, "the project that it was made for is not in it", f"run {_EXPORT}")
    return None


def _exported(
    repository: Repository, file: TomlFile, name: str, extras: tuple[str, ...], groups: tuple[str, ...]
) -> Mapping[str, Any]:
    """What uv makes of a lock. Raises: EnvbuildError, with uv's own explanation."""
    import tomli_w

    if normalised(name) != name:
        raise EnvbuildError(f"`{repository.shown(file.path)}` is not a lock of uv", f"`{shown_text(name)}` is no name")
    project = {"name": name, "version": "0", "requires-python": str(file.document.get("requires-python", ">=3.8"))}
    chosen = [option for extra in extras for option in ("--extra", extra)]
    chosen += [option for group in groups for option in ("--group", group)]
    with tempfile.TemporaryDirectory(prefix="envbuild-") as folder:
        (Path(folder) / "uv.lock").write_text(file.text, encoding="utf-8")
        (Path(folder) / "pyproject.toml").write_text(tomli_w.dumps({"project": project}), encoding="utf-8")
        command = [
            uv_program(), "export", "--frozen", "--offline", "--no-config", "--no-cache", "--quiet", "--no-header",
            "--no-default-groups", "--no-emit-project", "--format", "pylock.toml", *chosen,
        ]  # fmt: skip
        output = _run(repository, file, command, Path(folder))
    try:
        return tomllib.loads(output)
    except tomllib.TOMLDecodeError as error:
        raise EnvbuildError(f"`{repository.shown(file.path)}` cannot be taken", shown_text(str(error))) from error


def _run(repository: Repository, file: TomlFile, command: list[str], folder: Path) -> str:
    shown = repository.shown(file.path)
    variables = {"HOME": str(folder), "UV_NO_PROGRESS": "1", "NO_COLOR": "1"}
    try:
        finished = run_program(command, folder, variables, seconds=_SECONDS)
    except subprocess.TimeoutExpired as error:
        raise EnvbuildError(f"`{shown}` cannot be taken", f"uv did not read it in {_SECONDS} s") from error
    if finished.returncode != 0:
        lines = [line for line in finished.stderr.splitlines() if line.strip()][:20]
        hint = "Lock again with `uv lock`" if finished.returncode > 0 else None
        raise EnvbuildError(f"`{shown}` cannot be taken", [_cause(line) for line in lines] or "uv ended early", hint)
    return finished.stdout


def _cause(line: str) -> str:
    return shown_text(line.strip().removeprefix("error:").removeprefix("cause:").strip(), 500)
