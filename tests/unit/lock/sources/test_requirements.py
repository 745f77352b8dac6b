from __future__ import annotations

from typing import Any

import pytest

from builder.lock.interface import FileIndex, Line

SHA = "8bb5376d2006950386f8c6427613334a2acadc5f559cb80e638d00b4df957e37"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
WHEEL = "https://files.example/click-8.5.1-py3-none-any.whl"


def texts(lines: tuple[Line, ...]) -> list[str]:
    return [line.text for line in lines]


def test_requirements_keep_markers_extras_and_their_places(team: Any) -> None:
    text = '# a comment\nnumpy >=1 ; python_version < "4"  # why\n\nuvicorn[standard]\\\n   >=0.2\nflask\n'
    sources = team.write({"requirements.in": text}).sources(file="requirements.in")
    assert sources.requirements == (
        Line('numpy >=1 ; python_version < "4"', "env/requirements.in:2"),
        Line("uvicorn[standard] >=0.2", "env/requirements.in:4"),
        Line("flask", "env/requirements.in:6"),
    )


def test_nested_files_are_relative_to_the_file_that_names_them(team: Any) -> None:
    team.write(
        {
            "requirements.in": "-r ../shared/base.in\n-c ../shared/limits.txt\nflask\n",
            "../shared/base.in": "-r more.in\nnumpy\n",
            "../shared/more.in": "pandas\n",
            "../shared/limits.txt": "numpy<2\n",
        }
    )
    sources = team.sources(file="requirements.in")
    assert [(line.text, line.place) for line in sources.requirements] == [
        ("pandas", "shared/more.in:1"),
        ("numpy", "shared/base.in:2"),
        ("flask", "env/requirements.in:3"),
    ]
    assert sources.constraints == (Line("numpy<2", "shared/limits.txt:1"),)


def test_requirements_of_the_spec_are_told_with_the_line_in_it(team: Any) -> None:
    spec = 'python: "3.11"\npypi:\n  file: requirements.in\n  requirements:\n    - flask\n    - numpy>=1\n'
    team.write({"environment.yaml": spec, "requirements.in": "pandas\n"})
    sources = team.sources(file="requirements.in", requirements=("flask", "numpy>=1"))
    assert [(line.text, line.place) for line in sources.requirements] == [
        ("flask", "env/environment.yaml:5"),
        ("numpy>=1", "env/environment.yaml:6"),
        ("pandas", "env/requirements.in:1"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        f"click @ {WHEEL}#sha256={SHA}",
        f"click @ {WHEEL} --hash=sha256:{SHA}",
        f"{WHEEL}#sha256={SHA}",
        f"{WHEEL}#sha256={SHA.upper()}&egg=click",
    ],
)
def test_a_direct_url_is_taken_with_its_hash(team: Any, line: str) -> None:
    sources = team.write({"requirements.in": f"{line}\nflask\n"}).sources(file="requirements.in")
    assert texts(sources.requirements) == [f"click @ {WHEEL}#sha256={SHA}", "flask"]


def test_a_direct_url_keeps_extras_marker_and_subdirectory(team: Any) -> None:
    line = f"tool[a,b] @ https://x.example/v1.zip#subdirectory=sub/dir&sha256={SHA} ; python_version > '3'"
    sources = team.write({"requirements.in": line}).sources(file="requirements.in")
    assert texts(sources.requirements) == [
        f"tool[a,b] @ https://x.example/v1.zip#sha256={SHA}&subdirectory=sub/dir ; python_version > '3'"
    ]


@pytest.mark.parametrize(
    "line",
    [
        f"tool @ git+https://git.example/team/tool@{COMMIT}",
        f"git+https://git.example/team/tool@{COMMIT.upper()}#egg=tool",
    ],
)
def test_a_url_of_version_control_at_a_commit_is_set_apart(team: Any, line: str) -> None:
    sources = team.write({"requirements.in": f"{line}\n"}).sources(file="requirements.in")
    assert texts(sources.vcs) == [f"tool @ git+https://git.example/team/tool@{COMMIT}"]
    assert sources.requirements == ()


