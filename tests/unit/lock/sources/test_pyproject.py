from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from builder.spec.environment import Index

SHA = "8bb5376d2006950386f8c6427613334a2acadc5f559cb80e638d00b4df957e37"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
PROJECT = '[project]\nname = "churn"\nversion = "1"\n'


def texts(sources: Any) -> list[str]:
    return [line.text for line in sources.requirements]


def test_dependencies_extras_and_groups_are_read(fixture_team: Callable[[str], Any]) -> None:
    sources = fixture_team("uv-project").sources(file="pyproject.toml", extras=("ALL",), groups=("Dev",))
    assert [(line.text, line.place) for line in sources.requirements] == [
        ("anyio<4.5", "env/pyproject.toml:6"),
        ("colorama ; sys_platform == 'win32'", "env/pyproject.toml:7"),
        ("tomli; python_version<'3.11'", "env/pyproject.toml:8"),
        ("h11", "env/pyproject.toml:12"),
        ("docopt", "env/pyproject.toml:13"),
        ("iniconfig", "env/pyproject.toml:18"),
        ("pluggy", "env/pyproject.toml:19"),
    ]
    assert sources.requires_python == ">=3.11"
    assert sources.inputs["pyproject.toml"][-2:] == ["pluggy", "--requires-python >=3.11"]


def test_without_extras_and_groups_the_dependencies_alone_are_read(fixture_team: Callable[[str], Any]) -> None:
    assert len(fixture_team("uv-project").sources(file="pyproject.toml").requirements) == 3


def test_unknown_extras_and_groups_are_told_with_the_known_ones(team: Any) -> None:
    spec = "python: '3.11'\npypi:\n  file: pyproject.toml\n  extras: [web]\n  groups: [dew]\n"
    groups = "[project.optional-dependencies]\nwww = []\napi = []\n[dependency-groups]\ndev = []\n"
    team.write({"environment.yaml": spec, "pyproject.toml": PROJECT + groups})
    extra, group = team.problems(file="pyproject.toml", extras=("web",), groups=("dew",))
    assert extra.startswith("env/environment.yaml:4: `pypi.extras[0]`: the file has no extra `web`")
    assert "`www`" in extra
    assert "`api`" in extra
    assert group.startswith("env/environment.yaml:5: `pypi.groups[0]`: the file has no dependency group `dew`")
    assert "did you mean `dev`" in group


def test_a_reference_to_an_own_extra_gives_its_marker_to_what_it_stands_for(team: Any) -> None:
    text = PROJECT + (
        "dependencies = [\"Churn[Web,api] ; python_version < '3.12'\"]\n[project.optional-dependencies]\n"
        'web = ["h11 ; sys_platform == \'linux\'"]\napi = ["churn[web]"]\n'
    )
    sources = team.write({"pyproject.toml": text}).sources(file="pyproject.toml")
    assert texts(sources) == ['h11; sys_platform == "linux" and python_version < "3.12"']


@pytest.mark.parametrize(
    ("groups", "message", "line"),
    [
        ('a = [{include-group = "b"}]\nb = [\n  {include-group = "a"},\n]\n', "include each other: a → b → a", 7),
        ('a = [{include-group = "a"}]\n', "include each other: a → a", 5),
        ('a = ["x", {include-group = "Bee"}]\nbees = []\n', "there is no dependency group `Bee`", 5),
        ("a = [1]\n", "a requirement or `{include-group = …}`", 5),
        ("a = [{include = 'x'}]\n", "a requirement or `{include-group = …}`", 5),
        ("a = 'x'\n", "a list of requirements", 5),
        ('a = ["churn[nope]"]\n', "the project has no extra `nope`", 5),
        ('a = ["x >"]\n', "not a requirement (PEP 508)", 5),
    ],
)
def test_faulty_groups_are_refused_with_their_line(team: Any, groups: str, message: str, line: int) -> None:
    team.write({"pyproject.toml": f"{PROJECT}[dependency-groups]\n{groups}"})
    (problem,) = team.problems(file="pyproject.toml", groups=("a",))
    assert problem.startswith(f"env/pyproject.toml:{line}: ")
    assert message in problem


