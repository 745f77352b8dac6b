from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement

from builder.errors import EnvbuildError
from builder.spec import Environment, Project, load_project
from builder.spec.environment import PLAIN_REQUIREMENT
from builder.spec.fields import as_document
from builder.spec.load import find_spec, load_environment
from builder.spec.reader import Reader, SpecError

MINIMAL = b'python: "3.11"\n'


def problems(data: bytes, folder: Path, document: type = Environment) -> list[str]:
    reader = Reader("spec.yaml", folder)
    value = reader.read(data, document)
    assert (value is None) == bool(reader.problems)
    return [str(problem) for problem in reader.problems]


def read(data: bytes, folder: Path = Path(), document: type = Environment) -> Any:
    reader = Reader("spec.yaml", folder)
    value = reader.read(data, document)
    assert not reader.problems
    return value


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with all the files that a project names."""
    (tmp_path / "environments").mkdir()
    (tmp_path / "environments/environment.yaml").write_bytes(MINIMAL)
    (tmp_path / "CARD.md").write_text("card")
    (tmp_path / "params.yaml").write_text("a: 1")
    return tmp_path


WRONG = {
    b"": "spec.yaml:1: it is empty",
    b"# nothing\n": "spec.yaml:1: it is empty",
    b"~": "spec.yaml:1: it has no value",
    b"3.11": "spec.yaml:1: a mapping of keys to values is expected here, not a single value",
    b"- python": "spec.yaml:1: a mapping of keys to values is expected here, not a list",
    b"python: [": "spec.yaml:2: this is not YAML",
    b"python: '3.11'\n\tdebian: []": "spec.yaml:2: this is not YAML",
    b"python: '3.11'\x00": "spec.yaml:1: this is not YAML: control characters are not allowed",
    b"python: '3.11' # caf\xe9": "spec.yaml:1: this is not YAML",
    "python: '3.11'".encode("utf-16"): "spec.yaml:1: this is not YAML",
    b"python: '3.11'\n---\npython: '3.12'": "spec.yaml:2: this is not YAML: but found another document",
    b"python: *unknown": "spec.yaml:1: this is not YAML: found undefined alias",
    b"debian: []": "spec.yaml:1: the key `python` is missing, or else `conda` or `base`",
    b"pyhton: '3.11'\npython: '3.11'": "spec.yaml:1: `pyhton`: this key is not known (did you mean `python`?)",
    b"python: '3.11'\npython: '3.12'": "spec.yaml:2: `python`: this key stands twice",
    b"python:\n": "spec.yaml:1: `python`: it has no value",
    b"python: 3": "spec.yaml:1: `python`: `3` is not a Python version like 3.11",
    b"python: [3.11]": "spec.yaml:1: `python`: a single value or a mapping of keys to values is expected here",
    b"python: {a: b}": "the key `version` is missing",
    b"python: {version: 3.12.1}": "`python`: only `source: standalone` can choose the patch version",
    b"python: {version: '3.11', source: conda}": "`python`: a conda interpreter needs `conda`",
    b"python: {version: '3.11', source: base}": "`python`: `source: base` needs an image as `base`",
    b"python: {version: '3.11', source: debian}\nbase: {image: a/b:1}": "`python`: `source: debian` needs a suite",
    b"python: '3.11'\nbase: {image: a/b:1, suite: sid}": "`base.image`: a base is a suite or an image, not both",
    b"python: '3.11'\nbase: {image: a/b:1}\ndebian: [gcc]": "`debian`: Debian packages are installed on a suite",
    b"base: {suite: sid}": "`python`: it is missing",
    MINIMAL + b"conda: {file: e.yml}": "`conda.file`: the file `e.yml` is not there",
    MINIMAL + b"pipy: {requirements: [a]}": "`pipy`: this key is not known (did you mean `pypi`?)",
    MINIMAL + b"pypi: {file: .}": "`pypi.file`: `.` is a folder, not a file",
    MINIMAL + b"conda: {channels: [a]}": "`conda`: the key `file` is missing, or else `dependencies` or `lockfile`",
    MINIMAL + b"conda: {dependencies: [a]}": "`conda`: `channels` and `dependencies` belong together",
    MINIMAL + b"conda: {channels: [https://u:p@h/c], dependencies: [a]}": "holds credentials",
    MINIMAL + b"pypi: {requirements: [a], lockfile: uv.lock}": "`pypi.lockfile`: a lockfile is taken as it is",
    MINIMAL + b"pypi: {requirements: [a], groups: [b]}": "`pypi.groups`: they need `file` or `lockfile`",
    MINIMAL + b"pypi: {requirements: [a], indexes: [{name: a, url: 'https://u:p@h/'}]}": "it holds credentials",
    MINIMAL + b"pypi: {requirements: [a], indexes: [{name: a, url: 'https://h/'}, {name: a, url: 'https://i/'}]}": (
        "`pypi.indexes[1].name`: another index is called `a`"
    ),
    MINIMAL + b"pypi: {requirements: [a], indexes: [{name: a, url: 'https://h/', default: true, packages: [a]}]}": (
        "`pypi.indexes[0].packages`: an index in place of PyPI is for all packages"
    ),
    b"? [a, b]\n: 1": "spec.yaml:1: a key is a single value, not a list",
    MINIMAL + b"platforms: linux/amd64": "spec.yaml:2: `platforms`: a list is expected here, not a single value",
    MINIMAL + b"platforms: []": "spec.yaml:2: `platforms`: at least one platform is needed",
    MINIMAL + b"platforms: [linux/amd64, linux/amd64]": "spec.yaml:2: `platforms`: a platform stands twice",
    MINIMAL + b"platforms:\n- linux/amd46": "spec.yaml:3: `platforms[0]`: `linux/amd46` is not one of `linux/amd64`, "
    "`linux/arm64` (did you mean `linux/amd64`?)",
    MINIMAL + b"base: {suite: bullseye}": "spec.yaml:2: `base.suite`: `bullseye` is not one of",
    MINIMAL + b"base: {suit: bookworm}": "spec.yaml:2: `base.suit`: this key is not known (did you mean `suite`?)",
    MINIMAL + b"debian:\n- libgomp1\n-\n": "spec.yaml:4: `debian[1]`: it has no value",
    MINIMAL + b"debian: [Libgomp1]": "spec.yaml:2: `debian[0]`: `Libgomp1` is not the name of a Debian package",
    MINIMAL + b"debian: ['a\n\n  b']": "spec.yaml:2: `debian[0]`: `a b` is not the name of a Debian package",
    MINIMAL + b"pypi: {requirements: pandas}": "spec.yaml:2: `pypi.requirements`: a list is expected here",
    MINIMAL
    + b"pypi: {requirements: ['pandas >']}": "spec.yaml:2: `pypi.requirements[0]`: `pandas >` is not a requirem",
    MINIMAL + b"pypi: {requirements: ['a @ https://b/c.whl']}": "a direct URL needs its hash",
    MINIMAL + b"pypi: {requirements: ['-r /etc/passwd']}": "`-r /etc/passwd` is not a requirement (PEP 508)",
    MINIMAL + b'pypi: {requirements: ["a\\n--index-url x"]}': "`a --index-url x` is not a requirement",
    MINIMAL + b'pypi: {requirements: ["a\\r--index-url x"]}': "`a --index-url x` is not a requirement",
    MINIMAL + b"pypi: {requirements: [], exclude-newer: 2026-11-01}": "`2026-11-01` is not a full time in UTC",
    MINIMAL + b"pypi: {requirements: [], exclude-newer: 2026-13-01T00:00:00Z}": "month must be in 1..12",
    MINIMAL + b"pypi: {requirements: [], exclude-newer: 3 days}": "`3 days` is not a full time in UTC",
    MINIMAL + b"pypi: {requirements: [], resolver: poetry}": "`pypi.resolver`: `poetry` is not one of `uv`",
    MINIMAL + b"k" * 100 + b": 1": "this key is not known (known are",
    MINIMAL + b'"a\\nhint b": 1': "spec.yaml:2: `a hint b`: this key is not known",
}


@pytest.mark.parametrize("data", WRONG, ids=lambda data: repr(data[:60]))
def test_reader_refuses_wrong_environments_with_line_key_and_hint(data: bytes, tmp_path: Path) -> None:
    found = problems(data, tmp_path)
    assert any(WRONG[data] in line for line in found), found
    assert all("\n" not in line for line in found)


@given(st.from_regex(PLAIN_REQUIREMENT, fullmatch=True))
def test_what_is_taken_for_a_plain_requirement_is_one(text: str) -> None:
    Requirement(text)


PROJECT = b"environment: environments\n"
WRONG_PROJECTS = {
    b"name: a": "spec.yaml:1: the key `environment` is missing",
    b"environment: nowhere": "spec.yaml:1: `environment`: `nowhere` has no `environment.yaml`",
    b"environment: {python: 3.11, debain: []}": "`environment.debain`: this key is not known (did you mean `debian`?)",
    b"environment: [a]": "`environment`: a single value or a mapping of keys to values is expected here, not a list",
    PROJECT + b"name: Bad Name": "`name`: `Bad Name` is not a name of lower-case letters",
    PROJECT + b"version: a/b": "`version`: `a/b` is not a version that an image tag can hold",
    PROJECT + b"code: [../secret]": "`code[0]`: `../secret` is not a path inside the project",
    PROJECT + b"code: [/etc/passwd]": "`code[0]`: `/etc/passwd` is not a path inside the project",
    PROJECT + b"code: [src, ~]": "`code[1]`: it has no value",
    PROJECT + b"model: {path: out, card: NONE.md}": "`model.card`: the file `NONE.md` is not there",
    PROJECT + b"model: {path: out, card: " + b"x" * 300 + b"}": "cannot be looked at: File name too long",
    PROJECT + b"model: {card: CARD.md}": "spec.yaml:2: `model`: the key `path` is missing",
    PROJECT + b"data: {a: {size: 1}}": "`data.a`: the key `url` is missing",
    PROJECT + b"data: {a: {url: ../b}}": "a path stays inside the project; what is elsewhere is written as `file://",
    PROJECT + b"data: {a: {url: 'file:b'}}": "a `file:` URL has the form `file:///path/of/the/file`",
    PROJECT + b"data: {a: {url: 'https://b/*.csv'}}": "a web server lists no files",
    PROJECT + b"data: {a: {url: 's3:///'}}": "it names no bucket, container or repository",
    PROJECT + b"data: {a: {url: 's3://b/c.zip::http://d'}}": "`::` chains file systems, which is not taken",
    PROJECT + b"data: {a: {url: 'simplecache::s3://b/c'}}": "is not among `file:`, `http:`",
    PROJECT + b"data: {a: {url: 'hf://datasets/a'}}": "a form such as `hf://datasets/organisation/name@revision/path`",
    PROJECT + b"model: {path: out, url: 'https://b/c'}": "`model.url`: the model is either at a `path` or at a `url`",
    PROJECT + b"model: {path: out, sha256: %s}" % (b"0" * 64): "`model.sha256`: it belongs to a `url`",
    PROJECT + b"model: {url: 'https://b/c', size: -1}": "`model.size`: a size is not negative",
    PROJECT + b"data: {a: {url: CARD.md, sha256: abc}}": "`data.a.sha256`: `abc` is not a SHA-256",
    PROJECT + b"data: {a: {url: /a, sha256: %s}}" % (b"0" * 64): (
        "`data.a.url`: it is not a path or URL of a data file: a path that starts at the root is written as `file://…`"
    ),
    PROJECT + b"commands: {train: {run: a && b}}": (
        '`commands.train.run`: `&&` would be an argument: there is no shell (write `[sh, -c, "…"]` if one is meant)'
    ),
    PROJECT + b"commands: {train: {run: a, seed: -1}}": "`commands.train.seed`: -1 is not a seed (0 to 4294967295)",
    PROJECT + b"data: {a: {url: 'ftp://b/c', sha256: %s}}" % (b"0" * 64): "`ftp:` is not among `file:`, `http:`",
    PROJECT + b"data: {a: {url: 'http://[x', sha256: %s}}" % (b"0" * 64): "`data.a.url`: it is not a path or URL",
    PROJECT + b"data: {a: {url: CARD.md, sha256: %s, size: -1}}" % (b"0" * 64): "`data.a.size`: a size is not negative",
    PROJECT + b"data: {a: {url: CARD.md, sha256: %s, size: 1kB}}" % (b"0" * 64): "`1kB` is not a whole number",
    PROJECT + b"data: {A b: {url: CARD.md, sha256: %s}}" % (b"0" * 64): "the name `A b` is not a name of lower-case",
    PROJECT + b"commands: {train: {}}": "`commands.train`: the key `run` is missing",
    PROJECT + b"commands: {train: {run: ''}}": "`commands.train.run`: `` is not a command",
    PROJECT + b"commands: {train: {run: []}}": "`commands.train.run`: it is empty",
    PROJECT + b"commands: {train: {run: '  '}}": "`commands.train.run`: it is empty",
    PROJECT + b"""commands: {train: {run: "a 'b"}}""": "`commands.train.run`: a quote in it is not closed",
    PROJECT + b"commands: {train: {run: a, inputs: [x]}}": "`commands.train.inputs[0]`: `x` is not among the names",
    PROJECT + b"commands: {train: {run: a, seed: 1.5}}": "`commands.train.seed`: `1.5` is not a whole number",
    PROJECT + b"commands: {train: {run: a, seed: true}}": "`commands.train.seed`: `true` is not a whole number",
    PROJECT + b"commands: {train: {run: a, params: p.yaml}}": "`commands.train.params`: the file `p.yaml` is not there",
    PROJECT + b"commands: {serve: {run: a, port: 70000}}": "`commands.serve.port`: 70000 is not a port (1 to 65535)",
    PROJECT + b"commands: {serve: {run: a, ready: /z}}": "`commands.serve.ready`: it needs `port`",
    PROJECT + b"commands: {serve: {run: a, port: 1, ready: z}}": "`z` is not a URL path that starts with `/`",
    PROJECT + b"commands: {train: {run: a, env: {1A: b}}}": "the name `1A` is not the name of an environment variable",
    PROJECT + b"commands: {train: {run: a, env: {A: }}}": "`commands.train.env.A`: it has no value",
    PROJECT + b"commands: {a: {run: b}, a: {run: c}}": "`commands.a`: this key stands twice",
}


@pytest.mark.parametrize("data", WRONG_PROJECTS, ids=lambda data: repr(data[-60:]))
def test_reader_refuses_wrong_projects_with_line_key_and_hint(data: bytes, project: Path) -> None:
    found = problems(data, project, Project)
    assert any(WRONG_PROJECTS[data] in line for line in found), found


@pytest.mark.parametrize(
    "url",
    [
        "https://scientist:hunter2@example.com/a.csv",
        "https://hunter2@example.com/a.csv",
        "//scientist:hunter2@example.com/a.csv",
        "https://example.com/a?X-Amz-Signature=hunter2",
        "https://example.com/a?x=1&access_token=hunter2",
        "https://example.com/a?sv=1&sig=hunter2",
        "https://example.com/a?api_key=hunter2",
        "ftp://scientist:hunter2@example.com/a.csv",
        "https://scientist:hunter2@[bad/a.csv",
        "s3://key:hunter2@bucket/a.csv",
        "abfs://container:hunter2@account.dfs.core.windows.net/a.csv",
        "az://container/a.csv?sig=hunter2",
    ],
)
def test_reader_refuses_credentials_in_urls_and_does_not_repeat_them(url: str, project: Path) -> None:
    spec = PROJECT + f"data: {{a: {{url: '{url}', sha256: {'0' * 64}}}}}".encode()
    found = problems(spec, project, Project)
    assert len(found) == 1
    assert "hunter2" not in found[0]


def test_reader_reports_all_problems_together_sorted_by_line(project: Path) -> None:
    (project / "envbuild.yaml").write_bytes(
        b"nmae: a\nenvironment: {pyton: 3.11, platforms: [x]}\ncode: [..]\ncommands:\n  train: {}\n  serve: {run: 1}\n"
    )
    with pytest.raises(SpecError) as caught:
        load_project(project)
    assert [problem.line for problem in caught.value.problems] == [1, 2, 2, 2, 3, 5]
    assert caught.value.what.endswith("has 6 problems")


@pytest.mark.parametrize("opening", ["[", "{a: ", "- ", "? ", "[{a: "])
def test_reader_survives_nesting_that_would_overflow_the_parser(opening: str, tmp_path: Path) -> None:
    assert problems((opening * 150_000).encode(), tmp_path)


def test_reader_refuses_alias_bombs_without_expanding_them(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert problems(("\n".join(lines) + "\ndebian: *a29\n").encode(), tmp_path)


def test_reader_refuses_a_document_that_contains_itself(tmp_path: Path) -> None:
    assert "`debian[0]`: a single value is expected" in "".join(problems(MINIMAL + b"debian: &loop [*loop]", tmp_path))


def test_reader_refuses_documents_over_its_size_and_count(tmp_path: Path) -> None:
    assert "larger than 1048576 bytes" in problems(MINIMAL + b"#" * (1 << 20), tmp_path)[0]
    assert "nests or repeats too much" in problems(MINIMAL + b"debian: [" + b"ab, " * 60_000 + b"ab]", tmp_path)[-1]


def test_unquoted_versions_and_times_are_read_as_they_are_written(project: Path) -> None:
    environment = read(b"python: 3.10\npypi: {requirements: [a], exclude-newer: 2026-11-01T00:00:00Z}")
    assert environment.python == "3.10"
    assert environment.pypi.exclude_newer == "2026-11-01T00:00:00Z"
    loaded = read(PROJECT + b"version: 1.10\ncommands: {a: {run: b, env: {DEBUG: true, N: 010}}}", project, Project)
    assert loaded.version == "1.10"
    assert loaded.commands["a"].env == {"DEBUG": "true", "N": "010"}


@pytest.mark.parametrize("key", ["debian", "build-debian"])
def test_debian_packages_are_refused_on_another_image_and_not_left_out(key: str, tmp_path: Path) -> None:
    (problem,) = problems(f"base: {{image: a/b:1}}\n{key}: [gcc]\n".encode(), tmp_path)
    assert f"`{key}`" in problem
    assert "on a suite" in problem


def test_aliases_and_a_byte_order_mark_are_read() -> None:
    assert read(b"\xef\xbb\xbfpython: &p 3.11\ndebian: &d [ab]\npypi: {requirements: *d}").pypi.requirements == ("ab",)


def test_long_names_are_kept_whole(project: Path) -> None:
    name = "A" * 300
    assert read(PROJECT + f"commands: {{a: {{run: b, env: {{{name}: x}}}}}}".encode(), project, Project).commands[
        "a"
    ].env == {name: "x"}


def test_a_spec_as_a_document_has_only_what_differs_from_the_defaults() -> None:
    plain = read(b'python: "3.11"\nplatforms: [linux/amd64, linux/arm64]\npypi: {requirements: [a], resolver: uv}')
    assert as_document(plain) == {"python": "3.11", "pypi": {"requirements": ["a"]}}


@given(st.binary(max_size=300))
def test_reader_takes_any_bytes_without_failing(data: bytes) -> None:
    reader = Reader("spec.yaml", Path())
    assert (reader.read(data, Environment) is None) == bool(reader.problems)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(
                    ["environment", "name", "code", "model", "data", "commands", "path", "run", "url", "a"]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    )
)
def test_reader_takes_any_document_without_failing(value: object) -> None:
    import yaml

    reader = Reader("envbuild.yaml", Path())
    assert (reader.read(yaml.safe_dump(value).encode(), Project) is None) == bool(reader.problems)


def test_find_spec_prefers_the_project_and_says_what_is_missing(project: Path) -> None:
    assert find_spec(project / "environments").name == "environment.yaml"
    with pytest.raises(Exception, match=r"has neither `envbuild.yaml` nor `environment.yaml`"):
        find_spec(project)
    with pytest.raises(Exception, match="nothing` is not there"):
        find_spec(project / "nothing")


def test_a_folder_of_environments_points_to_all_of_them(project: Path) -> None:
    with pytest.raises(EnvbuildError) as caught:
        find_spec(project)
    assert f"such as `{project / 'environments'}`" in str(caught.value.hint)
    assert "`--all`" in str(caught.value.hint)
    (project / "empty").mkdir()
    with pytest.raises(EnvbuildError) as caught:
        find_spec(project / "empty")
    assert "`envbuild init`" in str(caught.value.hint)
    (project / "environments/envbuild.yaml").write_bytes(b"environment: .\n")
    assert find_spec(project / "environments").name == "envbuild.yaml"


def test_a_project_finds_the_lock_of_its_shared_environment(project: Path) -> None:
    (project / "envbuild.yaml").write_bytes(PROJECT)
    loaded = load_environment(project)
    assert loaded.lock_folder == project / "environments/lock"
    assert loaded.name == "environments"


@pytest.mark.parametrize(
    ("folder", "name"), [("Churn Model", "churn-model"), ("日本", "project"), ("a__b.c", "a-b-c"), ("-x-", "x")]
)
def test_a_name_made_from_a_folder_is_one_that_an_image_can_have(folder: str, name: str, tmp_path: Path) -> None:
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "envbuild.yaml").write_bytes(b"environment: {python: 3.11}\n")
    assert load_project(tmp_path / folder).name == name