@pytest.mark.parametrize("revision", ["main", "v1.2", "feature/x", COMMIT[:12], ""])
def test_a_branch_or_tag_is_refused_with_what_to_write(team: Any, revision: str) -> None:
    url = "git+ssh://git@git.example/team/tool.git" + (f"@{revision}" if revision else "")
    (problem,) = team.write({"requirements.in": f"\ntool @ {url}\n"}).problems(file="requirements.in")
    assert problem.startswith("env/requirements.in:2: ")
    assert "`tool @ git+ssh://git@git.example/team/tool.git@<40 hexadecimal digits>`" in problem


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("-e .", "an editable install is not taken", "file: pyproject.toml"),
        ("--editable=../lib", "an editable install is not taken", "`code:`"),
        (".", "a path is not taken", "file: pyproject.toml"),
        ("./lib[extra]", "a path is not taken", "built to a wheel"),
        ("../lib", "a path is not taken", "built to a wheel"),
        ("wheels/x-1.0-py3-none-any.whl", "a path is not taken", "built to a wheel"),
        ("x-1.0.tar.gz", "a path is not taken", "built to a wheel"),
        ("x @ ./lib", "a path is not taken", "built to a wheel"),
        (f"click @ {WHEEL}", "a direct URL needs its hash", "sha256sum"),
        (f"click @ {WHEEL}#sha512={SHA}", "a direct URL needs its hash", "#sha256="),
        (f"click @ {WHEEL}?x=1#sha256={SHA}", "a query, which may hold a token", "without what follows `?`"),
        (f"click @ https://x.example/click#sha256={SHA}", "neither a wheel nor an archive", "wheel"),
        (f"https://x.example/v1.zip#sha256={SHA}", "does not tell the name", "name @ URL"),
        ("x @ hg+https://x.example/r", "`hg` is not taken", "git alone"),
        ("x @ ftp://x.example/x-1.0.tar.gz", "`ftp:` is not taken", "https:"),
        (f"git+https://git.example/r@{COMMIT}", "the name of the package is not told", "write `name @ git+https"),
        ("x @ https://[x/x-1.0.tar.gz", "cannot be read", "name @ URL"),
        ("numpy ${VERSION}", "a variable is not taken", "write the value"),
        ("numpy >", "not a requirement (PEP 508)", "as in"),
        ("numpy; nonsense", "not a requirement (PEP 508)", "as in"),
        ("--find-links wheels", "`--find-links`", "serve the folder as an index"),
        ("-fwheels", "`--find-links`", "serve the folder as an index"),
        ("--no-index", "`--no-index`", "default: true"),
        ("--no-binary :all:", "`--no-binary`", "where there is no wheel"),
        ("--only-binary=:all:", "`--only-binary`", "--no-sdist"),
        ("--pre", "`--pre`", "name>=2.0rc1"),
        ("--trusted-host x.example", "`--trusted-host`", "SSL_CERT_FILE"),
        ("--use-feature fast", "`--use-feature`", "leave it out"),
        ("numpy --config-settings a=b", "settings of a build", "build the wheel"),
        ("numpy --global-option=x", "settings of a build", "build the wheel"),
        ("numpy --no-deps", "no option `--no-deps`", ""),
        ("numpy --index-url https://x.example/", "stands on a line of its own", "next line"),
        ("numpy -r other.in", "stands on a line of its own", "next line"),
        ("-r a.in -r b.in", "stands on a line of its own", "next line"),
        (f"--hash=sha256:{SHA}", "belongs to a requirement", "behind the requirement"),
        ("--index-url", "needs a value", ""),
        ("--index-url 'x", "a quote is not closed", ""),
        ("--pre numpy", "`numpy` is not expected here", ""),
        ("--index-url wheels", "the index is not a URL", "indexes"),
        ("-r https://x.example/requirements.txt", "is not a path", "copy the file"),
        ("-r ${HOME}/x.in", "is not a path", "copy the file"),
        ("-r nowhere.in", "cannot be read", ""),
        ("-r ../../outside.in", "outside of the repository", ".git"),
        ("-c nowhere.txt", "cannot be read", ""),
    ],
)
def test_what_is_not_taken_names_its_line_and_what_to_write(team: Any, line: str, message: str, hint: str) -> None:
    problems = team.write({"requirements.in": f"flask\n\n{line}\n"}).problems(file="requirements.in")
    assert len({*problems}) == 1, problems
    assert problems[0].startswith("env/requirements.in:3: ")
    assert message in problems[0]
    assert hint in problems[0]


@pytest.mark.parametrize(
    ("line", "message"), [("x[a]<2", "no extras"), (f"click @ {WHEEL}#sha256={SHA}", "no URL"), ("-e .", "editable")]
)
def test_a_constraint_that_constrains_no_version_is_refused(team: Any, line: str, message: str) -> None:
    team.write({"requirements.in": "-c limits.txt\nflask\n", "limits.txt": f"\n{line}\n"})
    (problem,) = team.problems(file="requirements.in")
    assert problem.startswith("env/limits.txt:2: ")
    assert message in problem


def test_a_lock_may_constrain_another(team: Any) -> None:
    team.write({"requirements.in": "-c base.txt\nflask\n", "base.txt": f"numpy==1.26.4 \\\n    --hash=sha256:{SHA}\n"})
    assert texts(team.sources(file="requirements.in").constraints) == ["numpy==1.26.4"]