def test_extras_that_include_each_other_are_refused(team: Any) -> None:
    team.write({"pyproject.toml": PROJECT + '[project.optional-dependencies]\na = ["churn[b]"]\nb = ["churn[a]"]\n'})
    (problem,) = team.problems(file="pyproject.toml", extras=("a",))
    assert "env/pyproject.toml:6: the extra `a` includes itself" in problem


def test_lists_that_multiply_are_given_up(team: Any) -> None:
    groups = "".join(
        f"g{n} = [{', '.join([f'{{include-group = {chr(34)}g{n + 1}{chr(34)}}}'] * 3)}]\n" for n in range(30)
    )
    team.write({"pyproject.toml": f"{PROJECT}[dependency-groups]\n{groups}g30 = []\n"})
    (problem,) = team.problems(file="pyproject.toml", groups=("g0",))
    assert "too often" in problem


def test_groups_need_no_project(team: Any) -> None:
    team.write({"pyproject.toml": '[dependency-groups]\ndev = ["h11"]\n'})
    assert texts(team.sources(file="pyproject.toml", groups=("dev",))) == ["h11"]


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            "[tool.poetry]\nname='x'\n[tool.poetry.dependencies]\nnumpy='*'\n",
            ":1: there is no `[project]`",
            "poetry export",
        ),
        ("[build-system]\nrequires=[]\n", "there is no `[project]`", "PEP 621"),
        (PROJECT + 'dynamic = ["dependencies"]\n', ":4: `dependencies` are dynamic", "tool.setuptools.dynamic"),
        (PROJECT + "dependencies = 'x'\n", ":4: a list of requirements", ""),
        (PROJECT + "dependencies = ['numpy', './x']\n", ":4: `./x`: a path is not taken", ""),
        (PROJECT + "requires-python = 'new'\n", ":4: `new` is no version specifier", ">=3.11"),
        (
            PROJECT + "dependencies = [\n'a',\n'b @ git+https://g.example/b@main'\n]\n",
            ":6: `b @ git",
            "<40 hexadecimal",
        ),
        (
            PROJECT + "dependencies = ['a']\n[tool.poetry.dependencies]\na = {path = 'a'}\n",
            ":6: where `a` comes from",
            "poetry",
        ),
        ("[project\n", ":1: this is not TOML", ""),
        (PROJECT + "x = 1\nx = 2\n", "this is not TOML", ""),
    ],
)
def test_what_is_not_taken_names_its_line(team: Any, text: str, message: str, hint: str) -> None:
    (problem,) = team.write({"pyproject.toml": text}).problems(file="pyproject.toml")
    assert problem.startswith("env/pyproject.toml:")
    assert message in problem
    assert hint in problem


def test_requirements_files_of_setuptools_are_read(team: Any) -> None:
    told = (
        'dynamic = ["dependencies", "optional-dependencies"]\n[tool.setuptools.dynamic]\n'
        'dependencies = {file = ["requirements.in"]}\noptional-dependencies.web = {file = "web.in"}\n'
    )
    team.write({"pyproject.toml": PROJECT + told, "requirements.in": "numpy\n", "web.in": "h11\n"})
    sources = team.sources(file="pyproject.toml", extras=("web",))
    assert texts(sources) == ["numpy", "h11"]
    assert sources.inputs == {"pyproject.toml": [], "requirements.in": ["numpy"], "web.in": ["h11"]}
    team.write({"pyproject.toml": PROJECT + told.replace("requirements.in", "nowhere.in")})
    assert "`env/nowhere.in` cannot be read" in team.problems(file="pyproject.toml")[0]


