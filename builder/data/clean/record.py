"""What came of cleaning: counts and digests, no values of rows, no times, no folders. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from builder.oci.digest import Digest

FORMAT = 1
"""Of the record as a document."""


@dataclass(frozen=True, slots=True)
class CleanedFile:
    """A file that was read or written."""

    name: str
    digest: Digest
    rows: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {"name": self.name, "digest": str(self.digest), "rows": self.rows}


@dataclass(frozen=True, slots=True)
class CleanRecord:
    """What was done to a file."""

    contract: str
    """Its id."""
    version: str
    digest: Digest
    """Of the contract's file."""
    table: str
    input: CleanedFile
    output: CleanedFile
    quarantine: CleanedFile | None
    dropped: int
    quarantined: int
    duplicates: int
    """Of those left out, or put aside: rows with the key of an earlier one."""
    columns: dict[str, dict[str, int | str | None]]
    """By name: what was found in all rows, and what was changed in those that stayed."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "format": FORMAT,
            "contract": {"id": self.contract, "version": self.version, "digest": str(self.digest)},
            "table": self.table,
            "input": self.input.to_dict(),
            "output": self.output.to_dict(),
            "quarantine": self.quarantine.to_dict() if self.quarantine else None,
            "rows": {
                "in": self.input.rows,
                "out": self.output.rows,
                "dropped": self.dropped,
                "quarantined": self.quarantined,
                "duplicates": self.duplicates,
            },
            "columns": self.columns,
        }
