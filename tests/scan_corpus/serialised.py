"""Pickles that run something, written in every way that loaders take, and those that real libraries wrote."""

from __future__ import annotations

import bz2
import collections
import datetime as dt
import decimal
import gzip
import io
import lzma
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from scan_corpus.planted import Planted

FILES = Path(__file__).parent / "files"
DANGEROUS = (
    ("os", "system"), ("posix", "system"), ("nt", "system"), ("subprocess", "Popen"), ("subprocess", "check_output"),
    ("builtins", "eval"), ("builtins", "exec"), ("builtins", "getattr"), ("builtins", "__import__"),
    ("__builtin__", "eval"), ("importlib", "import_module"), ("runpy", "run_path"), ("socket", "create_connection"),
    ("webbrowser", "open"), ("pty", "spawn"), ("shutil", "rmtree"), ("sys", "exit"), ("pickle", "loads"),
    ("_pickle", "loads"), ("marshal", "loads"), ("types", "FunctionType"), ("ctypes", "CDLL"),
    ("urllib.request", "urlopen"), ("http.client", "HTTPSConnection"), ("requests.api", "get"),
    ("numpy.testing._private.utils", "runstring"), ("numpy.f2py.crackfortran", "getlincoef"), ("torch.hub", "load"),
    ("torch.jit.unsupported_tensor_ops", "execWrapper"), ("operator", "attrgetter"),
    ("asyncio.subprocess", "create_subprocess_shell"), ("timeit", "timeit"), ("cProfile", "run"),
    ("code", "interact"), ("pip", "main"), ("commands", "getoutput"), ("cloudpickle.cloudpickle", "_make_function"),
    ("dill._dill", "_create_code"), ("sklearn.datasets._base", "urlretrieve"), ("pandas.io.pickle", "read_pickle"),
    ("pydoc", "pipepager"), ("multiprocessing.util", "spawnv_passfds"), ("ensurepip", "_run_pip"), ("io", "open"),
    ("tempfile", "mkstemp"),
)  # fmt: skip


def short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def call_by_lines(module: str, name: str) -> bytes:
    """Protocol 0."""
    return f"c{module}\n{name}\n(S'id'\ntR.".encode()


def call_by_stack(module: str, name: str) -> bytes:
    """Protocol 4."""
    return b"\x80\x04" + short(module) + b"\x94" + short(name) + b"\x94\x93\x94" + short("id") + b"\x85R."


def _ways() -> Iterator[tuple[str, bytes]]:
    """Ways to write `os.system("id")`."""
    yield "instance.pkl", b"(S'id'\nios\nsystem\n."
    yield "object.pkl", b"(cos\nsystem\nS'id'\no."
    yield "new.pkl", b"\x80\x02cos\nsystem\nU\x02id\x85\x81."
    yield "new_ex.pkl", b"\x80\x04" + short("os") + short("system") + b"\x93" + short("id") + b"\x85}\x92."
    yield (
        "memo.pkl",
        b"\x80\x04"
        + short("os")
        + b"q\x07"
        + b"0"
        + short("system")
        + b"q\x08"
        + b"0h\x07h\x08\x93"
        + short("id")
        + b"\x85R.",
    )
    yield "written_memo.pkl", b"\x80\x04Vos\np3\n0Vsystem\np4\n0g3\ng4\n\x93Vid\n\x85R."
    yield (
        "duplicate.pkl",
        b"\x80\x04" + short("os") + b"2q\x00" + b"0" + short("system") + b"\x93" + short("id") + b"\x85R.",
    )
    yield "escapes.pkl", b"S'\\x6f\\x73'\nS'sys\\x74em'\n\x93S'id'\n\x85R."
    yield (
        "long_text.pkl",
        b"\x80\x04\x8d"
        + struct.pack("<Q", 2)
        + b"os"
        + b"X"
        + struct.pack("<I", 6)
        + b"system\x93"
        + short("id")
        + b"\x85R.",
    )
    yield "dotted.pkl", b"\x80\x04" + short("numpy") + short("os.system") + b"\x93" + short("id") + b"\x85R."
    yield "mark_left.pkl", b"\x80\x04((0" + short("os") + short("system") + b"\x93" + short("id") + b"\x85R."
    yield "breaks_off.pkl", call_by_stack("os", "system")[:-1]
    yield "garbage_behind.pkl", call_by_stack("os", "system")[:-1] + b"\xff\xfe\xfd"
    yield "second.pkl", pickle.dumps({"a": 1}) + call_by_stack("os", "system")
    yield "frames.pkl", b"\x80\x04\x95" + struct.pack("<Q", 40) + call_by_stack("os", "system")[2:]
    yield "dictionary.pkl", b"\x80\x04}" + short("x") + call_by_stack("os", "system")[2:-1] + b"s."
    yield "unnamed.dat", call_by_stack("os", "system")
    yield "unnamed_lines.dat", call_by_lines("os", "system")
    yield "weights.bin", call_by_stack("os", "system") + bytes(range(256)) * 40


def _hidden() -> Iterator[tuple[str, bytes]]:
    yield "computed.pkl", b"\x80\x04cbuiltins\nstr\n)R" + short("system") + b"\x93" + short("id") + b"\x85R."
    yield "from_a_list.pkl", b"\x80\x04(" + short("os") + b"l" + short("system") + b"\x93."
    yield "long_name.pkl", b"\x80\x04X" + struct.pack("<I", 5000) + b"a" * 5000 + short("system") + b"\x93."


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return file.getvalue()


