"""Rendered build contexts, built by plain `docker build` without network, as somebody without envbuild builds them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from conda_images import AMD64, CREATED, base, build, conda_lock, environment, standalone_lock
from made_plans import BASE

from builder.errors import EnvbuildError
from builder.fetch import Fetcher, Mirrors
from builder.image.dockerfile import render, write_context
from builder.image.engine.clients import find_client
from builder.lock.artifact import CondaPackage, DebianPackage, Wheel
from builder.lock.base_image.pinned import Settings
from builder.lock.document import Interpreter, Lock, LockDocument, PlatformLock
from builder.lock.folder import read_lock
from builder.oci.digest import Digest
from builder.oci.store import Store
from builder.plan import make_plan

DEBIANS = Interpreter("debian", "3.11.2", "/usr/bin/python3.11")
PROJECT = r"""
environment: ../environment
name: small
version: "1.0"
description: It's "small" and costs $5 \
code: [src/**]
model: {path: model}
commands:
  tell: {run: python src/tell.py, port: 8080}
"""
PURE = "-none-any.whl"
NEWER = ("zlib1g", "libcrypt1")
REFUSED = "sgml-base"
"""A small Debian package whose scripts an image that is assembled does without."""


@dataclass(frozen=True)
class Builder:
    """Builds a folder by one of the two builders."""

    line: Sequence[str]
    environment: dict[str, str]

    def __call__(self, folder: Path, *options: str, code: int = 0) -> str:
        """The image's id, or what was said where it was to fail."""
        named = [*self.line, "--network", "none", *options, str(folder)]
        quiet = ["--quiet"] if code == 0 else []
        environment = {**os.environ, **self.environment}
        line = [*named[: len(self.line)], *quiet, *named[len(self.line) :]]
        done = subprocess.run(line, env=environment, capture_output=True, text=True, timeout=300)
        assert (done.returncode != 0) == (code != 0), done.stdout + done.stderr
        return done.stdout.strip() if code == 0 else done.stdout + done.stderr


@pytest.fixture(scope="module")
def classic(docker) -> Builder:
    return Builder([docker.name, "build"], {**docker.environment, "DOCKER_BUILDKIT": "0"})


@pytest.fixture(scope="module")
def buildkit(docker) -> Builder:
    client = find_client(os.environ)
    lines = {"docker": ["build"], "buildx": ["buildx", "build", "--load"]}
    if client is None or client.kind not in lines:
        pytest.fail("no docker with BuildKit") if os.environ.get("CI") else pytest.skip("no docker with BuildKit")
    return Builder([client.program, *lines[client.kind]], {**docker.environment, "DOCKER_BUILDKIT": "1"})


@pytest.fixture
def builder(request) -> Builder:
    return request.getfixturevalue(request.param)


both = pytest.mark.parametrize("builder", ["classic", pytest.param("buildkit", marks=pytest.mark.slow)], indirect=True)


@pytest.fixture(scope="module")
def run(docker) -> Callable[..., str]:
    def start(identity: str, *words: str) -> str:
        return docker("run", "--rm", "--network", "none", identity, *words).stdout

    return start


@pytest.fixture(scope="module")
def rendered(envbuild, projects, debian_base, tmp_path_factory) -> Path:
    """The context of a small project, on Debian's Python with wheels, for both platforms."""
    top = tmp_path_factory.mktemp("rendered")
    shutil.copytree(projects / "environments/plain", top / "environment")
    (top / "project/src").mkdir(parents=True)
    (top / "project/envbuild.yaml").write_text(PROJECT)
    (top / "project/src/tell.py").write_text("import httpx\nprint(httpx.__file__)\n")
    (top / "project/model").mkdir()
    (top / "project/model/weights.bin").write_bytes(b"weights")
    line = ["render", top / "project", "-o", top / "context", "--base", debian_base]
    assert json.loads(envbuild(*line, "--json").stdout)["image"] == "small:1.0"
    envbuild(*line, "--check")
    (top / "project/src/tell.py").write_text("import httpx\nprint(httpx.__file__) \n")
    assert "bundle/bundle.json" in envbuild(*line, "--check", code=3).stderr
    return top / "context"


