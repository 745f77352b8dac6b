"""Wheels built of source, with real backends inside the real base, on the embedded engine."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from source_packages import extension_project, flit_project, own_backend, packed, stored_sdist

from builder.errors import DigestMismatchError, EnvbuildError
from builder.image.workshop import Workshop
from builder.lock.artifact import Sdist, Wheel
from builder.lock.document import Lock, LockDocument, PlatformLock
from builder.lock.interface import BuildRoot, Sources
from builder.oci.digest import Digest
from builder.oci.documents import Platform
from builder.run.embedded import EmbeddedEngine
from builder.run.interface import LocalImage, RunRequest
from builder.run.wheels import WheelBuilder, ensure_built
from builder.run.wheels.root import root_image, root_plan

AMD64, ARM64 = Platform("amd64"), Platform("arm64")


@pytest.fixture
def odd(workshop: Workshop, tmp_path: Path) -> Callable[[str], Sdist]:
    """Makes an sdist `odd 1.0` whose own backend does what is given."""

    def make(code: str, **more: str) -> Sdist:
        return stored_sdist(workshop.store, tmp_path, "odd", "1.0", own_backend(code, **more))

    return make


def lock_of(root: BuildRoot, *wheels: Wheel, other: tuple[Wheel, ...] = ()) -> Lock:
    """A lock of one platform, whose base is the root's; `other` are the wheels of a second one."""
    extra = set(root.build_debian)
    base = tuple(package for package in root.debian if package not in extra)
    locked = PlatformLock("bookworm", root.interpreter, base, "", Digest.of(b""), build_debian=root.build_debian)
    platforms = {AMD64: locked} | ({ARM64: locked} if other else {})
    document = LockDocument({}, {}, 1, "1980-01-02T00:00:00Z", platforms)
    return Lock(document, Digest.of(b""), {AMD64: wheels, ARM64: other}, {AMD64: (), ARM64: ()}, {})


