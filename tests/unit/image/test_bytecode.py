from __future__ import annotations

import importlib.util
import io
import marshal
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import pytest
from made_plans import made_lock

from builder.bundle.build import build_environments
from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch import Fetcher, Mirrors
from builder.image.bytecode import Bytecode, BytecodeMaker, Sources
from builder.image.kept import Image
from builder.image.workshop import Workshop
from builder.layers.bytecode import BytecodeTarget
from builder.layers.files import FileEntry, FileTree
from builder.layers.join import read_segment, write_segment
from builder.oci.documents import Platform
from builder.oci.store import Store
from builder.run.compile import EmbeddedCompiler

MINOR = f"3.{sys.version_info[1]}"
SITE = f"opt/env/lib/python{MINOR}/site-packages"
TARGET = BytecodeTarget(MINOR, (f"opt/env/lib/python{MINOR}",))
FILES = {"one.py": b"VALUE = {'a', 'b', 'c'}", "two.py": b"import one", "bad.py": b"print 'old'", "data.txt": b"text"}
_HEAD = struct.Struct("<Ii8s")

Answer = Callable[[list[tuple[str, bytes]], str], bytes]


class Made:
    """A maker in a store, whose compiler is this process or `answer`, and how often that was asked."""

    def __init__(self, folder: Path, answer: Answer | None = None, workers: int = 1) -> None:
        self.store = Store(folder)
        folder.mkdir(exist_ok=True)
        self.store.create()
        self.orders: list[str] = []
        self._answer = answer or honest
        workshop = Workshop(self.store, Fetcher(self.store, Mirrors()), workers, compiler=self._compile)
        self.maker = BytecodeMaker(workshop, TARGET, ["3", "/usr/bin/python3"], lambda: cast("Image", None))

    @contextmanager
    def _compile(self, store: Store, root: Image, sources: Path, order: str) -> Iterator[BinaryIO]:
        self.orders.append(order)
        yield io.BytesIO(self._answer(asked(sources.read_bytes()), order))

    def package(self, name: str, files: dict[str, bytes] | None = None) -> Sources:
        files = FILES if files is None else files
        segment = write_segment(self.store, FileTree(FileEntry(f"{SITE}/{path}", data) for path, data in files.items()))
        paths = TARGET.sources(f"{SITE}/{path}" for path in sorted(files))
        return Sources(name, {"segment": segment.digest.hex}, paths, lambda: read_segment(self.store, segment))

    def bytecode(self, **packages: dict[str, bytes]) -> list[Bytecode]:
        return self.maker.make([self.package(name, files) for name, files in packages.items()], "compiling")


def asked(data: bytes) -> list[tuple[str, bytes]]:
    sources, stream = [], io.BytesIO(data)
    while head := stream.read(8):
        path_size, size = struct.unpack("<II", head)
        sources.append((stream.read(path_size).decode(), stream.read(size)))
    return sources


def record(number: int, path: str, text: bytes) -> bytes:
    try:
        code = marshal.dumps(compile(text, path, "exec", dont_inherit=True))
    except SyntaxError:
        return _HEAD.pack(number, -1, bytes(8))
    return _HEAD.pack(number, len(code), importlib.util.source_hash(text)) + code


def honest(sources: list[tuple[str, bytes]], order: str) -> bytes:
    records = [record(number, *source) for number, source in enumerate(sources)]
    return importlib.util.MAGIC_NUMBER + b"".join(reversed(records) if order == "backwards" else records)


def test_what_compiles_is_placed_beside_its_source_and_the_rest_is_passed_over(tmp_path: Path) -> None:
    made = Made(tmp_path / "store")
    (bytecode,) = made.bytecode(package=FILES)
    tag = f"cpython-{MINOR.replace('.', '')}.pyc"
    assert bytecode.contents.paths == (f"{SITE}/__pycache__/one.{tag}", f"{SITE}/__pycache__/two.{tag}")


def test_every_batch_is_compiled_twice_in_both_orders_and_then_kept(tmp_path: Path) -> None:
    made = Made(tmp_path / "store")
    first = made.bytecode(package=FILES)
    assert made.orders == ["forwards", "backwards"]
    assert made.bytecode(package=FILES) == first
    assert made.orders == ["forwards", "backwards"]


def test_what_is_new_alone_is_compiled(tmp_path: Path) -> None:
    seen: list[str] = []

    def watched(sources: list[tuple[str, bytes]], order: str) -> bytes:
        seen.extend(path for path, _ in sources)
        return honest(sources, order)

    made = Made(tmp_path / "store", watched)
    made.bytecode(known={"known.py": b"1"})
    seen.clear()
    made.bytecode(known={"known.py": b"1"}, new={"new.py": b"2"})
    assert set(seen) == {f"/{SITE}/new.py"}


