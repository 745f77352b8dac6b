from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from builder import __version__
from builder.cli import commands
from builder.cli.commands import COMMANDS
from builder.cli.output import ProgressLine, print_json, printable, size_text
from builder.errors import EnvbuildError

ROOT = Path(__file__).parents[3]
HEAVY = ("docker", "jinja2", "yaml", "urllib3", "isal", "packaging", "conda_lock", "piptools", "pysequoia", "pathspec",
         "builder.fetch.fetcher", "builder.lock.document")  # fmt: skip


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_begins_as_the_table_of_commands_says(name: str, envbuild: Any) -> None:
    code, out, error = envbuild(name, "--help")
    assert (code, error) == (0, "")
    assert out.startswith(f"Usage: envbuild {name}")
    command = commands.envbuild.get_command(click.Context(commands.envbuild), name)
    assert command is not None
    assert command.get_short_help_str(200) == COMMANDS[name]


def test_the_help_lists_every_command_and_the_exit_codes(envbuild: Any) -> None:
    code, out, _ = envbuild("--help")
    assert code == 0
    listed = [line.split()[0] for line in out.partition("Commands:")[2].splitlines() if line.startswith("  ")]
    assert [name for name in listed if name in COMMANDS] == list(COMMANDS)
    assert "130 interrupted" in " ".join(out.split())
    assert envbuild("-h")[1] == out


def test_the_version_is_the_packages(envbuild: Any) -> None:
    assert envbuild("--version") == (0, f"envbuild {__version__}\n", "")


def test_without_arguments_the_help_is_shown_as_wrong_usage(envbuild: Any) -> None:
    code, out, error = envbuild()
    assert (code, out) == (2, "")
    assert error.startswith("Usage: envbuild")


@pytest.mark.parametrize("arguments", [(), *((name,) for name in COMMANDS)], ids=lambda names: "".join(names) or "all")
def test_help_starts_without_importing_what_is_slow(arguments: tuple[str, ...]) -> None:
    code = (
        "import sys; from builder.cli import invoke; invoke(sys.argv[2:] + ['--help']);"
        "print(sorted(set(sys.argv[1].split(',')) & set(sys.modules)), file=sys.stderr)"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code, ",".join(HEAVY), *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert finished.stderr == "[]\n"


@pytest.mark.parametrize("arguments", [("lcok",), ("bulid",), ("runn",)])
def test_an_unknown_command_suggests_the_nearest(arguments: tuple[str, ...], envbuild: Any) -> None:
    code, _, error = envbuild(*arguments)
    assert code == 2
    assert "Did you mean `" in error
    assert "Did you mean" not in envbuild("xyz")[2]


def test_control_characters_never_reach_the_terminal(envbuild: Any, work: Path) -> None:
    name = "a\x1b[31m\x07b\x9b"
    (work / name).mkdir()
    (work / name / "environment.yaml").write_text("python: 3.11\n\x1b: 1")
    for arguments in [("lock", name), ("lock", "\x1b[2J"), ("\x1b]0;x\x07",), ("lock", "--\x1b[1m"), ("inspect", name)]:
        code, out, error = envbuild(*arguments)
        assert code in (1, 2)
        assert [character for character in out + error if not character.isprintable() and character != "\n"] == []
    assert printable("a\x00\u202eb\nc") == "a\ufffd\ufffdb\nc"


def test_json_holds_no_character_that_a_terminal_takes_for_a_command(capsys: pytest.CaptureFixture[str]) -> None:
    value = {"license\x9b31m": ["\x1b[2J", "\x7f", "a\u202eb", "\u2066", "é 漢"]}
    print_json(value)
    out = capsys.readouterr().out
    assert json.loads(out) == value
    assert "é 漢" in out
    assert [character for character in out if not character.isprintable() and character != "\n"] == []


def test_an_error_is_not_coloured_where_nobody_looks(envbuild: Any) -> None:
    assert envbuild("lock")[2].startswith("error: ")


@pytest.mark.parametrize(("variables", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)])
def test_no_color_is_honoured_on_a_terminal(variables: dict[str, str], coloured: bool) -> None:
    import pty

    parent, child = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    finished = subprocess.run(
        [sys.executable, "-m", "builder", "lock", "/nowhere"], stderr=child, check=False,
        env={**environment, "PYTHONPATH": str(ROOT), "TERM": "xterm", **variables},
    )  # fmt: skip
    os.close(child)
    shown = os.read(parent, 10_000)
    os.close(parent)
    assert finished.returncode == 1
    assert (b"\x1b[31m" in shown) is coloured
    assert b"is not there" in shown


