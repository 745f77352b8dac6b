from __future__ import annotations

import ast
import json
import marshal
import random
import struct
import types
from collections.abc import Iterator

import pytest

from builder.errors import EnvbuildError
from builder.layers.code_objects import canonical_code

NAME = "/opt/env/lib/python3.11/site-packages/some.py"
SOURCE = '''
"""Docstring — with a dash."""
import os, sys as system
LARGE, SMALL, HALF, COMPLEX = 1 << 70, -3, 0.5, 2j
NOTHING = (None, True, ..., b"bytes", "text that is no name", ("nested", ("deeper", -0.0, 0.0)))
größe = "naïve"
def find(one, /, two=None, *rest, three, **more):
    if one in {"a", "b", None, (1, 2), "c"}:
        return lambda x: [x for _ in range(3) if x in {"a", "b", None, (1, 2), "c"}]
    try:
        yield from two
    except* ValueError:
        class Inner:
            """Another."""
            def method(self) -> "Inner":
                return super().method()
    finally:
        async def other(): await one
'''


def compiled(source: str = SOURCE, name: str = NAME) -> types.CodeType:
    return compile(source, name, "exec", dont_inherit=True)


def inner(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for one in code.co_consts:
        if isinstance(one, types.CodeType):
            yield from inner(one)


MODULES = {module.__name__: module.__file__ for module in (ast, json, random, struct, types, pytest)}


@pytest.mark.parametrize("module", sorted(MODULES))
def test_it_is_the_same_code(module: str) -> None:
    with open(MODULES[module], encoding="utf-8") as file:
        code = compiled(file.read(), MODULES[module])
    assert marshal.loads(canonical_code(marshal.dumps(code), MODULES[module])) == code


def test_every_kind_of_constant_stays_what_it_is() -> None:
    code = marshal.loads(canonical_code(marshal.dumps(compiled()), NAME))
    for one, other in zip(inner(compiled()), inner(code), strict=True):
        assert one == other
        assert [repr(value) for value in one.co_consts if not isinstance(value, (types.CodeType, frozenset))] == [
            repr(value) for value in other.co_consts if not isinstance(value, (types.CodeType, frozenset))
        ]


def test_references_and_interning_do_not_show() -> None:
    expected = canonical_code(marshal.dumps(compiled()), NAME)
    code = compiled()
    kept = [(one.co_consts, one.co_names, one.co_linetable, one.co_qualname, *one.co_consts) for one in inner(code)]
    outputs = {marshal.dumps(code), marshal.dumps(marshal.loads(marshal.dumps(code)))}
    del kept
    outputs |= {marshal.dumps(code, 2), marshal.dumps(code, 3)}
    assert len(outputs) > 2
    assert {canonical_code(data, NAME) for data in outputs} == {expected}


def test_it_is_its_own_canonical_form() -> None:
    data = canonical_code(marshal.dumps(compiled()), NAME)
    assert canonical_code(data, NAME) == data


def test_the_order_of_a_set_does_not_show() -> None:
    members = [marshal.dumps(value, 2) for value in ("a", "b", None, 5, 2.5, b"x")]
    found = set()
    for seed in range(10):
        random.Random(seed).shuffle(members)
        constant = b">" + struct.pack("<I", len(members)) + b"".join(members)
        found.add(canonical_code(with_constant(constant), NAME))
    assert len(found) == 1
    (data,) = found
    assert frozenset(("a", "b", None, 5, 2.5, b"x")) in marshal.loads(data).co_consts


def test_zeros_of_both_signs_and_numbers_of_two_kinds_stay_apart() -> None:
    code = marshal.loads(canonical_code(marshal.dumps(compiled("(0.0, -0.0, 0, False, 1, True, 1.0)")), NAME))
    assert repr(code.co_consts) == repr(compiled("(0.0, -0.0, 0, False, 1, True, 1.0)").co_consts)


def with_constant(constant: bytes) -> bytes:
    """A marshalled module whose one constant is this."""
    marked = marshal.dumps(compiled("'marked constant'\n'other'"), 2)
    start = marked.index(b"u" + struct.pack("<I", 15) + b"marked constant")
    return marked[:start] + constant + marked[start + 20 :]


REFUSED = {
    "a list": b"[" + struct.pack("<I", 0),
    "a dictionary": b"{0",
    "itself": b"\xa9\x01r" + struct.pack("<I", 0),
    "a reference to nothing": b"r" + struct.pack("<I", 77),
    "a text of which most is missing": b"u" + struct.pack("<I", 0xFFFFFFF0),
    "a tuple of which most is missing": b"(" + struct.pack("<I", 0xFFFFFFF0),
    "text that is not UTF-8": b"u" + struct.pack("<I", 2) + b"\xff\xfe",
    "a nest of tuples": b")\x01" * 100_000 + b"N",
    "an unknown type": b"\x7f",
}


@pytest.mark.parametrize("constant", REFUSED)
def test_what_the_compiler_does_not_make_is_refused(constant: str) -> None:
    with pytest.raises(EnvbuildError, match=r"the bytecode of `/opt/env/lib/.*some.py` is not understood"):
        canonical_code(with_constant(REFUSED[constant]), NAME)


def test_code_of_another_source_is_refused() -> None:
    with pytest.raises(EnvbuildError) as caught:
        canonical_code(marshal.dumps(compiled(name="/etc/passwd")), NAME)
    assert caught.value.why == ("it names another source",)


def test_what_is_no_code_is_refused() -> None:
    for data in (b"", marshal.dumps("text"), marshal.dumps((compiled(),)), marshal.dumps(compiled()) + b"N"):
        with pytest.raises(EnvbuildError):
            canonical_code(data, NAME)


def test_damage_is_refused_or_gives_code_of_this_source() -> None:
    whole = marshal.dumps(compiled())
    chance = random.Random(7)
    for end in range(0, len(whole), 7):
        with pytest.raises(EnvbuildError):
            canonical_code(whole[:end], NAME)
    for _ in range(2000):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        try:
            again = canonical_code(bytes(damaged), NAME)
        except EnvbuildError:
            continue
        assert canonical_code(again, NAME) == again