def as_pytorch(members: dict[str, bytes]) -> bytes:
    """An archive as PyTorch writes it: it always has a zip64 end too (compared with one that a release of it wrote)."""
    data = zipped(members)
    count, length, offset = struct.unpack("<HLL", data[-12:-2])
    wide = struct.pack("<4sQ2H2L4Q", b"PK\6\6", 44, 45, 45, 0, 0, count, count, length, offset)
    return data[:-22] + wide + struct.pack("<4sLQL", b"PK\6\7", 0, len(data) - 22, 1) + data[-22:]


def numpy_file(data: bytes, descr: str = "|O") -> bytes:
    header = f"{{'descr': '{descr}', 'fortran_order': False, 'shape': (1,), }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def tarred(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def _wrapped(payload: bytes) -> Iterator[tuple[str, bytes]]:
    yield "model.pt", zipped({"archive/data.pkl": payload, "archive/data/0": bytes(64), "archive/version": b"3\n"})
    yield "pytorch.pt", as_pytorch({"archive/data.pkl": payload, "archive/data/0": bytes(64)})
    yield "deflated.pt", zipped({"m/data.pkl": payload}, zipfile.ZIP_DEFLATED)
    yield "renamed.pt", zipped({"m/data.txt": payload})
    yield "model.npz", zipped({"a.npy": numpy_file(payload)})
    yield "array.npy", numpy_file(payload)
    yield "model.joblib", zlib.compress(payload)
    yield "model.pkl.gz", gzip.compress(payload)
    yield "model.pkl.bz2", bz2.compress(payload)
    yield "model.pkl.xz", lzma.compress(payload)
    yield "old.tar", tarred({"pickle": payload, "storages": b"\x80\x02."})
    legacy = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}."
    yield "legacy.pth", legacy + payload + bytes(500)


def _plain() -> Iterator[tuple[str, bytes]]:
    values = {
        "numbers": [1, 2.5, -(1 << 80), True, None],
        "nested": {"a": [(), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)], "b": {"c": {1, 2}, "d": frozenset("xy")}},
        "texts": ["os", "system", "eval", "é" * 300, b"bytes", bytearray(b"x")],
        "collections": [collections.OrderedDict(a=1), collections.defaultdict(list), collections.Counter("ab")],
        "times": [dt.datetime(2020, 1, 1), dt.timedelta(1), decimal.Decimal("1.5")],  # noqa: DTZ001
    }
    for name, value in values.items():
        for protocol in range(6):
            yield f"{name}-{protocol}.pkl", pickle.dumps(value, protocol)


def serialised() -> Iterator[Planted]:
    for number, (module, name) in enumerate(DANGEROUS):
        for suffix, data in (("0.pkl", call_by_lines(module, name)), ("4.pkl", call_by_stack(module, name))):
            yield Planted("pickles", f"p/{number}-{suffix}", data, "pickle-dangerous-import", "model")
    for name, data in (*_ways(), *_wrapped(call_by_stack("os", "system")), *_wrapped(call_by_lines("os", "system"))):
        protocol = "0" if b"cos\n" in data else "4"
        if name == "renamed.pt" and protocol == "0":
            continue  # PyTorch loads members by name, and this one does not begin as a pickle
        yield Planted("pickles", f"w{protocol}{len(data)}/{name}", data, "pickle-dangerous-import", "model")
    for name, data in _hidden():
        yield Planted("pickles", f"h/{name}", data, "pickle-hidden-import", "model")
    own = b"\x80\x04" + short("some_library.model") + short("Thing") + b"\x93)\x81."
    yield Planted("pickles", "u/unknown.pkl", own, "pickle-unknown-import", "model")
    yield Planted("pickles", "u/extension.pkl", b"\x80\x02\x82\x01.", "pickle-unknown-import", "model")
    yield Planted("pickles", "u/cut.pkl", pickle.dumps(list(range(1000)))[:-20], "pickle-unreadable", "model")
    yield Planted("pickles", "u/text.pkl", b"hello world\n", "pickle-unreadable", "model")
    yield Planted(
        "pickles", "u/damaged.pt", zipped({"a/data.pkl": pickle.dumps(1)})[:-30], "pickle-unreadable", "model"
    )
    config = b'{"layers": [{"class_name": "Lambda", "config": {"function": "4wEAAA"}}]}'
    yield Planted("pickles", "k/model.keras", zipped({"config.json": config}), "keras-lambda", "model")
    yield Planted("pickles", "k/model.h5", b"\x89HDF\r\n\x1a\n" + bytes(2000) + config, "keras-lambda", "model")
    yield from _harmless()


def _harmless() -> Iterator[Planted]:
    for name, data in _plain():
        yield Planted("pickles", f"ok/{name}", data, role="model")
    for path in sorted(FILES.iterdir()):
        yield Planted("pickles", f"real/{path.name}", path.read_bytes(), role="model")
    plain = pickle.dumps({"state": collections.OrderedDict(w=[1.0])}, 2)
    for name, data in _wrapped(plain):
        yield Planted("pickles", f"okw/{name}", data, role="model")
    yield Planted("pickles", "ok/floats.npy", numpy_file(bytes(800), "<f8"), role="model")
    yield Planted("pickles", "ok/random.bin", bytes(range(256)) * 64, role="model")
    header = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}'
    data = struct.pack("<Q", len(header)) + header + bytes(8)
    yield Planted("pickles", "ok/model.safetensors", data, role="model")
    layers = b'{"layers": [{"class_name": "Dense", "config": {"units": 4}}]}'
    yield Planted("pickles", "ok/model.keras", zipped({"config.json": layers}), role="model")
