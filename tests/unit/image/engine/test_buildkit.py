"""BuildKit's programs are found in the order of preference, and what they tell becomes steps, an id or an error."""

from __future__ import annotations

from pathlib import Path

import pytest

from builder.errors import EnvbuildError
from builder.image.engine.buildkit import BuildKitEngine
from builder.image.engine.clients import find_client
from builder.image.engine.interface import BuildRequest
from builder.oci.documents import Platform

from .conftest import MADE, Engine

DOCKER = """\
case "$*" in
  --version) echo "Docker version {version}, build 1";;
  "buildx version") {buildx};;
  *build*) echo "$@" > {folder}/words
    {build};;
  *) exit 1;;
esac
"""
GOOD = """
cat >&2 <<'END'
#1 [internal] load build definition from Dockerfile
#1 DONE 0.0s

#4 [2/3] RUN first
#4 sha256:4c1198bed70f9729b601a6bb54ce03f82a3942828895301c1fb58ec070ee7b9d
#5 [other 1/2] RUN second
#4 0.050 of the first
#5 0.060 of the second
#5 CACHED
#4 DONE 0.1s
END
"""
FAILED = f"""{GOOD}
cat >&2 <<'END'
#5 ERROR: executor failed running [/bin/sh -c second]: exit code: 7
------
 > [other 1/2] RUN second:
------
failed to solve
END
exit 1
"""
TELL = f'for word in "$@"; do case $word in --iidfile=*) echo {MADE} > "${{word#--iidfile=}}";; esac; done'
ARCHIVE = 'for word in "$@"; do case $word in *dest=*) echo image > "${word#*dest=}";; esac; done'


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Puts a program into a folder of its own on PATH, behind those before."""
    tools = tmp_path / "tools"
    tools.mkdir()
    for name in ("sh", "cat", "head", "tr"):
        (tools / name).symlink_to(f"/bin/{name}")
    folders: list[Path] = []

    def put(name: str, text: str) -> Path:
        folder = tmp_path / f"bin{len(folders)}"
        folder.mkdir()
        (folder / name).write_text(f"#!/bin/sh\n{text}")
        (folder / name).chmod(0o755)
        folders.append(folder)
        monkeypatch.setenv("PATH", ":".join(map(str, [*folders, tools])))
        return folder / name

    monkeypatch.setenv("PATH", str(tools))
    return put


def docker(
    folder: Path, version: str = "20.10.24+dfsg1", buildx: str = "exit 1", build: str = f"{GOOD}\n{TELL}"
) -> str:
    return DOCKER.format(version=version, buildx=buildx, build=build, folder=folder)


BUILDX = 'echo "github.com/docker/buildx v0.13.1 abc"'


def test_no_program_is_no_client():
    assert find_client({"PATH": "/nowhere"}) is None


def test_buildx_is_preferred_to_an_older_docker(program, tmp_path):
    first, second = program("docker", docker(tmp_path)), program("docker", docker(tmp_path, "28.0.1", BUILDX))
    client = find_client({"PATH": f"{first.parent}:{second.parent}"})
    assert str(client) == f"`{second} buildx` v0.13.1"


def test_an_older_docker_is_taken_where_the_first_one_has_no_buildx(program, tmp_path):
    first, second = program("docker", docker(tmp_path, "28.0.1")), program("docker", docker(tmp_path))
    client = find_client({"PATH": f"{first.parent}:{second.parent}"})
    assert str(client) == f"`{second}` 20.10.24+dfsg1"


def test_a_docker_that_is_podman_is_passed_over(program, tmp_path):
    path = program("docker", 'echo "podman version 4.3.1"')
    assert find_client({"PATH": str(path.parent)}) is None


def test_buildctl_counts_only_where_its_daemon_answers(program):
    path = program("buildctl", "exit 1")
    assert find_client({"PATH": str(path.parent)}) is None
    path.write_text("#!/bin/sh\necho v0.12.5\n")
    client = find_client({"PATH": str(path.parent)})
    assert client is not None
    assert client.kind == "buildctl"


@pytest.fixture
def asked(tmp_path: Path) -> BuildRequest:
    return BuildRequest(tmp_path / "context", "a:1", Platform("arm64"), {"NAME": "value"})


@pytest.mark.parametrize("buildx", ["exit 1", BUILDX], ids=["docker", "buildx"])
def test_steps_and_lines_are_told_and_the_id_is_returned(program, asked, seen, tmp_path, buildx):
    program("docker", docker(tmp_path, buildx=buildx))
    assert BuildKitEngine(Engine()).build(asked, seen) == MADE
    assert seen.steps == [
        "[internal] load build definition from Dockerfile",
        "[2/3] RUN first",
        "[other 1/2] RUN second",
    ]
    assert seen.lines == ["of the first", "of the second"]
    words = (tmp_path / "words").read_text().split()
    assert words[:2] == (["build", "--progress=plain"] if buildx == "exit 1" else ["buildx", "build"])
    assert {"--network=none", "--platform=linux/arm64", "--build-arg=NAME=value", "--tag=a:1"} <= set(words)


def test_a_step_that_fails_is_named_with_its_own_lines(program, asked, seen, tmp_path):
    program("docker", docker(tmp_path, build=FAILED))
    with pytest.raises(EnvbuildError) as caught:
        BuildKitEngine(Engine()).build(asked, seen)
    assert caught.value.what == "the build failed in the step `[other 1/2] RUN second`"
    assert caught.value.why[0].endswith("exit code: 7")
    assert caught.value.why[1] == "its last lines are:\nof the second"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        ("echo 'cannot connect' >&2; exit 1", "cannot connect"),
        ("head -c 3000000 /dev/zero | tr '\\0' x >&2; exit 1", "xxxx"),
        (
            'for word in "$@"; do case $word in --iidfile=*) echo /etc/passwd > ${word#--iidfile=};; esac; done',
            "digest",
        ),
    ],
    ids=["no-daemon", "flood", "no-digest"],
)
def test_what_cannot_be_understood_is_an_error_of_some_lines(program, asked, seen, tmp_path, build, message):
    program("docker", docker(tmp_path, build=build))
    with pytest.raises(EnvbuildError) as caught:
        BuildKitEngine(Engine()).build(asked, seen)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 20_000


def test_what_buildctl_makes_is_loaded_into_the_engine(program, asked, seen, tmp_path):
    program("buildctl", f'case "$1" in build) echo "$@" > {tmp_path}/words; {ARCHIVE};; *) echo v0.12.5;; esac')
    engine = Engine()
    assert BuildKitEngine(engine).build(asked, seen) == MADE
    assert engine.loaded == [b"image\n"]
    words = (tmp_path / "words").read_text()
    assert "--opt=force-network-mode=none" in words
    assert "--opt=build-arg:NAME=value" in words


def test_the_way_out_is_told_where_no_program_works(program):
    assert "buildctl" in str(BuildKitEngine(Engine()).unavailable())
