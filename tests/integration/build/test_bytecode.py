"""Images with `compile: true`: bytecode of the image's own interpreter, the same whatever it is made with, and used."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest
from conda_channel import build_channel
from conda_images import AMD64, ARM64, base, conda_lock, environment, run_inside
from wheels import make_wheel

from builder.bundle.build import Built, build_environments
from builder.errors import EnvbuildError
from builder.fetch import Fetcher, Mirrors
from builder.image.kept import Image
from builder.image.rebuild import empty_workshop
from builder.image.workshop import Workshop
from builder.lock.artifact import DebianPackage, Wheel
from builder.lock.document import Interpreter, Lock, LockDocument, PlatformLock
from builder.oci.digest import Digest
from builder.oci.store import Store
from builder.oci.validate import validate
from builder.run.compile import EmbeddedCompiler
from builder.run.embedded import EmbeddedEngine

DEBIAN = Interpreter("debian", "3.11.2", "/usr/bin/python3.11")
SITE = "opt/env/lib/python3.11/site-packages"
TEXTS = {
    "awkward/sets.py": "def known(x):\n    return x in {'a', 'b', 'c', None, 1.5, (1, 2)} and x is not ...\n",
    "awkward/numbers.py": "LARGE, ZERO, MINUS, COMPLEX, TRUE = 1 << 100, 0.0, -0.0, 2j, (1, True, 1.0)\n",
    "awkward/naïve.py": "größe = 'naïve'\nclass Größe:\n    '''Ein Wort.'''\n    def länge(self): return self.länge\n",
    "awkward/latin.py": "# -*- coding: latin-1 -*-\nTEXT = 'plain'\n",
    "awkward/old.py": "print 'of another Python'\n",
    "awkward/template/{{name}}.py": "import {{name}}\n",
    "awkward/null.py": "a = 1\0\n",
    "awkward/empty.py": "",
    "awkward/asserts.py": "assert True, 'kept'\ndef f():\n    '''Kept too.'''\n    assert f.__doc__\n",
    "awkward/shipped.py": "VALUE = 1\n",
    "awkward/__pycache__/shipped.cpython-311.pyc": "of the package",
}
NOT_COMPILED = ["awkward/null.py", "awkward/old.py", "awkward/template/{{name}}.py"]
LINK = "usr/lib/python3.11/sitecustomize.py"
"""A symbolic link of Debian's, and so not compiled."""
CHECK = """
import _imp, importlib.util, json, marshal, os, sys, sysconfig, warnings
warnings.simplefilter("ignore")
key, found, missing = int.from_bytes(importlib.util.MAGIC_NUMBER, "little"), 0, []
for top in {sysconfig.get_path("stdlib"), sysconfig.get_path("purelib")}:
    for folder, _, names in os.walk(top):
        for path in (os.path.join(folder, name) for name in names if name.endswith(".py")):
            place = importlib.util.cache_from_source(path)
            if os.path.islink(path) or "dist-packages" in path:
                continue
            if not os.path.exists(place):
                missing.append(os.path.relpath(path, sysconfig.get_path("purelib")))
                continue
            with open(place, "rb") as file:
                data = file.read()
            with open(path, "rb") as file:
                text = file.read()
            assert data[:4] == importlib.util.MAGIC_NUMBER and data[4:8] == bytes((1, 0, 0, 0)), path
            assert data[8:16] == _imp.source_hash(key, text), path
            code, same = marshal.loads(data[16:]), compile(text, path, "exec", dont_inherit=True)
            assert code == same and code.co_filename == path, path
            found += 1
print(json.dumps([found, sorted(missing)]))
"""


@pytest.fixture(scope="module", autouse=True)
def _namespaces() -> None:
    reason = EmbeddedEngine().unavailable()
    if reason and not os.environ.get("CI"):
        pytest.skip(reason)


def made_wheel(folder: Path, name: str, texts: dict[str, str]) -> Wheel:
    data = make_wheel(name, "1.0", "py3-none-any", (), texts)
    path = folder / f"{name}-1.0-py3-none-any.whl"
    path.write_bytes(data)
    return Wheel(name, "1.0", path.name, Digest.of(data), len(data), path.as_uri())


@pytest.fixture(scope="module")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> list[Wheel]:
    folder = tmp_path_factory.mktemp("wheels")
    others = [made_wheel(folder, f"other{n}", {f"other{n}/m{n}.py": TEXTS["awkward/sets.py"]}) for n in range(20)]
    return [made_wheel(folder, "awkward", TEXTS), *others]


@pytest.fixture(scope="module")
def debian(store: Path) -> tuple[DebianPackage, ...]:
    return base(store, AMD64, "bookworm", "python3.11")


def made_lock(debian: tuple[DebianPackage, ...], wheels: list[Wheel], *, compiled: bool = True) -> Lock:
    platforms = {AMD64: PlatformLock("bookworm", DEBIAN, debian, "x.toml", Digest("0" * 64))}
    document = LockDocument({"compile": True} if compiled else {}, {}, 1, "1980-01-02T00:00:00Z", platforms)
    return Lock(document, Digest("1" * 64), {AMD64: tuple(sorted(wheels))}, {}, {})


def workshop(store: Path, workers: int = 2) -> Workshop:
    kept = Store(store)
    kept.create()
    fetcher = Fetcher(kept, Mirrors.from_environment(os.environ))
    return Workshop(kept, fetcher, workers, compiler=EmbeddedCompiler())


