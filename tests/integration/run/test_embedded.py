"""The embedded engine on this machine's kernel, as root and as a user without any privilege."""

from __future__ import annotations

import ctypes
import json
import os
import platform
import pty
import re
import secrets
import select
import signal
import socket
import sys
import tarfile
from pathlib import Path

import pytest

from builder.oci.documents import Platform
from builder.run.embedded import EmbeddedEngine
from builder.run.interface import Mount, PortMapping, RunRequest

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the embedded engine needs Linux")


def processes_with(marker: str) -> list[str]:
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if marker.encode() in (folder / "cmdline").read_bytes():
                found.append(folder.name)
        except OSError:
            continue
    return found


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_exit_code_is_the_commands_own(caller, code):
    result = caller.python(caller.images.image(), f"raise SystemExit({code})")
    assert (result.code, result.failure) == (code, "")


def test_a_killed_command_is_128_and_its_signal(caller):
    assert caller.python(caller.images.image(), "import os; os.kill(os.getpid(), 9)").code == 137


def test_streams_are_the_callers(caller):
    code = "import sys; print(sys.stdin.read().upper()); print('low', file=sys.stderr)"
    result = caller.python(caller.images.image(), code, stdin=b"in")
    assert (result.output, result.errors) == ("IN\n", "low\n")
    assert caller.python(caller.images.image(), code, stdin=b"in", interactive=False).output == "\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_signals_to_the_caller_reach_the_command(caller, number):
    code = "import signal; signal.signal(2, signal.SIG_DFL); print('up', flush=True); signal.pause()"
    running = caller.start(caller.images.image(), "/usr/bin/python", "-Sc", code)
    assert running.line() == "up\n"
    os.kill(running.process, number)
    assert running.wait() == 128 + number


def test_a_command_may_end_well_after_sigterm(caller):
    code = "import signal, sys; signal.signal(15, lambda *_: sys.exit(3)); print('up', flush=True); signal.pause()"
    running = caller.start(caller.images.image(), "/usr/bin/python", "-Sc", code)
    running.line()
    os.kill(running.process, signal.SIGTERM)
    assert running.wait() == 3


def test_a_killed_caller_leaves_no_process(caller):
    marker = f"marker-{os.urandom(8).hex()}"
    code = (
        "import os, signal; os.fork(); os.setsid() if os.getpid() == 2 else 0; print('up', flush=True); signal.pause()"
    )
    running = caller.start(caller.images.image(), "/usr/bin/python", "-Sc", code, marker)
    running.line()
    running.line()
    pids = [os.pidfd_open(int(name)) for name in processes_with(marker)]
    assert pids
    os.kill(running.process, signal.SIGKILL)
    running.wait()
    for descriptor in pids:  # readable once the process has ended
        assert select.select([descriptor], [], [], 30)[0]
        os.close(descriptor)
    assert processes_with(marker) == []
    caller.images.store.prune()
    assert list((caller.images.store.root / "tmp").iterdir()) == []


def test_orphans_are_reaped_and_end_with_the_command(caller):
    code = """
import os
read, write = os.pipe()
if os.fork() == 0:
    if os.fork() == 0:
        os.close(write); os.read(read, 1)  # an orphan once its parent has gone
    os._exit(0)
os.wait(); os.close(read); os.close(write)
def is_dead(name):
    try:
        return open(f"/proc/{name}/stat").read().rpartition(")")[2].split()[0] == "Z"
    except OSError:  # it has gone meanwhile
        return False
while any(is_dead(name) for name in os.listdir("/proc") if name.isdigit()): pass
print("clean")
"""
    assert caller.python(caller.images.image(), code).output == "clean\n"
    result = caller.run(caller.images.image(), "sh", "-c", "sleep 1000 & exit 4")
    assert result.code == 4


def test_environment_is_the_images_and_the_requests_and_nothing_else(caller):
    image = caller.images.image(env=("PATH=/usr/bin", "A=1", "B=2"))
    code = "import os, json; print(json.dumps(dict(os.environ)))"
    result = caller.run(image, "python", "-SEc", code, environment={"B": "3", "C": "x=y"})
    environment = json.loads(result.output)
    environment.pop("LC_CTYPE", None)  # set by Python itself, in a process without a locale (PEP 538)
    assert environment == {"PATH": "/usr/bin", "A": "1", "B": "3", "C": "x=y"}


