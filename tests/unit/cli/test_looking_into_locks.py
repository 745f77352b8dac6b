"""`tree`, `why` and `lock diff`: what they print of locks in folders, in bundles' folders and in git."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from made_locks import made_deb, made_wheel, write_made_environment

WHEELS = [
    made_wheel("alpha", "1.0", "beta", "gamma", size=1_500_000),
    made_wheel("beta", "2.0", "gamma"),
    made_wheel("gamma", "3.1", license_="Apache-2.0"),
    made_wheel("delta", "4.0"),
]
DEBIAN = [made_deb("base-files", "12.4", "libc6"), made_deb("libc6", "2.36")]


@pytest.fixture
def environment(work: Path) -> Path:
    """An environment with a current lock."""
    write_made_environment(work / "env", ["alpha>=1", "delta"], WHEELS, DEBIAN)
    return work / "env"


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    return subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True
    ).stdout


@pytest.fixture
def history(environment: Path, work: Path) -> Path:
    """A repository with a revision before the present one."""
    git(work, "init", "-q", "-b", "main")
    git(work, "add", ".")
    git(work, "commit", "-qm", "one")
    changed = [*WHEELS[:1], made_wheel("beta", "2.5", "gamma"), *WHEELS[2:3], made_wheel("epsilon", "1.0")]
    write_made_environment(environment, ["alpha>=1", "epsilon"], changed, DEBIAN)
    git(work, "add", ".")
    git(work, "commit", "-qm", "two")
    return work


def test_a_tree_begins_with_what_was_asked_for(environment: Path, envbuild: Any) -> None:
    code, out, _ = envbuild("tree", str(environment))
    assert code == 0
    assert out.splitlines() == [
        "python: 4 packages, 1.5 MB to download",
        "alpha 1.0 (MIT)",
        "├── beta 2.0 (MIT)",
        "│   └── gamma 3.1 (Apache-2.0)",
        "└── gamma 3.1 (Apache-2.0)",
        "delta 4.0 (MIT)",
        "debian: 2 packages, 1.0 kB to download",
        "base-files 12.4",
        "└── libc6 2.36",
    ]


def test_a_tree_can_be_cut_and_begun_elsewhere(environment: Path, envbuild: Any) -> None:
    assert "gamma" not in envbuild("tree", str(environment), "--depth", "0", "--kind", "python")[1]
    out = envbuild("tree", str(environment), "--package", "Beta")[1]
    assert out.splitlines()[1:] == ["beta 2.0 (MIT)", "└── gamma 3.1 (Apache-2.0)"]


def test_a_tree_as_json_has_all_edges(environment: Path, envbuild: Any) -> None:
    document = json.loads(envbuild("tree", str(environment), "--json", "--platform", "linux/arm64")[1])
    assert document["platform"] == "linux/arm64"
    python = document["packages"][0]
    assert python["roots"] == ["alpha", "delta"]
    assert {one["name"]: one["dependencies"] for one in python["packages"]}["alpha"] == ["beta", "gamma"]


def test_why_shows_the_shortest_ways(environment: Path, envbuild: Any) -> None:
    assert envbuild("why", "gamma", str(environment))[1].splitlines() == [
        "gamma 3.1 (python)",
        "  alpha 1.0 → gamma 3.1",
    ]
    assert envbuild("why", "delta", str(environment))[1].splitlines() == ["delta 4.0 (python)", "  asked for itself"]
    assert "base-files 12.4 → libc6 2.36" in envbuild("why", "libc6", str(environment))[1]
    document = json.loads(envbuild("why", "gamma", str(environment), "--json")[1])
    assert document["packages"][0]["ways"] == [["alpha", "gamma"]]


@pytest.mark.parametrize("command", [["why", "gama"], ["tree", "--package", "gama"]])
def test_a_package_that_is_not_locked_is_an_error_with_a_hint(
    command: list[str], environment: Path, envbuild: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(environment)
    code, out, error = envbuild(*command)
    assert (code, out) == (1, "")
    assert "`gama` is not locked for linux/" in error
    assert "did you mean `gamma`?" in error


def test_a_platform_that_is_not_locked_is_an_error(environment: Path, envbuild: Any) -> None:
    code, _, error = envbuild("tree", str(environment), "--platform", "linux/riscv64")
    assert code == 1
    assert "the lock has no platform linux/riscv64" in error


def test_a_lock_is_compared_with_the_revision_before(
    history: Path, envbuild: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(history / "env")
    code, out, _ = envbuild("lock", "diff", "HEAD~1")
    assert code == 0
    assert out.splitlines() == [
        "HEAD~1 → .",
        "spec: `epsilon` was added to `pypi.requirements`",
        "spec: `delta` was removed from `pypi.requirements`",
        "↑  beta     python  2.0 → 2.5",
        "-  delta    python  4.0",
        "+  epsilon  python  1.0        MIT",
        "1 added, 1 removed, 1 upgraded; download 1.5 MB for linux/amd64 and linux/arm64",
    ]
    assert envbuild("lock", "diff", "HEAD~1", "--exit-code")[0] == 1
    assert envbuild("lock", "diff", "HEAD", "--exit-code")[0] == 0


def test_a_lock_is_compared_with_one_elsewhere_in_history(history: Path, envbuild: Any) -> None:
    expected = envbuild("lock", "diff", "HEAD~1", "--path", "env", "--json")[1]
    document = json.loads(envbuild("lock", "diff", "HEAD~1:env", "HEAD:env", "--json")[1])
    assert document["packages"] == json.loads(expected)["packages"]
    assert [(one["name"], one["status"]) for one in document["packages"]] == [
        ("beta", "upgraded"), ("delta", "removed"), ("epsilon", "added"),
    ]  # fmt: skip
    assert document["sizes"]["linux/amd64"]["before"] == 1_503_000 + 1000


def test_a_difference_is_told_in_markdown_for_a_pull_request(history: Path, envbuild: Any) -> None:
    lines = envbuild("lock", "diff", "HEAD~1", "--path", "env", "--markdown")[1].splitlines()
    assert lines[0] == "### Lock: `HEAD~1` → `env`"
    assert "| ↑ | `beta` | python | `2.0` | `2.5` |  |" in lines
    assert "| + | `epsilon` | python |  | `1.0` | `MIT` |" in lines
    assert lines[-1].startswith("**1 added, 1 removed, 1 upgraded")


def test_nothing_of_a_lock_is_taken_for_markdown(work: Path, envbuild: Any) -> None:
    evil = made_wheel("alpha", "1.0", license_="|`<img src=x>`|")
    write_made_environment(work / "one", ["alpha"], [], DEBIAN)
    write_made_environment(work / "two", ["alpha"], [evil], DEBIAN)
    out = envbuild("lock", "diff", "one", "two", "--markdown")[1]
    row = next(line for line in out.splitlines() if "alpha" in line and line.startswith("|"))
    assert r"``\|`<img src=x>`\|``" in row


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nowhere", "`nowhere` is neither a path nor a git revision"),
        ("--output=x", "No such option"),
        ("HEAD~9", "`HEAD~9` is neither a path nor a git revision"),
        ("HEAD:../..", "leads out of the repository"),
        ("HEAD:missing", "there is no lock of `missing`"),
    ],
)
def test_what_is_no_lock_is_refused(text: str, told: str, history: Path, envbuild: Any) -> None:
    code, out, error = envbuild("lock", "diff", text, "env")
    assert code in (1, 2)
    assert out == ""
    assert told in error


def test_a_revision_without_the_lock_is_told_of_by_the_environment_that_was_meant(
    environment: Path, work: Path, envbuild: Any
) -> None:
    git(work, "init", "-q", "-b", "main")
    git(work, "add", "env/environment.yaml")
    git(work, "commit", "-qm", "one")
    code, _, error = envbuild("lock", "diff", "HEAD", "--path", "env")
    assert code == 1
    assert "there is no lock of `env` in `HEAD`" in error
    assert "`env/lock/envbuild.lock.json`" in error
    assert "lock/lock" not in error


def test_hooks_of_git_do_not_lead_elsewhere(history: Path, envbuild: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_WORK_TREE", "/nonexistent")
    assert envbuild("lock", "diff", "HEAD~1", "--path", "env")[0] == 0


def test_a_lock_that_was_edited_can_still_be_looked_into(environment: Path, envbuild: Any) -> None:
    path = environment / "lock/envbuild.lock.json"
    path.write_text(path.read_text().replace('"version": "2.36"', '"version": "2.37"'))
    code, out, error = envbuild("why", "libc6", str(environment))
    assert code == 0
    assert "libc6 2.37" in out
    assert "note: the lock in" in error
