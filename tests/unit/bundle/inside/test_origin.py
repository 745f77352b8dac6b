"""Which run a model is of, and what has changed since."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from builder.bundle.inside.origin import latest_origin, named_origin
from builder.bundle.inside.since import Now
from builder.bundle.parts.code import model_files
from builder.errors import EnvbuildError
from builder.history.content import Content
from builder.history.folder import OpenRun, read_run
from builder.history.kept import keep
from builder.history.record import Code, Commit, RunRecord
from builder.oci.store import Store
from builder.spec.load import load_project

SPEC = (
    'environment: {{python: "3.11"}}\nmodel: {{path: {path}}}\ncommands: {{train: {{run: train, outputs: [model]}}}}\n'
)


def project(folder: Path, path: str = "out/model") -> Path:
    (folder / "envbuild.yaml").write_text(SPEC.format(path=path))
    return folder


def leave(root: Path, number: int, *, wrote: dict[str, Content], code: int = 0, **values: object) -> RunRecord:
    """A run of `train` that is in `runs` of the project."""
    told = {"lock": "sha256:l", "code": Code("sha256:c", {"a.py": "1" * 64}, "imports"), **values}
    record = RunRecord(
        f"20260101T00000{number}Z-train-00000{number}", "command", "train", "finished", f"2026-01-01T00:00:0{number}Z",
        exit_code=code, outputs=wrote, data={"x": Content.of_file("x", "d" * 64, 1)}, metrics={"auc": 0.5}, **told,
    )  # fmt: skip
    OpenRun.begin(root, record).finish(record)
    return record


def content(**files: bytes) -> Content:
    return Content.of_folder([(path, hashlib.sha256(data).hexdigest(), len(data)) for path, data in files.items()])


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """A project with a model in its working tree."""
    (tmp_path / "out/model").mkdir(parents=True)
    (tmp_path / "out/model/w").write_bytes(b"1")
    return project(tmp_path)


def latest(root: Path):
    return latest_origin(load_project(root), model_files(root, "out/model"))


def test_the_newest_good_run_that_wrote_just_these_files_is_taken(trained):
    leave(trained, 1, wrote={"model": content(w=b"1")}, seed=1)
    right = leave(trained, 2, wrote={"model": content(w=b"1")}, seed=2, commit=Commit("a" * 40, dirty=True))
    leave(trained, 3, wrote={"model": content(w=b"2")}, seed=3)
    leave(trained, 4, wrote={"model": content(w=b"1")}, code=1, seed=4)
    origin = latest(trained)
    assert (origin.id, origin.told["seed"]) == (right.id, 2)
    assert origin.told["commit"] == {"id": "a" * 40, "dirty": True}
    assert not origin.told.keys() & {"id", "start", "end", "duration", "host", "who"}


def test_a_run_whose_record_was_changed_by_hand_counts_for_nothing(trained):
    record = leave(trained, 1, wrote={"model": content(w=b"1")})
    file = trained / "runs" / record.id / "run.json"
    file.write_text(file.read_text().replace("0.5", "0.9"))
    assert latest(trained) is None
    with pytest.raises(EnvbuildError, match="changed by hand"):
        named_origin(load_project(trained), read_run(file.parent), Store(trained / "store"), trained)


def test_code_that_the_run_did_not_depend_on_may_change(trained):
    leave(trained, 1, wrote={"model": content(w=b"1")})
    origin = latest(trained)
    assert origin.changes(Now("sha256:l", lambda: "sha256:other", lambda _: "1" * 64, {"x": "d" * 64})) == []
    changes = origin.changes(Now("sha256:m", lambda: "sha256:c", lambda _: None, {"x": "e" * 64}))
    assert changes == [
        "`a.py` is gone",
        "the data `x` have changed: sha256:dddddddddddd…, now sha256:eeeeeeeeeeee…",
        "the lock of its environment has changed",
    ]


def test_without_a_list_of_files_all_code_counts(trained):
    leave(trained, 1, wrote={"model": content(w=b"1")}, code=0)
    other = leave(trained, 2, wrote={"model": content(w=b"1")})
    assert latest(trained).id == other.id
    told = {"code": "sha256:c", "data": {}, "lock": None}
    from builder.bundle.inside.since import changes_since

    assert changes_since(told, None, Now("l", lambda: "sha256:d", lambda _: None, {})) == ["the code is another"]


@pytest.mark.parametrize(("path", "files"), [("out/model", ["w"]), ("out/model/w", ["w"])], ids=["folder", "file"])
def test_the_model_of_a_named_run_is_laid_out_from_what_is_kept(tmp_path, path, files):
    store = Store(tmp_path / "store")
    store.create()
    (tmp_path / "was/model").mkdir(parents=True)
    (tmp_path / "was/model/w").write_bytes(b"old")
    kept = keep(store, tmp_path / "was/model", move=False)
    record = leave(project(tmp_path, path), 1, wrote={"model": kept})
    with store.scratch() as scratch:
        run = read_run(tmp_path / "runs" / record.id)
        origin = named_origin(load_project(tmp_path), run, store, scratch)
        assert origin.model.name == path.rpartition("/")[2]
        assert [entry.path for entry in model_files(origin.model.parent, origin.model.name)] == files
        assert not (tmp_path / "out").exists()


def test_a_named_run_that_made_no_model_or_whose_model_is_gone_is_refused(tmp_path):
    store, root = Store(tmp_path / "store"), project(tmp_path)
    store.create()
    failed = leave(root, 1, wrote={}, code=1)
    other = leave(root, 2, wrote={"report": content(w=b"1")})
    gone = leave(root, 3, wrote={"model": content(w=b"1")})
    for record, message in (
        (failed, "made no model"), (other, "wrote nothing at `out/model`"), (gone, "cannot be had"),
    ):  # fmt: skip
        with store.scratch() as scratch, pytest.raises(EnvbuildError, match=message):
            named_origin(load_project(root), read_run(root / "runs" / record.id), store, scratch)
