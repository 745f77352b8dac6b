"""Runs in the container that a wheel is built in: unpacks the source and calls one hook of its build backend (PEP 517).

Needs only the standard library of a Python from 3.8 on. What it is asked is in one file, the answer goes to another.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import shlex
import shutil
import sys
import sysconfig
import tarfile
import zipfile
from typing import Any, Callable, Iterable, Iterator

TOOLS = {"CC": "cc", "CXX": "c++", "AR": "ar"}
"""What an interpreter names for building, and the usual program for it."""
ONLY_CLANG = "-fdebug-default-version="
REQUEST, SOURCE, WORK = "/envbuild/request.json", "/envbuild/source", "/build"


def main() -> None:
    """Answer the request."""
    with open(REQUEST, encoding="utf-8") as file:
        request = json.load(file)
    del sys.path[0]  # this file's own folder
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_DATA, request["memory"])
    limit(resource.RLIMIT_FSIZE, request["largest"])
    limit(resource.RLIMIT_NPROC, request["processes"])
    sort_directories()
    choose_tools()
    for name in ("home", "tmp", "out"):
        os.mkdir(os.path.join(WORK, name))
    os.chdir(os.path.join(unpack(os.path.join(WORK, "src")), request["subdirectory"]))
    backend = find_backend(request["backend"], request["backend-path"])
    if request["hook"] == "build_wheel":
        result = backend.build_wheel(os.path.join(WORK, "out"))
    else:
        result = list(getattr(backend, request["hook"], list)())
    with open(os.path.join(WORK, "result.json"), "w", encoding="utf-8") as file:
        json.dump(result, file)


def choose_tools() -> None:
    """Have the compiler that is there used where the interpreter was made with one that is not.

    python-build-standalone's names clang, one of its flags with it, and conda's may name its own compilers.
    """
    told = sysconfig.get_config_vars()
    for variable, usual in TOOLS.items():
        program, *options = shlex.split(str(told.get(variable) or usual))
        if not shutil.which(program) and shutil.which(usual):
            os.environ[variable] = " ".join([usual, *options])
    if "CC" in os.environ:
        for variable, value in told.items():
            if isinstance(value, str) and ONLY_CLANG in value:
                told[variable] = " ".join(word for word in value.split() if not word.startswith(ONLY_CLANG))


class SortedScan:
    """`os.scandir` in the order of names: file systems give any order, and backends write down what they get."""

    def __init__(self, scandir: Callable[[Any], Any], path: Any) -> None:
        with scandir(path) as entries:
            self._entries = iter(sorted(entries, key=lambda entry: entry.name))

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._entries)

    def __enter__(self) -> SortedScan:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._entries = iter(())


def sort_directories() -> None:
    listdir, scandir = os.listdir, os.scandir
    os.listdir = lambda path=".": sorted(listdir(path))  # type: ignore[assignment]
    os.scandir = lambda path=".": SortedScan(scandir, path)  # type: ignore[assignment]


def unpack(folder: str) -> str:
    """The one folder in the source. Nothing that an entry could overwrite here matters: the build itself may do it."""
    os.makedirs(folder)
    if zipfile.is_zipfile(SOURCE):
        with zipfile.ZipFile(SOURCE) as archive:
            archive.extractall(folder)
    else:
        with tarfile.open(SOURCE) as packed:
            options = {"filter": "fully_trusted"} if hasattr(tarfile, "fully_trusted_filter") else {}
            packed.extractall(folder, **options)  # type: ignore[arg-type]
    tops = os.listdir(folder)
    if len(tops) != 1 or not os.path.isdir(os.path.join(folder, tops[0])):
        sys.exit("the source is not in one folder, as that of an sdist is")
    return os.path.join(folder, tops[0])


def find_backend(name: str, folders: Iterable[str]) -> Any:
    sys.path[:0] = [os.path.abspath(folder) for folder in folders]
    module, _, path = name.partition(":")
    backend = importlib.import_module(module)
    for attribute in path.split(".") if path else ():
        backend = getattr(backend, attribute)
    return backend


def limit(kind: int, value: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(kind, (value, value))


if __name__ == "__main__":
    main()
