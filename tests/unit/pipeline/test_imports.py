from __future__ import annotations

import pytest

from builder.pipeline.imports import Modules, imported_names


def _modules(*files: str) -> Modules:
    folders = {folder for file in files for folder in _above(file)}
    return Modules(lambda path: path in files, lambda path: path in folders)


def _above(file: str) -> list[str]:
    parts = file.split("/")[:-1]
    return ["/".join(parts[: number + 1]) for number in range(len(parts))]


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("import a.b, c as d", ("a.b", "c")),
        ("from a import b, c", ("a.b", "a.c")),
        ("from . import x\nfrom ..y import z", ("..y.z", ".x")),
        ("from a import *\nfrom . import *", (".", "a")),
        ("def f():\n    import late", ("late",)),
        ("if TYPE_CHECKING:\n    import typed", ("typed",)),
        ("import importlib\nimportlib.import_module('a.b')", ("a.b", "importlib")),
        ("__import__('a')\nimport_module(name)\nimport_module()", ("a",)),
        ("import_module('..c', 'a.b')\nimport_module('.d', package='a')", ("a.c", "a.d")),
        ("import_module('.c', __package__)", (".c",)),
    ],
    ids=["import", "from", "relative", "star", "function", "typing", "import-module", "constants", "package", "own"],
)
def test_names_are_those_that_may_be_modules(source: str, names: tuple[str, ...]) -> None:
    assert imported_names(source) == names


@pytest.mark.parametrize("source", [b"def f(:", b"x = \0", b"\xff\xfe", b"(" * 5000, b"a." * 100_000 + b"b"])
def test_what_is_no_python_imports_nothing(source: bytes) -> None:
    assert imported_names(source) == ()


def test_odd_escapes_are_no_warning_here() -> None:
    assert imported_names("import a\nx = '\\d'") == ("a",)


def test_packages_on_the_way_are_run_too() -> None:
    modules = _modules("src/a/__init__.py", "src/a/b/__init__.py", "src/a/b/c.py")
    assert modules.files("a.b.c", "x.py", ["src", ""]) == ("src/a/__init__.py", "src/a/b/__init__.py", "src/a/b/c.py")


def test_a_name_of_a_module_is_the_modules_file() -> None:
    modules = _modules("a/__init__.py", "a/b.py")
    assert modules.files("a.b.value", "x.py", [""]) == ("a/__init__.py", "a/b.py")


def test_what_is_not_in_the_project_is_nothing() -> None:
    assert _modules("a.py").files("numpy.linalg", "a.py", ["src", ""]) == ()


def test_the_first_folder_that_has_it_counts() -> None:
    modules = _modules("src/a.py", "a.py")
    assert modules.files("a", "x.py", ["src", ""]) == ("src/a.py",)
    assert modules.files("a", "x.py", ["", "src"]) == ("a.py",)


def test_a_package_counts_before_a_folder_without_one() -> None:
    modules = _modules("src/a/b.py", "a/__init__.py")
    assert modules.files("a", "x.py", ["src", ""]) == ("a/__init__.py",)


def test_a_folder_without_init_is_a_package_of_all_folders() -> None:
    modules = _modules("src/a/b.py", "a/c.py")
    assert modules.files("a.b", "x.py", ["src", ""]) == ("src/a/b.py",)
    assert modules.files("a.c", "x.py", ["src", ""]) == ("a/c.py",)


def test_relative_names_go_from_the_importers_folder() -> None:
    modules = _modules("src/a/__init__.py", "src/a/b/__init__.py", "src/a/b/c.py", "src/a/d.py")
    assert modules.files(".c", "src/a/b/x.py", []) == ("src/a/b/__init__.py", "src/a/b/c.py")
    assert modules.files("..d", "src/a/b/x.py", []) == ("src/a/__init__.py", "src/a/d.py")
    assert modules.files("......d", "src/a/b/x.py", []) == ()


def test_a_package_is_run_by_its_main() -> None:
    modules = _modules("a/__init__.py", "a/__main__.py", "b.py")
    assert modules.main("a", [""]) == ("a/__init__.py", "a/__main__.py")
    assert modules.main("b", [""]) == ("b.py",)
