from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from builder.lock.interface import FileIndex

A, B = "a" * 64, "b" * 64
COMMIT = "0123456789abcdef0123456789abcdef01234567"
H11 = "63cf8bbe7522de3bf65932fda1d9c2772064ffb3dae62d55932da54b31cb6c86"


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-uv.txt"])
@pytest.mark.parametrize("key", ["lockfile", "file"])
def test_the_pins_of_pip_tools_and_uv_are_kept(fixture_team: Callable[[str], Any], name: str, key: str) -> None:
    sources = fixture_team("pip-tools").sources(**{key: name})
    pins = {pin.name: pin for pin in sources.pins}
    assert {name: pin.version for name, pin in pins.items() if name != "colorama"} == {
        "anyio": "4.4.0", "docopt": "0.6.2", "h11": "0.16.0", "idna": "3.20", "sniffio": "1.3.1",
    }  # fmt: skip
    assert len(pins["anyio"].hashes) == 2
    assert (pins["h11"].hashes, str(pins["h11"].url).rpartition("/")[2]) == ({H11}, "h11-0.16.0-py3-none-any.whl")
    assert (sources.requirements, sources.constraints) == ((), ())
    assert [len(value) for value in sources.inputs.values()] == [64]


def test_uvs_markers_are_kept(fixture_team: Callable[[str], Any]) -> None:
    pins = {pin.name: pin for pin in fixture_team("pip-tools").sources(lockfile="requirements-uv.txt").pins}
    assert pins["colorama"].marker == 'sys_platform == "win32"'
    assert pins["anyio"].marker is None
    assert pins["anyio"].place == "env/requirements-uv.txt:3"


def test_what_pip_compile_reads_is_what_is_resolved(fixture_team: Callable[[str], Any]) -> None:
    sources = fixture_team("pip-tools").sources(file="requirements.in")
    assert [line.text.partition(" @")[0] for line in sources.requirements] == [
        "anyio>=4", 'colorama ; sys_platform == "win32"', "docopt", "h11",
    ]  # fmt: skip
    assert [line.text for line in sources.constraints] == ["anyio<4.5"]


def test_without_hashes_it_is_no_lock(fixture_team: Callable[[str], Any]) -> None:
    team = fixture_team("pip-tools")
    (problem,) = team.problems(lockfile="unhashed.txt")
    assert problem.startswith("env/unhashed.txt:7: it has no hashes")
    assert "--generate-hashes" in problem
    assert "`file:`" in problem
    assert len(team.sources(file="unhashed.txt").requirements) == 5


@pytest.mark.parametrize("key", ["lockfile", "file"])
def test_lines_without_hashes_are_named_where_others_have_them(team: Any, key: str) -> None:
    team.write({"r.txt": f"a==1 --hash=sha256:{A}\nb==1\nc==1 --hash=sha256:{A}\nd==1\n"})
    problems = team.problems(**{key: "r.txt"})
    assert [problem[:16] for problem in problems] == ["env/r.txt:2: `b`", "env/r.txt:4: `d`"]
    assert all("has no hash" in problem and "--generate-hashes" in problem for problem in problems)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (f"a>=1 --hash=sha256:{A}", "not pinned"),
        (f"a==1.* --hash=sha256:{A}", "not pinned"),
        (f"a==1,!=2 --hash=sha256:{A}", "not pinned"),
        (f"a --hash=sha256:{A}", "not pinned"),
        (f"a==1 --hash=sha512:{A}{A}", "has hashes of sha512; sha256 is needed"),
        ("a==1 --hash=md5:abc", "has hashes of md5; sha256 is needed"),
        ("a==1 --hash=sha256:abc", "not 64 hexadecimal digits"),
        ("-c other.txt", "not constrained"),
        ("-e .", "editable"),
        ("a @ https://x.example/a-1-py3-none-any.whl", "needs its hash"),
        (f"a @ https://x.example/main.zip --hash=sha256:{A}", "does not tell the version"),
        ("a @ git+https://git.example/a@main", "not pinned to a commit"),
        (f"z==2 --hash=sha256:{A}", "was pinned otherwise in `env/r.txt:1`"),
        (f"z==1 --hash=sha256:{B}", "was pinned otherwise in `env/r.txt:1`"),
    ],
)
def test_what_is_not_pinned_by_its_hash_is_refused(team: Any, line: str, message: str) -> None:
    team.write({"r.txt": f"z==1 --hash=sha256:{A}\n{line}\n", "other.txt": ""})
    (problem,) = team.problems(lockfile="r.txt")
    assert problem.startswith("env/r.txt:2: ")
    assert message in problem