def test_entry_point_command_and_overrides_follow_docker(caller):
    image = caller.images.image(entrypoint=("sh", "-c", 'echo "$@"', "name"), cmd=("one", "two"))
    assert caller.run(image).output == "one two\n"
    assert caller.run(image, "three").output == "three\n"
    assert caller.run(image, "-c", "echo four", entrypoint=("/bin/sh",)).output == "four\n"
    assert "none was given" in caller.run(image, entrypoint=()).failure


def test_working_directory_is_the_images_or_the_requests(caller):
    image = caller.images.image(working_dir="/app/deep", entrypoint=("sh", "-c", "pwd"))
    assert caller.run(image).output == "/app/deep\n"
    assert caller.run(image, working_directory="/out").output == "/out\n"


@pytest.mark.parametrize(
    ("config", "request_", "expected"),
    [("", None, (0, 0)), ("1234", None, (1234, 0)), ("user", None, (1000, 1001)), ("user:team", None, (1000, 77)),
     ("1000", None, (1000, 1001)), ("user", "55:66", (55, 66))],
)  # fmt: skip
def test_user_is_found_in_the_image(caller, config, request_, expected):
    image = caller.images.image(user=config)
    result = caller.python(image, "import os; print(os.getuid(), os.getgid(), os.getgroups())", user=request_)
    groups = "[65534]" if caller.uid else "[]"
    assert result.output.split(maxsplit=2)[:2] == [str(number) for number in expected], result
    assert result.output.split(maxsplit=2)[2].strip() in (groups, "[]")


def test_an_unknown_user_is_named(caller):
    assert "`nobody-here` is not in the image" in caller.run(caller.images.image(user="nobody-here"), "sh").failure


def test_what_is_written_to_a_mount_belongs_to_the_caller(caller, open_folder):
    out = caller.own(open_folder / "out")
    image = caller.images.image(user="65532:65532")
    user = None if caller.uid else "0:0"
    code = "open('/out/file', 'w').close(); import os; print(os.stat('/out/file').st_uid == os.getuid())"
    result = caller.python(image, code, mounts=(Mount(out, "/out"),), user=user)
    assert (result.code, result.output) == (0, "True\n"), result
    assert (out / "file").stat().st_uid == caller.uid


def test_read_only_mounts_really_are(caller, open_folder):
    source = caller.own(open_folder / "source")
    (source / "file").write_text("x")
    mounts = (Mount(source, "/data", read_only=True), Mount(source / "file", "/etc/one/file", read_only=True))
    code = """
import os
for path in ("/data/new", "/data/file", "/etc/one/file"):
    try:
        open(path, "w")
    except OSError as error:
        print(error.errno)
print(open("/etc/one/file").read())
"""
    assert caller.python(caller.images.image(), code, mounts=mounts, user="0").output == "30\n30\n30\nx\n"


def test_mounts_cannot_be_led_out_of_the_image(caller, open_folder):
    source = caller.own(open_folder / "source")
    (source / "file").write_text("mounted")
    hostile = [(_link("data", "../../../../../../etc"), b""), (_link("loop", "/loop"), b"")]
    image = caller.images.image(hostile)
    result = caller.run(image, "cat", "/etc/deep/file", mounts=(Mount(source, "/data/deep"),))
    assert result.output == "mounted"
    assert not Path("/etc/deep").exists()
    assert "circle" in caller.run(image, "sh", mounts=(Mount(source, "/loop/x"),)).failure


def _link(name: str, target: str) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = tarfile.SYMTYPE, target
    return info


def test_read_only_root_leaves_tmp_and_mounts_writable(caller, open_folder):
    out = caller.own(open_folder / "out")
    code = """
for path in ("/file", "/usr/file", "/etc/hosts", "/tmp/file", "/out/file", "/dev/shm/file"):
    try:
        open(path, "w"); print("w", path)
    except OSError as error:
        print(error.errno, path)
"""
    result = caller.python(caller.images.image(), code, mounts=(Mount(out, "/out"),), read_only=True, user="0")
    assert result.output.split()[::2] == ["30", "30", "30", "w", "w", "w"], result


