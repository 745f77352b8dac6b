"""The data of a bundle as a Croissant 1.1 document: each file with its hash, and the columns of packed tables.

Nothing is downloaded or loaded: only the head of a CSV file that is packed is read, bounded. What a contract says of
columns and of their use stands with them, in the terms of Croissant's RAI vocabulary 1.0.
"""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections.abc import Iterator, Sequence
from typing import IO, Any

from builder.oci.canonical import readable_json
from builder.records.iri import iri
from builder.records.licenses.expression import spdx, terms
from builder.records.record import Record
from builder.records.subject import Dataset, DatasetColumn, Subject

CROISSANT_FILE = "croissant.json"
CROISSANT_TYPE = "application/ld+json"
_CROISSANT, _RAI = "http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"
RAI_TERMS = (
    "annotationsPerItem", "annotatorDemographics", "dataAnnotationAnalysis", "dataAnnotationPlatform",
    "dataAnnotationProtocol", "dataBiases", "dataCollection", "dataCollectionMissingData", "dataCollectionRawData",
    "dataCollectionTimeFrame", "dataCollectionType", "dataImputationProtocol", "dataLimitations",
    "dataManipulationProtocol", "dataPreprocessingProtocol", "dataReleaseMaintenancePlan", "dataSocialImpact",
    "dataUseCases", "machineAnnotationTools", "personalSensitiveInformation",
)  # fmt: skip
"""The names of the RAI vocabulary."""
_SINGLE = frozenset(
    ("annotationsPerItem", "dataCollection", "dataCollectionMissingData", "dataCollectionRawData",
     "dataImputationProtocol", "dataManipulationProtocol", "dataReleaseMaintenancePlan", "dataSocialImpact")
)  # fmt: skip
"""Those that have one text."""
_TYPES = {
    "boolean": "sc:Boolean", "date": "sc:Date", "number": "sc:Float", "string": "sc:Text", "timestamp": "sc:DateTime",
}  # fmt: skip
"""Croissant's types of ODCS's logical ones, where they do not depend on the values."""
_MOST_FILES = 1000
"""Of a folder that are listed one by one."""
_MOST_BYTES = 1 << 20
"""Of a table that are read: one that is longer has columns of text."""
_MOST_COLUMNS = 500
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
_FORMATS = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".jsonl": "application/jsonlines",
    ".parquet": "application/vnd.apache.parquet",
    ".tsv": "text/tab-separated-values",
    ".txt": "text/plain",
}
_READ_AS = {"application/vnd.apache.parquet": "application/x-parquet"}
"""What Croissant's library calls formats of tables that it has to read."""
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def croissant(subject: Subject) -> Record | None:
    """The data as a record; None where a bundle reads none."""
    if not subject.datasets:
        return None
    terms = _terms(subject.datasets)
    licenses = sorted({_license(dataset.license) for dataset in subject.datasets if dataset.license})
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [_CROISSANT, _RAI] if terms else _CROISSANT,
        "name": f"{subject.name}-data",
        "version": subject.version,
        "description": subject.description or f"What the bundle {subject.name} reads.",
        "license": licenses,
        "distribution": [file for dataset in subject.datasets for file in _files(dataset)],
        "recordSet": [table for dataset in subject.datasets for table in _tables(dataset, subject.datasets)],
        **terms,
    }
    kept = {key: value for key, value in document.items() if value}
    return Record(CROISSANT_FILE, "dataset", CROISSANT_TYPE, readable_json(kept))


def _terms(datasets: Sequence[Dataset]) -> dict[str, str | list[str]]:
    """What is said of the use of all of them; each says which it is of, where there are several."""
    found: dict[str, list[str]] = {}
    for dataset in datasets:
        for name, texts in dataset.terms.items():
            own = [f"{dataset.name}: {text}" if len(datasets) > 1 else text for text in texts]
            found.setdefault(name, []).extend(own)
    return {
        f"rai:{name}": "\n".join(found[name]) if name in _SINGLE else found[name]
        for name in RAI_TERMS
        if found.get(name)
    }


def _files(dataset: Dataset) -> Iterator[dict[str, Any]]:
    entry = dataset.entry
    place = dataset.place or f"../data/{dataset.name}"
    if entry.kind == "file":
        yield _file(dataset, dataset.name, place, _file_name(dataset), entry.digest.hex, entry.size)
    elif len(entry.files) <= _MOST_FILES:
        for number, file in enumerate(entry.files, 1):  # readers take no spaces in an `@id`
            where = posixpath.join(place, file.path)
            own = _file(dataset, f"{dataset.name}/{number}", where, file.path, file.digest.hex, file.size)
            yield own | {"name": file.path}
    else:
        about = f"{len(entry.files)} files; `data.lock.json` has the SHA-256 of each, and {entry.digest} is of the list"
        yield {
            "@type": "cr:FileSet",
            "@id": dataset.name,
            "name": dataset.name,
            "description": " ".join(filter(None, [dataset.description, about])),
            "encodingFormat": sorted({_format(file.path) for file in entry.files}),
            "includes": f"data/{dataset.name}/**",
        }


def _file_name(dataset: Dataset) -> str:
    entry = dataset.entry
    return posixpath.basename(entry.pointer.path if entry.pointer else entry.url) or dataset.name


