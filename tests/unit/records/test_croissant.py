"""Croissant documents: their structure here, the library that reads them in `tests/slow`."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from made_subjects import HOSTILE, TABLE, made_subject

from builder.lock.data.entry import DataEntry, LockedFile, folder_entry
from builder.oci.digest import Digest
from builder.records import croissant as module
from builder.records.croissant import croissant
from builder.records.subject import Dataset


def document(*datasets: Dataset) -> dict[str, Any]:
    record = croissant(made_subject(datasets=datasets) if datasets else made_subject())
    assert record is not None
    found: dict[str, Any] = json.loads(record.data)
    return found


def table(data: bytes, name: str = "t.csv") -> Dataset:
    return Dataset("t", DataEntry(name, "file", Digest.of(data), len(data)), "", open=lambda: io.BytesIO(data))


def columns(data: bytes) -> list[tuple[str, str]]:
    sets = document(table(data)).get("recordSet", [])
    return [(field["name"], field["dataType"]) for one in sets for field in one["field"]]


def test_every_file_is_listed_with_its_hash_and_place() -> None:
    files = {one["@id"]: one for one in document()["distribution"]}
    assert {name: (one["contentUrl"], one["sha256"], one["encodingFormat"]) for name, one in files.items()} == {
        "folder/1": ("../data/folder/a/b%20c.csv", "1" * 64, "text/csv"),
        "folder/2": ("../data/folder/x.bin", "2" * 64, "application/octet-stream"),
        "penguins": ("../data/penguins", str(Digest.of(TABLE).hex), "text/csv"),
        "remote": ("https://example.com/d.parquet?version=2", "3" * 64, "application/vnd.apache.parquet"),
    }
    assert files["penguins"]["contentSize"] == f"{len(TABLE)} B"
    assert files["penguins"]["license"] == "https://spdx.org/licenses/CC0-1.0.html"
    assert files["remote"]["license"] == "our own"
    assert "contentSize" not in files["remote"]


def test_a_packed_table_has_its_columns() -> None:
    (one,) = document()["recordSet"]
    assert [(field["name"], field["dataType"]) for field in one["field"]] == [
        ("species", "sc:Text"), ("mass", "sc:Float"), ("count", "sc:Integer"), ("note", "sc:Text"),
    ]  # fmt: skip
    assert one["field"][1]["source"] == {"fileObject": {"@id": "penguins"}, "extract": {"column": "mass"}}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a,b\n1,x\n,y\n", [("a", "sc:Float"), ("b", "sc:Text")]),
        (b"a,b\n1,2\n3\n", [("a", "sc:Text"), ("b", "sc:Text")]),
        (b"\xef\xbb\xbfa,b\n", [("a", "sc:Text"), ("b", "sc:Text")]),
        (b"a,a\n1,2\n", []),
        (b"a,\n1,2\n", []),
        (b"a,b\x1b[31m\n1,2\n", []),
        (b"\xff\xfe\n", []),
        (b"\0\n", []),
        (b"", []),
        (b'"' + b"x" * 200_000, []),
        (b",".join(b"c%d" % number for number in range(501)) + b"\n", []),
        (b"a\n" + b"9" * 30 + b"\n", [("a", "sc:Float")]),
    ],
    ids=range(12),
)
def test_only_what_is_a_table_has_columns(data: bytes, expected: list[tuple[str, str]]) -> None:
    assert columns(data) == expected


def test_of_a_long_table_only_the_names_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_BYTES", 10)
    assert columns(b"a,b\n1,2\n3,4\n5,6\n") == [("a", "sc:Text"), ("b", "sc:Text")]


def test_what_is_not_packed_is_not_looked_into() -> None:
    dataset = replace(table(b"a,b\n1,2\n"), open=None)
    assert "recordSet" not in document(dataset)


def test_a_folder_of_many_files_is_one_set() -> None:
    files = [LockedFile(f"{number:04}.png", Digest("1" * 64), 1) for number in range(1001)]
    (one,) = document(Dataset("many", folder_entry("many", "folder", files), ""))["distribution"]
    assert (one["@type"], one["includes"]) == ("cr:FileSet", "data/many/**")
    assert "1001 files" in one["description"]


def test_a_bundle_without_data_has_none() -> None:
    assert croissant(made_subject(datasets=())) is None


def test_it_is_always_the_same() -> None:
    assert croissant(made_subject()) == croissant(made_subject())
    assert HOSTILE in document(replace(table(b""), description=HOSTILE))["distribution"][0]["description"]