def test_writes_to_the_root_are_gone_afterwards(caller):
    image = caller.images.image(user="0")
    assert caller.python(image, "open('/new', 'w').write('x'); import os; os.remove('/etc/group')").code == 0
    code = "import os; print(os.path.exists('/new'), os.path.exists('/etc/group'))"
    assert caller.python(image, code).output == "False True\n"
    assert list((image.store.root / "tmp").iterdir()) == []


def test_network_none_has_a_working_loopback_and_nothing_else(caller):
    code = """
import socket
print(socket.if_nameindex()[0])
with socket.create_server(("localhost", 0)) as server, socket.create_connection(server.getsockname()):
    print("loop")
try:
    socket.create_connection(("192.0.2.1", 80))
except OSError as error:
    print(error.errno)
"""
    assert caller.python(caller.images.image(), code, network="none").output == "(1, 'lo')\nloop\n101\n"


def test_network_default_is_the_hosts(caller):
    code = "import socket; print(sorted(name for _, name in socket.if_nameindex()))"
    here = sorted(name for _, name in socket.if_nameindex())
    assert caller.python(caller.images.image(), code).output == f"{here}\n"


def test_ports_are_those_of_the_host_or_refused(caller):
    assert caller.run(caller.images.image(), "sh", "-c", "", ports=(PortMapping("", 80, 80),)).code == 0
    assert "cannot be port 8080" in caller.run(caller.images.image(), "sh", ports=(PortMapping("", 8080, 80),)).failure


@pytest.mark.parametrize(("size", "expected"), [(None, 64 << 20), (8 << 20, 8 << 20)])
def test_shared_memory_has_the_wanted_size(caller, size, expected):
    code = "import os; s = os.statvfs('/dev/shm'); print(s.f_blocks * s.f_frsize)"
    assert caller.python(caller.images.image(), code, shared_memory=size).output == f"{expected}\n"