def test_check_says_on_standard_error_and_prints_the_digest(envbuild: Any, locked: Path) -> None:
    code, out, error = envbuild("lock", "--check", "env")
    assert (code, error) == (0, "the lock in `env/lock` is current\n")
    assert out.startswith("sha256:")
    assert envbuild("-q", "lock", "--check", "env") == (0, out, "")
    document = json.loads(envbuild("lock", "--check", "env", "--json")[1])
    assert document["digest"] == out.strip()
    assert list(document["platforms"]) == ["linux/amd64", "linux/arm64"]


def test_a_current_lock_is_left_alone_without_any_network(envbuild: Any, locked: Path, work: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (locked / "lock").iterdir()}
    for name in ("http_proxy", "https_proxy"):
        os.environ[name] = "http://127.0.0.1:1"
    try:
        assert envbuild("lock", "env")[0] == 0
    finally:
        for name in ("http_proxy", "https_proxy"):
            del os.environ[name]
    assert {path: path.stat().st_mtime_ns for path in (locked / "lock").iterdir()} == before


def test_check_needs_no_network(process: Any, locked: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import socket\ndef refuse(*_, **__):\n    raise SystemExit('a socket was made')\nsocket.socket = refuse\n"
    )
    finished = process("lock", "--check", "env", PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}")
    assert finished.returncode == 0, finished.stderr
    if os.geteuid() == 0 and sys.platform == "linux":
        assert process("lock", "--check", "env", prefix=("unshare", "-n")).returncode == 0


