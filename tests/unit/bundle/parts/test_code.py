from __future__ import annotations

import os
import random
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from builder.bundle.parts.code import code_files, content_digest, model_files
from builder.errors import EnvbuildError


def write(folder: Path, *names: str, data: str = "x") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(data)


def packed(folder: Path, *globs: str) -> list[str]:
    return [entry.path for entry in code_files(folder, globs or ("**",))]


def test_an_audit_trail_is_no_code_and_another_folder_of_its_name_is(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "audit/trail.json", "audit/x.json", "src/audit/__init__.py")
    assert packed(tmp_path) == ["a.py", "src/audit/__init__.py"]


def test_runs_are_no_code_and_another_folder_of_their_name_is(tmp_path: Path) -> None:
    run = "20260131T235959Z-train-3f9a01"
    write(tmp_path, "a.py", f"runs/{run}/run.json", f"runs/{run}/log.txt", "runs/.new-x/log.txt", "src/runs/main.py")
    assert packed(tmp_path) == ["a.py", "src/runs/main.py"]


@pytest.mark.parametrize(
    ("glob", "expected"),
    [
        ("src/**", ["src/a.py", "src/b/c.py"]),
        ("src", ["src/a.py", "src/b/c.py"]),
        ("src/", ["src/a.py", "src/b/c.py"]),
        ("./src/b", ["src/b/c.py"]),
        ("src/*", ["src/a.py", "src/b/c.py"]),
        ("src/*.py", ["src/a.py"]),
        ("**/*.py", ["d.py", "src/a.py", "src/b/c.py"]),
        ("*.py", ["d.py"]),
        ("params.yaml", ["params.yaml"]),
        ("[dp]*.*", ["d.py", "params.yaml"]),
        ("été.txt", ["été.txt"]),
    ],
)
def test_a_glob_starts_at_the_projects_folder(glob: str, expected: list[str], tmp_path: Path) -> None:
    write(tmp_path, "src/a.py", "src/b/c.py", "d.py", "params.yaml", "été.txt")
    assert packed(tmp_path, glob) == expected


def test_a_glob_without_a_match_is_an_error_that_names_it(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "b.log")
    (tmp_path / ".gitignore").write_text("*.log\n")
    with pytest.raises(EnvbuildError) as caught:
        code_files(tmp_path, ["a.py", "src/**", "b.log"])
    assert [line.partition(" ")[0] for line in caught.value.why] == ["`src/**`", "`b.log`"]
    assert ".gitignore" in (caught.value.hint or "")


@pytest.mark.parametrize("glob", ["!", "a[", "//", " ", "a\\"])
def test_a_glob_that_is_no_pattern_is_an_error(glob: str, tmp_path: Path) -> None:
    write(tmp_path, "a.py")
    with pytest.raises(EnvbuildError, match="matches no file"):
        code_files(tmp_path, [glob])


def test_files_come_in_bytewise_order_whatever_the_order_on_disk(tmp_path: Path) -> None:
    names = ["a/b", "a.b", "a-b", "B", "ä", "z", "\uffff", "𐀀"]
    for seed in range(3):
        folder = tmp_path / str(seed)
        folder.mkdir()
        write(folder, *random.Random(seed).sample(names, len(names)))
        assert packed(folder) == sorted(names, key=str.encode)


def test_modes_are_normalised_to_what_the_owner_may_execute(tmp_path: Path) -> None:
    modes = {"a": 0o600, "b": 0o777, "c": 0o4755, "d": 0o644, "e": 0o700, "f": 0o655, "g": 0o444}
    for name, mode in modes.items():
        write(tmp_path, name)
        (tmp_path / name).chmod(mode)
    found = {entry.path: entry.mode for entry in code_files(tmp_path, ["*"])}
    assert found == {"a": 0o644, "b": 0o755, "c": 0o755, "d": 0o644, "e": 0o755, "f": 0o644, "g": 0o644}


