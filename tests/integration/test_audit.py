"""The audit trail by its commands: with git, which merges it, and ssh-keygen, which signs and verifies."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

DIGEST = "sha256:" + "1" * 64
ANN = {"GIT_AUTHOR_NAME": "Ann", "GIT_AUTHOR_EMAIL": "ann@example.org"}

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def audit(tmp_path: Path) -> Run:
    """Runs `envbuild audit` in a folder, with no other variables of this machine than those given."""

    def run(*words: str, folder: Path = tmp_path, variables: Mapping[str, str] = ANN, code: int = 0):
        environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "ENVBUILD_CACHE": str(tmp_path / "store")}
        environment |= {"PYTHONPATH": str(Path(__file__).parents[2]), **variables}
        line = [sys.executable, "-m", "builder", "audit", *words]
        done = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == code, done.stderr
        return done

    return run


def program(name: str, *words: str, folder: Path) -> str:
    if shutil.which(name) is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not there")
    home = {"HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}
    done = subprocess.run([name, *words], cwd=folder, env=home, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def make_key(folder: Path, name: str) -> dict[str, str]:
    program("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name, folder=folder)
    return {**ANN, "ENVBUILD_AUDIT_KEY": str(folder / name)}


def test_without_a_trail_that_is_said_and_nothing_is_written(audit, tmp_path):
    assert "envbuild audit init" in audit("add", "approved", DIGEST, code=1).stderr
    assert not list(tmp_path.iterdir())


def test_a_folder_of_something_else_becomes_no_trail(audit, tmp_path):
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "__init__.py").touch()
    assert "holds something else" in audit("init", code=1).stderr
    assert audit("init", variables={"ENVBUILD_AUDIT": str(tmp_path / "team")}).stdout.strip() == str(tmp_path / "team")


def test_two_branches_merge_in_git_and_the_next_event_joins_them(audit, tmp_path):
    git = ("git", "-c", "user.name=Bo", "-c", "user.email=bo@example.org", "-c", "commit.gpgsign=false")
    audit("init")
    program("git", "init", "-q", "-b", "main", folder=tmp_path)
    program("git", "config", "user.name", "Bo", folder=tmp_path)
    program("git", "config", "user.email", "bo@example.org", folder=tmp_path)
    audit("add", "bundled", DIGEST, variables={})

    def commit(branch: str, action: str) -> str:
        program("git", "checkout", "-q", "-b", branch, "main", folder=tmp_path)
        name = audit("add", action, DIGEST, variables={}).stdout.strip()
        program("git", "add", "audit", folder=tmp_path)
        program(*git, "commit", "-q", "-m", action, folder=tmp_path)
        return name

    program("git", "add", "audit", folder=tmp_path)
    program(*git, "commit", "-q", "-m", "begin", folder=tmp_path)
    signed, pushed = commit("one", "signed"), commit("other", "pushed")
    program(*git, "merge", "-q", "--no-edit", "one", folder=tmp_path)
    assert set(audit("verify").stdout.split()) == {signed, pushed}
    added = json.loads(audit("add", "approved", DIGEST, "--note", "both are there", "--json").stdout)
    assert added["subject"]["digest"] == DIGEST
    events = json.loads(audit("log", "--json").stdout)
    assert [event["action"] for event in events[::3]] == ["bundled", "approved"]
    assert events[0]["actor"] == {"name": "Bo", "email": "bo@example.org", "key": ""}
    assert set(events[-1]["parents"]) == {signed, pushed}
    assert audit("verify").stdout.split() == [events[-1]["event"]]


def test_signed_events_hold_against_the_keys_that_their_actors_may_use(audit, tmp_path):
    audit("init")
    with_key = make_key(tmp_path, "ann")
    audit("add", "approved", DIGEST, variables=with_key)
    signers = tmp_path / "allowed_signers"
    signers.write_text(f"ann@example.org {(tmp_path / 'ann.pub').read_text()}")
    allowed = ("verify", "--allowed-signers", str(signers))
    assert "was not checked" in audit("verify", "--signed").stderr
    assert "1 of them signed;" in audit(*allowed, "--signed").stderr
    audit("add", "run", DIGEST)
    assert "it is not signed" in audit(*allowed, "--signed", code=5).stderr
    audit(*allowed)

    audit("add", "approved", DIGEST, variables={**with_key, "GIT_AUTHOR_EMAIL": "boss@example.org"})
    audit("verify")
    assert "by Ann <boss@example.org> is not valid" in audit(*allowed, code=5).stderr


def test_a_signature_of_another_event_key_or_purpose_is_refused(audit, tmp_path):
    audit("init")
    with_key = make_key(tmp_path, "ann")
    first, second = (
        tmp_path / "audit" / f"{audit('add', action, DIGEST, variables=with_key).stdout.strip()}.json"
        for action in ("approved", "pushed")
    )
    place = Path(f"{second}.sig")
    right = place.read_bytes()
    make_key(tmp_path, "eve")
    sign = ("ssh-keygen", "-q", "-Y", "sign")
    wrong = {"is not valid": Path(f"{first}.sig").read_bytes()}
    for reason, key, purpose in (("and names", "eve", "envbuild-audit"), ("is not valid:", "ann", "file")):
        place.unlink()
        program(*sign, "-n", purpose, "-f", key, str(second), folder=tmp_path)
        wrong[reason] = place.read_bytes()
    wrong["is not valid: "] = b"\0" * 1000
    for reason, signature in wrong.items():
        place.write_bytes(signature)
        assert reason in audit("verify", code=5).stderr
    place.unlink()
    assert "the signature of the key SHA256:" in audit("verify", code=5).stderr
    place.write_bytes(right)
    audit("verify")


def test_what_was_changed_is_5_and_what_is_missing_is_3(audit, tmp_path):
    audit("init")
    first = audit("add", "approved", DIGEST).stdout.strip()
    audit("add", "pushed", DIGEST)
    file = tmp_path / "audit" / f"{first}.json"
    data = file.read_bytes()
    file.write_bytes(data.replace(b"Ann", b"Eve"))
    answer = audit("verify", "--json", code=5)
    assert [finding["kind"] for finding in json.loads(answer.stdout)["findings"]] == ["digest"]
    file.unlink()
    assert f"the event {first} before it is missing" in audit("verify", code=3).stderr
    file.write_bytes(data)
    assert "that was expected is missing" in audit("verify", "--expect", "f" * 64, code=3).stderr
    audit("verify", "--expect", first)


def test_an_event_has_the_time_of_source_date_epoch_and_no_terminal_is_commanded(audit, tmp_path):
    audit("init")
    audit("add", "approved", DIGEST, "--note", "a\x1b[2Jb", variables={**ANN, "SOURCE_DATE_EPOCH": "0"})
    shown = audit("log").stdout
    assert "1970-01-01T00:00:00Z approved" in shown
    assert "\x1b" not in shown + audit("log", "--json").stdout
