from __future__ import annotations

import pytest

from builder.spec import Command, Model, Project
from builder.spec.data_url import (
    at_revision,
    check_url,
    hub_repository,
    hub_revision,
    hub_web_url,
    is_pointer,
    split_glob,
)

COMMIT = "0" * 40


@pytest.mark.parametrize(
    "url",
    [
        "data/a b#1?.csv", "data/", "data/*.csv", "file:///mnt/a.csv", "https://example.com/a.csv?version=2",
        "s3://bucket/key", "s3://bucket/*/a[1].csv", "gs://bucket/a", "gcs://bucket/a", "az://container/a",
        "abfs://container@account.dfs.core.windows.net/a", "hf://org/model", "hf://datasets/org/name@main/a.csv",
    ],
)  # fmt: skip
def test_places_of_data_are_taken(url: str) -> None:
    check_url(url)


def test_a_pattern_begins_below_its_folder() -> None:
    assert split_glob("a/b*/c.csv") == ("a/", "b*/c.csv")
    assert split_glob("*.csv") == ("", "*.csv")
    assert split_glob("s3://bucket/**/x") == ("s3://bucket/", "**/x")


def test_only_a_path_can_be_a_pointer() -> None:
    assert is_pointer("data/a.csv.dvc")
    assert not is_pointer("https://example.com/a.csv.dvc")


@pytest.mark.parametrize(
    ("url", "kind", "name", "revision", "pinned"),
    [
        ("hf://org/m", "model", "org/m", None, f"hf://org/m@{COMMIT}"),
        ("hf://org/m/w.bin", "model", "org/m", None, f"hf://org/m@{COMMIT}/w.bin"),
        ("hf://datasets/o/d@main/a/b", "dataset", "o/d", "main", f"hf://datasets/o/d@{COMMIT}/a/b"),
        ("hf://datasets/o/d@refs%2Fpr%2F1/", "dataset", "o/d", "refs%2Fpr%2F1", f"hf://datasets/o/d@{COMMIT}/"),
    ],
)
def test_an_url_of_a_hub_is_pinned_to_a_commit(
    url: str, kind: str, name: str, revision: str | None, pinned: str
) -> None:
    assert hub_repository(url) == (kind, name)
    assert hub_revision(url) == revision
    assert at_revision(url, COMMIT) == pinned


def test_what_is_pinned_on_a_hub_has_an_address_for_web_clients() -> None:
    assert hub_web_url(f"hf://datasets/o/d@{COMMIT}/a b.csv") == (
        f"https://huggingface.co/datasets/o/d/resolve/{COMMIT}/a%20b.csv"
    )
    assert hub_web_url("hf://datasets/o/d/a.csv") is None


@pytest.mark.parametrize(
    ("path", "made"),
    [("out/model", True), ("out/model/weights.bin", True), ("out/modell", False), ("model", False), ("out", False)],
)
def test_a_model_is_made_by_the_command_whose_output_it_is(path: str, made: bool) -> None:
    commands = {"train": Command("python train.py", outputs=("model",))}
    assert Project("e", model=Model(path), commands=commands).makes_its_model is made
