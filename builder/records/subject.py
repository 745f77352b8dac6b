"""What records are told of a bundle: its name, its data, its model. They know nothing of bundles' own types."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO

from builder.lock.data.entry import DataEntry
from builder.oci.digest import Digest
from builder.records.model_formats import ModelFile


@dataclass(frozen=True, slots=True)
class DatasetColumn:
    """A column, as its contract has it."""

    name: str
    """In the file."""
    kind: str = ""
    """ODCS's logical type: `string`, `integer`, `number`, `boolean`, `date`, `timestamp` …; empty if it has none."""
    description: str = ""
    """What it means, with its unit."""
    required: bool = False
    """Whether no value is missing."""
    references: tuple[str, str] | None = None
    """The dataset and the column that have its values too."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Data that commands read."""

    name: str
    entry: DataEntry
    place: str
    """Where it is had: a URL, or empty where it is of the project or has to be mounted."""
    description: str = ""
    license: str = ""
    """As its owner says it: an SPDX expression as a rule."""
    open: Callable[[], IO[bytes]] | None = None
    """Opens the file, where it is one and is packed."""
    columns: tuple[DatasetColumn, ...] = ()
    """Those that a contract promises."""
    rows: int | None = None
    """How many there are, if they were counted."""
    terms: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """What is said of its use, by the names of Croissant's RAI vocabulary: `dataUseCases`, `dataLimitations` …"""


@dataclass(frozen=True, slots=True)
class ModelPart:
    """A file of the model."""

    file: ModelFile
    digest: Digest


@dataclass(frozen=True, slots=True)
class Subject:
    """A bundle."""

    name: str
    version: str
    description: str = ""
    license: str = ""
    """Of code and model, as the project says it."""
    contacts: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    datasets: tuple[Dataset, ...] = ()
    """Sorted by name."""
    model: tuple[ModelPart, ...] = ()
    """Sorted by path."""
    has_card: bool = False
    """Whether the project has a model card of its own."""
    metrics: Mapping[str, float] = field(default_factory=dict)
    """Of the run that made the model."""
    measured_on: tuple[str, ...] = ()
    """The names of the data that this run read."""