@pytest.fixture(scope="module")
def write(store, debian_base, tmp_path_factory) -> Callable[..., Path]:
    """Writes the context of a lock in memory."""

    def make(lock: Lock, base: str = debian_base) -> Path:
        folder = tmp_path_factory.mktemp("context") / "made"
        context = render("made:1", [make_plan(lock, AMD64)], base=base)
        write_context(
            folder, context, Fetcher(Store(store), Mirrors.from_environment(os.environ)).blobs(context.sources)
        )
        return folder

    return make


@pytest.fixture(scope="module")
def pure_wheels(projects) -> tuple[Wheel, ...]:
    wheels = read_lock(projects / "environments/plain/lock").wheels[AMD64]
    found = tuple(wheel for wheel in wheels if wheel.file_name.endswith(PURE) and wheel.name in ("idna", "certifi"))
    assert found
    return found


@pytest.fixture(scope="module")
def linker(docker, classic, rendered) -> str:
    """An image with a `python3`: the locked Debian packages, and a link."""
    system = classic(rendered, "--target", "system")
    lines = f"FROM {system}\nRUN ln -s python3.11 /usr/bin/python3\n"
    docker("build", "--network", "none", "--quiet", "--tag", "linker:1", "-", input=lines)
    return "linker:1"


def debian_lock(
    packages: Sequence[DebianPackage],
    wheels: Sequence[Wheel] = (),
    conda: Sequence[CondaPackage] = (),
    *,
    compiled: bool = False,
) -> Lock:
    """A lock of an environment on Debian's Python."""
    platforms = {AMD64: PlatformLock("bookworm", DEBIANS, tuple(packages), "x.toml", Digest("0" * 64))}
    document = LockDocument({"compile": compiled}, {}, 1, CREATED, platforms)
    return Lock(document, Digest("1" * 64), {AMD64: tuple(wheels)}, {AMD64: tuple(conda)}, {})


@pytest.fixture(scope="module")
def debian_packages(projects) -> tuple[DebianPackage, ...]:
    return read_lock(projects / "environments/plain/lock").document.platforms[AMD64].debian


@pytest.mark.slow
@both
def test_plain_docker_builds_a_project_that_works(builder, rendered, run, docker) -> None:
    identity = builder(rendered)
    assert run(identity, "tell").startswith("/opt/env/")
    config = json.loads(docker("image", "inspect", identity).stdout)[0]["Config"]
    assert config["User"] == "65532:65532"
    assert config["Labels"]["org.opencontainers.image.description"] == 'It\'s "small" and costs $5 \\'
    assert config["ExposedPorts"] == {"8080/tcp": {}}
    python = ["run", "--rm", "--network", "none", "--entrypoint", "python", identity, "-c"]
    assert docker(*python, "print(open('/model/weights.bin').read())").stdout == "weights\n"