def test_the_command_has_no_privilege_and_no_way_to_one(caller):
    image = caller.images.image(user="0")
    code = "print(open('/proc/self/status').read())"
    status = dict(re.findall(r"(\w+):\s*(\S+)", caller.python(image, code).output))
    assert {status[name] for name in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"


def test_neither_the_kernel_nor_process_1_can_be_tampered_with(caller):
    code = """
import os
def attempt(path, flags=os.O_WRONLY):
    try:
        os.open(path, flags); print("open", path)
    except OSError as error:
        print("refused")
for path in ("/proc/sys/kernel/hostname", "/proc/sysrq-trigger", "/proc/1/mem", "/sys/kernel/uevent_helper"):
    attempt(path)
for path in ("/proc/1/environ", "/proc/1/root"):
    attempt(path, os.O_RDONLY)
print(os.listdir("/proc/self/fd"), [name for name in os.listdir("/proc") if name.isdigit()])
"""
    lines = caller.python(caller.images.image(user="0"), code).output.splitlines()
    assert lines[:6] == ["refused"] * 6
    assert lines[-1] == "['0', '1', '2', '3'] ['1', '2']"


def test_sixty_layers_are_one_root_and_the_upper_ones_win(caller):
    file, folder = caller.images.file, caller.images.folder
    layers = [[folder("many"), file(f"many/{number}", b"x"), file("top", b"%d" % number)] for number in range(60)]
    image = caller.images.image(*layers)
    assert sum(len(str(image.store.unpacked_path("0" * 64))) + 1 for _ in layers) > 4096  # of mount(2)'s options
    code = "import os; print(len(os.listdir('/many')), open('/top').read())"
    assert caller.python(image, code).output == "60 59\n"


def test_whiteouts_hide_what_lower_layers_have(caller):
    file, folder = caller.images.file, caller.images.folder
    lower = [folder("a"), file("a/one"), file("a/two"), folder("b"), file("b/old"), folder("c"), file("c/old")]
    upper = [
        file("a/.wh.one"),
        file("b/.wh..wh..opq"),
        folder("b"),
        file("b/new"),
        file(".wh.c"),
        folder("c"),
        file("c/new"),
    ]
    code = "import os; print(*(sorted(os.listdir(name)) for name in '/a /b /c'.split()))"
    assert caller.python(caller.images.image(lower, upper), code).output == "['two'] ['new'] ['new']\n"


def test_owners_and_modes_are_the_layers_where_the_caller_may_set_them(caller):
    file, folder = caller.images.file, caller.images.folder
    entries = [folder("private", 0o700, uid=1000, gid=77), file("private/tool", mode=0o4755, uid=1000, mtime=86400)]
    code = (
        "import os; print([(s.st_uid, s.st_gid, oct(s.st_mode)) for s in map(os.stat, ('/private', '/private/tool'))])"
    )
    output = caller.python(caller.images.image(entries, user="1000:77"), code).output
    tool = "(1000, 77, '0o100755')" if caller.uid else "(1000, 0, '0o104755')"
    assert output == f"[(1000, 77, '0o40700'), {tool}]\n"


def test_memory_is_limited_or_refused(caller):
    result = caller.python(caller.images.image(), "x = bytearray(300 << 20); print(len(x))", memory=100 << 20)
    if result.failure:
        assert "memory cannot be limited here" in result.failure
        assert caller.uid or not os.access("/sys/fs/cgroup/memory", os.W_OK)
    else:
        assert (result.code, result.output) == (137, "")


@pytest.mark.slow
def test_a_terminal_is_given_and_joined(caller):
    code = "import os, sys; print(os.ttyname(0), sys.stdout.isatty(), os.get_terminal_size().columns); input()"
    process, controlling = pty.fork()
    if process == 0:
        caller.call(caller.images.image(), RunRequest(("/usr/bin/python", "-Sc", code), tty=True), [0, 1, 2, 2])
    text = b""
    while b"\n" not in text:
        text += os.read(controlling, 1000)
    os.write(controlling, b"\x03")
    status = os.waitpid(process, 0)[1]
    os.close(controlling)
    assert text.startswith(b"/dev/pts/0 True ")
    assert os.waitstatus_to_exitcode(status) == 128 + signal.SIGINT  # Python's own end after Ctrl-C


def test_a_terminal_without_one_is_refused(caller):
    assert "cannot get a terminal" in caller.run(caller.images.image(), "sh", tty=True).failure


def test_a_command_that_is_not_there_is_named(caller):
    assert "`nothing` is not in the image" in caller.run(caller.images.image(), "nothing").failure
    assert "cannot be executed" in caller.run(caller.images.image(), "/etc/passwd", user="0").failure


def test_a_foreign_architecture_is_refused(caller):
    image = caller.images.image(platform=Platform("s390x"))
    assert "linux/s390x cannot run" in caller.run(image, "sh").failure


def test_a_missing_mount_is_named(caller):
    failure = caller.run(caller.images.image(), "sh", mounts=(Mount(Path("/no/such"), "/data"),)).failure
    assert "`/no/such` cannot be mounted" in failure


def test_the_engine_says_that_it_is_available(caller):
    assert EmbeddedEngine().unavailable() is None


def test_the_keys_of_the_caller_are_out_of_reach(caller):
    call = ctypes.CDLL(None, use_errno=True).syscall
    add, control = {"x86_64": (248, 250), "aarch64": (217, 219)}[platform.machine()]
    session = ctypes.c_int(-3)  # KEY_SPEC_SESSION_KEYRING
    name = f"envbuild-{secrets.token_hex(8)}"
    if call(control, 1, None) < 0 or call(add, b"user", name.encode(), b"hunter2", ctypes.c_size_t(7), session) < 0:
        pytest.skip(f"the kernel gives no keyring here: {os.strerror(ctypes.get_errno())}")
    code = f"""
import ctypes
call = ctypes.CDLL(None).syscall
found = call({control}, 10, ctypes.c_int(-3), b"user", b"{name}", 0)  # KEYCTL_SEARCH
data = ctypes.create_string_buffer(9)
print("found", call({control}, 11, found, data, ctypes.c_size_t(9)), data.value) if found > 0 else print("nothing")
"""
    maps = Path("/proc/self/maps").read_text()
    library = next(Path(line.split()[-1]) for line in maps.splitlines() if "/libffi" in line)
    soname = ".".join(library.name.split(".")[:3])
    mounts = (Mount(library, f"/libraries/{soname}", read_only=True),)
    result = caller.python(caller.images.image(), code, mounts=mounts, environment={"LD_LIBRARY_PATH": "/libraries"})
    assert (result.output, result.errors) == ("nothing\n", "")