def test_a_link_inside_the_project_is_packed_as_the_file_that_it_names(tmp_path: Path) -> None:
    write(tmp_path, "src/a.py", data="content")
    (tmp_path / "src/b.py").symlink_to("a.py")
    (entry,) = code_files(tmp_path, ["src/b.py"])
    assert (entry.path, entry.size) == ("src/b.py", 7)


@pytest.mark.parametrize("target", ["../outside", "/etc/hostname", "src", "nowhere", "../p/src"])
def test_a_link_that_cannot_be_packed_is_an_error_and_not_left_out(target: str, tmp_path: Path) -> None:
    write(tmp_path, "outside", "p/src/a.py")
    (tmp_path / "p/link").symlink_to(target)
    with pytest.raises(EnvbuildError, match="link"):
        code_files(tmp_path / "p", ["**"])
    assert packed(tmp_path / "p", "src/**") == ["src/a.py"]


def test_what_is_never_code_is_left_out_without_any_ignore_file(tmp_path: Path) -> None:
    write(
        tmp_path, ".git/config", "a.py", "b/__pycache__/c.pyc", "d.pyc", ".venv/bin/python", "b/.DS_Store", "sub/.git"
    )
    assert packed(tmp_path) == ["a.py"]


def test_sockets_and_pipes_are_left_out(tmp_path: Path) -> None:
    write(tmp_path, "a.py")
    os.mkfifo(tmp_path / "pipe")
    assert packed(tmp_path) == ["a.py"]


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/\xff.py", "wb"):
        pass
    with pytest.raises(EnvbuildError, match=r"cannot be a path"):
        code_files(tmp_path, ["*"])


def test_envbuildignore_comes_after_gitignore(tmp_path: Path) -> None:
    write(tmp_path, "a.log", "b.log", "c.csv", "keep/d.csv")
    (tmp_path / ".gitignore").write_text("*.log\n")
    (tmp_path / ".envbuildignore").write_text("!b.log\n*.csv\n!keep/d.csv\n")
    assert packed(tmp_path, "*.log", "keep/**") == ["b.log", "keep/d.csv"]


def test_ignore_files_of_the_repository_above_are_honoured(tmp_path: Path) -> None:
    write(tmp_path, "p/src/a.py", "p/src/a.log", "p/src/deep/x.tmp")
    (tmp_path / ".git").mkdir()
    (tmp_path / ".gitignore").write_text("*.log\np/src/deep/*.tmp\n/a.py\n")
    assert packed(tmp_path / "p") == ["src/a.py"]


def test_ignore_files_above_the_repository_are_not_read(tmp_path: Path) -> None:
    write(tmp_path, "repo/a.log")
    (tmp_path / "repo/.git").mkdir()
    (tmp_path / ".gitignore").write_text("*.log\n")
    assert packed(tmp_path / "repo") == ["a.log"]


IGNORE_FILES = {
    "comments and blanks": "# a\n\n\\#x\n  \n",
    "negation": "*.log\n!keep.log\n",
    "negation below an excluded folder": "d/\n!d/keep.log\n",
    "everything below a folder": "d/**\n!d/keep.log\n",
    "children of a folder": "d/*\n!d/keep.log\n",
    "anchored": "/a.log\n/d/e/\n",
    "in the middle": "d/e\n",
    "any depth": "**/e\n",
    "any depth between": "d/**/z.log\n",
    "only folders": "e/\n",
    "question mark": "?.log\n",
    "class": "[ab].log\n[!ab].txt\n",
    "broken class": "[a\n*.txt\n",
    "trailing spaces": "a.log   \nb.log\\ \n",
    "windows": "a.log\r\nd/\r\n",
    "byte order mark": "\ufeffa.log\n",
    "no pattern": "!\n/\n//\n\\\nb.log\n",
    "other line breaks": "a.log\x0cb.log\nb\x85.log\nz.log\n",
    "whitelist": "*\n!*/\n!*.txt\n",
    "star": "*\n!d\n!d/**\n",
    "everything taken back": "*\n!/**\n",
}
FILES = ["a.log", "b.log", "keep.log", "x.txt", "d/a.log", "d/keep.log", "d/x.txt", "d/e/a.log", "d/e/z.log"]
FILES += ["d/e/f/z.log", "e/a.log", "e/x.txt", "f", "#x"]


