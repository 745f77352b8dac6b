"""Holding the scan of tables to the corpus: what it finds of it, and what it finds besides."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from builder.data.privacy.table_scan import TableVerdict, scan_table
from builder.records.scan.finding import STOPS
from table_corpus.planted import GROUPS, PlantedTable


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


def judged(corpus: Iterable[PlantedTable]) -> list[tuple[PlantedTable, TableVerdict]]:
    """Each table of the corpus, and the verdict on it."""
    with tempfile.TemporaryDirectory() as folder:
        return [(table, scan_table(table.write(Path(folder)))) for table in corpus]


def measure(verdicts: Iterable[tuple[PlantedTable, TableVerdict]]) -> tuple[dict[str, Score], list[str]]:
    """The score of each group, by columns, and what went wrong, a line each."""
    scores = {group: Score() for group in GROUPS}
    wrong = []
    for table, verdict in verdicts:
        serious = [each.found for each in verdict.findings if each.found.level in STOPS]
        wrong += [f"not read: {table.path}: {reason}" for reason in verdict.not_measured]
        for column in table.columns:
            kinds = {found.kind for found in serious if found.column == column.name}
            score = scores[column.group]
            if column.kind:
                score.planted += 1
                score.found += column.kind in kinds
                wrong += (
                    [] if column.kind in kinds else [f"missed: {table.path}: {column.name}: {column.kind}; {kinds}"]
                )
            else:
                score.harmless += 1
                score.alarms += bool(kinds)
                wrong += [f"alarm: {table.path}: {column.name}: {kinds}"] if kinds else []
    return scores, wrong


def table(scores: Mapping[str, Score]) -> str:
    """The table of the documentation."""
    lines = [
        "| columns | planted | found | recall | harmless | false alarms | precision |",
        "|---|---|---|---|---|---|---|",
    ]
    for group, score in scores.items():
        lines.append(
            f"| {group} | {score.planted} | {score.found} | {score.recall:.3f} | {score.harmless} | {score.alarms} "
            f"| {score.precision:.3f} |"
        )
    return "\n".join(lines)
