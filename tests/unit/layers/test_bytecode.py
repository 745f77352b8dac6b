from __future__ import annotations

import importlib.util
import marshal

import pytest

from builder.errors import EnvbuildError
from builder.layers.bytecode import BytecodeTarget, bytecode_file

TARGET = BytecodeTarget("3.11", ("usr/lib/python3.11", "opt/env/lib/python3.11"))
SITE = "opt/env/lib/python3.11/site-packages"


def test_bytecode_goes_where_the_interpreter_looks_for_it() -> None:
    source = f"{SITE}/numpy/core.extra.py"
    assert TARGET.place(source) == f"{SITE}/numpy/__pycache__/core.extra.cpython-311.pyc"


def test_modules_of_the_interpreter_alone_are_compiled() -> None:
    paths = [
        f"{SITE}/a.py", f"{SITE}/a.pyi", f"{SITE}/a.so", "usr/lib/python3.11/os.py",
        "usr/lib/python3/dist-packages/b.py",
        "opt/env/bin/script.py", "opt/env/lib/python3.12/site-packages/c.py", "opt/env/lib/python3.11extra/d.py",
    ]  # fmt: skip
    assert TARGET.sources(paths, ()) == (f"{SITE}/a.py", "usr/lib/python3.11/os.py")


def test_what_another_package_provides_is_not_compiled() -> None:
    assert TARGET.sources([f"{SITE}/a.py", f"{SITE}/b.py"], {f"{SITE}/b.py"}) == (f"{SITE}/a.py",)


@pytest.mark.parametrize("number", [3450, 3495, 3499])
def test_magic_numbers_of_this_python_are_taken(number: int) -> None:
    TARGET.check_magic(number.to_bytes(2, "little") + b"\r\n")


@pytest.mark.parametrize(
    "magic", [b"", b"\xa7\r\r", (3500).to_bytes(2, "little") + b"\r\n", b"\xa7\r\r\r", b"\xa7\r\n\n"]
)
def test_other_magic_numbers_are_refused(magic: bytes) -> None:
    with pytest.raises(EnvbuildError, match=r"not that of Python 3\.11"):
        TARGET.check_magic(magic)


def test_an_older_python_is_refused_with_a_way_out() -> None:
    with pytest.raises(EnvbuildError, match=r"no bytecode can be made for Python 3\.10") as caught:
        BytecodeTarget("3.10", ())
    assert caught.value.hint == "Set `compile: false`, or take a newer Python"


def test_the_file_is_unchecked_and_names_the_sources_hash() -> None:
    text = b"value = 1\n"
    code = marshal.dumps(compile(text, f"/{SITE}/a.py", "exec"))
    magic, source_hash = importlib.util.MAGIC_NUMBER, importlib.util.source_hash(text)
    data = bytecode_file(magic, source_hash, code, f"{SITE}/a.py")
    assert data[:16] == magic + b"\1\0\0\0" + source_hash
    assert marshal.loads(data[16:]) == compile(text, f"/{SITE}/a.py", "exec")