def test_a_failed_lock_changes_no_file(process: Any, locked: Path) -> None:
    spec = locked / "environment.yaml"
    spec.write_text(spec.read_text() + "debian: [nothing]\n")
    before = {path: path.read_bytes() for path in locked.rglob("*") if path.is_file()}
    finished = process("lock", "env", ENVBUILD_DEBIAN_MIRROR="http://user:hunter2@127.0.0.1:1/debian")
    assert finished.returncode == 1
    assert "hunter2" not in finished.stdout + finished.stderr
    assert {path: path.read_bytes() for path in locked.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("variable", ["ENVBUILD_DEBIAN_MIRROR", "ENVBUILD_SNAPSHOT_MIRROR", "UV_INDEX_URL"])
@pytest.mark.parametrize("value", ["nonsense", "http://user:hunter2@[x/y", "ftp://user:hunter2@x/y"])
def test_a_mirror_that_is_no_url_is_refused_without_repeating_it(
    variable: str, value: str, envbuild: Any, work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (work / "environment.yaml").write_text("python: 3.11\n")
    monkeypatch.setenv(variable, value)
    code, _, error = envbuild("-v", "lock")
    assert code == 1
    assert "hunter2" not in error


def test_a_dry_run_prints_the_plan_and_makes_nothing(envbuild: Any, locked: Path, tmp_path: Path) -> None:
    code, out, _ = envbuild("build", "env", "--dry-run")
    assert code == 0
    assert {line.split()[0] for line in out.splitlines()} == {"linux/amd64", "linux/arm64"}
    assert list(json.loads(envbuild("build", "env", "--dry-run", "--json")[1])) == ["linux/amd64", "linux/arm64"]
    assert not (tmp_path / "cache").exists()


def test_the_store_is_shown_and_cleaned(envbuild: Any, tmp_path: Path) -> None:
    assert json.loads(envbuild("cache", "size", "--json")[1])["folder"] == str(tmp_path / "cache")
    assert envbuild("cache", "size")[1].splitlines()[-1].split() == ["all", "0", "0", "bytes"]
    assert envbuild("cache", "prune", "--all")[:2] == (0, "")


def test_a_store_that_cannot_be_used_is_a_clear_error(
    envbuild: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ENVBUILD_CACHE", str(tmp_path / "file/below"))
    code, _, error = envbuild("cache", "size")
    assert code == 1
    assert "ENVBUILD_CACHE" in error


def test_schemas_are_printed_as_json(envbuild: Any) -> None:
    for name in ("envbuild", "environment"):
        assert json.loads(envbuild("schema", name)[1])["$id"].endswith(f"/{name}.schema.json")


@pytest.mark.parametrize("template", ["sklearn", "plain"])
def test_init_writes_a_project_that_is_read_and_changes_nothing_that_is_there(
    template: str, envbuild: Any, work: Path
) -> None:
    code, out, _ = envbuild("init", "new", "--template", template)
    assert code == 0
    assert all((work / line).is_file() for line in out.splitlines())
    assert "there is no lock" in envbuild("build", "new")[2]
    code, _, error = envbuild("init", "new", "--template", template)
    assert code == 1
    assert "is there" in error


def test_output_that_nobody_reads_is_no_error(locked: Path) -> None:
    command = f"{sys.executable} -m builder build env --dry-run | head -c 1; exit ${{PIPESTATUS[0]}}"
    finished = subprocess.run(
        ["bash", "-c", command],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.stderr == ""
    assert finished.returncode in (0, 1)


def test_a_locale_without_a_character_is_no_error(process: Any, locked: Path, work: Path) -> None:
    (work / "日本").mkdir()
    (work / "日本/environment.yaml").write_text("python: 3")
    finished = process("lock", "日本", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert finished.returncode == 1
    assert "has 1 problem" in finished.stderr
    assert process("init", "é", PYTHONIOENCODING="ascii").returncode == 0


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (
            EnvbuildError("it failed", "because", "do this"),
            1,
            "error: it failed\n  Caused by: because\n\nhint: do this\n",
        ),
        (
            OSError(28, "No space left on device", "/x"),
            1,
            "error: no space left on device\n  Caused by: `/x`\n\nhint: Fre",
        ),
        (OSError(27, "File too large"), 1, "error: file too large\n"),
        (IsADirectoryError(21, "Is a directory", "/x"), 1, "error: is a directory\n  Caused by: `/x`\n"),
        (OSError(5, "Input/output error"), 2, "error: input/output error\n"),
        (
            RuntimeError("a fault"),
            2,
            "error: something unexpected happened in envbuild\n  Caused by: RuntimeError: a fault\n",
        ),
        (RecursionError("deep"), 2, "error: something unexpected happened"),
        (KeyboardInterrupt(), 130, "error: interrupted\n"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_every_failure_is_one_message_and_its_exit_code(
    error: BaseException, code: int, text: str, capfd: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from builder.cli import invoke

    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("builder.cli.schema.json_schema", fail)
    assert invoke(["schema", "envbuild"]) == code
    shown = capfd.readouterr().err.lstrip("\n")
    assert shown.startswith(text)
    assert "Traceback" not in shown


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (2_000_000, "2.0 MB"), (10**13, "10000.0 GB")],
)
def test_sizes_are_written_for_people(size: int, text: str) -> None:
    assert size_text(size) == text


def test_a_stale_lock_is_told_as_json_too(envbuild: Any, work: Path) -> None:
    envbuild("init", "new", "--template", "plain")
    code, out, _ = envbuild("lock", "--check", "--json", "new")
    assert code == 1
    found = json.loads(out)
    assert list(found) == ["current", "problem", "reasons", "hint", "data"]
    assert found["current"] is False
    assert "envbuild lock new" in found["hint"]


def test_a_project_is_told_from_a_bundle(envbuild: Any, work: Path) -> None:
    envbuild("init", "new", "--template", "plain")
    code, _, error = envbuild("inspect", "new")
    assert code == 1
    assert "envbuild bundle new" in error


def test_the_file_of_a_spec_is_pushed_as_what_it_is_of(envbuild: Any, work: Path) -> None:
    envbuild("init", "new", "--template", "plain")
    code, _, error = envbuild("push", "new/envbuild.yaml", "r.example/a", "--platform", "linux/amd64")
    assert code == 1
    assert "there is no lock" in error


def test_the_other_ending_of_a_spec_is_told(envbuild: Any, work: Path) -> None:
    (work / "envbuild.yml").write_text("name: a\n")
    code, _, error = envbuild("lock")
    assert code == 1
    assert "Rename it to `envbuild.yaml`" in error


@pytest.mark.parametrize(
    "words",
    [("-q", "cache", "prune"), ("cache", "-q", "prune"), ("cache", "prune", "-q"), ("cache", "prune", "--quiet")],
)
def test_quiet_may_stand_behind_a_command_too(words: tuple[str, ...], envbuild: Any) -> None:
    assert "freed" in envbuild("cache", "prune")[2]
    assert envbuild(*words) == (0, "", "")


@pytest.mark.parametrize("words", [("lock", "nowhere", "-v"), ("lock", "diff", "nowhere", "nothing", "-q")])
def test_every_command_takes_how_much_is_said(words: tuple[str, ...], envbuild: Any) -> None:
    assert envbuild(*words)[0] == 1


def test_each_error_of_many_environments_says_whose_it_is(work: Path, envbuild: Any) -> None:
    for name in ("one", "two"):
        (work / name).mkdir()
        (work / name / "environment.yaml").write_text("base: {image: 'localhost:1/a:1'}\nplatforms: [linux/amd64]\n")
    code, out, error = envbuild("lock", "--all")
    assert (code, out) == (1, "one  failed\ntwo  failed\n")
    assert re.findall("^error: (one|two): the registry", error, re.MULTILINE) == ["one", "two"]


@pytest.mark.parametrize("words", [("--upgrade",), ("-P", "numpy"), ("-P", "numpy==2")])
def test_a_check_does_not_go_with_an_upgrade(words: tuple[str, ...], locked: Path, envbuild: Any) -> None:
    code, out, error = envbuild("lock", str(locked), "--check", *words)
    assert (code, out) == (2, "")
    assert "changes nothing" in error


def test_the_sizes_of_the_store_stand_in_columns(envbuild: Any) -> None:
    lines = envbuild("cache", "size")[1].splitlines()
    assert len({len(line) for line in lines}) == 1


def test_a_hint_can_be_pasted_into_a_shell(work: Path, envbuild: Any) -> None:
    (work / "my env").mkdir()
    (work / "my env/environment.yaml").write_text('python: "3.11"\n')
    for words in (("lock", "--check"), ("sync",), ("build",)):
        assert "run `envbuild lock 'my env'`" in envbuild(*words, "my env")[2].replace("Make one with", "run")


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("ci", "github"), "a folder that is there as FOLDER"),
        (("ci", "github", "nowhere"), "a folder that is there as FOLDER"),
        (("inspect", "nowhere"), "a bundle's file or folder"),
        (("lock", "diff", "HEAD", "--path", "nowhere"), "as `--path`"),
        (("shell", "--work", "nowhere"), "as `--work`"),
        (("run", ".", "train", "--env-file", "nowhere"), "as `--env-file`"),
    ],
)
def test_a_path_that_is_not_there_is_no_wrong_usage(words: tuple[str, ...], named: str, envbuild: Any) -> None:
    code, out, error = envbuild(*words)
    assert (code, out) == (1, "")
    assert re.match("error: `(nowhere|environments)` is not there\n\nhint: Name a", error)
    assert named in error


def test_a_file_in_place_of_a_folder_is_told(envbuild: Any, work: Path) -> None:
    (work / "a").touch()
    code, _, error = envbuild("ci", "github", "a")
    assert code == 1
    assert error.startswith("error: `a` is no folder that can be read\n")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("lock",), 1),
        (("lock", "--online"), 2),
        (("lock", "--nonsense"), 2),
        (("lock", "diff", "nowhere", "nothing"), 1),
        (("lock", "diff", "HEAD", "--path", "nowhere"), 1),
        (("tree", "nowhere"), 1),
        (("why", "numpy", "nowhere"), 1),
        (("build", "nowhere"), 1),
        (("bundle", "nowhere"), 1),
        (("inspect", "nowhere"), 1),
        (("sync", "nowhere"), 1),
        (("verify", "nowhere"), 1),
        (("cache", "wheels", "nowhere", "-o", "x"), 1),
    ],
)
def test_with_json_a_failure_is_json_too(words: tuple[str, ...], code: int, envbuild: Any) -> None:
    found, out, error = envbuild(*words, "--json")
    document = json.loads(out)["error"]
    assert list(document) == ["what", "why", "hint", "exit-code"]
    assert found == document["exit-code"] == code
    assert f"error: {document['what']}\n" in error
    assert (document["hint"] or "") in error
    assert envbuild(*words)[:2] == (code, "")