def _file(dataset: Dataset, own: str, place: str, name: str, digest: str, size: int | None) -> dict[str, Any]:
    document = {
        "@type": "cr:FileObject",
        "@id": own,
        "name": own,
        "description": dataset.description,
        "contentUrl": iri(place),
        "contentSize": f"{size} B" if size is not None else "",
        "encodingFormat": _READ_AS.get(_format(name), _format(name)) if dataset.columns else _format(name),
        "license": _license(dataset.license),
        "sha256": digest,
    }
    return {key: value for key, value in document.items() if value}


def _tables(dataset: Dataset, all_: Sequence[Dataset]) -> Iterator[dict[str, Any]]:
    """The columns: of a CSV file that is packed as far as its first bytes tell them, else as its contract has them."""
    if dataset.entry.kind != "file":
        return
    columns = _read_columns(dataset)
    if not columns:
        columns = [(column.name, _promised_type(column)) for column in dataset.columns]
    if columns:
        promised = {column.name: column for column in dataset.columns}
        fields = [
            _field(dataset.name, number, *column) | _said(promised.get(column[0]), all_)
            for number, column in enumerate(columns, 1)
        ]
        table = {"@type": "cr:RecordSet", "@id": _table(dataset.name), "name": _table(dataset.name)}
        counted = {"description": f"{dataset.rows} rows."} if dataset.rows is not None else {}
        yield {**table, **counted, "field": fields}


def _table(dataset: str) -> str:
    return f"{dataset}-table"


def _read_columns(dataset: Dataset) -> list[tuple[str, str]]:
    """What the file itself tells; where a contract promises dates, they are that."""
    if dataset.open is None or _format(dataset.entry.url) != "text/csv":
        return []
    promised = {column.name: _TYPES.get(column.kind) for column in dataset.columns}
    with dataset.open() as file:
        found = list(_columns(file))
    dated = ("sc:Date", "sc:DateTime", "sc:Boolean")
    return [(name, str(promised[name]) if promised.get(name) in dated else kind) for name, kind in found]


def _promised_type(column: DatasetColumn) -> str:
    if column.kind == "integer":
        return "sc:Integer" if column.required else "sc:Float"
    return _TYPES.get(column.kind, "sc:Text")


def _said(column: DatasetColumn | None, all_: Sequence[Dataset]) -> dict[str, Any]:
    """What a contract says of a column."""
    if column is None:
        return {}
    said: dict[str, Any] = {"description": column.description} if column.description else {}
    target = _referenced(column.references, all_) if column.references else None
    return said | ({"references": {"field": {"@id": target}}} if target else {})


def _referenced(place: tuple[str, str], all_: Sequence[Dataset]) -> str | None:
    """The field of another table; None where that has none."""
    for dataset in all_:
        if dataset.name == place[0] and dataset.entry.kind == "file":
            names = [name for name, _ in _read_columns(dataset)] or [column.name for column in dataset.columns]
            return f"{_table(dataset.name)}/{names.index(place[1]) + 1}" if place[1] in names else None
    return None


def _field(dataset: str, number: int, name: str, kind: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{_table(dataset)}/{number}",
        "name": name,
        "dataType": kind,
        "source": {"fileObject": {"@id": dataset}, "extract": {"column": name}},
    }


def _columns(file: IO[bytes]) -> Iterator[tuple[str, str]]:
    """Names and types; none of what is no table, or has a column twice or without a name."""
    data = file.read(_MOST_BYTES + 1)
    try:
        text = data[:_MOST_BYTES].decode("utf-8-sig", "strict" if len(data) <= _MOST_BYTES else "ignore")
        rows = [row for row in csv.reader(io.StringIO(text, newline="")) if row]
    except (UnicodeDecodeError, csv.Error):
        return
    names, body = (rows[0], rows[1:]) if rows else ([], [])
    usual = all(name.isprintable() and 0 < len(name.strip()) <= 200 for name in names)
    if not names or len(names) > _MOST_COLUMNS or len(set(names)) != len(names) or not usual:
        return
    whole = len(data) <= _MOST_BYTES and bool(body) and all(len(row) == len(names) for row in body)
    for number, name in enumerate(names):
        yield name, _type([row[number] for row in body]) if whole else "sc:Text"


def _type(values: Sequence[str]) -> str:
    """`sc:Integer` only where no value is missing: readers have no integer for that."""
    given = [value for value in values if value not in ("", "NA", "NaN", "nan")]
    if given and len(given) == len(values) and all(map(_INTEGER.fullmatch, given)):
        return "sc:Integer"
    return "sc:Float" if given and all(map(_NUMBER.fullmatch, given)) else "sc:Text"


def _format(name: str) -> str:
    suffix = posixpath.splitext(name.partition("?")[0].lower())[1]
    return _FORMATS.get(suffix, "application/octet-stream")


def _license(text: str) -> str:
    """The page of SPDX of a licence that has one, else what its owner says."""
    expression = spdx(text)
    single = expression is not None and list(terms(expression)) == [expression]
    return f"https://spdx.org/licenses/{expression}.html" if single and "LicenseRef" not in text else text
