"""Real parts: a Docker Engine, the readers of images, the command as a user runs it, and the example project."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, NamedTuple, NoReturn

import pytest

from builder.cli import invoke
from builder.cli.machine import host_platform
from builder.fetch import Fetcher, Mirrors
from builder.lock.folder import read_lock
from builder.oci.store import Store

ROOT = Path(__file__).parents[2]
UNPRIVILEGED = 47111
_NUMBERS = itertools.count(1)
NEWER_DOCKER = """\
python: "3.13"
platforms: [{platform}]
base: {{suite: trixie}}
debian: [docker.io, containerd]
"""


def unavailable(reason: str) -> NoReturn:
    """Skip on a developer's machine; in CI every part has to be there."""
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True)
class Program:
    """A program of this machine."""

    name: str
    environment: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, *arguments: str | Path, code: int = 0, **options: object) -> subprocess.CompletedProcess[str]:
        """Run it; it must exit with `code`."""
        line = [self.name, *map(str, arguments)]
        environment = {**os.environ, **self.environment}
        given = {"capture_output": True, "text": True, "timeout": 300, "env": environment, **options}
        done = subprocess.run(line, **given)
        assert done.returncode == code, f"{' '.join(line)} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *arguments: str | Path, **options: object) -> subprocess.Popen[str]:
        """Start it, with its output and errors in one pipe."""
        line = [self.name, *map(str, arguments)]
        environment = {**os.environ, **self.environment}
        given = {"text": True, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "env": environment, **options}
        return subprocess.Popen(line, **given)


@pytest.fixture(scope="session")
def program() -> Callable[[str], Program]:
    """Finds programs that tests need."""

    def find(name: str) -> Program:
        path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        if path is None:
            unavailable(f"{name} is not installed")
        return Program(path)

    return find


@dataclass(frozen=True)
class Docker(Program):
    """The docker program, with the engine that it speaks to."""

    host: str = ""
    is_own: bool = False
    """Whether the engine was started by these tests."""

    def is_open_to(self, user: int) -> bool:
        """Whether a user may speak to the engine."""
        return user == os.geteuid() or self.is_own

    def identity(self, name: str) -> str:
        """What the engine calls an image."""
        return self("image", "inspect", "--format", "{{.Id}}", name).stdout.strip()


