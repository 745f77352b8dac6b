"""The page of benchmarks says what the stored results say, and nothing else."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any
from xml.etree import ElementTree as ET

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def report(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    before = set(sys.modules)
    yield importlib.import_module("report")
    for name in set(sys.modules) - before:
        if str(ROOT / "benchmarks") in str(getattr(sys.modules[name], "__file__", "")):
            del sys.modules[name]


@pytest.fixture
def stored() -> dict[str, Any]:
    return dict(json.loads((ROOT / "docs/benchmarks.json").read_text()))


def test_the_page_and_its_plots_are_what_the_stored_results_give(report: ModuleType, stored: dict[str, Any]) -> None:
    page = (ROOT / report.PAGE).read_text()
    assert report.with_results(page, stored) == page
    drawn = report.plots(stored)
    assert drawn
    assert {name: (ROOT / report.IMAGES / name).read_text() for name in drawn} == drawn


def test_everything_that_was_measured_is_in_the_table(report: ModuleType, stored: dict[str, Any]) -> None:
    rows = report.table(stored).splitlines()
    for lines in stored["cases"].values():
        for line in lines:
            assert any(row.startswith(f"| {line['what']} | {line['value']} |") for row in rows)


def test_a_missed_goal_stands_out(report: ModuleType) -> None:
    line = {"what": "a", "value": "2 s", "goal": "under 1 s", "met": False, "seconds": [2.0], "point": None}
    assert "| a | 2 s | under 1 s | **no** |" in report.table({"machine": {}, "runs": 1, "cases": {"one": [line]}})


def test_cases_that_ran_again_take_the_place_of_older_results(report: ModuleType) -> None:
    older = {"machine": {"load": "0"}, "runs": 3, "cases": {"b": ["old"], "a": ["old"], "gone": ["old"]}}
    newer = {"machine": {"load": "1"}, "runs": 1, "cases": {"a": ["new"]}}
    found = report.merged(older, newer, ["a", "b", "c"])
    assert found == {"machine": {"load": "1"}, "runs": 1, "cases": {"a": ["new"], "b": ["old"]}}
    assert list(found["cases"]) == ["a", "b"]


def test_text_outside_the_marks_is_kept(report: ModuleType, stored: dict[str, Any]) -> None:
    page = f"# Speed\n\nbefore\n\n{report.BEGIN}\nold\n{report.END}\n\nafter\n"
    written = report.with_results(page, stored)
    assert written.startswith(f"# Speed\n\nbefore\n\n{report.BEGIN}\n")
    assert written.endswith(f"{report.END}\n\nafter\n")
    assert "\nold\n" not in written


def test_plots_are_well_formed_and_name_all_that_they_show(report: ModuleType, stored: dict[str, Any]) -> None:
    for name, text in report.plots(stored).items():
        shown = {element.text for element in ET.fromstring(text).iter()}
        points = [line["point"] for lines in stored["cases"].values() for line in lines if line["point"]]
        assert {point["series"] for point in points if f"{point['plot']}.svg" == name} <= shown