@pytest.fixture(scope="module")
def built(debian: tuple[DebianPackage, ...], wheels: list[Wheel], store: Path) -> Built:
    return build_environments("made", made_lock(debian, wheels), [AMD64], workshop(store))


def bytecode(built: Built, store: Path) -> dict[str, bytes]:
    """The files of bytecode of an image, by path."""
    (image,) = built.images
    found: dict[str, bytes] = {}
    for name, layer in zip(image.config.history, image.layers, strict=True):
        if name.startswith("bytecode: "):
            path = Store(store).path(layer.descriptor.digest)
            with gzip.open(path) as stream, tarfile.open(fileobj=stream) as archive:
                for member in archive:
                    file = archive.extractfile(member)
                    if file is not None:
                        found[member.name] = file.read()
    return found


def say(done: subprocess.CompletedProcess[str]) -> str:
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.strip()


def test_all_that_compiles_has_bytecode_that_is_the_interpreters_own(built: Built, store: Path) -> None:
    found, missing = json.loads(say(run_inside(built, store, "/opt/env/bin/python", "-c", CHECK)))
    assert missing == NOT_COMPILED
    assert found > 500


def test_the_interpreter_takes_it(built: Built, store: Path) -> None:
    code = "import awkward.sets, json; assert awkward.sets.known('a')"
    done = run_inside(built, store, "/opt/env/bin/python", "-v", "-c", code)
    taken = [line for line in done.stderr.splitlines() if line.startswith("# code object from")]
    assert f"# code object from '/{SITE}/awkward/__pycache__/sets.cpython-311.pyc'" in taken
    assert [line for line in taken if line.endswith(".py")] == [f"# code object from /{LINK}"]


def test_bytecode_that_a_package_brings_gives_way(built: Built, store: Path) -> None:
    code = "import awkward.shipped; print(awkward.shipped.VALUE)"
    assert say(run_inside(built, store, "/opt/env/bin/python", "-c", code)) == "1"


def test_it_lies_in_layers_of_its_own_above_those_of_the_plain_image(
    built: Built, debian: tuple[DebianPackage, ...], wheels: list[Wheel], store: Path
) -> None:
    (plain,) = build_environments("plain", made_lock(debian, wheels, compiled=False), [AMD64], workshop(store)).images
    (image,) = built.images
    count = len(plain.layers)
    assert image.layers[:count] == plain.layers
    assert [name.split()[0] for name in image.config.history[count:]] == ["bytecode:"] * (len(image.layers) - count)
    assert validate(Store(store), built.index).problems == ()


def test_bytecode_does_not_depend_on_what_it_is_made_with_nor_on_workers(
    built: Built, debian: tuple[DebianPackage, ...], wheels: list[Wheel], store: Path
) -> None:
    expected = bytecode(built, store)
    with empty_workshop(workshop(store, 1)) as scratch:
        alone = build_environments("alone", made_lock(debian, wheels[:1]), [AMD64], scratch)
        assert bytecode(alone, scratch.store.root) == {
            path: data for path, data in expected.items() if not path.startswith(f"{SITE}/other")
        }
        assert build_environments("made", made_lock(debian, wheels), [AMD64], scratch).digest == built.digest


def test_another_environment_with_the_same_packages_compiles_nothing(
    built: Built, debian: tuple[DebianPackage, ...], wheels: list[Wheel], store: Path
) -> None:
    def unused(store: Store, root: Image, sources: Path, order: str) -> Iterator[BinaryIO]:
        raise AssertionError("there is nothing to compile")
        yield

    other = replace(workshop(store), compiler=contextmanager(unused))
    build_environments("other", made_lock(debian, wheels[:7]), [AMD64], other)


def test_where_nothing_can_be_run_it_says_so_and_how_to_go_on(
    debian: tuple[DebianPackage, ...], tmp_path: Path, store: Path
) -> None:
    new = made_wheel(tmp_path, "fresh", {"fresh/module.py": "1"})
    nowhere = replace(workshop(store), compiler=EmbeddedCompiler(lambda: "namespaces do not work here"))
    with pytest.raises(EnvbuildError, match="bytecode for linux/amd64 cannot be made here") as caught:
        build_environments("fresh", made_lock(debian, [new]), [AMD64], nowhere)
    assert caught.value.why == ("namespaces do not work here",)
    assert "`compile: false`" in str(caught.value.hint)


def test_a_foreign_platform_without_an_emulator_is_refused(built: Built, store: Path, tmp_path: Path) -> None:
    (image,) = built.images
    foreign = replace(image, config=replace(image.config, platform=replace(ARM64, architecture="s390x")))
    (tmp_path / "sources").touch()
    with (
        pytest.raises(EnvbuildError, match="bytecode for linux/s390x cannot be made here") as caught,
        EmbeddedCompiler()(Store(store), foreign, tmp_path / "sources", "forwards"),
    ):
        pass
    assert caught.value.why[0] == "an image for linux/s390x cannot run on this machine"


def test_condas_python_and_its_packages_have_bytecode_too(shared: Path, store: Path) -> None:
    channel = build_channel(shared / "conda-channel", store)
    plain = conda_lock({AMD64: base(store, AMD64)}, {AMD64: environment(channel, AMD64, "greeter")})
    lock = replace(plain, document=replace(plain.document, spec={"compile": True}))
    built = build_environments("conda", lock, [AMD64], workshop(store))
    found, missing = json.loads(say(run_inside(built, store, "/opt/env/bin/python", "-c", CHECK)))
    assert (missing, found > 500) == ([], True)
