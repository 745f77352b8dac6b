"""Profiles of tables, as a database answers. What is asked is in `questions`, what becomes of the answers in `bins`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from builder.data.contract.document import SchemaObject
from builder.data.contract.read import LoadedContract
from builder.data.profile.document import Profile
from builder.data.tables import Database

FLOOR = 10
BINS = 100


def profile_table(
    database: Database, name: str, table: SchemaObject | None = None, *, floor: int = FLOOR, bins: int = BINS
) -> Profile:
    """The profile of a table of a database; `table` is what the contract says of it. Raises: QueryError."""
    raise NotImplementedError


def profile_files(
    loaded: LoadedContract | None, paths: Sequence[Path], *, table: str | None = None, floor: int = FLOOR
) -> Profile:
    """The profile of a file, or of several with the same columns; `table` names the one of a contract with several.

    Raises: EnvbuildError, if they cannot be read, or the contract has no such table.
    """
    raise NotImplementedError
