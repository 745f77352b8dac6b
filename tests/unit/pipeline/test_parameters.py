from __future__ import annotations

from typing import Any

import pytest

from builder.pipeline.parameters import merge, select, wanted_keys

DOCUMENT = {"train": {"rate": 0.1, "net": {"depth": 3, "width": 8}}, "a.b": {"c": 1}, "seed": 1, "empty": {}}


class _Told(list[tuple[str, str, "str | None"]]):
    def __call__(self, key: str, message: str, hint: str | None = None) -> None:
        self.append((key, message, hint))


@pytest.mark.parametrize(
    ("keys", "selected"),
    [
        (["train.rate"], {"train": {"rate": 0.1}}),
        (["train.net"], {"train": {"net": {"depth": 3, "width": 8}}}),
        (["train.net.depth", "train.rate"], {"train": {"net": {"depth": 3}, "rate": 0.1}}),
        (["train.net.depth", "train"], {"train": DOCUMENT["train"]}),
        (["train", "train.net.depth"], {"train": DOCUMENT["train"]}),
        (["a.b.c"], {"a.b": {"c": 1}}),
        (["empty"], {"empty": {}}),
    ],
    ids=["value", "group", "two", "value-then-group", "group-then-value", "dot", "empty"],
)
def test_the_declared_keys_alone_are_there_nested_as_in_the_file(keys: list[str], selected: dict[str, Any]) -> None:
    told = _Told()
    assert select(DOCUMENT, keys, told, "params") == selected
    assert not told


def test_what_is_selected_is_not_the_document_itself() -> None:
    selected = select(DOCUMENT, ["train", "train.rate"], _Told(), "params")
    selected["train"]["net"]["depth"] = 99
    assert DOCUMENT["train"]["net"]["depth"] == 3  # type: ignore[index]


def test_a_key_that_is_not_there_is_told_with_the_nearest() -> None:
    told = _Told()
    select(DOCUMENT, ["train.rate", "train.raet", "train.net.x.y"], told, "params.p.yaml")
    assert told[0] == ("params.p.yaml[1]", "the parameter `train.raet` is not there", "did you mean `train.rate`?")
    assert told[1][0] == "params.p.yaml[2]"


@pytest.mark.parametrize("keys", ["train", [], [1], [""], {"a": 1}, True], ids=repr)
def test_what_is_no_list_of_keys_is_told(keys: object) -> None:
    told = _Told()
    assert wanted_keys({"p.yaml": keys}, told) == {}
    assert told[0][0] == "params.p.yaml"


def test_a_file_without_keys_is_read_whole() -> None:
    assert wanted_keys("p.yaml", _Told()) == {"p.yaml": None}
    assert wanted_keys({"p.yaml": None}, _Told()) == {"p.yaml": None}


def test_files_are_taken_together_and_what_two_have_is_told() -> None:
    told = _Told()
    merged = merge({"a.yaml": {"train": {"rate": 1}}, "b.yaml": {"train": {"depth": 2}, "seed": 1}}, told)
    assert merged == {"train": {"rate": 1, "depth": 2}, "seed": 1}
    assert not told
    merge({"a.yaml": {"train": {"rate": 1}}, "b.yaml": {"train": {"rate": 1}}}, told)
    assert told[0][:2] == ("params.b.yaml", "the parameter `train.rate` is in another file too")