def test_uvs_constraints_overrides_and_indexes_are_honoured(team: Any) -> None:
    settings = (
        'dependencies = ["numpy"]\n[tool.uv]\nconstraint-dependencies = ["numpy<2"]\n'
        'override-dependencies = ["idna==3.7"]\nindex-url = "https://own.example/simple"\n'
        'extra-index-url = ["https://e.example/simple"]\n'
        '[[tool.uv.index]]\nname = "team"\nurl = "https://i.example/simple"\n'
        '[[tool.uv.index]]\nname = "own"\nurl = "https://own.example/simple"\ndefault = true\n'
        '[[tool.uv.index]]\nname = "cpu"\nurl = "https://cpu.example/simple"\nexplicit = true\n'
    )
    sources = team.write({"pyproject.toml": PROJECT + settings}).sources(file="pyproject.toml")
    assert [(line.text, line.place) for line in sources.constraints] == [("numpy<2", "env/pyproject.toml:6")]
    assert [(line.text, line.place) for line in sources.overrides] == [("idna==3.7", "env/pyproject.toml:7")]
    assert [(index.url, index.place, index.is_default) for index in sources.indexes] == [
        ("https://i.example/simple", "env/pyproject.toml:12", False),
        ("https://own.example/simple", "env/pyproject.toml:15", True),
        ("https://own.example/simple", "env/pyproject.toml:8", True),
        ("https://e.example/simple", "env/pyproject.toml:9", False),
    ]
    assert sources.inputs["pyproject.toml"][:3] == ["numpy", "--constraint numpy<2", "--override idna==3.7"]
    known = (Index("mine", "https://i.example/simple/"), Index("own", "https://own.example/simple/"))
    named = team.sources(file="pyproject.toml", indexes=known).indexes
    assert [index.url for index in named if not index.is_default] == ["https://e.example/simple"]
    assert {index.url for index in named if index.is_default} == {"https://own.example/simple"}


@pytest.mark.parametrize("key", ["index-url", "extra-index-url", "index"])
def test_another_index_is_noticed_as_a_change(team: Any, key: str) -> None:
    value = {"index-url": '"{}"', "extra-index-url": '["{}"]', "index": '[{{name = "a", url = "{}"}}]'}[key]
    text = f"{PROJECT}dependencies = []\n[tool.uv]\n{key} = {value}\n"
    before = team.write({"pyproject.toml": text.format("https://a.example/simple")}).sources(file="pyproject.toml")
    after = team.write({"pyproject.toml": text.format("https://b.example/simple")}).sources(file="pyproject.toml")
    assert before.inputs != after.inputs


@pytest.mark.parametrize(
    ("settings", "message", "hint"),
    [
        ("prerelease = 'allow'", "tool.uv.prerelease", "name>=2.0rc1"),
        ("resolution = 'lowest'", "tool.uv.resolution", "lockfile: uv.lock"),
        ("exclude-newer = '2026-01-01'", "tool.uv.exclude-newer", "in the spec"),
        ("no-binary-package = ['numpy']", "tool.uv.no-binary-package", "lockfile: uv.lock"),
        ("find-links = ['x']", "tool.uv.find-links", "index"),
        ("constraint-dependencies = ['x >']", "not a requirement", ""),
        ("override-dependencies = 'x'", "a list of requirements", ""),
        (f"override-dependencies = ['c @ https://x.example/c-1.zip#sha256={SHA}']", "it has a URL", ""),
        ("extra-index-url = ['https://u:s3cret@i.example/']", "credentials", "netrc"),
    ],
)
def test_settings_of_uv_that_cannot_be_honoured_are_refused(team: Any, settings: str, message: str, hint: str) -> None:
    team.write({"pyproject.toml": f"{PROJECT}[tool.uv]\n{settings}\n"})
    (problem,) = team.problems(file="pyproject.toml")
    assert problem.startswith("env/pyproject.toml:5: ")
    assert message in problem
    assert hint in problem
    assert "s3cret" not in problem


