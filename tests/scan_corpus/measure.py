"""Holding the scanners to the corpus: what they find of it, and what they find besides."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from builder.records.scan.file_scan import Role, ScannedFile, scan_file
from builder.records.scan.finding import STOPS, FileVerdict
from scan_corpus.planted import Planted


@dataclass
class Score:
    planted: int = 0
    found: int = 0
    harmless: int = 0
    alarms: int = 0

    @property
    def recall(self) -> float:
        return self.found / self.planted

    @property
    def precision(self) -> float:
        return self.found / (self.found + self.alarms) if self.found else 0.0


def verdict_on(planted: Planted, folder: Path) -> FileVerdict:
    path = folder / "file"
    path.write_bytes(planted.data)
    role = cast("Role", planted.role)
    return scan_file(
        ScannedFile(planted.path, role, len(planted.data), lambda: cast("io.BufferedReader", path.open("rb")), path)
    )


def judged(corpus: Iterable[Planted]) -> list[tuple[Planted, FileVerdict]]:
    """Each file of the corpus, and the verdict on it."""
    with tempfile.TemporaryDirectory() as folder:
        return [(planted, verdict_on(planted, Path(folder))) for planted in corpus]


def measure(verdicts: Iterable[tuple[Planted, FileVerdict]]) -> tuple[dict[str, Score], list[str]]:
    """The score of each kind, and what went wrong, a line each."""
    scores: dict[str, Score] = {}
    wrong = []
    for planted, verdict in verdicts:
        score = scores.setdefault(planted.kind, Score())
        rules = {finding.rule for finding in verdict.findings if finding.level in STOPS}
        if planted.rule:
            score.planted += 1
            score.found += planted.rule in rules
            if planted.rule not in rules:
                wrong.append(f"missed: {planted.path}: {planted.rule}; found {sorted(rules)}")
        else:
            score.harmless += 1
            score.alarms += bool(rules)
            if rules:
                wrong.append(f"alarm: {planted.path}: {sorted(rules)}")
    return scores, wrong


def table(scores: Mapping[str, Score]) -> str:
    """The table of the documentation."""
    lines = [
        "| | planted | found | recall | harmless files | false alarms | precision |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind, score in scores.items():
        lines.append(
            f"| {kind} | {score.planted} | {score.found} | {score.recall:.3f} | {score.harmless} | {score.alarms} "
            f"| {score.precision:.3f} |"
        )
    return "\n".join(lines)