def test_a_build_leaves_no_traces_of_its_tools(classic, rendered, docker) -> None:
    script = """
import os, re, sys
found = [os.path.join(folder, name) for folder, _, names in os.walk("/") for name in names]
bad = r"^/(context/|opt/env/.*/pip/|var/log/(apt/|dpkg|alternatives)|var/cache/(apt/.*bin|ldconfig/))"
print([path for path in found if re.search(bad + r"|^/var/lib/apt/lists/.|__pycache__|/policy-rc.d$|passwd-$", path)])
print([path for path in ("/data", "/out") if os.stat(path).st_mode & 0o7777 != 0o1777])
"""
    identity = classic(rendered)
    line = ["run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "python", identity, "-I", "-B", "-c"]
    assert docker(*line, script).stdout == "[]\n[]\n"


@pytest.mark.parametrize(
    ("builder", "kind"),
    [("buildkit", "debian"), ("classic", "wheels"), ("classic", "pip")],
    indirect=["builder"],
)
def test_a_file_that_was_tampered_with_stops_the_build(builder, kind: str, rendered, tmp_path: Path) -> None:
    folder = tmp_path / "context"
    shutil.copytree(rendered, folder)
    path = next(iter(sorted(folder.glob(f"**/{kind}/*.[dw][eh]*"))))
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    said = builder(folder, code=1)
    assert "FAILED" in said or "THESE PACKAGES DO NOT MATCH THE HASHES" in said


@pytest.mark.slow
def test_scripts_that_a_native_build_refuses_are_run(envbuild, classic, write, store, run, debian_packages) -> None:
    more = [package for package in base(store, AMD64, "bookworm", REFUSED) if package.name == REFUSED]
    lock = debian_lock([*debian_packages, *more])
    with pytest.raises(EnvbuildError) as caught:
        build(lock, store)
    assert "envbuild render" in str(caught.value.hint)
    identity = classic(write(lock))
    assert run(identity, "/opt/env/bin/python", "-c", "import os; print(os.listdir('/etc/sgml'))") == "['catalog']\n"


@pytest.mark.slow
def test_what_a_base_has_newer_becomes_the_locked_version(classic, write, docker, debian_base, debian_packages) -> None:
    """The base has two libraries in a version that Debian never had."""
    steps = (
        f"RUN cd /tmp && mkdir -p d/DEBIAN && dpkg-query --status {name} | grep -v -e ^Status -e ^Conffiles"
        " | sed 's/^Version: .*/Version: 9:99/' > d/DEBIAN/control"
        f" && for path in $(dpkg-query --listfiles {name}); do if [ ! -d $path ];"
        " then mkdir -p d$(dirname $path) && cp -a $path d$path; fi; done"
        " && dpkg-deb --build d d.deb > /dev/null && dpkg --install d.deb && rm -rf d d.deb"
        for name in NEWER
    )
    lines = [f"FROM {debian_base}", *steps]
    options = ["--network", "none", "--quiet", "--tag", "newer:1"]
    docker("build", *options, "-", input="\n".join(lines) + "\n")
    identity = classic(write(debian_lock(debian_packages), "newer:1"))
    line = [
        "run",
        "--rm",
        "--network",
        "none",
        identity,
        "dpkg-query",
        "--show",
        "--showformat=${Package} ${Version}\n",
    ]
    installed = dict(entry.split() for entry in docker(*line).stdout.splitlines())
    wanted = {package.name: package.version for package in debian_packages}
    assert {*NEWER} <= wanted.keys()
    assert {name: installed[name] for name in wanted} == wanted


@pytest.mark.slow
def test_conda_packages_and_wheels_are_linked_by_another_image(
    classic, write, linker, conda_channel, store, run, pure_wheels
) -> None:
    packages = environment(conda_channel, AMD64, "python", "numpy", "greeter")
    folder = write(conda_lock({AMD64: base(store, AMD64)}, {AMD64: packages}, pure_wheels))
    identity = classic(folder, "--build-arg", f"LINKER={linker}")
    code = "import numpy, idna, sys, os; print(sys.prefix, len(os.listdir('/opt/env/conda-meta')))"
    assert run(identity, "python", "-c", code) == f"/opt/env {len(packages) + 1}\n"
    assert run(identity, "greet") == "hello from conda\n"
    record = json.loads(run(identity, "cat", "/opt/env/conda-meta/greeter-1.0-0.json"))
    [locked] = [package for package in packages if package.name == "greeter"]
    assert (record["url"], record["channel"], record["sha256"]) == (locked.url, locked.channel, locked.digest.hex)


@pytest.mark.slow
def test_an_image_that_has_an_environment_already_does_not_link(
    classic, write, rendered, docker, conda_channel, store
) -> None:
    made = docker("build", "--quiet", "-", input=f"FROM {classic(rendered)}\nUSER 0\nENTRYPOINT []\n").stdout.strip()
    packages = environment(conda_channel, AMD64, "python")
    folder = write(conda_lock({AMD64: base(store, AMD64)}, {AMD64: packages}))
    assert "another image has to link" in classic(folder, "--build-arg", f"LINKER={made}", code=1)


@pytest.mark.slow
def test_conda_packages_beside_debians_python_need_no_other_image(
    buildkit, write, conda_channel, debian_packages, pure_wheels, run
) -> None:
    packages = environment(conda_channel, AMD64, "libzlib")
    identity = buildkit(write(debian_lock(debian_packages, pure_wheels, packages, compiled=True)))
    code = "import idna, json, sys; print(sys.prefix, idna.__cached__, json.__cached__)"
    cached = "/opt/env/lib/python3.11/site-packages/idna/__pycache__/__init__.cpython-311.pyc"
    assert run(identity, "python", "-c", code).split()[:2] == ["/opt/env", cached]
    flags = f"print(open('{cached}', 'rb').read(8)[4:])"
    assert run(identity, "python", "-c", flags) == "b'\\x01\\x00\\x00\\x00'\n"  # PEP 552: a hash that is not checked
    assert "conda-meta" in run(identity, "ls", "/opt/env")


@pytest.mark.slow
def test_a_standalone_interpreter_is_unpacked(classic, write, store, run, pure_wheels, tmp_path: Path) -> None:
    lock = standalone_lock({AMD64: base(store, AMD64)}, tmp_path, pure_wheels)
    identity = classic(write(lock))
    code = "import sys, idna; print(sys.base_prefix, sys.prefix, sys.version.split()[0])"
    assert run(identity, "python", "-c", code).split()[:2] == ["/opt/python", "/opt/env"]


@pytest.mark.slow
def test_a_foreign_base_keeps_its_user_and_entry_point(buildkit, write, linker, docker, pure_wheels, run) -> None:
    """A base with a user, an entry point, a stop signal and variables that lead to other packages."""
    lines = [
        f"FROM {linker}",
        "RUN printf '#!/bin/sh\\nexec env THROUGH=yes \"$@\"\\n' > /start && chmod 755 /start",
        'ENV PYTHONPATH="/theirs" TEAM="data"',
        'LABEL org.opencontainers.image.title="theirs" team="data"',
        "STOPSIGNAL SIGINT",
        "USER 1234",
        'ENTRYPOINT ["/start"]',
    ]
    made = docker("build", "--network", "none", "--quiet", "--tag", "theirs:1", "-", input="\n".join(lines)).stdout
    config = json.loads(docker("image", "inspect", made.strip()).stdout)[0]["Config"]
    settings = Settings(
        config["User"], config["WorkingDir"], tuple(config["Entrypoint"]), stop_signal=config["StopSignal"],
        labels=config["Labels"],
    )  # fmt: skip
    image = replace(BASE, environment=tuple(config["Env"]), settings=settings)
    interpreter = replace(DEBIANS, source="base")
    platform = PlatformLock("", interpreter, (), "x.toml", Digest("0" * 64), image=image)
    document = LockDocument({}, {}, 1, CREATED, {AMD64: platform})
    identity = buildkit(write(Lock(document, Digest("1" * 64), {AMD64: pure_wheels}, {}, {}), "theirs:1"))
    code = "import os, sys, idna; print(os.getuid(), os.environ['THROUGH'], os.environ['TEAM'], sys.path[1])"
    assert run(identity, "python", "-c", code).split()[:3] == ["1234", "yes", "data"]
    built = json.loads(docker("image", "inspect", identity).stdout)[0]["Config"]
    assert built["Labels"]["team"] == "data"
    assert built["Labels"]["org.opencontainers.image.title"] == ""