def test_other_hashes_beside_sha256_are_left_out(team: Any) -> None:
    text = f"A_b.c[x]===1.0+local \\\n  --hash=sha512:{A}{A} --hash=sha256:{A.upper()} \\\n  --hash sha256:{B}\n"
    (pin,) = team.write({"r.txt": text}).sources(lockfile="r.txt").pins
    assert (pin.name, pin.version, pin.hashes, pin.url) == ("a-b-c", "1.0+local", {A, B}, None)


def test_a_package_may_be_pinned_for_each_marker(team: Any) -> None:
    text = "".join(
        f"a=={version} ; python_version {operator} '3.12' --hash=sha256:{digest}\n"
        for version, operator, digest in (("1", "<", A), ("2", ">=", B))
    )
    pins = team.write({"r.txt": text}).sources(lockfile="r.txt").pins
    assert [(pin.version, pin.marker) for pin in pins] == [
        ("1", 'python_version < "3.12"'),
        ("2", 'python_version >= "3.12"'),
    ]


def test_commits_and_indexes_belong_to_a_lock(team: Any) -> None:
    text = f"-i https://a.example/simple\nz==1 --hash=sha256:{A}\nx @ git+https://git.example/x@{COMMIT}\n"
    sources = team.write({"r.txt": text}).sources(lockfile="r.txt")
    assert sources.indexes == (FileIndex("https://a.example/simple", "env/r.txt:1", is_default=True),)
    assert [line.text for line in sources.vcs] == [f"x @ git+https://git.example/x@{COMMIT}"]
    assert [pin.name for pin in sources.pins] == ["z"]


def test_a_lock_of_several_files_is_noticed_in_each(team: Any) -> None:
    team.write({"r.txt": f"-r more.txt\na==1 --hash=sha256:{A}\n", "more.txt": f"b==1 --hash=sha256:{B}\n"})
    sources = team.sources(lockfile="r.txt")
    assert [pin.name for pin in sources.pins] == ["b", "a"]
    assert {*sources.inputs} == {"r.txt", "more.txt"}


def test_the_same_pin_twice_is_one(team: Any) -> None:
    team.write({"r.txt": "-r x.txt\n-r x.txt\n", "x.txt": f"b==1 --hash=sha256:{B}\n"})
    assert [pin.name for pin in team.sources(lockfile="r.txt").pins] == ["b"]


def test_nothing_is_added_to_a_lock(team: Any) -> None:
    spec = "python: '3.11'\npypi:\n  file: r.txt\n  requirements: [numpy]\n"
    team.write({"r.txt": f"a==1 --hash=sha256:{A}\n", "environment.yaml": spec})
    (problem,) = team.problems(file="r.txt", requirements=("numpy",))
    assert problem.startswith("env/environment.yaml:4: `pypi.requirements`: ")
    assert "taken as it is" in problem


def test_extras_and_groups_are_not_of_requirements_files(team: Any) -> None:
    team.write({"r.txt": f"a==1 --hash=sha256:{A}\n"})
    for key in ("file", "lockfile"):
        assert len(team.problems(**{key: "r.txt"}, extras=("x",), groups=("y",))) == 2


@pytest.mark.parametrize(
    ("name", "hint"),
    [("poetry.lock", "poetry export"), ("pdm.lock", "pdm export"), ("Pipfile.lock", "pipenv"), ("x.toml", "Name one")],
)
def test_locks_of_other_tools_are_refused_with_their_export(team: Any, name: str, hint: str) -> None:
    assert hint in str(team.write({name: ""}).error(lockfile=name).hint)
