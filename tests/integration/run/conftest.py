"""A small image of this machine's own Python and shell, and a way to run code as another user with real pipes."""

from __future__ import annotations

import concurrent.futures.thread  # noqa: F401  # a user without access to the interpreter cannot import it later
import ctypes
import os
import shutil
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from python_images import PYTHON, Images, base_layer

from builder.errors import EnvbuildError
from builder.oci.store import Store
from builder.run.embedded import EmbeddedEngine
from builder.run.embedded.system_calls import fork
from builder.run.interface import LocalImage, RunRequest

UNPRIVILEGED = 47110


@dataclass(frozen=True)
class Result:
    code: int | None
    output: str
    errors: str
    failure: str


@dataclass
class Running:
    """A forked caller of the engine, to be signalled."""

    process: int
    output: int

    def line(self) -> str:
        text = b""
        while not text.endswith(b"\n"):
            data = os.read(self.output, 1)
            if not data:
                break
            text += data
        return text.decode()

    def wait(self) -> int:
        os.close(self.output)
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])


@pytest.fixture(scope="session", name="base_layer")
def made_base_layer() -> tuple[bytes, bytes]:
    return base_layer()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can walk into, which `tmp_path` is not."""
    path = Path(tempfile.mkdtemp())
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


def users() -> list[str]:
    return ["root", "unprivileged"] if os.geteuid() == 0 else ["unprivileged"]


@dataclass
class Caller:
    """Runs the engine as a user, in a process of its own."""

    name: str
    images: Images
    folder: Path

    @property
    def uid(self) -> int:
        return UNPRIVILEGED if self.name == "unprivileged" and os.geteuid() == 0 else os.geteuid()

    def own(self, path: Path) -> Path:
        """Give a folder to this user."""
        path.mkdir(exist_ok=True)
        os.chown(path, self.uid, self.uid if self.uid == UNPRIVILEGED else os.getegid())
        return path

    def _own_store(self) -> None:
        root = self.images.store.root
        for path in (root, *root.iterdir(), root / "blobs/sha256"):
            os.chown(path, self.uid, -1)

    def run(self, image: LocalImage, *arguments: str, stdin: bytes = b"", **request: object) -> Result:
        self._own_store()
        paths = [Path(tempfile.mkstemp(dir=self.folder)[1]) for _ in range(4)]
        paths[0].write_bytes(stdin)
        files = [os.open(paths[0], os.O_RDONLY), *(os.open(path, os.O_WRONLY) for path in paths[1:])]
        child = fork()
        if child == 0:
            self.call(image, RunRequest(arguments, **request), files)  # type: ignore[arg-type]
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        for number in files:
            os.close(number)
        output, errors, failure = (path.read_text(errors="replace") for path in paths[1:])
        return Result(None if failure else code, output, errors, failure)

    def python(self, image: LocalImage, code: str, **request: object) -> Result:
        return self.run(image, PYTHON, "-SEsc", code, **request)

    def start(self, image: LocalImage, *arguments: str, **request: object) -> Running:
        self._own_store()
        read, write = os.pipe()
        child = fork()
        if child == 0:
            os.close(read)
            self.call(image, RunRequest(arguments, **request), [os.open("/dev/null", os.O_RDONLY), write, 2, 2])  # type: ignore[arg-type]
        os.close(write)
        return Running(child, read)

    def call(self, image: LocalImage, request: RunRequest, files: list[int]) -> None:
        code = 99
        try:
            for number in range(3):
                os.dup2(files[number], number)
            if self.uid != os.geteuid():
                os.setgroups([])
                os.setresgid(self.uid, self.uid, self.uid)
                os.setresuid(self.uid, self.uid, self.uid)
                ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # dumpable again, as a program that a user starts is
            code = EmbeddedEngine().run(image, request)
        except EnvbuildError as error:
            os.write(files[3], f"{error}\nhint: {error.hint}".encode())
        except BaseException:  # noqa: BLE001
            os.write(files[3], traceback.format_exc().encode())
        finally:
            os._exit(code)


@pytest.fixture(scope="session", params=users())
def stored(request: pytest.FixtureRequest, base_layer: tuple[bytes, bytes]) -> Iterator[tuple[str, Images]]:
    """A user, and a store of theirs that keeps its unpacked layers from test to test."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    store = Store(root / "store")
    store.create()
    yield request.param, Images(store, base_layer)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture
def caller(stored: tuple[str, Images], open_folder: Path) -> Caller:
    result = Caller(*stored, open_folder)
    _need_namespaces(result)
    return result


def _need_namespaces(caller: Caller) -> None:
    result = caller.run(caller.images.image(), PYTHON, "-SEc", "pass")
    if result.failure and not os.environ.get("CI"):
        pytest.skip(result.failure)