@contextmanager
def another_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Other settings of the process, and one processor less."""
    before, processors = os.umask(0o077), os.sched_getaffinity(0)
    os.sched_setaffinity(0, [min(processors)])
    with monkeypatch.context() as patch:
        for name, value in {"TZ": "Pacific/Auckland", "LC_ALL": "C", "CFLAGS": "-O0", "PYTHONHASHSEED": "7"}.items():
            patch.setenv(name, value)
        try:
            yield
        finally:
            os.umask(before)
            os.sched_setaffinity(0, processors)


def test_a_pure_package_is_built(
    builder: WheelBuilder, workshop: Workshop, plain_root: BuildRoot, tmp_path: Path
) -> None:
    project = flit_project("small-thing", "1.0", "six>=1; python_version>'3'")
    sdist = stored_sdist(workshop.store, tmp_path, "small-thing", "1.0", project)
    (wheel,) = builder((sdist,), replace(plain_root, locked={"six": "1.17.0", "other": "1"}), ())
    assert (wheel.name, wheel.version, wheel.file_name) == ("small-thing", "1.0", "small_thing-1.0-py3-none-any.whl")
    assert (wheel.url, wheel.license, wheel.dependencies) == ("", "MIT", ("six",))
    assert wheel.built is not None
    assert (wheel.built.sdist, wheel.built.debian) == (sdist, ())
    assert [requirement.name for requirement in wheel.built.requirements] == ["flit-core"]
    with zipfile.ZipFile(workshop.store.path(wheel.digest)) as archive:
        assert archive.testzip() is None
        assert archive.namelist()[0] == "small_thing/__init__.py"
        assert archive.namelist()[-1] == "small_thing-1.0.dist-info/RECORD"
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 2, 0, 0, 0)}


@pytest.mark.slow
def test_an_extension_has_the_same_bytes_on_another_machine_and_imports_in_the_image(
    builder: WheelBuilder,
    workshop: Workshop,
    said: list[str],
    compiler_root: BuildRoot,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sdist = stored_sdist(workshop.store, tmp_path, "tiny-ext", "1.0", extension_project())
    (wheel,) = builder((sdist,), compiler_root, ())
    assert wheel.file_name == "tiny_ext-1.0-cp311-cp311-linux_x86_64.whl"
    assert wheel.built is not None
    assert "gcc" in {package.name for package in wheel.built.debian}
    workshop.store.discard(wheel.digest)
    with another_machine(monkeypatch):
        ensure_built(lock_of(compiler_root, wheel), [AMD64], builder)
    assert workshop.store.has(wheel.digest, wheel.size)
    assert len(said) == 2
    plain = replace(compiler_root, debian=lock_of(compiler_root).document.platforms[AMD64].debian)
    result = tmp_path / "result"
    image = root_image(root_plan(plain, (wheel,)), workshop, "test")
    assert _python(image, "import tiny_ext; print(tiny_ext.answer())", result) == (0, "42\n")


def _python(image: LocalImage, code: str, result: Path) -> tuple[int, str]:
    """The exit code and the output of a program in the image."""
    saved, file = os.dup(1), os.open(result, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(file, 1)
    try:
        request = RunRequest(entrypoint=("/opt/env/bin/python", "-c", code), network="none", interactive=False)
        exit_code = EmbeddedEngine().run(image, request)
    finally:
        os.dup2(saved, 1)
        os.close(saved)
        os.close(file)
    return exit_code, result.read_text()


@pytest.mark.slow
def test_the_same_is_built_once(
    builder: WheelBuilder, odd: Callable[..., Sdist], plain_root: BuildRoot, said: list[str]
) -> None:
    sdist = odd("import random\n" + packed(requires="Summary: once\n"))
    first = builder((sdist,), plain_root, ())
    again = builder((sdist,), plain_root, ())
    assert first == again
    assert said == ["building odd 1.0 from source for linux/amd64"]


@pytest.mark.slow
def test_the_wheel_of_the_lock_before_stays_although_backends_have_moved(
    builder: WheelBuilder, odd: Callable[..., Sdist], plain_root: BuildRoot
) -> None:
    (wheel,) = builder((odd(packed()),), plain_root, ())
    assert wheel.built is not None

    def unexpected(_: Sources) -> tuple[Wheel, ...]:
        raise AssertionError

    moved = replace(plain_root, resolve=unexpected)
    nowhere = replace(builder, unavailable=lambda: "nothing can run here")
    assert nowhere((wheel.built.sdist,), moved, (wheel,)) == (wheel,)
    other_source = replace(wheel.built.sdist, digest=Digest.of(b"another"), url="file:///nowhere")
    with pytest.raises(EnvbuildError, match="could not be fetched"):
        nowhere((other_source,), moved, (wheel,))


def test_a_build_has_no_network_no_root_and_nothing_of_the_machine(
    builder: WheelBuilder, workshop: Workshop, odd: Callable[..., Sdist], plain_root: BuildRoot,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    code = (
        "import json, socket, time\n"
        "facts = {'uid': os.getuid(), 'env': dict(os.environ), 'cwd': os.getcwd(), 'umask': os.umask(0o22)}\n"
        "facts['interfaces'] = [name for _, name in socket.if_nameindex()]\n"
        "facts['path'], facts['zone'], facts['host'] = sys.path, time.tzname[0], socket.gethostname()\n"
        "for name in 'zbxa': open(name, 'w').close()\n"
        "facts['listed'] = [os.listdir(), [entry.name for entry in os.scandir()]]\n"
    )
    code += packed().replace("return ", "files['odd.py'] = json.dumps(facts)\nreturn ")
    (wheel,) = builder((odd(code),), plain_root, ())
    with zipfile.ZipFile(workshop.store.path(wheel.digest)) as archive:
        facts = json.loads(archive.read("odd.py"))
    assert facts["uid"] == 65532
    assert facts["interfaces"] == ["lo"]
    assert (facts["cwd"], facts["umask"], facts["zone"]) == ("/build/src/odd-1.0", 0o22, "UTC")
    assert facts["env"]["SOURCE_DATE_EPOCH"] == "315619200"
    assert "SECRET_TOKEN" not in facts["env"]
    assert facts["path"][0] == "/build/src/odd-1.0/tools"
    assert "/envbuild" not in facts["path"]
    assert facts["listed"][0] == sorted(facts["listed"][0]) == facts["listed"][1]


def test_a_build_can_neither_fill_the_machine_with_processes_nor_leave_files_or_privileges(
    builder: WheelBuilder, workshop: Workshop, odd: Callable[[str], Sdist], plain_root: BuildRoot
) -> None:
    code = (
        "import json, resource, subprocess\n"
        "def attempt(what, *given):\n"
        "    try:\n"
        "        what(*given); return 'done'\n"
        "    except OSError as error:\n"
        "        return type(error).__name__\n"
        "facts = {'processes': resource.getrlimit(resource.RLIMIT_NPROC)[1]}\n"
        "facts['device'] = attempt(os.mknod, '/build/sda', 0o60666, os.makedev(8, 0))\n"
        "facts['owner'] = attempt(os.chown, '/build/tmp', 0, 0)\n"
        "facts['source'] = attempt(open, '/envbuild/source', 'ab')\n"
        "facts['setuid'] = attempt(os.setuid, 0)\n"
        f"facts['host'] = os.path.exists({__file__!r})\n"
        "subprocess.Popen(['sleep', '987654'], start_new_session=True) if os.path.exists('/bin/sleep') else None\n"
    )
    code += packed().replace("return ", "files['odd.py'] = json.dumps(facts)\nreturn ")
    (wheel,) = builder((odd(code),), plain_root, ())
    with zipfile.ZipFile(workshop.store.path(wheel.digest)) as archive:
        facts = json.loads(archive.read("odd.py"))
    assert 0 < facts["processes"] <= 16384
    assert [facts[name] for name in ("device", "owner", "setuid")] == ["PermissionError"] * 3
    assert facts["source"] in ("OSError", "PermissionError")
    assert not facts["host"]
    assert not [each for each in Path("/proc").glob("[0-9]*/cmdline") if b"sleep\x00987654" in _content(each)]


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:  # it has ended
        return b""


def test_a_build_that_fails_says_what_it_printed(
    builder: WheelBuilder, odd: Callable[..., Sdist], plain_root: BuildRoot
) -> None:
    printed: list[str] = []
    code = "print('looking for a compiler', flush=True)\nraise RuntimeError('no compiler \\x1b[31m here')"
    with pytest.raises(EnvbuildError, match=r"^odd 1.0 cannot be built\n") as caught:
        replace(builder, detail=printed.append)((odd(code),), plain_root, ())
    assert caught.value.why[0] == "its build ended with code 1"
    assert "looking for a compiler" in caught.value.why[1]
    assert "RuntimeError: no compiler" in caught.value.why[1]
    assert "build-debian: [gcc, libc6-dev, libpython3.11-dev]" in str(caught.value.hint)
    assert "looking for a compiler" in printed


def test_a_build_that_has_failed_is_not_tried_again(
    builder: WheelBuilder, odd: Callable[..., Sdist], plain_root: BuildRoot, said: list[str]
) -> None:
    sdist = odd("raise RuntimeError('never')")
    errors = []
    for root in (plain_root, replace(plain_root)):
        with pytest.raises(EnvbuildError, match=r"^odd 1.0 cannot be built\n") as caught:
            builder((sdist,), root, ())
        errors.append(caught.value)
    assert errors[0].why == errors[1].why
    assert len(said) == 1


def test_a_backend_that_cannot_say_what_it_asks_for_has_a_way_out_too(
    builder: WheelBuilder, workshop: Workshop, tmp_path: Path, plain_root: BuildRoot
) -> None:
    files = own_backend("pass")
    files["tools/backend.py"] += "\ndef get_requires_for_build_wheel(*_): raise RuntimeError('never')\n"
    sdist = stored_sdist(workshop.store, tmp_path, "odd", "1.0", files)
    with pytest.raises(EnvbuildError, match=r"^odd 1.0 cannot be built\n") as caught:
        builder((sdist,), plain_root, ())
    assert "a version that has a wheel for linux/amd64 and Python 3.11" in str(caught.value.hint)
    assert "RuntimeError: never" in caught.value.why[1]


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("os._exit(0)", "its build ended before it was done"),
        ("return '../../etc/passwd.whl'", "its backend does not name a wheel"),
        (
            "os.symlink('/etc/passwd', folder + '/odd-1.0-py3-none-any.whl'); return 'odd-1.0-py3-none-any.whl'",
            "the build has not written",
        ),
        (packed(requires="Requires-Dist: six>=9\n"), "it asks for `six>=9`, and 1.17.0 is locked"),
    ],
)
def test_a_wheel_that_is_not_what_was_resolved_is_refused(
    builder: WheelBuilder, odd: Callable[..., Sdist], plain_root: BuildRoot, code: str, why: str
) -> None:
    with pytest.raises(EnvbuildError) as caught:
        builder((odd(code),), replace(plain_root, locked={"six": "1.17.0"}), ())
    assert why in str(caught.value)


def test_build_requirements_without_a_wheel_are_refused(
    builder: WheelBuilder, odd: Callable[..., Sdist], plain_root: BuildRoot
) -> None:
    def refuse(sources: Sources) -> tuple[Wheel, ...]:
        assert [line.text for line in sources.requirements] == ["only-source>=1"]
        raise EnvbuildError("`only-source` 1.0 has no wheel for linux/amd64", "nothing may be built here", "No")

    with pytest.raises(EnvbuildError, match=r"what odd 1.0 is built with cannot be had as wheels") as caught:
        builder((odd(packed(), requires="'only-source>=1'"),), replace(plain_root, resolve=refuse), ())
    assert "`only-source` 1.0 has no wheel for linux/amd64" in caught.value.why
    assert "build-debian" in str(caught.value.hint)


@pytest.mark.slow
def test_a_package_without_compiled_code_is_built_once_for_all_platforms(
    builder: WheelBuilder, odd: Callable[..., Sdist], plain_root: BuildRoot, said: list[str]
) -> None:
    sdist = odd(packed(requires="Summary: pure\n"))
    foreign = replace(plain_root.target, platform=ARM64, machine="aarch64")
    arm64 = replace(plain_root, target=foreign, elsewhere=(plain_root,))
    assert builder((sdist,), arm64, ()) == builder((sdist,), plain_root, ())
    assert len(said) == 1
    with pytest.raises(EnvbuildError, match=r"odd 1.0 has no wheel for linux/arm64, and none can be built") as caught:
        builder((sdist,), replace(arm64, elsewhere=()), ())
    assert caught.value.why == ("this machine is linux/amd64, which is not among the platforms",)


def test_compiled_code_for_another_platform_is_refused(
    builder: WheelBuilder, odd: Callable[..., Sdist], plain_root: BuildRoot
) -> None:
    sdist = odd(packed(tag="cp311-cp311-linux_x86_64"))
    foreign = replace(plain_root.target, platform=ARM64, machine="aarch64")
    with pytest.raises(EnvbuildError) as caught:
        builder((sdist,), replace(plain_root, target=foreign, elsewhere=(plain_root,)), ())
    assert "it is compiled: on linux/amd64 it gives `odd-1.0-cp311-cp311-linux_x86_64.whl`" in caught.value.why[0]
    assert "Lock on a machine that is linux/arm64" in str(caught.value.hint)


def test_a_wheel_that_cannot_be_built_equal_again_is_told_apart(
    builder: WheelBuilder, odd: Callable[..., Sdist], workshop: Workshop, plain_root: BuildRoot
) -> None:
    code = packed().replace("return ", "files['odd.py'] = os.urandom(8).hex()\nreturn ")
    (wheel,) = builder((odd(code),), plain_root, ())
    ensure_built(lock_of(plain_root, wheel), [AMD64], builder)  # the store that has it builds nothing
    workshop.store.discard(wheel.digest)
    with pytest.raises(DigestMismatchError, match=r"odd 1.0, built from source here, is not the wheel") as caught:
        ensure_built(lock_of(plain_root, wheel), [AMD64], builder)
    assert caught.value.exit_code == 5
    assert f"the lock has {wheel.digest} ({wheel.file_name})" in caught.value.why


@pytest.mark.slow
def test_a_compiled_wheel_of_another_platform_is_not_built_again_here(
    builder: WheelBuilder, odd: Callable[..., Sdist], plain_root: BuildRoot
) -> None:
    (wheel,) = builder((odd(packed()),), plain_root, ())
    compiled = replace(wheel, file_name="odd-1.0-cp311-cp311-linux_aarch64.whl", digest=Digest.of(b"gone"))
    lock = lock_of(plain_root, wheel, other=(compiled,))
    with pytest.raises(EnvbuildError, match=r"the wheel of odd 1.0 for linux/arm64 is not here, and cannot be built"):
        ensure_built(lock, [ARM64], builder)
    ensure_built(lock, [AMD64, ARM64], builder, here_only=True)


def test_where_nothing_can_run_it_is_said(
    builder: WheelBuilder, odd: Callable[..., Sdist], plain_root: BuildRoot
) -> None:
    sdist = odd(packed(requires="Summary: never built\n"))
    with pytest.raises(EnvbuildError, match=r"odd 1.0 cannot be built here") as caught:
        replace(builder, unavailable=lambda: "this machine has no namespaces")((sdist,), plain_root, ())
    assert caught.value.why == ("this machine has no namespaces",)
