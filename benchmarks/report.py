"""The page of numbers: a table and plots of stored results. The same results give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import plot
from cases_interface import Line, Point

ROOT = Path(__file__).resolve().parent.parent
PAGE, RESULTS, IMAGES = "docs/benchmarks.md", "docs/benchmarks.json", "docs/images"
BEGIN, END = "<!-- what the benchmarks write: begin -->", "<!-- what the benchmarks write: end -->"
_VERDICTS = {True: "yes", False: "**no**", None: ""}
_PLOTS = {
    "changes": "Seconds from a lock to the registry, by what changed (logarithmic)",
    "packages": "Seconds from a lock to the registry, by the number of small packages",
}


def results(machine: Mapping[str, str], runs: int, cases: Mapping[str, Sequence[Line]]) -> dict[str, Any]:
    """What is stored of a run."""
    lines = {name: [asdict(line) for line in found] for name, found in cases.items()}
    return {"machine": dict(machine), "runs": runs, "cases": lines}


def merged(stored: dict[str, Any], newer: dict[str, Any], order: Sequence[str]) -> dict[str, Any]:
    """Stored results in which the cases of a newer run stand in place of the older ones."""
    cases = {**stored.get("cases", {}), **newer["cases"]}
    return {**newer, "cases": {name: cases[name] for name in order if name in cases}}


def write(document: dict[str, Any], root: Path = ROOT) -> None:
    """Write the results, the plots, and the part of the page between its two marks."""
    page = root / PAGE
    (root / RESULTS).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", "utf-8")
    (root / IMAGES).mkdir(parents=True, exist_ok=True)
    for name, text in plots(document).items():
        (root / IMAGES / name).write_text(text, "utf-8")
    page.write_text(with_results(page.read_text("utf-8"), document), "utf-8")


def with_results(text: str, document: dict[str, Any]) -> str:
    """The page, with these results between its marks."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    images = [f"![{_PLOTS[name.removesuffix('.svg')]}](images/{name})\n" for name in plots(document)]
    return "\n".join([before + BEGIN, "", *images, table(document), "", missed(document), "", END]) + after


def missed(document: dict[str, Any]) -> str:
    """The goals that are missed, as a list."""
    lines = [line for found in document["cases"].values() for line in found if line["met"] is False]
    items = [f"- {line['what']}: {line['value'].partition(';')[0]}, where the goal is {line['goal']}" for line in lines]
    return "\n".join(["Goals that are missed:", "", *items]) if items else "No goal is missed."


def plots(document: dict[str, Any]) -> dict[str, str]:
    """SVG by file name."""
    points = [Point(**line["point"]) for lines in document["cases"].values() for line in lines if line["point"]]
    found = {name: [point for point in points if point.plot == name] for name in _PLOTS}
    drawn = {}
    if found["changes"]:
        drawn["changes.svg"] = plot.bars(_PLOTS["changes"], found["changes"])
    if found["packages"]:
        drawn["packages.svg"] = plot.lines(_PLOTS["packages"], found["packages"], "packages")
    return drawn


def table(document: dict[str, Any]) -> str:
    """The machine and the lines, as Markdown."""
    lines = [line for found in document["cases"].values() for line in found]
    rows = [f"| {line['what']} | {line['value']} | {line['goal']} | {_VERDICTS[line['met']]} |" for line in lines]
    about = [f"- {name}: {text}" for name, text in document["machine"].items()]
    runs = f"- runs of each command: {document['runs']}, of slow ones three at most, of the slowest one"
    return "\n".join([*about, runs, "", "| what | median | goal | met |", "|---|---|---|---|", *rows])
