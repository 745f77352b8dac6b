from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.pylock import Pylock

FIXTURES = Path(__file__).parent / "fixtures"
SHA = "8bb5376d2006950386f8c6427613334a2acadc5f559cb80e638d00b4df957e37"


def names(sources: Any) -> list[str]:
    return [package["name"] for package in sources.pylock["packages"]]


def uv_lock(old: str = "", new: str = "", name: str = "uv-project") -> dict[str, str]:
    text = (FIXTURES / name / "uv.lock").read_text()
    assert old in text
    return {"uv.lock": text.replace(old, new) if old else text}


def test_a_uv_lock_becomes_a_standard_lock(fixture_team: Callable[[str], Any]) -> None:
    sources = fixture_team("uv-project").sources(lockfile="uv.lock")
    Pylock.from_dict(sources.pylock)
    assert names(sources) == ["anyio", "colorama", "idna", "sniffio"]
    anyio = sources.pylock["packages"][0]
    assert anyio["wheels"][0]["size"] == 86780
    assert anyio["wheels"][0]["hashes"]["sha256"].startswith("c1b2d8f46a8a")
    assert anyio["sdist"]["url"].endswith("/anyio-4.4.0.tar.gz")
    assert sources.pylock["packages"][1]["marker"] == "sys_platform == 'win32'"
    assert (sources.extras, sources.groups) == ((), ())


@pytest.mark.parametrize(
    ("extras", "groups", "more"),
    [
        (("web",), (), {"h11"}),
        (("All",), (), {"h11", "docopt"}),
        (("new",), (), {"packaging"}),
        ((), ("Dev",), {"iniconfig", "pluggy"}),
        (("web",), ("lint",), {"h11", "pluggy"}),
    ],
)
def test_extras_and_groups_of_a_uv_lock_are_chosen(
    fixture_team: Callable[[str], Any], extras: tuple[str, ...], groups: tuple[str, ...], more: set[str]
) -> None:
    sources = fixture_team("uv-project").sources(lockfile="uv.lock", extras=extras, groups=groups)
    assert {*names(sources)} - {"anyio", "colorama", "idna", "sniffio"} == more


def test_extras_that_conflict_have_one_version_each(fixture_team: Callable[[str], Any]) -> None:
    team = fixture_team("uv-project")
    versions = {
        extra: {
            package["name"]: package["version"]
            for package in team.sources(lockfile="uv.lock", extras=(extra,)).pylock["packages"]
        }
        for extra in ("old", "new")
    }
    assert versions["old"]["packaging"] == "23.2"
    assert versions["new"]["packaging"] > "24"
    assert "`churn[new]`" in str(team.error(lockfile="uv.lock", extras=("old", "new")))


def test_a_uv_lock_is_enough_without_the_projects_files(team: Any) -> None:
    team.write({**uv_lock(), "pyproject.toml": "this is not TOML", "uv.toml": "nor this"})
    assert names(team.sources(lockfile="uv.lock")) == ["anyio", "colorama", "idna", "sniffio"]


