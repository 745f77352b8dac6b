"""What every environment image has besides packages: the environment's own files and agreed folders. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from builder.layers.files import FileEntry
from builder.lock.document import Interpreter

ENVIRONMENT = "opt/env"
CODE, MODEL, DATA, BUNDLE, OUTPUT = "app", "model", "data", "bundle", "out"
LICENSES = (f"{BUNDLE}/licenses/", f"{BUNDLE}/licenses.json", f"{BUNDLE}/LICENSES.md")
"""What the paths of those documents of a bundle begin with that say how packages are licensed."""

_ACTIVATE = """\
# Use with `. {prefix}/bin/activate` from a shell.
VIRTUAL_ENV={prefix}
export VIRTUAL_ENV
PATH="$VIRTUAL_ENV/bin:$PATH"
export PATH
unset PYTHONHOME
"""


def environment_files(interpreter: Interpreter, *, conda: bool = False) -> Iterable[FileEntry]:
    """A virtual environment (PEP 405) on the interpreter, and the folders that commands use.

    Where the interpreter is conda's own, the environment is a prefix of conda instead; `conda` says whether there are
    conda packages. Any user may write to `/data` and `/out`, so that a container without mounts works under any user.
    """
    if interpreter.source != "conda":
        yield from _virtual_environment(interpreter)
    if conda:
        yield FileEntry(f"{ENVIRONMENT}/conda-meta/history")
    yield FileEntry.directory(f"{ENVIRONMENT}/lib/python{interpreter.minor}/site-packages")
    for folder in (DATA, OUTPUT):
        yield FileEntry.directory(folder, 0o1777)
    for folder in (CODE, MODEL, BUNDLE):
        yield FileEntry.directory(folder)


def _virtual_environment(interpreter: Interpreter) -> Iterable[FileEntry]:
    name = interpreter.path.rpartition("/")[2]
    prefix = f"/{ENVIRONMENT}"
    yield FileEntry(f"{ENVIRONMENT}/pyvenv.cfg", _configuration(interpreter).encode())
    yield FileEntry(f"{ENVIRONMENT}/bin/activate", _ACTIVATE.format(prefix=prefix).encode())
    yield FileEntry.link(f"{ENVIRONMENT}/bin/python", interpreter.path)
    for link in sorted({"python3", name} - {"python"}):
        yield FileEntry.link(f"{ENVIRONMENT}/bin/{link}", "python")
    yield FileEntry.link(f"{ENVIRONMENT}/lib64", "lib")


def _configuration(interpreter: Interpreter) -> str:
    home = interpreter.path.rpartition("/")[0]
    return (
        f"home = {home}\n"
        "include-system-site-packages = false\n"
        f"version = {interpreter.version}\n"
        f"executable = {interpreter.path}\n"
    )