def kept_by_git(folder: Path) -> list[str]:
    command = ["git", "-c", "core.excludesFile=/dev/null", "ls-files", "-z", "-co", "--exclude-standard"]
    output = subprocess.run(command, cwd=folder, check=True, capture_output=True).stdout
    return sorted(output.decode().split("\0")[:-1])


def make_repository(folder: Path, ignore_files: dict[str, str]) -> None:
    folder.mkdir(parents=True)
    write(folder, *FILES)
    for place, text in ignore_files.items():
        (folder / place).write_bytes(text.encode())
    subprocess.run(["git", "init", "-q", "--template=", folder], check=True)


@pytest.mark.parametrize("place", [".gitignore", "d/.gitignore"])
@pytest.mark.parametrize("name", IGNORE_FILES)
def test_the_same_files_are_ignored_as_by_git(name: str, place: str, tmp_path: Path) -> None:
    make_repository(tmp_path / "r", {place: IGNORE_FILES[name]})
    assert packed(tmp_path / "r") == kept_by_git(tmp_path / "r")


PATTERN = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "", "!"]),
    st.sampled_from(["", "/", "**/", "d/"]),
    st.sampled_from(["*", "d", "e", "*.log", "keep.*", "a.log", "d/e", "e/**", "**", "f/z.log", "*/a.log", "?.log"]),
    st.sampled_from(["", "", "/", "/*", "/**"]),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(PATTERN, max_size=5), st.lists(PATTERN, max_size=3))
def test_any_nested_patterns_ignore_the_same_files_as_git(
    tmp_path_factory: pytest.TempPathFactory, outer: list[str], inner: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("any") / "r"
    make_repository(folder, {".gitignore": "\n".join(outer), "d/.gitignore": "\n".join(inner)})
    assert packed_or_none(folder) == kept_by_git(folder)


def packed_or_none(folder: Path) -> list[str]:
    try:
        return packed(folder)
    except EnvbuildError:
        return []


def test_a_model_is_a_folder_a_file_or_not_there_yet(tmp_path: Path) -> None:
    write(tmp_path, "out/model/weights.bin", "out/model/a/b.json", "model.pkl")
    assert [entry.path for entry in model_files(tmp_path, "out/model")] == ["a/b.json", "weights.bin"]
    assert [entry.path for entry in model_files(tmp_path, "model.pkl")] == ["model.pkl"]
    assert model_files(tmp_path, "nothing") == ()


def test_the_digest_of_files_says_paths_modes_and_bytes_alone(tmp_path: Path) -> None:
    write(tmp_path, "a/x.py", "a/y.py")
    write(tmp_path, "b/y.py", "b/x.py")
    os.utime(tmp_path / "b/x.py", (1, 1))
    (tmp_path / "b/y.py").chmod(0o600)
    first = content_digest(code_files(tmp_path / "a", ["*"]))
    assert content_digest(reversed(code_files(tmp_path / "b", ["*"]))) == first
    (tmp_path / "b/y.py").chmod(0o755)
    assert content_digest(code_files(tmp_path / "b", ["*"])) != first
    write(tmp_path, "a/x.py", data="y")
    assert content_digest(code_files(tmp_path / "a", ["*"])) != first


def test_files_that_commands_need_are_packed_whatever_globs_and_ignore_files_say(tmp_path: Path) -> None:
    for name in ("a.py", "params.yaml"):
        (tmp_path / name).write_text("x")
    (tmp_path / ".gitignore").write_text("params.yaml\n")
    found = code_files(tmp_path, ["*.py"], frozenset({"./params.yaml"}))
    assert [entry.path for entry in found] == ["a.py", "params.yaml"]
