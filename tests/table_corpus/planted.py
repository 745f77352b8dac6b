"""What a table of the corpus is."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GROUPS = ("numbers that carry a check", "values with a form", "inside of text", "names of columns", "attributes")


@dataclass(frozen=True, slots=True)
class PlantedColumn:
    name: str
    values: Sequence[Any]
    kind: str = ""
    """What must be found; empty where nothing may be."""
    group: str = ""
    """One of `GROUPS`; of columns with nothing, where the false alarm counts."""


@dataclass(frozen=True, slots=True)
class PlantedTable:
    path: str
    columns: tuple[PlantedColumn, ...]

    def write(self, folder: Path) -> Path:
        """The file, in the format that its name says."""
        file = folder / self.path
        names = [column.name for column in self.columns]
        rows = list(zip(*(column.values for column in self.columns), strict=True))
        if file.suffix == ".csv":
            with file.open("w", newline="") as opened:
                csv.writer(opened).writerows([names, *rows])
        elif file.suffix == ".jsonl":
            file.write_text("".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in rows))
        else:
            import pyarrow as pa
            import pyarrow.parquet as pq

            pq.write_table(pa.table({column.name: list(column.values) for column in self.columns}), file)
        return file