def test_settings_that_change_nothing_are_taken(team: Any) -> None:
    team.write(
        {"pyproject.toml": f"{PROJECT}[tool.uv]\nprerelease = 'if-necessary-or-explicit'\nexclude-newer = '2026'\n"}
    )
    assert team.sources(file="pyproject.toml", exclude_newer="2026-01-01T00:00:00Z").requirements == ()


@pytest.mark.parametrize(
    ("source", "message", "hint"),
    [
        ("{path = '../tool'}", "a path or a member", "`code:`"),
        ("{workspace = true}", "a path or a member", "lockfile: uv.lock"),
        (
            "{git = 'https://g.example/tool'}",
            "not pinned",
            "`tool @ git+https://g.example/tool@<40 hexadecimal digits>`",
        ),
        ("{git = 'https://g.example/tool', tag = 'v1'}", "not pinned", "git ls-remote"),
        ("{url = 'https://x.example/tool-1.zip'}", "needs its hash", "sha256="),
        ("{index = 'cpu'}", "from the index `cpu`", "{name: cpu, url: https://cpu.example/s, packages: [tool]}"),
        ("[{index = 'cpu', marker = 'x'}, {path = '../t'}]", "a path or a member", "`code:`"),
        (f"[{{git = 'https://g.example/t', rev = '{COMMIT}', marker = 'x'}}]", "one of several", "URL"),
        ("{conda = 'x'}", "a source of `conda`", ""),
    ],
)
def test_a_source_of_uv_that_others_cannot_have_is_refused(team: Any, source: str, message: str, hint: str) -> None:
    text = (
        f"{PROJECT}dependencies = ['Tool[x]>=1', 'h11']\n[[tool.uv.index]]\nname = 'cpu'\nurl = 'https://cpu.example/s'\n"
        f"explicit = true\n[tool.uv.sources]\nother = {{path = 'other'}}\ntool = {source}\n"
    )
    problems = team.write({"pyproject.toml": text}).problems(file="pyproject.toml")
    assert problems[-1].startswith("env/pyproject.toml:11: `Tool`: ")
    assert any(message in problem and hint in problem.replace("Tool", "tool") for problem in problems)


def test_a_source_of_uv_at_a_commit_is_taken(team: Any) -> None:
    text = (
        f"{PROJECT}dependencies = [\"Tool[b,a]>=1 ; python_version < '4'\"]\n[tool.uv.sources]\n"
        f"tool = {{git = 'https://g.example/t.git', rev = '{COMMIT}', subdirectory = 'py'}}\n"
    )
    sources = team.write({"pyproject.toml": text}).sources(file="pyproject.toml")
    assert [line.text for line in sources.vcs] == [
        f'Tool[a,b] @ git+https://g.example/t.git@{COMMIT}#subdirectory=py ; python_version < "4"'
    ]
    assert sources.requirements == ()


def test_an_index_for_one_package_is_taken_where_the_spec_says_the_same(team: Any) -> None:
    text = (
        f"{PROJECT}dependencies = ['torch']\n[tool.uv.sources]\ntorch = {{index = 'cpu'}}\n"
        "[[tool.uv.index]]\nname = 'cpu'\nurl = 'https://cpu.example/s'\nexplicit = true\n"
    )
    team.write({"pyproject.toml": text})
    known = (Index("cpu", "https://cpu.example/s", ("Torch",)),)
    assert texts(team.sources(file="pyproject.toml", indexes=known)) == ["torch"]
    other = (Index("cpu", "https://elsewhere.example/s", ("torch",)),)
    assert len(team.problems(file="pyproject.toml", indexes=other)) == 1


def test_uvs_development_dependencies_are_the_group_dev(team: Any) -> None:
    text = f"{PROJECT}[tool.uv]\ndev-dependencies = ['h11']\n[dependency-groups]\ndev = ['idna']\n"
    assert texts(team.write({"pyproject.toml": text}).sources(file="pyproject.toml", groups=("dev",))) == [
        "h11",
        "idna",
    ]