def test_indexes_are_recorded_with_what_they_are_for_and_where_they_stand(team: Any) -> None:
    text = "-i https://pypi.org/simple\n--extra-index-url=https://a.example/simple/ --extra-index-url https://b.example/s\n"
    sources = team.write({"requirements.in": text + "numpy\n"}).sources(file="requirements.in")
    assert sources.indexes == (
        FileIndex("https://pypi.org/simple", "env/requirements.in:1", is_default=True),
        FileIndex("https://a.example/simple/", "env/requirements.in:2"),
        FileIndex("https://b.example/s", "env/requirements.in:2"),
    )


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://user:s3cret@a.example/simple",
        "--extra-index-url https://s3cret@a.example/simple",
        "--extra-index-url https://a.example/simple?token=s3cret",
        f"click @ https://user:s3cret@a.example/click-1-py3-none-any.whl#sha256={SHA}",
        f"https://user:s3cret@a.example/click-1-py3-none-any.whl?k=s3cret#sha256={SHA}",
        f"x @ git+https://user:s3cret@git.example/x@{COMMIT}",
        "x @ git+https://user:s3cret@git.example/x@main",
        "-r https://user:s3cret@a.example/x.in",
        "--find-links https://user:s3cret@a.example/x",
        "nonsense https://user:s3cret@a.example/x",
        "--nonsense=https://user:s3cret@a.example/x",
    ],
)
def test_credentials_are_refused_and_said_nowhere(team: Any, line: str) -> None:
    error = team.write({"requirements.in": f"{line}\n"}).error(file="requirements.in")
    assert "env/requirements.in:1: " in str(error)
    assert "s3cret" not in str(error) + str(error.hint)


def test_what_is_kept_to_notice_changes_holds_no_credentials(team: Any) -> None:
    from builder.lock.sources import read_inputs
    from builder.spec.environment import PyPI

    text = "--index-url https://user:s3cret@a.example/simple\n--extra-index-url https://a.example/?k=s3cret\n"
    team.write({"requirements.in": text})
    inputs = read_inputs(PyPI(file="requirements.in"), team.folder, "env/environment.yaml")
    assert inputs == {
        "requirements.in": ["--index-url=https://a.example/simple", "--extra-index-url=https://a.example/?…"]
    }


def test_all_problems_of_all_files_are_told_together(team: Any) -> None:
    team.write({"requirements.in": "-r more.in\n-e .\n--pre\n", "more.in": "numpy >\n"})
    assert [problem.partition(": ")[0] for problem in team.problems(file="requirements.in", extras=("x",))] == [
        "env/environment.yaml:1",
        "env/more.in:1",
        "env/requirements.in:2",
        "env/requirements.in:3",
    ]


@pytest.mark.parametrize("files", [{"a.in": "-r a.in\n"}, {"a.in": "-r b.in\n", "b.in": "-c ../env/a.in\n"}])
def test_files_that_name_each_other_in_a_circle_are_refused(team: Any, files: dict[str, str]) -> None:
    (problem,) = team.write(files).problems(file="a.in")
    assert "leads back to itself" in problem


def test_a_file_may_be_named_twice(team: Any) -> None:
    team.write({"a.in": "-r b.in\n-r c.in\n", "b.in": "-r d.in\n", "c.in": "-r d.in\n", "d.in": "numpy\n"})
    sources = team.sources(file="a.in")
    assert texts(sources.requirements) == ["numpy", "numpy"]
    assert sources.inputs == {
        "a.in": ["--requirement=b.in", "--requirement=c.in"],
        "b.in": ["--requirement=d.in"],
        "c.in": ["--requirement=d.in"],
        "d.in": ["numpy"],
    }


def test_what_is_kept_tells_requirements_and_constraints_apart(team: Any) -> None:
    team.write({"requirements.in": "# x\n-c limits.txt\nnumpy   >=1 # y\n", "limits.txt": "numpy<2\n", "empty.in": ""})
    assert team.sources(file="requirements.in").inputs == {
        "requirements.in": ["--constraint=limits.txt", "numpy >=1"],
        "limits.txt": ["--constraint numpy<2"],
    }
    assert team.sources(file="empty.in").inputs == {"empty.in": []}


@pytest.mark.parametrize("name", ["uv.lock", "poetry.lock", "pylock.toml", "pylock.linux.toml"])
def test_a_lock_is_not_resolved(team: Any, name: str) -> None:
    error = team.write({name: ""}).error(file=name)
    assert "is a lock" in str(error)
    assert "`lockfile:`" in str(error.hint)


def test_requirements_of_the_spec_alone_are_read_as_strictly(team: Any) -> None:
    spec = f"python: '3.11'\npypi:\n  requirements:\n    - x @ https://u:s3cret@x.example/x-1.zip#sha256={SHA}\n"
    team.write({"environment.yaml": spec})
    (problem,) = team.problems(requirements=(f"x @ https://u:s3cret@x.example/x-1.zip#sha256={SHA}",))
    assert problem.startswith("env/environment.yaml:4: `pypi.requirements[0]`: ")
    assert "credentials" in problem
    assert "s3cret" not in problem


def test_a_commit_may_stand_in_the_spec(team: Any) -> None:
    from builder.lock.locking import read_sources_of
    from builder.spec import load_environment

    url = f"git+https://git.example/x@{COMMIT}"
    team.write({"environment.yaml": f"python: '3.11'\npypi:\n  requirements: ['x @ {url}', numpy]\n"})
    sources = read_sources_of(load_environment(team.folder))
    assert texts(sources.vcs) == [f"x @ {url}"]
    assert texts(sources.requirements) == ["numpy"]
    assert sources.inputs == {}
