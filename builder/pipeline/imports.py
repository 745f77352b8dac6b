"""Which modules a Python source imports, and which files of a folder they are. Pure but for asking what is there.

What is computed at run time (`import_module(name)`) cannot be told from the source, and is not guessed.
"""

from __future__ import annotations

import ast
import posixpath
import warnings
from collections.abc import Callable, Iterator, Sequence

_SIZE_LIMIT = 8 << 20


def imported_names(source: bytes | str) -> tuple[str, ...]:
    """The dotted names that may be modules, sorted; those of relative imports begin with their dots.

    `from a import b` gives `a.b`, whether `b` is a module or not. What is no Python of this version gives none.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source) if len(source) <= _SIZE_LIMIT else ast.Module([], [])
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    return tuple(sorted({name for node in ast.walk(tree) for name in _names(node)}))


def _names(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        base = "." * node.level + (node.module or "")
        joined = base if base.endswith(".") else f"{base}."
        yield from (base if alias.name == "*" else joined + alias.name for alias in node.names)
    elif isinstance(node, ast.Call) and _called(node.func) in ("import_module", "__import__"):
        yield from _dynamic(node)


def _called(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def _dynamic(node: ast.Call) -> Iterator[str]:
    """The module of `import_module("a.b")`, also relative to a package that is a constant, or the module's own."""
    name = _constant(node.args[0]) if node.args else None
    if not name:
        return
    package = next((keyword.value for keyword in node.keywords if keyword.arg == "package"), None)
    if package is None and len(node.args) > 1:
        package = node.args[1]
    given = _constant(package)
    if given and name.startswith("."):
        up = len(name) - len(name.lstrip(".")) - 1
        parts = given.split(".")
        yield ".".join([*parts[: len(parts) - up], name.lstrip(".")])
    else:
        yield name


def _constant(node: ast.expr | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


class Modules:
    """Finds the files of modules below a folder."""

    def __init__(self, is_file: Callable[[str], bool], is_folder: Callable[[str], bool]) -> None:
        """Both are asked with paths relative to the folder."""
        self._is_file = is_file
        self._is_folder = is_folder

    def files(self, name: str, importer: str, roots: Sequence[str]) -> tuple[str, ...]:
        """The files that importing `name` runs, packages first; none of what is not in the folder.

        `importer` is the file that imports; `roots` are the folders where Python looks, relative, in its order.
        """
        module = name.lstrip(".")
        parts = [part for part in module.split(".") if part]
        level = len(name) - len(module)
        if level:
            folder = posixpath.dirname(importer)
            for _ in range(level - 1):
                folder = posixpath.dirname(folder)
            return (*self._package(folder), *self._below(folder, parts))
        regular = (root for root in roots if parts and self._is_regular(posixpath.join(root, parts[0])))
        first = next(regular, None)
        if first is not None:
            return self._below(first, parts)
        return tuple(file for root in roots for file in self._below(root, parts))

    def main(self, name: str, roots: Sequence[str]) -> tuple[str, ...]:
        """The files that `python -m name` runs."""
        found = self.files(name, "", roots)
        if found and found[-1].endswith("/__init__.py"):
            main = found[-1].removesuffix("__init__.py") + "__main__.py"
            return (*found, main) if self._is_file(main) else found
        return found

    def _is_regular(self, path: str) -> bool:
        return self._is_file(f"{path}/__init__.py") or self._is_file(f"{path}.py")

    def _package(self, folder: str) -> tuple[str, ...]:
        file = posixpath.join(folder, "__init__.py")
        return (file,) if self._is_file(file) else ()

    def _below(self, folder: str, parts: Sequence[str]) -> tuple[str, ...]:
        """The packages on the way down, and the module at its end; as far as the way goes."""
        found: list[str] = []
        for part in parts:
            folder = posixpath.join(folder, part)
            if self._package(folder):
                found += self._package(folder)
            elif self._is_file(f"{folder}.py"):
                found.append(f"{folder}.py")
                break
            elif not self._is_folder(folder):
                break
        return tuple(found)
