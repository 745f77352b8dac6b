"""The image that Docker makes of the Dockerfile has the files and the settings of the native one, of the same lock."""

from __future__ import annotations

import csv
import json
import posixpath
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from filesystem_comparison import Difference, Files, differences, documented, of_docker_archive, unexplained

pytestmark = pytest.mark.slow

REFERENCE = Path(__file__).parents[2] / "docs/reference"
ALLOWED = documented(REFERENCE / "dockerfile-differences.md", REFERENCE / "debian-differences.md")
SETTINGS = ("Env", "User", "Entrypoint", "Cmd", "WorkingDir", "Labels", "ExposedPorts")
STATUS = "var/lib/dpkg/status.d/"
SITE_PACKAGES = "opt/env/lib/python3.11/site-packages"
READ = """
import glob, json, sys
found = {path: open(path, encoding="latin-1").read() for name in sys.argv[1:] for path in glob.glob(name)}
print(json.dumps(found))
"""


@dataclass(frozen=True)
class Side:
    """One of the two images."""

    identity: str
    files: Files
    settings: dict[str, object]
    read: Callable[..., dict[str, str]]
    """The texts of the files that patterns name, by path."""


@dataclass(frozen=True)
class Pair:
    """Images of one lock."""

    dockerfile: Side
    native: Side


@pytest.fixture(scope="module")
def side(docker) -> Callable[[str], Side]:
    def look_at(identity: str) -> Side:
        def read(*patterns: str) -> dict[str, str]:
            options = ["--rm", "--network", "none", "--user", "0", "--entrypoint", "/opt/env/bin/python"]
            return json.loads(docker("run", *options, identity, "-c", READ, *patterns).stdout)

        with tempfile.TemporaryDirectory() as folder:
            docker("save", "-o", Path(folder, "image.tar"), identity)
            files = of_docker_archive(Path(folder, "image.tar"))
        config = json.loads(docker("image", "inspect", identity).stdout)[0]["Config"]
        return Side(identity, files, {name: config.get(name) or None for name in SETTINGS}, read)

    return look_at


@pytest.fixture(scope="module")
def build_both(with_docker, docker, debian_base, side) -> Callable[..., Pair]:
    def build(path: Path, name: str, builder: str, **environment: str) -> Pair:
        envbuild = replace(with_docker, environment={**with_docker.environment, **environment})
        envbuild("build", "--load", path, "--platform", "linux/amd64")
        native = docker.identity(name)
        line = ["build", path, "--platform", "linux/amd64", "--builder", builder, "--base", debian_base, "--json"]
        made = json.loads(envbuild(*line).stdout)["digest"]
        assert docker.identity(name) == made != native
        return Pair(side(made), side(native))

    return build


@pytest.fixture(scope="module")
def project(build_both, projects, tmp_path_factory) -> Pair:
    """A project with code and model, on Debian's Python with wheels, by the classic builder."""
    folder = tmp_path_factory.mktemp("same-files") / "projects"
    shutil.copytree(projects, folder)
    copied = folder / "examples/penguins"
    spec = copied / "envbuild.yaml"
    spec.write_text(spec.read_text().replace("environments/sklearn", "environments/serving"))
    model = copied / "out/model"
    (model / "deep").mkdir(parents=True)
    (model / "weights.bin").write_bytes(bytes(range(256)) * 40)
    (model / "deep/naïve name").write_text("not ASCII")
    (copied / "src/penguins/empty.py").touch()
    (copied / "src/penguins/train.py").chmod(0o755)
    return build_both(copied, "penguins:1.0", "docker")


@pytest.fixture(scope="module")
def linker(docker, project) -> None:
    """An image with a Python, under the name of the one that links conda packages by default."""
    steps = "USER 0\nENTRYPOINT []\nRUN rm -r /opt/env && ln -s python3.11 /usr/bin/python3\n"
    docker("build", "--tag", "python:3.13-slim", "-", input=f"FROM {project.dockerfile.identity}\n{steps}")


@pytest.fixture(scope="module")
def conda(build_both, projects, envbuild, team_channel, linker, tmp_path_factory) -> Pair:
    """An environment of conda packages alone, by BuildKit."""
    folder = tmp_path_factory.mktemp("conda") / "environments/conda"
    shutil.copytree(projects / "environments/conda", folder)
    replace(envbuild, environment=team_channel)("lock", "--upgrade", folder)
    return build_both(folder, "conda:latest", "buildkit", **team_channel)


@pytest.fixture(params=["project", "conda"])
def pair(request) -> Pair:
    return request.getfixturevalue(request.param)


