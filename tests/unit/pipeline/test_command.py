from __future__ import annotations

import pytest

from builder.pipeline.command import Mention, mentions


def _told(*arguments: str) -> list[tuple[str, str, bool]]:
    return [(one.kind, one.text, one.is_program) for one in mentions(arguments) if one.text not in ("python", "sh")]


def test_a_module_is_what_follows_m() -> None:
    assert ("module", "churn.train", False) in _told("python", "-u", "-m", "churn.train", "--rate", "1")


@pytest.mark.parametrize("options", [(), ("-u",), ("-W", "ignore"), ("-X", "dev", "-O")], ids=" ".join)
def test_the_script_of_python_is_behind_its_options(options: tuple[str, ...]) -> None:
    assert ("file", "src/train.py", True) in _told("python3.11", *options, "./src/train.py", "out/x")


@pytest.mark.parametrize("options", [(), ("-e",), ("-euo", "pipefail")], ids=" ".join)
def test_the_script_of_a_shell_is_behind_its_options(options: tuple[str, ...]) -> None:
    assert ("file", "run.sh", True) in _told("bash", *options, "run.sh")


def test_what_is_run_by_its_path_must_be_there() -> None:
    assert _told("bin/prepare", "x")[0] == ("file", "bin/prepare", True)
    assert _told("prepare", "x")[0] == ("file", "prepare", False)


def test_the_folder_of_code_in_the_image_is_the_projects() -> None:
    assert ("file", "src/train.py", True) in _told("python", "/app/src/train.py", "/data/train", "../x", "~/y")
    assert [text for _, text, _ in _told("python", "/app/src/train.py", "/data/train", "../x", "~/y")] == [
        "src/train.py"
    ]


def test_a_value_of_an_option_may_be_a_file() -> None:
    assert ("file", "conf/a.yaml", False) in _told("train", "--config=conf/a.yaml")


def test_a_script_in_an_argument_is_read_as_the_shell_does() -> None:
    script = "set -e; python -m churn.train && sh after.sh > out/log.txt"
    told = _told("sh", "-c", script)
    assert ("module", "churn.train", False) in told
    assert ("file", "after.sh", True) in told


def test_source_in_an_argument_is_pythons() -> None:
    assert Mention("source", "import churn") in list(mentions(["python", "-c", "import churn"]))


def test_a_quote_that_is_not_closed_in_a_script_stops_nothing() -> None:
    assert ("module", "a", False) in _told("sh", "-c", "python -m a; echo 'x")


def test_nothing_is_named_by_no_command() -> None:
    assert list(mentions([])) == []
