from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from builder.errors import EnvbuildError
from builder.lock.interface import Sources
from builder.lock.sources import read_inputs, read_sources
from builder.lock.sources.toml_file import TomlFile
from builder.spec.environment import PyPI

FIXTURES = Path(__file__).parent / "fixtures"
NAMES = ("requirements.in", "requirements.txt", "pyproject.toml", "pylock.toml", "uv.lock")


def outcome(folder: Path, name: str) -> Sources | EnvbuildError:
    """What becomes of a file as input and as lock: nothing but an answer or an error for a person."""
    results: list[Any] = []
    keys: tuple[dict[str, Any], ...] = (
        {"file": name},
        {"lockfile": name},
        {"file": name, "groups": ("dev",), "extras": ("web",)},
    )
    for key in keys:
        for read in (read_inputs, read_sources):
            try:
                results.append(read(PyPI(**key), folder, "environment.yaml"))
            except EnvbuildError as error:
                results.append(error)
    assert "\x1b" not in "".join(str(result) for result in results if isinstance(result, EnvbuildError))
    return results[1]  # type: ignore[no-any-return]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / ".git").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a\n\0b\n", ":2` holds a NUL character"),
        (b"a\nb\xff\xfe\n", ":2` is not text in UTF-8"),
        ("numpy\n".encode("utf-16"), "is not text in UTF-8"),
        (b"#" * (17 << 20), "is larger than"),
    ],
    ids=["nul", "latin", "utf-16", "huge"],
)
def test_what_is_no_text_is_refused(folder: Path, name: str, data: bytes, message: str) -> None:
    (folder / name).write_bytes(data)
    with pytest.raises(EnvbuildError, match=message) as caught:
        read_sources(PyPI(lockfile=name) if "lock" in name else PyPI(file=name), folder, "environment.yaml")
    assert data[:1] != b"\xff" or "PowerShell" in str(caught.value.hint)


def test_a_mark_before_utf_8_is_no_part_of_the_text(folder: Path) -> None:
    (folder / "requirements.in").write_bytes(b"\xef\xbb\xbfnumpy\r\nflask\r\n")
    sources = read_sources(PyPI(file="requirements.in"), folder, "environment.yaml")
    assert [line.text for line in sources.requirements] == ["numpy", "flask"]


def test_links_out_of_the_repository_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("numpy\n")
    team = tmp_path / "repository"
    (team / ".git").mkdir(parents=True)
    os.symlink(tmp_path / "secret.txt", team / "a.in")
    os.symlink("b.in", team / "b.in")
    os.symlink("/dev/zero", team / "c.in")
    os.mkfifo(team / "d.in")
    (team / "e.in").mkdir()
    reasons = [
        "outside of the repository",
        "cannot be read",
        "outside of the repository",
        "not a file",
        "cannot be read",
    ]
    for name, reason in zip("abcde", reasons, strict=True):
        with pytest.raises(EnvbuildError, match=reason):
            read_sources(PyPI(file=f"{name}.in"), team, "environment.yaml")


def test_without_git_the_folder_above_is_the_last_that_is_read(tmp_path: Path) -> None:
    environment = tmp_path / "a/b/env"
    environment.mkdir(parents=True)
    for place in (tmp_path / "a", tmp_path / "a/b"):
        (place / "x.in").write_text("numpy\n")
    assert read_sources(PyPI(file="../x.in"), environment, "environment.yaml").requirements
    with pytest.raises(EnvbuildError, match="outside of the repository"):
        read_sources(PyPI(file="../../x.in"), environment, "environment.yaml")


def test_many_files_and_many_problems_are_given_up(folder: Path) -> None:
    for number in range(300):
        (folder / f"{number}.in").write_text(f"-r {number + 1}.in\n")
    (folder / "300.in").write_text("numpy\n")
    (folder / "wide.in").write_text("".join(f"-r {number}.in\n" for number in range(280, 301)) * 20)
    (folder / "bad.in").write_text("numpy >\n" * 1000)
    (folder / "long.in").write_text("numpy\n" * 30_000)
    (folder / "longer.in").write_text("-r long.in\n" * 100)
    for name in ("0.in", "wide.in", "bad.in", "longer.in"):
        with pytest.raises(EnvbuildError) as caught:
            read_sources(PyPI(file=name), folder, "environment.yaml")
        assert len(caught.value.why) <= 100


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("requirements.in", " " * 1_000_000 + "#"),
        ("requirements.in", ("a" + " " * 500_000) * 2 + "x#"),
        ("requirements.in", "\\\n" * 300_000),
        ("requirements.in", "x[" * 200_000),
        ("requirements.in", "x ; " + "(" * 100_000),
        ("requirements.in", "x ; " + "a and " * 100_000),
        ("requirements.in", "x" + "." * 300_000 + "@"),
        ("requirements.in", "https://" + "@" * 300_000),
        ("requirements.in", "x==" + "1." * 100_000),
        ("pyproject.toml", "a = " + "[" * 300_000),
        ("pyproject.toml", "a." * 200_000 + "b = 1"),
        ("pyproject.toml", "x = {" + "a." * 200_000 + "b = 1}"),
        ("pyproject.toml", "[" + '"a" . ' * 200_000 + "b]"),
        ("pyproject.toml", "x = '" + "a," * 500_000 + "'"),
        ("pylock.toml", "packages = [" + "{}," * 100_000 + "]"),
        ("uv.lock", "version = 1\npackage = [" + "{name='x'}," * 100_000 + "]"),
    ],
    ids=range(16),
)
def test_no_text_takes_long(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text)
    start = time.process_time()
    outcome(folder, name)
    assert time.process_time() - start < 10, "what a reader meets once takes well below a second"


