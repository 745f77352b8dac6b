"""What a new user gets wrong: each mistake is told in their words, with what to do, and nothing is left behind."""

from __future__ import annotations

import errno
import json
import subprocess
import sys
from pathlib import Path

import pytest
from made_bundles import bundle_of, write_file
from signed_bundles import made_bundle, new_key

from builder.bundle.attached.attach import attach
from builder.bundle.reading.reader import open_bundle
from builder.cli import _system_error
from builder.records.in_toto import statement_document, unsigned

ROOT = Path(__file__).parents[3]


def test_an_interrupt_while_modules_are_imported_is_no_traceback(work):
    (work / "click.py").write_text("raise KeyboardInterrupt\n")
    line = [sys.executable, "-c", "from builder.cli import main; main(['inspect', 'x'])"]
    done = subprocess.run(
        line, env={"PYTHONPATH": f"{work}:{ROOT}"}, cwd=work, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "error: interrupted\n")


@pytest.mark.parametrize("words", [("bundle",), ("build", "--dry-run"), ("run", "train")])
@pytest.mark.parametrize("options", [("--full", "--thin"), ("--thin", "--full")])
def test_full_and_thin_exclude_each_other(envbuild, words, options):
    code, out, err = envbuild(words[0], str(ROOT / "examples/penguins"), *options, *words[1:])
    assert (code, out) == (2, "")
    assert "error: `--full` and `--thin` exclude each other." in err


def test_that_they_do_is_json_where_it_is_asked_for(envbuild):
    code, out, _ = envbuild("bundle", "--full", "--thin", "--json")
    assert (code, json.loads(out)["error"]["exit-code"]) == (2, 2)


@pytest.mark.parametrize("command", ["inspect", "verify"])
@pytest.mark.parametrize("content", [b"short", b"a line of text\n" * 500], ids=["short", "long"])
def test_a_file_of_another_kind_is_not_said_to_be_cut_short(envbuild, work, command, content):
    (work / "notes.txt").write_bytes(content)
    code, _, err = envbuild(command, "notes.txt")
    assert code == 1
    assert "Caused by: it is no tar archive" in err
    assert "cut short" not in err


@pytest.mark.parametrize("command", ["inspect", "verify", "scan"])
def test_a_bundle_that_is_cut_short_is_to_be_got_again(envbuild, work, command):
    data = made_bundle(work / "toy.tar").read_bytes()
    (work / "cut.tar").write_bytes(data[: len(data) // 2])
    code, _, err = envbuild(command, "cut.tar")
    assert code == 1
    assert "hint: It was cut short: get it again" in err


def test_a_private_key_does_not_get_the_name_of_a_public_one(envbuild, work):
    code, _, err = envbuild("keys", "generate", "team.pub", "--no-passphrase")
    assert code == 1
    assert "hint: Name `team`" in err
    assert list(work.iterdir()) == []


def test_a_key_without_a_passphrase_is_not_given_one(envbuild, work):
    code, _, err = envbuild("keys", "generate", "team", "--no-passphrase", "--password-fd", "0")
    assert code == 2
    assert "exclude each other" in err
    assert list(work.iterdir()) == []


def test_who_signs_with_the_public_key_is_told_of_the_private_one(envbuild, work):
    made_bundle(work / "toy.tar")
    new_key(work / "a")
    code, _, err = envbuild("sign", "toy.tar", "--key", "a.pub")
    assert code == 1
    assert "hint: Name the private key" in err


def test_who_lacks_a_signature_is_told_how_to_get_one(envbuild, work):
    made_bundle(work / "toy.tar")
    new_key(work / "a")
    code, _, err = envbuild("verify", "toy.tar", "--key", "a.pub")
    assert code == 4
    assert "with `envbuild sign`" in err


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.ENOENT])
def test_where_nothing_can_be_written_is_told_by_its_own_name(number):
    error = _system_error(OSError(number, "Cannot", "/to/.report.json-0a1b2c3d"))
    assert error.what == "`/to/report.json` cannot be written"
    assert error.hint == "Name a place that is there and can be written to"


def test_what_the_system_says_of_other_files_stays_as_it_is():
    error = _system_error(OSError(errno.ENOENT, "No such file or directory", "/to/.hidden"))
    assert (error.what, error.why, error.hint) == ("no such file or directory", ("`/to/.hidden`",), None)


def test_a_command_that_is_not_there_is_told_before_anything_is_built_for_it(envbuild, work):
    write_file(work / "toy.tar", bundle_of({}))
    code, _, err = envbuild("reproduce", "toy.tar", "--command", "nosuch")
    assert code == 1
    assert "error: the bundle has no command `nosuch`" in err
    assert "building" not in err


def test_a_report_that_cannot_be_written_is_told_before_anything_is_built_for_it(envbuild, work):
    made_bundle(work / "toy.tar")
    (work / "file").touch()
    for place in ("none/x.md", "file/x.md"):
        code, _, err = envbuild("reproduce", "toy.tar", "--report", place)
        assert code == 1
        assert f"no report can be written to `{place}`" in err


def test_what_each_attached_record_says_is_shown(envbuild, work):
    top = open_bundle(made_bundle(work / "toy.tar")).top
    statement = statement_document([("", top.digest)], "https://envbuild.dev/toy/v1", {})
    attach(work / "toy.tar", top, [unsigned(statement)])
    new_key(work / "a")
    assert envbuild("sign", "toy.tar", "--key", "a")[0] == 0
    code, out, _ = envbuild("inspect", "toy.tar", "--records")
    attached = [line for line in out.splitlines() if line.startswith("attached")]
    assert code == 0
    assert any("https://envbuild.dev/toy/v1, " in line for line in attached)
    assert any("https://model_signing/signature/v1.0, " in line for line in attached)
    assert all("https://" in line for line in attached)
