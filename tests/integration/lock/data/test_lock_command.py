from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from data_projects import DataProject
from lock_tools import tools_with

from builder.cli import invoke

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def envbuild(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, debian: Any, project: DataProject
) -> Command:
    """Runs a command line in this process, with Debian packages that are made up."""
    monkeypatch.setattr("builder.cli.lock._tools", lambda *_: tools_with(debian=debian))
    monkeypatch.setenv("ENVBUILD_CACHE", str(project.store.root))

    def call(*arguments: str) -> tuple[int, str, str]:
        code = int(invoke(list(arguments)))
        captured = capfd.readouterr()
        assert "Traceback" not in captured.out + captured.err
        return code, captured.out, captured.err

    return call


def test_lock_writes_environment_and_data_and_check_compares_both(envbuild: Command, project: DataProject) -> None:
    project.file("data/a.csv", b"abc")
    project.spec({"train": {"url": "data"}})
    code, out, err = envbuild("lock", "project")
    assert code == 0
    assert out.startswith("sha256:")
    assert "data: 1 entry, 3 bytes\n" in err
    assert sorted(path.name for path in (project.folder / "lock").iterdir())[:2] == [
        "data.lock.json", "envbuild.lock.json",
    ]  # fmt: skip
    before = project.lock_file.read_bytes()
    assert envbuild("lock", "project")[0] == 0
    assert envbuild("lock", "--check", "project")[0] == 0
    assert project.lock_file.read_bytes() == before

    project.file("data/a.csv", b"abd")
    code, out, err = envbuild("lock", "--check", "project")
    assert (code, out) == (1, "")
    assert "error: the data of `project/envbuild.yaml` is not as it was locked\n" in err
    assert "Caused by: `data.train` in `project/data`: `a.csv` was changed\n" in err
    assert "hint: To take it as it is now, run `envbuild lock project`\n" in err

    document = json.loads(before)
    document["data"]["train"]["url"] = "elsewhere"
    project.lock_file.write_text(json.dumps(document))
    code, _, err = envbuild("lock", "--check", "project")
    assert code == 1
    assert "error: the data lock in `project/lock` was changed by hand\n" in err


def test_both_locks_are_told_of_when_both_are_stale(envbuild: Command, project: DataProject) -> None:
    project.file("a.csv")
    project.spec({"train": {"url": "a.csv"}})
    envbuild("lock", "project")
    project.spec({"train": {"url": "b.csv"}}, environment={"python": "3.11", "debian": ["libgomp1"]})
    code, _, err = envbuild("lock", "--check", "project")
    assert code == 1
    assert "`data.train.url` was changed from `a.csv` to `b.csv`" in err
    assert "`libgomp1` was added to `debian`" in err


@pytest.mark.parametrize(
    ("reference", "code", "said"),
    [
        ({"url": "nothing.csv"}, 1, "`project/nothing.csv`, which is `data.train`, is not there"),
        ({"url": "a.csv", "sha256": "0" * 64}, 5, "`data.train` is not what the spec promises"),
        ({"url": "*.txt"}, 1, "`*.txt` matches no file in `project`"),
    ],
)
def test_data_that_cannot_be_locked_leaves_everything_as_it_was(
    envbuild: Command, project: DataProject, reference: dict[str, str], code: int, said: str
) -> None:
    project.file("a.csv")
    project.spec({"train": reference})
    found, out, err = envbuild("lock", "project")
    assert (found, out) == (code, "")
    assert said in err
    assert not (project.folder / "lock").exists()


def test_the_data_lock_goes_when_nothing_needs_it(envbuild: Command, project: DataProject) -> None:
    project.file("a.csv")
    project.spec({"train": {"url": "a.csv"}})
    envbuild("lock", "project")
    digest = project.make().data["train"].digest.hex
    project.spec({"train": {"url": "a.csv", "sha256": digest}})
    assert envbuild("lock", "--check", "project")[0] == 0
    _, _, err = envbuild("lock", "project")
    assert "nothing of the data needs a lock: removed it from `project/lock`" in err
    assert not project.lock_file.exists()


def test_data_that_is_not_here_is_said_and_no_failure(envbuild: Command, project: DataProject) -> None:
    project.file("a.csv")
    project.spec({"train": {"url": "a.csv"}})
    envbuild("lock", "project")
    (project.folder / "a.csv").unlink()
    code, _, err = envbuild("lock", "--check", "project")
    assert code == 0
    assert "`project/a.csv` is not here, so `data.train` was not compared\n" in err


def test_rehash_reads_what_seems_not_to_have_changed(
    envbuild: Command, project: DataProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.file("a.csv", b"1")
    project.spec({"train": {"url": "a.csv"}})
    envbuild("lock", "project")
    store = project.store
    wrong = {"": [*_identity(project.folder / "a.csv"), "0" * 64]}
    monkeypatch.setattr(type(store), "record", lambda *_: wrong)
    assert envbuild("lock", "--check", "project")[0] == 1
    assert envbuild("lock", "--check", "--rehash", "project")[0] == 0


def _identity(path: Path) -> tuple[int, ...]:
    from builder.lock.data.hashing import identity_of

    return identity_of(path.stat())


def test_all_projects_below_a_folder_are_locked(envbuild: Command, project: DataProject) -> None:
    project.file("a.csv")
    project.spec({"train": {"url": "a.csv"}})
    other = DataProject(project.folder.parent / "other", project.store.root)
    other.spec({"train": {"url": "nothing.csv"}})
    code, out, err = envbuild("lock", "--all", ".")
    assert code == 1
    lines = {line.split("  ")[0].strip(): line.split()[-2] for line in out.splitlines() if "sha256" in line}
    assert lines == {"other": "changed", "project": "changed", "project (data)": "changed"}
    assert "other (data)    failed" in out
    assert "`other/nothing.csv`, which is `data.train`, is not there" in err
    other.file("nothing.csv")
    assert envbuild("lock", "--all", ".")[0] == 0
    code, out, _ = envbuild("lock", "--all", "--check", "--json", ".")
    assert code == 0
    assert json.loads(out)["project (data)"] == {
        "current": True, "changed": False, "entries": 1, "size": 1,
        "digest": json.loads(envbuild("lock", "--json", "project")[1])["data"]["digest"],
    }  # fmt: skip
