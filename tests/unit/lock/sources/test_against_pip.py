from __future__ import annotations

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st
from pip._internal.exceptions import RequirementsFileParseError
from pip._internal.network.session import PipSession
from pip._internal.req.req_file import OptionParsingError, get_line_parser, parse_requirements, preprocess

from builder.lock.sources.repository import Repository
from builder.lock.sources.requirement_files import read_statements
from builder.lock.sources.statements import Statement, statements

_SPACE = st.sampled_from(["", " ", "  ", "\t", " \\\n  ", "\\\n"])
_PIECE = st.sampled_from(
    [
        "numpy", "numpy==1.0", "a[b,c]>=2", ">=1", ",<2", ";", ' ; python_version < "3"', "# note", "#x", "\\", "\\\\",
        "x @ https://h.example/x-1.zip#sha256=00", "--hash=sha256:00", "--hash", "sha256:11", "-i https://i.example/",
        "--pre", "-e .", "'", '"', "--index-url='a b'", "\n", "\n\n", "\r\n", "\x0c", "\x1c", "\u2028", "é", "-", "-- ",
    ]
)  # fmt: skip
_TEXT = st.lists(st.tuples(_SPACE, _PIECE), max_size=12).map(lambda parts: "".join("".join(part) for part in parts))


@settings(max_examples=600, deadline=None)
@given(_TEXT)
def test_lines_are_joined_and_split_as_pip_does(text: str) -> None:
    ours = list(statements(text))
    theirs = list(preprocess(text))
    assert [each.line for each in ours] == [line for line, _ in theirs]
    parse = get_line_parser(None)
    for mine, (_, line) in zip(ours, theirs, strict=True):
        if not isinstance(mine, Statement):
            continue
        try:
            arguments, options = parse(line)
        except OptionParsingError:
            continue  # what pip refuses may be refused with better words later
        assert mine.text == arguments.strip(" ")
        assert sorted(mine.hashes) == sorted(f"sha256:{each}" for each in (options.hashes or {}).get("sha256", []))
        if not mine.text:
            assert [value for name, value in mine.options if name == "index-url"][-1:] == [
                value for value in (options.index_url,) if value
            ]


_NAMES = ("a.txt", "b.txt", "sub/c.txt", "sub/d.txt")
_FROM = {"a.txt": "", "b.txt": "", "sub/c.txt": "../", "sub/d.txt": "../"}


@st.composite
def _files(draw: st.DrawFn) -> dict[str, str]:
    """Files that name those after them, so that there is no circle."""
    files = {}
    for number, name in enumerate(_NAMES):
        nested = [
            f"{option} {_FROM[name]}{other}" for other in _NAMES[number + 1 :] for option in ("-r", "-c", "-r ./")
        ]
        nested = [line.replace("-r ./ ", "--requirement=./") for line in nested]
        lines = draw(st.lists(st.sampled_from(["numpy==1", "flask ; os_name == 'x'", "# no", "", *nested]), max_size=4))
        files[name] = "\n".join(lines)
    return files


@settings(max_examples=60, deadline=None)
@given(_files())
def test_files_are_followed_as_pip_does(files: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "sub").mkdir()
        for name, text in files.items():
            (folder / name).write_text(text)
        repository = Repository(folder, "environment.yaml")
        found = read_statements(repository, folder / "a.txt")
        mine = [(each.statement.text, each.is_constraint) for each in found if each.statement.text]
        theirs = [
            (each.requirement, each.constraint)
            for each in parse_requirements(str(folder / "a.txt"), session=PipSession())
        ]
        assert (mine, repository.problems) == (theirs, [])


def test_what_pip_calls_a_circle_is_one() -> None:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "a.txt").write_text("-r b.txt\n")
        (folder / "b.txt").write_text("-c ./../" + folder.name + "/a.txt\n")
        repository = Repository(folder, "environment.yaml")
        read_statements(repository, folder / "a.txt")
        assert [problem.line for problem in repository.problems] == [1]
        try:
            list(parse_requirements(str(folder / "a.txt"), session=PipSession()))
        except RequirementsFileParseError:
            return
        raise AssertionError("pip follows it")
