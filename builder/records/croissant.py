"""The data of a bundle as a Croissant 1.1 document: each file with its hash, and the columns of packed tables.

Nothing is downloaded or loaded: only the head of a CSV file that is packed is read, bounded.
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
from builder.records.subject import Dataset, Subject

CROISSANT_FILE = "croissant.json"
_MEDIA_TYPE = "application/ld+json"
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
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?")


def croissant(subject: Subject) -> Record | None:
    """The data as a record; None where a bundle reads none."""
    if not subject.datasets:
        return None
    licenses = sorted({_license(dataset.license) for dataset in subject.datasets if dataset.license})
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": f"{subject.name}-data",
        "version": subject.version,
        "description": subject.description or f"What the bundle {subject.name} reads.",
        "license": licenses,
        "distribution": [file for dataset in subject.datasets for file in _files(dataset)],
        "recordSet": [table for dataset in subject.datasets for table in _tables(dataset)],
    }
    kept = {key: value for key, value in document.items() if value}
    return Record(CROISSANT_FILE, "dataset", _MEDIA_TYPE, readable_json(kept))


def _files(dataset: Dataset) -> Iterator[dict[str, Any]]:
    entry = dataset.entry
    place = dataset.place or f"../data/{dataset.name}"
    if entry.kind == "file":
        name = posixpath.basename(entry.pointer.path if entry.pointer else entry.url) or dataset.name
        yield _file(dataset, dataset.name, place, name, entry.digest.hex, entry.size)
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


def _file(dataset: Dataset, own: str, place: str, name: str, digest: str, size: int | None) -> dict[str, Any]:
    document = {
        "@type": "cr:FileObject",
        "@id": own,
        "name": own,
        "description": dataset.description,
        "contentUrl": iri(place),
        "contentSize": f"{size} B" if size is not None else "",
        "encodingFormat": _format(name),
        "license": _license(dataset.license),
        "sha256": digest,
    }
    return {key: value for key, value in document.items() if value}


def _tables(dataset: Dataset) -> Iterator[dict[str, Any]]:
    """The columns of a CSV file that is packed, as far as its first bytes tell them."""
    if dataset.open is None or dataset.entry.kind != "file" or _format(dataset.entry.url) != "text/csv":
        return
    with dataset.open() as file:
        columns = list(_columns(file))
    if columns:
        yield {
            "@type": "cr:RecordSet",
            "@id": f"{dataset.name}-table",
            "name": f"{dataset.name}-table",
            "field": [_field(dataset.name, number, *column) for number, column in enumerate(columns, 1)],
        }


def _field(dataset: str, number: int, name: str, kind: str) -> dict[str, Any]:
    return {
        "@type": "cr:Field",
        "@id": f"{dataset}-table/{number}",
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