@pytest.fixture(scope="session")
def docker(program: Callable[[str], Program]) -> Iterator[Docker]:
    """A Docker Engine: the one of DOCKER_HOST, one of these tests' own, or one that answers anyway."""
    client = program("docker").name
    can_start = os.geteuid() == 0 and shutil.which("dockerd", path=os.environ.get("PATH", "") + ":/usr/sbin")
    if "DOCKER_HOST" not in os.environ and can_start:
        with _engine([program("dockerd").name]) as host:
            yield Docker(client, {"DOCKER_HOST": host}, host, is_own=True)
        return
    found = Docker(client, {}, os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    if subprocess.run([client, "version"], capture_output=True).returncode != 0:
        unavailable("no Docker Engine answers, and none can be started here")
    yield found


@pytest.fixture(scope="session")
def containerd_docker(program: Callable[[str], Program], shared: Path, store: Path) -> Iterator[Docker]:
    """A newer Docker Engine, of Debian's next release, that keeps its images in containerd."""
    if os.geteuid() != 0:
        unavailable("only root can start Docker Engine")
    client, folder = program("docker").name, shared / "newer-docker"
    with open(shared / "newer-docker.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _unpack_newer_docker(program("dpkg-deb"), store, folder)
    path = f"{folder}/usr/sbin:{folder}/usr/bin:{os.environ['PATH']}:/usr/sbin:/sbin"
    settings = folder.with_suffix(".json")
    settings.write_text('{"features": {"containerd-snapshotter": true}}')
    with _engine([folder / "usr/sbin/dockerd", "--config-file", settings], {**os.environ, "PATH": path}) as host:
        yield Docker(client, {"DOCKER_HOST": host}, host, is_own=True)


def _unpack_newer_docker(dpkg_deb: Program, store: Path, folder: Path) -> None:
    """Have envbuild lock and fetch the two packages whose programs run here too."""
    spec, draft = folder.with_name("newer-docker-spec"), folder.with_name("newer-docker-draft")
    spec.mkdir(exist_ok=True)
    platform = host_platform()
    (spec / "environment.yaml").write_text(NEWER_DOCKER.format(platform=platform))
    Envbuild(store)("lock", spec)
    fetcher = Fetcher(Store(store), Mirrors.from_environment(os.environ))
    for package in read_lock(spec / "lock").document.platforms[platform].debian:
        if package.name in ("docker.io", "containerd"):
            dpkg_deb("--extract", fetcher.blob(package.source), draft)
    draft.rename(folder)


@pytest.fixture(scope="session")
def podman(
    program: Callable[[str], Program],
    podman_settings: Callable[[Path], dict[str, str]],
    reset_podman: Callable[..., None],
) -> Iterator[Program]:
    """Podman as root, with folders of its own, and with the runtime that runs on every kind of control groups."""
    if os.geteuid() != 0:
        unavailable("only root can give Podman folders of its own")
    with tempfile.TemporaryDirectory(prefix="envbuild-podman-") as folder:
        found = Program(program("podman").name, podman_settings(Path(folder)))
        yield found
        reset_podman(found)


@pytest.fixture(scope="session")
def reset_podman() -> Callable[..., None]:
    """Removes everything. What a container that ended just now still writes about itself makes that fail once."""

    def reset(podman: Program, *options: str | Path) -> None:
        for attempt in range(3):
            try:
                podman(*options, "system", "reset", "--force")
                return
            except AssertionError:
                if attempt == 2:
                    raise

    return reset


@pytest.fixture(scope="session")
def podman_settings() -> Callable[[Path], dict[str, str]]:
    """Gives the variables by which Podman keeps everything in a folder."""

    def write(folder: Path) -> dict[str, str]:
        engine = {"runtime": "runc", "cgroup_manager": "cgroupfs", "events_logger": "file", "tmp_dir": f"{folder}/tmp"}
        storage = {"driver": "overlay", "graphroot": f"{folder}/images", "runroot": f"{folder}/run"}
        storage["rootless_storage_path"] = f"{folder}/images"
        for name, values in (("engine", engine), ("storage", storage)):
            lines = [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
            (folder / f"{name}.conf").write_text("\n".join(lines) + "\n")
        return {"CONTAINERS_CONF": f"{folder}/engine.conf", "CONTAINERS_STORAGE_CONF": f"{folder}/storage.conf"}

    return write


@contextmanager
def _engine(dockerd: Sequence[str | Path], environment: Mapping[str, str] | None = None) -> Iterator[str]:
    """Start an engine that shares nothing with others: folders, socket and bridge are its own."""
    folder = Path(tempfile.mkdtemp(prefix="envbuild-engine-"))
    folder.chmod(0o755)
    socket_path = folder / "docker.sock"
    line = [*dockerd, "--data-root", folder / "data", "--exec-root", folder / "exec", "--pidfile", folder / "pid"]
    line += ["-H", f"unix://{socket_path}", "--iptables=false"]
    with _bridge(f"envb{os.getpid() % 10**6}-{next(_NUMBERS)}") as bridge:
        process = subprocess.Popen([*line, "--bridge", bridge], stderr=subprocess.PIPE, text=True, env=environment)
        reader = threading.Thread(target=_drain, args=(process.stderr,), daemon=True)
        try:
            log = _read_until(process.stderr, "API listen on")
            if process.poll() is not None or "API listen on" not in log:
                unavailable(f"dockerd does not start: {log[-2000:]}")
            reader.start()
            socket_path.chmod(0o666)
            yield f"unix://{socket_path}"
        finally:
            process.terminate()
            process.wait(60)
            if reader.ident:
                reader.join()
            process.stderr.close()
    subprocess.run(["rm", "-rf", "--one-file-system", folder], check=False)  # a hundred thousand files, fast


def _drain(stream: IO[str]) -> None:
    for _ in stream:
        pass


def _read_until(stream: IO[str], text: str) -> str:
    """What a stream says up to a line that holds `text`, or up to its end."""
    read = ""
    for line in stream:
        read += line
        if text in line:
            break
    return read


@contextmanager
def _bridge(name: str) -> Iterator[str]:
    """A network bridge (linux/sockios.h), so that several engines of one machine do not give equal addresses."""
    add, delete, set_flags = 0x89A0, 0x89A1, 0x8914
    with closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as control:
        fcntl.ioctl(control, add, name.encode() + b"\0")
        try:
            yield name
        finally:
            fcntl.ioctl(control, set_flags, struct.pack("16sh22x", name.encode(), 0))
            fcntl.ioctl(control, delete, name.encode() + b"\0")


@dataclass(frozen=True)
class Envbuild:
    """The command with a store."""

    store: Path
    line: Sequence[str] = (sys.executable, "-m", "builder")
    environment: Mapping[str, str] = field(default_factory=dict)
    user: int | None = None
    cwd: str | None = None

    @property
    def options(self) -> dict[str, object]:
        """What subprocess needs to start it, but for the arguments."""
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "ENVBUILD_CACHE": str(self.store), **self.environment}
        users = {} if self.user is None else {"user": self.user, "group": self.user, "extra_groups": []}
        return {"env": environment, "cwd": self.cwd, **users}

    def attempt(self, *arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
        """Run a command line, whatever its exit code."""
        given = {"capture_output": True, "text": True, "timeout": 300, **self.options, **options}
        return subprocess.run([*self.line, *map(str, arguments)], **given)

    def __call__(self, *arguments: str | Path, code: int = 0, **options: object) -> subprocess.CompletedProcess[str]:
        """Run a command line, which must exit with `code`."""
        done = self.attempt(*arguments, **options)
        line = " ".join(map(str, arguments))
        assert done.returncode == code, f"envbuild {line} exited {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def start(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """Start a command line, with its output and errors in one pipe."""
        line = [*self.line, *map(str, arguments)]
        return subprocess.Popen(line, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **self.options)


class Said(NamedTuple):
    """What a command printed."""

    stdout: str
    stderr: str


Here = Callable[..., Said]


@pytest.fixture(scope="session")
def envbuild(store: Path) -> Envbuild:
    """The command with the store that downloads go to once."""
    return Envbuild(store)


@pytest.fixture
def here(store: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Here:
    """Runs a command line in this process, without Docker Engine, which must exit with `code`."""
    monkeypatch.setenv("ENVBUILD_CACHE", str(store))
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere")

    def run(*words: str | Path, code: int = 0) -> Said:
        ended = int(invoke([str(word) for word in words]))
        captured = capfd.readouterr()
        assert ended == code, f"{words} exited {ended}\n{captured.out}\n{captured.err}"
        return Said(captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def with_docker(envbuild: Envbuild, docker: Docker) -> Envbuild:
    """The same, with the engine of these tests."""
    return replace(envbuild, environment=docker.environment)


@pytest.fixture(scope="session")
def base_archive(program: Callable[[str], Program], shared: Path) -> Path:
    """A small Debian with apt, as mmdebstrap makes it: what Debian's official image is. Made once for all processes."""
    if os.geteuid() != 0:
        unavailable("mmdebstrap needs root to make a base image")
    path = shared / "debian.tar"
    with open(shared / "debian.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            mirror = "http://deb.debian.org"
            parts = (("debian", "bookworm"), ("debian", "bookworm-updates"), ("debian-security", "bookworm-security"))
            lines = [f"deb {mirror}/{archive} {suite} main" for archive, suite in parts]
            draft = path.with_name("debian-draft.tar")
            options = ["--quiet", "--mode=root", "--variant=minbase", "--architectures=amd64"]
            program("mmdebstrap")(*options, "bookworm", draft, *lines)
            draft.rename(path)
    return path


@pytest.fixture(scope="session")
def debian_base(docker: Docker, base_archive: Path) -> str:
    """The same in the engine, by its name."""
    docker("import", base_archive, "envbuild-debian:bookworm")
    return "envbuild-debian:bookworm"


@pytest.fixture
def copies(projects: Path, workplace: Path) -> Path:
    """A copy of the projects that a test may change."""
    shutil.copytree(projects, workplace / "projects")
    return workplace / "projects"


@dataclass(frozen=True)
class Bundle:
    """A packed bundle."""

    file: Path
    name: str
    """With its tag, as engines know it."""
    digest: str


@pytest.fixture(scope="session")
def pack(envbuild: Envbuild) -> Callable[[Path, Path], Bundle]:
    """Packs a project for both platforms into a folder."""

    def make(project: Path, folder: Path) -> Bundle:
        file = folder / "bundle.tar"
        envbuild("bundle", project, "-o", file)
        shown = json.loads(envbuild("inspect", file, "--json").stdout)
        return Bundle(file, shown["name"], shown["digest"])

    return make


@pytest.fixture(scope="session")
def bundle(pack: Callable[[Path, Path], Bundle], projects: Path, tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The example's bundle, without a model."""
    return pack(projects / "examples/penguins", tmp_path_factory.mktemp("bundle"))


@dataclass(frozen=True)
class Released(Bundle):
    """A bundle as it is handed over: with its trained model, scanned and signed."""

    folder: Path
    """Where it, the project, and the key and the model's signature are."""

    @property
    def project(self) -> Path:
        """What it was packed from."""
        return self.folder / "projects/examples/penguins"


@pytest.fixture(scope="session")
def released(envbuild: Envbuild, projects: Path, shared: Path) -> Released:
    """The example's, with large files beside its model, and of a version of its own. Made once for all processes."""
    folder = shared / "released"
    with open(shared / "released.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            draft = shared / "released-draft"
            shutil.rmtree(draft, ignore_errors=True)
            shutil.copytree(projects, draft / "projects")
            _release(replace(envbuild, cwd=str(draft)), draft / "projects/examples/penguins")
            draft.rename(folder)
    shown = json.loads(envbuild("inspect", folder / "bundle.tar", "--json").stdout)
    return Released(folder / "bundle.tar", shown["name"], shown["digest"], folder)


def _release(envbuild: Envbuild, project: Path) -> None:
    spec = (project / "envbuild.yaml").read_text()
    (project / "envbuild.yaml").write_text(spec.replace('version: "1.0"', 'version: "released"'))
    envbuild("run", project, "train", "--engine", "embedded")
    model = project / "out/model"
    (model / "shards").mkdir()
    for number, name in enumerate(("model.safetensors", "shards/b.bin")):
        header = json.dumps({"w": {"dtype": "U8", "shape": [2 << 20], "data_offsets": [0, 2 << 20]}}).encode()
        weights = struct.pack("<Q", len(header)) + header + bytes([number + 1]) * (2 << 20)
        (model / name).write_bytes(weights)
    envbuild("bundle", project, "-o", "bundle.tar")
    envbuild("scan", "bundle.tar", "--attach")
    given = replace(envbuild, environment={"ENVBUILD_KEY_PASSWORD": "a secret"})
    given("keys", "generate", "key")
    given("sign", "bundle.tar", "--key", "key", "--model-signature", "model.sig")


@pytest.fixture(scope="session")
def image(docker: Docker, bundle: Bundle) -> str:
    """The example's image in the engine, which got it by `docker load`."""
    loaded = docker("load", "-i", bundle.file).stdout
    assert bundle.name in loaded
    return docker.identity(bundle.name)


@pytest.fixture(scope="session")
def data(projects: Path) -> Path:
    """The example's data."""
    return projects / "examples/penguins/data/penguins.csv"


@pytest.fixture(scope="session")
def trained(docker: Docker, image: str, data: Path) -> Iterator[Path]:
    """What training by plain docker, as the README says it, has written."""
    out = Path(tempfile.mkdtemp(prefix="envbuild-trained-"))
    user = f"{os.getuid()}:{os.getgid()}"
    mounts = ["-v", f"{out}:/out", "-v", f"{data}:/data/penguins:ro"]
    docker("run", "--rm", "--network", "none", *mounts, "--user", user, image, "train")
    yield out
    shutil.rmtree(out)


@pytest.fixture(scope="session")
def installed(shared: Path) -> Iterator[Callable[[int], list[str]]]:
    """The command as an installed program that a user can run, for a user who may not read this interpreter."""
    top = Path(tempfile.mkdtemp(prefix="envbuild-installed-"))
    top.chmod(0o755)

    def line(user: int) -> list[str]:
        if not (top / "bin/envbuild").exists():
            _install(top, _python_of(user))
        return [str(top / "bin/envbuild")]

    yield line
    shutil.rmtree(top, ignore_errors=True)


@pytest.fixture(scope="session")
def users(envbuild: Envbuild, installed: Callable[[int], list[str]], projects: Path) -> Callable[[str], Envbuild]:
    """The command as each user."""
    made: dict[str, Envbuild] = {}

    def find(name: str) -> Envbuild:
        if name == "caller":
            return envbuild
        if name not in made:
            envbuild("build", projects / "examples/penguins", "--platform", "linux/amd64")
            line = installed(UNPRIVILEGED)
            store = _own_store(envbuild.store, Path(line[0]).parents[1] / "their-store", UNPRIVILEGED)
            environment = {"PYTHONPATH": "", "HOME": "/nonexistent"}
            made[name] = replace(envbuild, store=store, line=line, environment=environment, user=UNPRIVILEGED)
        return made[name]

    return find


def _own_store(store: Path, target: Path, user: int) -> Path:
    """A store of another user with the blobs that this one has, whose files are shared: nobody writes to them."""
    shutil.copytree(store / "blobs", target / "blobs", copy_function=_link_or_copy)
    for folder, _, _ in os.walk(target):
        os.chown(folder, user, user)
    return target


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _python_of(user: int) -> str:
    here = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    candidates = [sys.executable, f"/usr/bin/{here}", "/usr/bin/python3", f"/usr/local/bin/{here}"]
    for path in filter(os.path.exists, candidates):
        with suppress(PermissionError):
            command = [path, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
            if subprocess.run(command, user=user, group=user, extra_groups=[], cwd="/").returncode == 0:
                return path
    unavailable("no Python from 3.11 on can be run by other users")


def _install(folder: Path, python: str) -> None:
    ignored = shutil.ignore_patterns(".*", "tests", "build", "dist", "out", "__pycache__", "*.tar")
    shutil.copytree(ROOT, folder / "source", ignore=ignored)
    uv = [sys.executable, "-m", "uv", "--no-progress", "--quiet"]
    subprocess.run([*uv, "venv", "--allow-existing", "--python", python, folder], check=True, umask=0o022)
    options = ["--python", folder / "bin/python", "--link-mode", "copy"]
    subprocess.run([*uv, "pip", "install", *options, folder / "source"], check=True, umask=0o022)


@pytest.fixture(scope="session")
def free_port() -> Callable[[], int]:
    """Finds ports of the loopback interface that nobody listens on."""

    def find() -> int:
        with closing(socket.socket()) as probe:
            probe.bind(("127.0.0.1", 0))
            return int(probe.getsockname()[1])

    return find


@pytest.fixture(scope="session")
def read_until() -> Callable[[IO[str], str], str]:
    """Reads a stream up to a line that holds a text, or up to its end."""
    return _read_until
