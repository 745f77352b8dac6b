"""The code that a command of a project depends on: what it names and imports, of the files that are packed."""

from __future__ import annotations

from builder.bundle.parts.code import code_files
from builder.lock.data.hashing import Found, Hasher, shown
from builder.oci.sourced import identity_of
from builder.pipeline.code import CodeFinder
from builder.spec import LoadedProject


def command_code(loaded: LoadedProject, name: str, hasher: Hasher) -> dict[str, str] | None:
    """The hexadecimal SHA-256 of each file, by path; None where none is found, or one that it runs is not there.

    Its file of parameters is among them.

    Raises: EnvbuildError, if a file cannot be read.
    """
    project, folder = loaded.project, loaded.folder
    command = project.commands[name]
    finder = CodeFinder(folder, hasher)
    found = finder.of_command(command.arguments)
    if found.missing or not found.files:
        return None
    always = frozenset(one.params for one in project.commands.values() if one.params)
    packed = {entry.path: entry.source for entry in code_files(folder, project.code, always) if entry.source}
    wanted = {*found.files, *found.mentioned, *([command.params] if command.params else [])} & packed.keys()
    files = [Found(path, identity_of(packed[path].stat())) for path in sorted(wanted)]
    finder.remember()
    return {file.path: file.digest.hex for file in hasher.hash(folder, files, f"hashing {shown(folder)}")[0]}