def base_packages(pair: Pair) -> Callable[[Difference], bool]:
    """Tells what belongs to packages of the base that are not locked, by dpkg's lists, and to their alternatives."""
    lists = pair.dockerfile.read("/var/lib/dpkg/info/*.list")
    locked = {path.removeprefix(STATUS) for path in pair.native.files if path.startswith(STATUS)}
    ours, others = set(), set()
    for path, text in lists.items():
        package = path.rpartition("/")[2].removesuffix(".list").partition(":")[0]
        (ours if package in locked else others).update(map(merged, text.splitlines()))
    assert len(ours) > 1000
    assert len(others) > 1000

    def decide(difference: Difference) -> bool:
        path, files = difference.path, pair.dockerfile.files
        while (target := files[path].target) and "/etc/alternatives/" in f"/{path}{target}" and target[0] == "/":
            path = merged(target)
        return difference.kind == "missing" and path in others - ours

    return decide


def merged(path: str) -> str:
    """A path of a package where it is since `/bin`, `/sbin` and `/lib` are links."""
    return re.sub(r"^(bin|sbin|lib(?:32|64|x32)?)(?=/|$)", r"usr/\1", path.strip("/"))


def assert_explained(found: Iterable[Difference]) -> None:
    left = list(found)
    assert not left, f"{len(left)} paths differ:\n" + "\n".join(map(str, left[:30]))


def test_files_are_the_same_but_for_the_documented_ones(pair):
    found = differences(pair.dockerfile.files, pair.native.files)
    is_of_base = base_packages(pair)
    assert_explained(one for one in unexplained(found, ALLOWED) if not is_of_base(one))
    same = pair.dockerfile.files.keys() & pair.native.files.keys()
    assert len(same) > 2000
    assert len([path for path in same if path.startswith("opt/env/")]) > 500


def test_settings_are_the_same(pair):
    assert pair.dockerfile.settings == pair.native.settings
    assert pair.native.settings["Labels"]


def test_accounts_are_the_same_but_for_where_passwords_would_be(pair):
    first, second = (side.read("/etc/passwd", "/etc/group") for side in (pair.dockerfile, pair.native))
    for path in first:
        assert without_passwords(first[path]) == without_passwords(second[path])


def without_passwords(text: str) -> set[tuple[str, ...]]:
    fields = [line.split(":") for line in text.splitlines()]
    return {(name, *rest) for name, _, *rest in fields}


def test_what_the_native_loader_cache_names_the_other_names_too(docker, pair):
    """Read by the ldconfig of the image that has one for programs of its base."""
    options = ["--rm", "--network", "none", "--user", "0", "--entrypoint", "/sbin/ldconfig"]
    first, second = (
        set(docker("run", *options, side.identity, "-p").stdout.splitlines()[1:-1])
        for side in (pair.dockerfile, pair.native)
    )
    assert len(second) > 20
    assert second <= first


def test_distributions_are_recorded_alike(project):
    """But for pip's own traces, and the scripts, which it words differently."""
    first, second = (side.read(f"/{SITE_PACKAGES}/*.dist-info/RECORD") for side in (project.dockerfile, project.native))
    assert first.keys() == second.keys()
    assert len(first) > 10
    for path in first:
        assert recorded(first[path]) == recorded(second[path])


def recorded(text: str) -> dict[str, tuple[str, str]]:
    own = ("/INSTALLER", "/RECORD", "/REQUESTED")
    return {
        path: (digest if "/bin/" not in path else "", size if "/bin/" not in path else "")
        for path, digest, size in csv.reader(text.splitlines())
        if not path.endswith(own)
    }


def test_scripts_start_the_same_functions_with_the_same_interpreter(project):
    first, second = (side.read("/opt/env/bin/*") for side in (project.dockerfile, project.native))
    found = {path: started(first[path]) for path in first if "sys.exit(" in first[path]}
    assert found == {path: started(second[path]) for path in found}
    assert all(None not in parts for parts in found.values())
    assert found["/opt/env/bin/uvicorn"] == ("/opt/env/bin/python", "from uvicorn.main import main", "main")


def started(script: str) -> tuple[str | None, ...]:
    patterns = (r"^#!(.*)$", r"^(from .* import .*)$", r"sys\.exit\((.*)\(\)\)")
    found = [re.search(pattern, script, re.MULTILINE) for pattern in patterns]
    return tuple(match[1] if match else None for match in found)


def test_names_of_the_interpreter_lead_to_one_program(pair):
    for side in (pair.dockerfile, pair.native):
        assert {resolved(side.files, f"opt/env/bin/{name}") for name in ("python", "python3", "python3.11")} == {
            "usr/bin/python3.11" if "usr/bin/python3.11" in side.files else "opt/env/bin/python3.11"
        }


def resolved(files: Files, path: str) -> str:
    while target := files[path].target:
        path = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), target)).lstrip("/")
    return path


def test_every_documented_difference_is_seen(project, conda):
    """A page that excuses what never differs would hide what comes to differ."""
    found = [one for pair in (project, conda) for one in differences(pair.dockerfile.files, pair.native.files)]
    rules = documented(REFERENCE / "dockerfile-differences.md")
    assert [rule.text for rule in rules if not any(rule.excuses(one) for one in found)] == []