def test_a_segment_that_was_pruned_is_made_again(tmp_path: Path) -> None:
    made = Made(tmp_path / "store")
    (first,) = made.bytecode(package=FILES)
    made.store.discard(first.segment.digest)
    assert made.bytecode(package=FILES) == [first]
    assert made.store.has(first.segment.digest, first.segment.size)


@pytest.mark.parametrize("workers", [1, 3])
def test_a_package_has_the_same_bytecode_alone_and_with_others(tmp_path: Path, workers: int) -> None:
    others = {f"other{number}": {f"m{one}.py": b"x = 'abc', 1.5, (None, 2)" for one in range(300)} for number in "12"}
    (alone,) = Made(tmp_path / "alone").bytecode(package=FILES)
    together = Made(tmp_path / "together", workers=workers).bytecode(**others, package=FILES)
    assert together[-1] == alone


def test_a_package_without_programs_needs_no_compiler(tmp_path: Path) -> None:
    made = Made(tmp_path / "store")
    (bytecode,) = made.bytecode(package={"data.txt": b"text"})
    assert (bytecode.contents.paths, made.orders) == ((), [])


def test_bytecode_that_differs_between_two_runs_is_told_by_its_file(tmp_path: Path) -> None:
    def unstable(sources: list[tuple[str, bytes]], order: str) -> bytes:
        return honest(
            [(path, text + (b"\nMORE = 1" if order == "backwards" else b"")) for path, text in sources], order
        )

    with pytest.raises(DigestMismatchError, match="the bytecode of package cannot be repeated") as caught:
        Made(tmp_path / "store", unstable).bytecode(package={"one.py": b"VALUE = 1"})
    assert caught.value.why == (f"that of `/{SITE}/one.py` differs between two runs",)


def test_a_source_that_compiles_once_only_is_told(tmp_path: Path) -> None:
    def forgetful(sources: list[tuple[str, bytes]], order: str) -> bytes:
        return honest([(path, text if order == "forwards" else b"print 'old'") for path, text in sources], order)

    with pytest.raises(DigestMismatchError):
        Made(tmp_path / "store", forgetful).bytecode(package={"one.py": b"VALUE = 1"})


MAGIC = importlib.util.MAGIC_NUMBER
ONE = record(0, f"/{SITE}/one.py", b"VALUE = 1")
HOSTILE = {
    "nothing": b"",
    "another Python": b"\x00\x00\r\n" + ONE,
    "a part of it": MAGIC + ONE[:-1],
    "an answer that was not asked for": MAGIC + ONE + ONE,
    "the number of another source": MAGIC + _HEAD.pack(7, -1, bytes(8)),
    "a negative size": MAGIC + _HEAD.pack(0, -2, bytes(8)),
    "an enormous size": MAGIC + _HEAD.pack(0, (1 << 31) - 1, bytes(8)),
    "the code of another source": MAGIC + record(0, "/usr/bin/sudo", b"VALUE = 1"),
    "no code": MAGIC + _HEAD.pack(0, 1, bytes(8)) + b"N",
}


@pytest.mark.parametrize("answer", HOSTILE)
def test_an_answer_that_is_not_one_is_refused_and_nothing_is_kept(tmp_path: Path, answer: str) -> None:
    made = Made(tmp_path / "store", lambda *_: HOSTILE[answer])
    with pytest.raises(EnvbuildError):
        made.bytecode(package={"one.py": b"VALUE = 1"})
    assert not (tmp_path / "store/records/bytecode").exists()


def test_without_a_compiler_it_says_how_to_go_on(tmp_path: Path) -> None:
    made = Made(tmp_path / "store")
    workshop = Workshop(made.store, Fetcher(made.store, Mirrors()), 1)
    maker = BytecodeMaker(workshop, TARGET, [], lambda: cast("Image", None))
    with pytest.raises(EnvbuildError, match="bytecode cannot be made here") as caught:
        maker.make([made.package("package")], "compiling")
    assert caught.value.hint == "Set `compile: false`"


def test_nothing_is_begun_where_one_of_the_platforms_cannot_be_compiled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def check(platform: Platform) -> None:
        if platform.architecture == "arm64":
            raise EnvbuildError("arm64 cannot run on this machine")

    monkeypatch.setattr("builder.run.compile.check_platform", check)
    store = Store(tmp_path)
    store.create()
    workshop = Workshop(store, Fetcher(store, Mirrors(), offline=True), compiler=EmbeddedCompiler())
    lock = made_lock(compiled=True)
    with pytest.raises(EnvbuildError, match="bytecode for linux/arm64 cannot be made here"):
        build_environments("made", lock, lock.platforms, workshop)
    with pytest.raises(EnvbuildError, match=r"offline|not in the store"):
        build_environments("made", lock, lock.platforms[:1], workshop)