def test_settings_of_the_machine_have_no_part_in_reading_a_uv_lock(team: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_INDEX_URL", "https://user:pw@other.example/simple")
    monkeypatch.setenv("UV_PROJECT", "/nowhere")
    monkeypatch.setenv("UV_NO_GROUP", "dev")
    sources = team.write(uv_lock()).sources(lockfile="uv.lock", groups=("dev",))
    assert "iniconfig" in names(sources)
    assert "other.example" not in str(sources)


def test_unknown_extras_and_groups_of_a_uv_lock_are_told_with_the_known_ones(team: Any) -> None:
    spec = "python: '3.11'\npypi:\n  lockfile: uv.lock\n  extras: [wep]\n  groups:\n    - x\n"
    team.write({**uv_lock(), "environment.yaml": spec})
    extra, group = team.problems(lockfile="uv.lock", extras=("wep",), groups=("x",))
    assert extra.startswith(
        "env/environment.yaml:4: `pypi.extras[0]`: the lock has no extra `wep` (did you mean `web`?)"
    )
    assert group.startswith("env/environment.yaml:6: `pypi.groups[0]`: the lock has no dependency group `x`")


def test_local_packages_of_a_uv_lock_are_refused_by_name(fixture_team: Callable[[str], Any]) -> None:
    inner, pluggy = fixture_team("uv-local").problems(lockfile="uv.lock")
    assert inner.startswith("env/uv.lock:47: `inner`: it is a folder, `libs/inner`")
    assert pluggy.startswith("env/uv.lock:58: `pluggy`: `wheels/pluggy-1.6.0-py3-none-any.whl` is a path")


def test_commits_and_urls_of_a_uv_lock_are_kept(team: Any) -> None:
    text = uv_lock(name="uv-local")["uv.lock"].replace('    { name = "inner" },\n    { name = "pluggy" },\n', "")
    packages = {
        package["name"]: package
        for package in team.write({"uv.lock": text}).sources(lockfile="uv.lock").pylock["packages"]
    }
    assert packages["gitpkg"]["vcs"] == {
        "type": "git",
        "url": "https://git.example/team/gitpkg",
        "commit-id": "dd9d0255de64672346a662fc396a974329e2c495",
    }
    assert packages["click"]["archive"]["hashes"] == {"sha256": SHA}


WORKSPACE = """\
[manifest]
members = ["churn", "other"]
[[package]]
name = "other"
version = "0"
source = { virtual = "b" }
[[package]]
name = "churn"
version = "0.1.0"
source = { virtual = "a" }"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version = 1\n", "version = 2\n", ":1: it is of version 2; this envbuild knows uv's format up to version 1"),
        ("revision = 5\n", "revision = 6\n", ":2: it is of revision 6"),
        ("version = 1\n", "version = 'x'\n", "not a lock of uv"),
        ("version = 1\nrevision = 5\n", "", "not a lock of uv"),
        ('source = { virtual = "." }', 'source = { virtual = "sub" }', "the project that it was made for is not in it"),
        (
            '[[package]]\nname = "churn"\nversion = "0.1.0"\nsource = { virtual = "." }',
            WORKSPACE,
            "a workspace without a project of its own: `churn`, `other`",
        ),
    ],
)
def test_a_uv_lock_that_is_not_known_is_refused(team: Any, old: str, new: str, message: str) -> None:
    (problem,) = team.write(uv_lock(old, new)).problems(lockfile="uv.lock")
    assert problem.startswith("env/uv.lock:")
    assert message in problem
    if "not a lock of uv" not in message:
        assert "uv export" in problem


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('name = "churn"', 'name = "../churn"', "is no name"),
        (">=3.11", "><3", "no such comparison operator"),
        ('name = "idna" }', 'name = "gone" }', "gone"),
        ("sha256:", "sha1:", ""),
        (', hash = "sha256:', ', hush = "sha256:', "hash"),
    ],
)
def test_a_broken_uv_lock_is_told_in_uvs_words(team: Any, old: str, new: str, message: str) -> None:
    error = team.write(uv_lock(old, new)).error(lockfile="uv.lock")
    assert "env/uv.lock" in error.what
    assert message in str(error)


@pytest.mark.parametrize("name", ["pylock.toml", "pylock.uv.toml"])
def test_a_pylock_of_pip_and_of_uv_is_taken_as_it_is(fixture_team: Callable[[str], Any], name: str) -> None:
    sources = fixture_team("pip-lock").sources(lockfile=name)
    assert sources.pylock == tomllib.loads((FIXTURES / "pip-lock" / name).read_text())
    assert {"anyio", "h11"} <= {*names(sources)}


PYLOCK = f"""\
lock-version = "1.0"
created-by = "hand"
extras = ["web"]
dependency-groups = ["default", "Test_All"]
default-groups = ["default"]

[[packages]]
name = "click"
version = "8.5.1"
marker = "'default' in dependency_groups"
wheels = [{{url = "https://x.example/click-8.5.1-py3-none-any.whl", hashes = {{sha256 = "{SHA}"}}}}]
"""


def test_extras_and_groups_of_a_pylock_are_added_to_its_default_groups(team: Any) -> None:
    team.write({"pylock.toml": PYLOCK})
    assert team.sources(lockfile="pylock.toml").groups == ("default",)
    sources = team.sources(lockfile="pylock.toml", extras=("Web",), groups=("test-all",))
    assert (sources.extras, sources.groups) == (("web",), ("default", "Test_All"))
    problems = team.problems(lockfile="pylock.toml", extras=("x",), groups=("y",))
    assert [problem.partition(" (")[0] for problem in problems] == [
        "env/environment.yaml:1: `pypi.extras[0]`: the lock has no extra `x`",
        "env/environment.yaml:1: `pypi.groups[0]`: the lock has no dependency group `y`",
    ]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("sha256 =", "sha512 =", ":8: `click`: `click-8.5.1-py3-none-any.whl` has no sha256"),
        (f'sha256 = "{SHA}"', "", "At least one hash must be provided in 'packages[0].wheels[0].hashes'"),
        (SHA, "abc", "has no sha256"),
        ("https://x.example/", "../", ":8: `click`: `../click-8.5.1-py3-none-any.whl` is a path"),
        ('url = "https://x.example/', 'path = "', "is a path"),
        ("https://", "https://u:s3cret@", "holds credentials"),
        ("none-any.whl", "none-any.whl?t=s3cret", "is a path|a query"),
        (
            'lock-version = "1.0"',
            'lock-version = "2.0"',
            ":1: pylock version 2.0 is not supported (use a newer envbuild",
        ),
        ('name = "click"', 'name = "Click"', ":7: this is not a lock (PEP 751)"),
        ("click-8.5.1", "click-8.5.2", ":7: this is not a lock (PEP 751)"),
        ('created-by = "hand"', "", "Missing required value in 'created-by'"),
        ("marker = \"'default'", 'marker = "what', "this is not a lock (PEP 751)"),
        ("[[packages]]", "[[packages]", ":7: this is not TOML"),
    ],
)
def test_a_pylock_that_cannot_be_relied_on_is_refused(team: Any, old: str, new: str, message: str) -> None:
    assert old in PYLOCK
    (problem,) = team.write({"pylock.toml": PYLOCK.replace(old, new)}).problems(lockfile="pylock.toml")
    assert problem.startswith("env/pylock.toml:")
    assert any(part in problem for part in message.split("|"))
    assert "s3cret" not in problem


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("directory = {path = '.'}", "it is a folder, `.`"),
        ("vcs = {type = 'git', url = 'https://g.example/x', commit-id = 'main'}", "not pinned to a commit"),
        ("vcs = {type = 'git', path = '../x', commit-id = 'main'}", "not taken"),
        ("vcs = {type = 'hg', url = 'https://g.example/x', commit-id = 'main'}", "`hg` is not taken"),
        (f"archive = {{path = 'x-1.zip', hashes = {{sha256 = '{SHA}'}}}}", "`x-1.zip` is a path"),
    ],
)
def test_sources_of_a_pylock_that_others_cannot_have_are_refused(team: Any, source: str, message: str) -> None:
    text = f"lock-version = '1.0'\ncreated-by = 'hand'\n[[packages]]\nname = 'x'\n{source}\n"
    (problem,) = team.write({"pylock.toml": text}).problems(lockfile="pylock.toml")
    assert problem.startswith("env/pylock.toml:4: `x`: ")
    assert message in problem


def test_locks_are_noticed_as_a_whole(team: Any) -> None:
    import hashlib

    team.write({"pylock.toml": PYLOCK})
    assert team.sources(lockfile="pylock.toml").inputs == {"pylock.toml": hashlib.sha256(PYLOCK.encode()).hexdigest()}