def test_what_has_been_printed_as_json_is_not_followed_by_more(envbuild: Any, locked: Path) -> None:
    if sys.platform == "linux":
        code, out, error = envbuild("sync", "--check", "--json", "env")
        assert code == 3
        assert json.loads(out)["synced"] is False
        assert "differs from the lock" in error


def test_an_interrupt_and_a_fault_are_json_too(envbuild: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for error, code in ((KeyboardInterrupt(), 130), (OSError(28, "No space left on device"), 1)):

        def fail(*_: object, error: BaseException = error) -> None:
            raise error

        monkeypatch.setattr("builder.cli.cache.open_store", fail)
        found, out, _ = envbuild("cache", "size", "--json")
        assert found == json.loads(out)["error"]["exit-code"] == code


def test_every_command_with_json_tells_failures_so() -> None:
    import importlib

    def below(command: Any) -> Iterator[Any]:
        yield command
        for one in (*getattr(command, "commands", {}).values(), *getattr(command, "subcommands", {}).values()):
            yield from below(one)

    modules = [importlib.import_module(f"builder.cli.{name if name != 'import' else 'import_'}") for name in COMMANDS]
    options = [option for module in modules for one in below(module.command) for option in one.params]
    found = [option for option in options if "--json" in option.opts]
    assert len(found) > 10
    assert all(option.name == "as_json" and option.is_eager and option.callback for option in found)


def test_work_that_tells_nothing_of_itself_shows_how_long_it_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = [100.0]
    monkeypatch.setattr("builder.cli.output.time.monotonic", lambda: now[0])
    line = ProgressLine()
    line.start("checking")
    now[0] += 5.2
    line.advance("checking", 0)
    line.finish("checking")
    assert capsys.readouterr().err == "\r\x1b[Kchecking\r\x1b[Kchecking: 5 s\r\x1b[K"
