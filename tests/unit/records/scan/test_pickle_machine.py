"""Following pickles: nothing that Python's own unpickler imports is missed, whatever the bytes are."""

from __future__ import annotations

import io
import pickle
import pickletools
import tracemalloc
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scan_corpus.serialised import call_by_stack, numpy_file, short

from builder.records.scan.pickle_imports import judge
from builder.records.scan.pickle_machine import MOST_KEPT, MOST_OPCODES, Machine
from builder.records.scan.pickle_values import HIDDEN, Import, MalformedPickleError, TooLargeError
from builder.records.scan.pickles import find_in_pickles


def imports(data: bytes) -> list[Import]:
    """What is imported until the end, or until nothing can be followed any more."""
    found: list[Import] = []
    stream = io.BufferedReader(io.BytesIO(data))  # type: ignore[arg-type]
    with suppress(MalformedPickleError, TooLargeError):
        Machine(stream, found.append).run()
    return found


class Dummy:
    """What the oracle's unpickler is given for every import: it takes everything and does nothing."""

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> Dummy:
        return self

    def append(self, _: Any) -> None:
        pass

    extend = add = append

    def __setitem__(self, _: Any, __: Any) -> None:
        pass

    def __hash__(self) -> int:
        return 1


class Oracle(pickle._Unpickler):  # type: ignore[misc,name-defined]
    """Python's unpickler; it imports nothing, and says what it would have."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.found: list[tuple[Any, Any]] = []

    def find_class(self, module: Any, name: Any) -> Any:
        self.found.append((module, name))
        return Dummy

    def persistent_load(self, _: Any) -> Any:
        return None

    def get_extension(self, _: int) -> None:
        self.append(Dummy)


def imports_of_python(data: bytes) -> list[tuple[Any, Any]]:
    oracle = Oracle(data)
    with suppress(Exception):  # whatever the bytes do to it
        oracle.load()
    return oracle.found


NAMES = st.sampled_from(["os", "system", "builtins", "eval", "a.b", ""])
TEXTS = st.one_of(
    NAMES.map(short),
    NAMES.map(lambda name: b"X" + len(name).to_bytes(4, "little") + name.encode()),
    NAMES.map(lambda name: f"V{name}\n".encode()),
    NAMES.map(lambda name: f"S'{name}'\n".encode()),
    NAMES.map(lambda name: b"U" + bytes([len(name)]) + name.encode()),
)
NUMBERS = st.integers(0, 3)
INSTRUCTIONS = st.one_of(
    TEXTS,
    st.sampled_from(
        [b"(", b"0", b"1", b"2", b"]", b"}", b")", b"N", b"l", b"d", b"t", b"a", b"e", b"s", b"u", b"\x85"]
    ),
    st.sampled_from(
        [b"\x86", b"\x87", b"\x93", b"\x94", b"R", b"b", b"\x81", b"\x92", b"o", b"\x8f", b"\x90", b"\x91", b"Q"]
    ),
    NUMBERS.map(lambda number: b"q" + bytes([number])),
    NUMBERS.map(lambda number: b"h" + bytes([number])),
    NUMBERS.map(lambda number: f"p{number}\n".encode()),
    NUMBERS.map(lambda number: f"g{number}\n".encode()),
    NUMBERS.map(lambda number: b"r" + number.to_bytes(4, "little")),
    NUMBERS.map(lambda number: b"j" + number.to_bytes(4, "little")),
    st.just(b"cos\nsystem\n"),
    st.just(b"ios\nsystem\n"),
    st.just(b"K\x05"),
    st.just(b"\x80\x04"),
    st.just(b"I7\n"),
)


@settings(max_examples=500, deadline=None)
@given(st.lists(INSTRUCTIONS, max_size=40).map(lambda parts: b"".join(parts) + b"."))
def test_no_import_that_python_would_make_is_missed(data: bytes) -> None:
    wanted = imports_of_python(data)
    found = imports(data)
    assert len(found) >= len(wanted)
    for (module, name), one in zip(wanted, found, strict=False):
        assert one in (Import(module, name), HIDDEN), (data, wanted, found)


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_read_without_a_failure(data: bytes) -> None:
    for suffix in ("pkl", "bin", "npy", "pt", "joblib", "tar"):
        list(find_in_pickles(io.BufferedReader(io.BytesIO(data)), None, suffix))  # type: ignore[arg-type]


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2000), st.integers(0, 255))
def test_damage_to_a_real_model_is_read_without_a_failure(place: int, value: int) -> None:
    data = bytearray((Path(__file__).parents[3] / "scan_corpus/files/forest.joblib").read_bytes())
    data[place % len(data)] = value
    list(find_in_pickles(io.BufferedReader(io.BytesIO(bytes(data))), None, "joblib"))  # type: ignore[arg-type]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner) | st.frozensets(st.text())
    ),
    max_leaves=30,
)


@settings(max_examples=200, deadline=None)
@given(VALUES, st.integers(0, 5))
def test_plain_data_are_no_alarm(value: Any, protocol: int) -> None:
    assert {judge(one) for one in imports(pickle.dumps(value, protocol))} <= {"safe"}


ARRAYS: dict[str, Any] = {
    "floats": np.arange(1000.0),
    "column by column": np.asfortranarray(np.ones((20, 30))),
    "objects": np.array(["a", None, 3], dtype=object),
    "texts": np.array(["ab", "cde"]),
    "dates": np.array(["2020-01-01"], dtype="M8[D]"),
    "records": np.zeros(3, dtype=[("a", "f4"), ("b", "i8")]),
    "bytes": np.array([b"x", b"yz"]),
    "nothing": np.zeros((0, 5)),
    "a number": np.array(3),
    "many": [np.arange(n) for n in range(50)],
}


@pytest.mark.parametrize("name", ARRAYS)
@pytest.mark.parametrize("compress", [0, 3, ("bz2", 3), ("xz", 1), ("gzip", 3)], ids=str)
def test_arrays_in_files_of_joblib_are_stepped_over(name: str, compress: Any, tmp_path: Path) -> None:
    path = tmp_path / "x.joblib"
    joblib.dump({"a": ARRAYS[name], "b": ARRAYS[name]}, path, compress=compress)
    assert not found_in(path)
    with_more = path.with_name("y.joblib")
    joblib.dump([ARRAYS[name], Call()], with_more, compress=compress)
    assert [one.rule for one in found_in(with_more)] == ["pickle-dangerous-import"]


class Call:
    def __reduce__(self) -> Any:
        import os

        return os.system, ("true",)


def found_in(path: Path) -> list[Any]:
    with open(path, "rb") as stream:
        return list(find_in_pickles(stream, path, path.suffix[1:]))


def test_an_import_hidden_in_the_bytes_of_an_array_is_found(tmp_path: Path) -> None:
    """For `pickle.load`, what joblib skips is instructions."""
    payload = b"cos\nsystem\n(S'id'\ntR."
    array = np.frombuffer(payload + bytes(-len(payload) % 8), dtype="u1")
    joblib.dump(array, tmp_path / "x.joblib")
    assert [one.rule for one in found_in(tmp_path / "x.joblib")] == ["pickle-dangerous-import"]


BOMBS: dict[str, bytes] = {
    "tuples of tuples": b"\x80\x04)" + b"2\x86" * 100_000 + b"\x86R" * 5 + b".",
    "a length that lies": b"\x80\x04\x8e" + (1 << 62).to_bytes(8, "little") + b"x" * 100,
    "a line without an end": b"V" + b"x" * 5_000_000,
    "a number of a million digits": b"L" + b"9" * 1_000_000 + b"L\n.",
    "pickles in a row": b"\x80\x04N." * 200_000,
    "a recursive dictionary": b"\x80\x04}\x94" + b"h\x00h\x00s" * 100_000 + b".",
}


@pytest.mark.parametrize("name", BOMBS)
def test_memory_stays_bounded_whatever_a_pickle_piles_up(name: str, tmp_path: Path) -> None:
    path = tmp_path / "x.pkl"
    path.write_bytes(BOMBS[name])
    tracemalloc.start()
    found_in(path)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 200 << 20


PILES = {
    "a stack": b"\x80\x04" + b"(" * 200_000,
    "a memo": b"\x80\x04K\x01" + b"".join(b"r" + n.to_bytes(4, "little") for n in range(5, 400_000, 2)),
}


@pytest.mark.parametrize("name", PILES)
def test_more_values_than_are_kept_are_told(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert MOST_KEPT <= 1_000_000
    monkeypatch.setattr("builder.records.scan.pickle_machine.MOST_KEPT", 100_000)
    path = tmp_path / "x.pkl"
    path.write_bytes(PILES[name] + b".")
    assert [(one.rule, one.level) for one in found_in(path)] == [("pickle-unreadable", "medium")]


def test_more_instructions_than_are_followed_are_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert MOST_OPCODES >= 10_000_000
    monkeypatch.setattr("builder.records.scan.pickle_machine.MOST_OPCODES", 1000)
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x04" + b"N0" * 1000 + b".")
    assert [(one.rule, one.level) for one in found_in(path)] == [("pickle-unreadable", "medium")]


def test_an_archive_that_inflates_a_thousand_times_is_read_in_pieces(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    zeros = 64 << 20
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(
            "a/data.pkl",
            b"\x80\x04\x8e" + zeros.to_bytes(8, "little") + bytes(zeros) + call_by_stack("os", "system")[2:],
        )
    tracemalloc.start()
    rules = [one.rule for one in found_in(path)]
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert rules == ["pickle-dangerous-import"]
    assert most < 32 << 20


def test_a_header_of_an_array_that_lies_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.npy"
    for data in (b"\x93NUMPY\x01\x00", b"\x93NUMPY\x02\x00\xff\xff\xff\xff{", b"\x93NUMPY\x01\x00\x05\x00hello"):
        path.write_bytes(data)
        assert [one.rule for one in found_in(path)] == ["pickle-unreadable"]
    path.write_bytes(numpy_file(pickle.dumps(1)))
    assert not found_in(path)


def test_every_opcode_of_python_is_known() -> None:
    known = {code.name for code in pickletools.opcodes}
    assert set(Machine._HANDLERS) <= known
    assert known - set(Machine._HANDLERS) == {  # which push a value of which nothing need be known, or do nothing
        "NONE", "NEWTRUE", "NEWFALSE", "FLOAT", "BINFLOAT", "LONG4", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
        "BYTEARRAY8", "NEXT_BUFFER", "READONLY_BUFFER", "EMPTY_LIST", "EMPTY_SET", "PERSID", "PROTO", "FRAME", "STOP",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("found", "judgement"),
    [
        (Import("collections", "OrderedDict"), "safe"),
        (Import("__builtin__", "set"), "safe"),
        (Import("copy_reg", "_reconstructor"), "safe"),
        (Import("sklearn.tree._tree", "Tree"), "safe"),
        (Import("sklearn.utils", "Popen"), "dangerous"),
        (Import("sklearn.tree._tree", "Tree.__class__"), "dangerous"),
        (Import("numpy", "core.multiarray.os"), "dangerous"),
        (Import("torch", "load"), "dangerous"),
        (Import("torch", "FloatStorage"), "safe"),
        (Import("osmnx", "Graph"), "unknown"),
        (Import("__main__", "Model"), "unknown"),
        (HIDDEN, "hidden"),
    ],
    ids=str,
)
def test_an_import_is_judged_by_module_and_name(found: Import, judgement: str) -> None:
    assert judge(found) == judgement