_WORDS = st.sampled_from(
    [
        "numpy", "==1.0", "[a]", " @ ", "https://x.example/x-1.zip", "git+https://", "@main", "#sha256=", "a" * 64,
        " ; ", "python_version", "<", "'3'", "-r ", "-c ", "requirements.in", "--hash=sha256:", "${X}", "\n",
        "\x1b[31m", "..", "/", "[project]\n", "name = 'x'\n", "dependencies = ['a']\n", "[dependency-groups]\n",
        "dev = ", "[{include-group='dev'}]\n", "optional-dependencies = ", "web = 'x'\n", "[tool.uv]\n",
        "sources = {a = 1}\n", "[[tool.uv.index]]\n", "url = 1\n", "dynamic = ['dependencies']\n",
        "[tool.setuptools.dynamic]\n", "dependencies = {file = 1}\n", "1", "[]\n", "{}\n", "lock-version = '1.0'\n",
        "created-by = 'x'\n", "[[packages]]\n", "version = 1\n", "[[package]]\n", "source = {}\n",
        "source = {virtual='.'}\n", "revision = true\n", "[manifest]\n", "members = ['x']\n", "\ud7ff", "'''",
    ]
)  # fmt: skip


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(NAMES), st.lists(_WORDS, max_size=14).map("".join))
@example("requirements.in", "-r \x1b[31m")
@example("pyproject.toml", "[project]\ndependencies = ['a']\n[tool]\nuv = 1\n")
@example("pyproject.toml", "project = 1\ntool = 2\ndependency-groups = 3\n")
@example("pyproject.toml", "[project]\nname = 1\noptional-dependencies = 1\ndynamic = 2\n")
@example("pyproject.toml", "[project]\n[project.optional-dependencies]\nweb = 1\n[dependency-groups]\ndev = [[]]\n")
@example("uv.lock", "version = 1\nrevision = true\n[[package]]\nname = 1\nsource = {virtual='.'}\n")
@example("uv.lock", "version = 1\n[[package]]\nname = 'x'\nsource = {virtual='.'}\n")
@example(
    "uv.lock", "version = 1\n[[package]]\nname = 'x'\nsource = {virtual='.'}\nmetadata = 1\ndev-dependencies = 2\n"
)
@example("pylock.toml", "lock-version = 1\n")
@example("pylock.toml", "lock-version = '1.0'\ncreated-by = 'x'\npackages = 1\n")
def test_no_text_makes_anything_but_an_answer_or_an_error(folder: Path, name: str, text: str) -> None:
    (folder / name).write_text(text, errors="surrogatepass")
    outcome(folder, name)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(
        ["pip-tools/requirements.txt", "uv-project/pyproject.toml", "uv-project/uv.lock", "pip-lock/pylock.toml"]
    ),
    st.integers(0, 10_000),
    st.binary(max_size=3) | st.sampled_from([b"'", b'"', b"\n", b"[", b"{", b"}", b"\\", b"1", b"="]),
    st.integers(0, 40),
)
def test_no_damage_makes_anything_but_an_answer_or_an_error(
    folder: Path, name: str, place: int, inserted: bytes, removed: int
) -> None:
    data = (FIXTURES / name).read_bytes()
    place %= len(data)
    file = folder / Path(name).name
    file.write_bytes(data[:place] + inserted + data[place + removed :])
    outcome(folder, file.name)


@given(st.text(max_size=60), st.lists(st.text(min_size=1, max_size=5), max_size=3), st.text(max_size=5))
def test_a_line_is_always_one_of_the_file(text: str, keys: list[str], value: str) -> None:
    line = TomlFile(Path("x"), text, {}).line(*keys, value=value)
    assert 1 <= line <= text.count("\n") + 1


def test_what_is_noticed_of_a_large_lock_takes_no_time(folder: Path) -> None:
    hashes = "".join(f" \\\n    --hash=sha256:{number:064x}" for number in range(40))
    (folder / "requirements.txt").write_text(
        "".join(f"package-{number}==1.{number}{hashes}\n" for number in range(500))
    )
    start = time.process_time()
    assert [*read_inputs(PyPI(lockfile="requirements.txt"), folder, "environment.yaml")] == ["requirements.txt"]
    assert time.process_time() - start < 1, "it takes a tenth of a second"


def test_noticing_changes_imports_nothing_heavy(folder: Path) -> None:
    import subprocess
    import sys

    (folder / "pyproject.toml").write_text("[project]\nname = 'x'\ndependencies = ['numpy ; os_name == \"posix\"']\n")
    (folder / "requirements.in").write_text("numpy\n")
    code = (
        "import sys; from pathlib import Path; from builder.lock.sources import read_inputs;"
        "from builder.spec.environment import PyPI;"
        "[read_inputs(PyPI(file=name), Path(sys.argv[1]), 'environment.yaml') for name in sys.argv[2:]];"
        "print(sorted({'packaging', 'yaml', 'uv', 'tomli_w'} & set(sys.modules)))"
    )
    root = Path(__file__).parents[4]
    finished = subprocess.run(
        [sys.executable, "-c", code, str(folder), "pyproject.toml", "requirements.in"],
        env={**os.environ, "PYTHONPATH": str(root)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert finished.stdout == "[]\n"


def test_a_file_that_goes_away_is_told(folder: Path) -> None:
    with pytest.raises(EnvbuildError, match=r"`requirements\.in` cannot be read"):
        read_inputs(PyPI(file="requirements.in"), folder, "environment.yaml")
