"""Projects on disk whose stages are resolved and judged; nothing is run."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from made_stages import HEAD, StagesProject, file_content, three_stages

from builder.errors import EnvbuildError
from builder.lock.integrity import StaleLockError
from builder.pipeline.stages_lock import StagesLock
from builder.spec.reader import SpecError


@pytest.fixture
def project(tmp_path: Path) -> StagesProject:
    return three_stages(tmp_path)


def _states(project: StagesProject) -> dict[str, str]:
    return {name: verdict.state for name, verdict in project.review().items()}


ALL_CURRENT = {"features": "current", "train": "current", "report": "current"}


def test_what_was_made_of_what_is_there_is_current(project: StagesProject) -> None:
    assert _states(project) == ALL_CURRENT


@pytest.mark.parametrize(
    ("files", "reasons"),
    [
        (
            {"data/raw.csv": "other\n"},
            {
                "features": ("input data/raw.csv changed (sha256 8f6e2c3b… → 9e8c1b3a…)",),
                "train": ("stage `features` is stale",),
                "report": ("stage `train` is stale",),
            },
        ),
        (
            {"params.yaml": "train: {rate: 0.2, depth: 4}\nother: 2\n"},
            {"train": ("params train.rate 0.1 → 0.2",), "report": ("stage `train` is stale",)},
        ),
        ({"params.yaml": "train: {rate: 0.1, depth: 99}\nother: 99\n"}, {}),
        (
            {"src/churn/train.py": "import churn.table\nimport churn.net\n", "src/churn/net.py": ""},
            {
                "train": ("code found by imports: src/churn/net.py is new", "code src/churn/train.py changed"),
                "report": ("stage `train` is stale",),
            },
        ),
        ({"src/churn/unused.py": "x = 1\n", "README.md": "more\n"}, {}),
        ({"report.sh": "cat out/model.txt out/model.txt\n"}, {"report": ("code report.sh changed",)}),
        (
            {"out/model.txt": "edited\n"},
            {"train": ("output out/model.txt is not what was made last",), "report": ("stage `train` is stale",)},
        ),
    ],
    ids=["input", "param", "other-params", "imports", "other-code", "script", "output"],
)  # fmt: skip
def test_only_what_depends_on_a_change_is_stale(
    project: StagesProject, files: dict[str, str], reasons: dict[str, tuple[str, ...]]
) -> None:
    project.write(files)
    found = {name: verdict.reasons for name, verdict in project.review().items() if verdict.state != "current"}
    assert found.keys() == reasons.keys()
    for name, expected in reasons.items():
        assert [text.partition(" (sha256")[0] for text in found[name]] == [
            text.partition(" (sha256")[0] for text in expected
        ]


def test_judging_stages_imports_nothing_of_what_fetches_builds_and_runs(project: StagesProject) -> None:
    spec = project.folder / "envbuild.yaml"
    spec.write_text(spec.read_text().replace('"3.11"}', '"3.11", pypi: {requirements: [numpy>=1.26, "uvicorn[std]"]}}'))
    heavy = {"packaging", "urllib3", "tomllib", "docker", "builder.fetch", "builder.lock.folder",
             "builder.lock.document", "builder.history.record", "builder.pipeline.repro", "builder.run"}  # fmt: skip
    code = (
        "import sys; from pathlib import Path; import made_stages; import builder.pipeline.data;"
        "made_stages.StagesProject(Path(sys.argv[1]), made_stages.Store(Path(sys.argv[2]))).review();"
        "print(sorted(set(sys.argv[3:]) & set(sys.modules)))"
    )
    finished = subprocess.run(
        [sys.executable, "-c", code, str(project.folder), str(project.store.root), *heavy],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert finished.stdout == "[]\n"


def test_a_stage_that_was_never_run_says_only_that(tmp_path: Path) -> None:
    project = three_stages(tmp_path)
    project.lock = StagesLock()
    reasons = {name: verdict.reasons for name, verdict in project.review().items()}
    assert reasons["features"] == ("never run",)
    assert reasons["train"] == ("stage `features` is stale", "never run")


def test_another_environment_makes_its_stages_stale(project: StagesProject) -> None:
    project.environment_key = "f" * 64
    assert project.review()["features"].reasons == ("environment changed",)


def test_an_output_that_is_missing_and_kept_makes_nothing_behind_it_stale(project: StagesProject) -> None:
    key = project.lock.stages["features"].key
    (project.folder / "out/features.csv").unlink()
    kept = {"/app/out/features.csv": file_content("a\n")}
    verdicts = project.review(kept=lambda asked: kept if asked == key else None)
    assert (verdicts["features"].state, verdicts["features"].reasons) == (
        "restorable", ("output out/features.csv is missing",),
    )  # fmt: skip
    assert [verdicts[name].state for name in ("train", "report")] == ["current", "current"]


def test_a_branch_that_was_made_before_is_restorable_as_a_whole(project: StagesProject) -> None:
    """Each result is kept under the key that follows from the results before it."""
    results = {entry.key: entry.outputs for entry in project.lock.stages.values()}
    before = project.lock
    project.write({"data/raw.csv": "other\n", "out/features.csv": "o\n", "out/model.txt": "o\n"})
    project.make_all()
    project.write({"data/raw.csv": "a,b\n1,2\n"})
    verdicts = project.review(
        kept=lambda key: {f"/app/{path}": one for path, one in results[key].items()} if key in results else None
    )
    assert [verdict.state for verdict in verdicts.values()] == ["restorable"] * 3
    assert {name: verdict.key for name, verdict in verdicts.items()} == {
        name: entry.key for name, entry in before.stages.items()
    }


def test_an_output_that_is_missing_and_not_kept_is_stale(project: StagesProject) -> None:
    (project.folder / "out/model.txt").unlink()
    assert _states(project) == {"features": "current", "train": "stale", "report": "stale"}


def test_an_always_stage_is_never_current(project: StagesProject) -> None:
    project.declare("a: {run: echo, outputs: [out/model.txt], always: true}\nb: {run: echo, inputs: [out/model.txt]}")
    project.make_all()
    verdicts = project.review(kept=lambda _: {"/app/out/model.txt": file_content("model\n")})
    assert (verdicts["a"].state, verdicts["a"].reasons) == ("stale", ("always",))
    assert verdicts["b"].reasons == ("stage `a` is stale",)


def test_a_part_of_a_folder_that_another_stage_writes_is_judged_by_its_own_bytes(project: StagesProject) -> None:
    project.write({"out/parts/a.csv": "a\n", "out/parts/b.csv": "b\n"})
    project.declare(
        """
        split: {run: echo, inputs: [data/raw.csv], outputs: [out/parts]}
        one: {run: echo, inputs: [out/parts/a.csv], outputs: [out/model.txt]}
        all: {run: echo, inputs: [out], outputs: [figures]}
        """
    )
    project.write({"figures": "x"})
    project.make_all()
    assert set(_states(project).values()) == {"current"}
    before = project.lock
    project.write({"out/parts/b.csv": "other\n"})
    project.make_all()
    changed = {name for name, entry in project.lock.stages.items() if entry.key != before.stages[name].key}
    assert changed == {"all"}


def test_a_lock_that_lacks_an_output_of_a_stage_makes_it_stale(project: StagesProject) -> None:
    entry = project.lock.stages["train"]
    project.lock = project.lock.with_entry("train", replace(entry, outputs={}))
    verdict = project.review()["train"]
    assert (verdict.state, verdict.reasons) == ("stale", ("output out/model.txt is missing",))


def test_a_contract_that_changed_is_held_again_without_running_the_stage(project: StagesProject) -> None:
    project.write({"contract.yaml": "a: 1\n"})
    project.declare(
        "a: {run: echo, inputs: [data/raw.csv], outputs: [out/model.txt], contracts: {out/model.txt: contract.yaml}}"
    )
    project.make_all()
    project.write({"contract.yaml": "a: 2\n"})
    verdict = project.review()["a"]
    assert (verdict.state, verdict.reasons) == ("restorable", ("contract of out/model.txt changed",))


def test_only_the_stages_that_are_asked_for_and_those_before_them_are_looked_at(project: StagesProject) -> None:
    (project.folder / "report.sh").unlink()
    assert list(project.review("train")) == ["features", "train"]
    with pytest.raises(SpecError, match="1 problem"):
        project.review("report")
    with pytest.raises(EnvbuildError, match="there is no stage `tarin`") as caught:
        project.review("tarin")
    assert caught.value.hint == "Did you mean `train`?"


def test_code_is_what_the_command_names_and_imports_and_parameters_are_filtered(project: StagesProject) -> None:
    stage = project.stage("train")
    assert stage.code.found == "imports"
    assert list(stage.code.files) == ["src/churn/__init__.py", "src/churn/table.py", "src/churn/train.py"]
    assert stage.parameter_files == {"params.yaml": {"train": {"rate": 0.1}}}


def test_declared_code_is_what_globs_match_without_outputs_and_ignored_files(project: StagesProject) -> None:
    project.write({".gitignore": "*.tmp\n", "src/churn/x.tmp": "", "src/churn/made/y.py": "", "notes.md": ""})
    project.declare(
        """
        a: {run: python -m churn.train, code: ["src/**"], outputs: [src/churn/made]}
        b: {run: python src/churn/train.py, code: [src/churn/train.py, "*.md"], outputs: [b.txt]}
        """
    )
    assert list(project.stage("a").code.files) == [
        f"src/churn/{name}.py" for name in ("__init__", "features", "table", "train")
    ]
    assert list(project.stage("b").code.files) == ["notes.md", "src/churn/train.py"]
    assert project.stage("b").code.found == "declared"


@pytest.mark.parametrize("glob", ["build/x.py", "build", "build/*.py", ".git/hooks/x.py"])
def test_a_glob_finds_nothing_in_a_folder_that_is_left_out(project: StagesProject, glob: str) -> None:
    project.write({".gitignore": "build/\n", "build/x.py": "", ".git/hooks/x.py": ""})
    project.declare(f"a: {{run: echo, code: ['{glob}'], outputs: [x]}}")
    with pytest.raises(SpecError) as caught:
        project.resolve()
    assert f"no file matches `{glob}`" in caught.value.why[0]


def test_files_in_which_nothing_changed_are_not_read_again(
    project: StagesProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write({"data/many/a.csv": "a", "data/many/b.csv": "b"})
    project.declare("a: {run: sh report.sh, inputs: [data/many, data/raw.csv], outputs: [out/model.txt]}")
    for place in project.folder.rglob("*"):
        os.utime(place, (1, 1))
    project.store = type(project.store)(project.store.root)
    monkeypatch.setattr("made_stages.time.time_ns", lambda: 10**19)  # all is at rest
    before = project.review()
    monkeypatch.setattr("builder.lock.data.hashing.Hasher._read_all", lambda *_: pytest.fail("a file was read"))
    monkeypatch.setattr("builder.pipeline.contents.walk", lambda _: pytest.fail("a folder was walked"))
    assert project.review() == before


def test_links_in_inputs_lead_to_files_of_the_same_folder_alone(project: StagesProject) -> None:
    project.write({"data/many/a.csv": "a"})
    project.declare("a: {run: echo, inputs: [data/many], outputs: [out/model.txt]}")
    (project.folder / "data/many/b.csv").symlink_to("a.csv")
    assert project.review()["a"].parts is not None
    (project.folder / "data/many/c.csv").symlink_to("../raw.csv")
    with pytest.raises(EnvbuildError, match="leads out of"):
        project.review()


def _link_out(project: StagesProject) -> None:
    (project.folder / "data/raw.csv").unlink()
    (project.folder / "data/raw.csv").symlink_to("/etc/hostname")


def _link_nowhere(project: StagesProject) -> None:
    (project.folder / "data/raw.csv").unlink()
    (project.folder / "data/raw.csv").symlink_to("nothing")


def _code_out(project: StagesProject) -> None:
    (project.folder / "report.sh").unlink()
    (project.folder / "report.sh").symlink_to("/etc/hostname")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [(_link_out, "leads out of"), (_link_nowhere, "leads nowhere"), (_code_out, "leads out of")],
    ids=["input-out", "input-nowhere", "code-out"],
)
def test_what_a_link_leads_out_to_is_refused(
    project: StagesProject, spoil: Callable[[StagesProject], None], message: str
) -> None:
    spoil(project)
    with pytest.raises(EnvbuildError, match=message):
        project.review()


def test_data_are_known_by_their_lock_and_what_differs_here_is_refused(project: StagesProject) -> None:
    head = (
        HEAD
        + f"data: {{raw: {{url: data/raw.csv, sha256: {file_content('a,b' + chr(10) + '1,2' + chr(10)).sha256}}}}}\n"
    )
    project.declare("a: {run: echo, inputs: [raw], outputs: [out/model.txt]}", head)
    assert project.review()["a"].parts["inputs"]["/data/raw"]["kind"] == "file"  # type: ignore[index]
    project.write({"data/raw.csv": "other\n"})
    with pytest.raises(StaleLockError, match="not as they were locked"):
        project.review()
