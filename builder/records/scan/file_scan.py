"""Scanning one file: what it is decides how it is read. Each reading streams, and none runs what it reads.

The readers are imported when they are needed: their patterns take longer to compile than a small file to read.
"""

from __future__ import annotations

import io
import posixpath
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from builder.records.scan.blocks import HEAD, AsUtf8, Block, Stream, encoding_of
from builder.records.scan.file_names import found_by_name
from builder.records.scan.finding import FileVerdict, Finding, first
from builder.records.scan.notebook import LARGEST, Part, notebook_parts
from builder.records.scan.samples import LINES, MOST_TEXT, SAMPLES, TABLES

Role = Literal["code", "model", "data", "documents"]
"""What a file is for. Data are looked at for what is about people; elsewhere tables and outputs of notebooks are."""

_TOKENS_ONLY = 64 << 20
"""Bytes of a file that is no text, up to which tokens are looked for in it."""
_LARGEST_HEADER = 8 << 20
_TABLES_UNREAD = {
    "parquet": "Parquet", "feather": "Arrow", "arrow": "Arrow", "orc": "ORC", "avro": "Avro", "xlsx": "Excel",
    "xls": "Excel",
    "sqlite": "SQLite",
    "db": "SQLite", "duckdb": "DuckDB", "sas7bdat": "SAS", "dta": "Stata", "tfrecord": "TFRecord",
    "npz": "NumPy", "npy": "NumPy", "h5": "HDF5", "hdf5": "HDF5",
}  # fmt: skip
_TEXT_SUFFIXES = (
    "py pyi js ts json jsonl ndjson csv tsv md rst txt yaml yml toml ini cfg conf html css xml svg sh sql log lock r "
    "jl java go rs c h cc cpp ipynb tex env j2 mmd pem"
)
_TEXTS = frozenset(_TEXT_SUFFIXES.split())
"""Suffixes of texts that nobody loads as pickles."""
_COMPRESSED = frozenset(("gz", "zip", "bz2", "xz", "zst", "7z", "rar", "tgz", "tar", "whl", "egg", "jar"))


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """A file to look at."""

    name: str
    """Its path, which says what it is for: `src/.env`."""
    role: Role
    size: int
    open: Callable[[], io.BufferedReader]
    """Gives its bytes, anew each time."""
    path: Path | None = None
    """Where it is on disk; archives are looked into only there."""
    sha256: str = ""
    """Of its bytes, where it is known."""

    @property
    def suffix(self) -> str:
        """In lower case, without its dot; empty if it has none."""
        name = posixpath.basename(self.name)
        return name.rpartition(".")[2].lower() if "." in name.lstrip(".") else ""


def scan_file(file: ScannedFile) -> FileVerdict:
    """What is in a file that must not change hands. Raises: OSError, if it cannot be read."""
    with file.open() as stream:
        head = stream.read(HEAD)
    named = tuple(found_by_name(file.name, head))
    if is_safe_format(file, head):
        return FileVerdict(named + tuple(_of_header(file)))
    encoding = encoding_of(head)
    verdict = FileVerdict(named) + (_scan_text(file, encoding) if encoding else _scan_binary(file))
    return FileVerdict(first(verdict.findings), verdict.not_measured)


def is_safe_format(file: ScannedFile, head: bytes) -> bool:
    """Whether it is of a format of numbers with nothing to run: Safetensors, GGUF. Of those the header is enough."""
    if file.suffix == "safetensors":
        return int.from_bytes(head[:8], "little") <= file.size - 8 and head[8:9] == b"{"
    return head.startswith(b"GGUF")


def _of_header(file: ScannedFile) -> Iterator[Finding]:
    from builder.records.scan.secrets import find_secrets

    with file.open() as stream:
        size = int.from_bytes(stream.read(8), "little") if file.suffix == "safetensors" else _LARGEST_HEADER
        yield from find_secrets(io.BytesIO(stream.read(min(size, _LARGEST_HEADER))), file.suffix, is_text=False)


def _scan_text(file: ScannedFile, encoding: str) -> FileVerdict:
    from builder.records.scan.secrets import find_secrets

    if file.suffix == "ipynb" and file.size <= LARGEST:
        with file.open() as stream:
            parts = notebook_parts(stream.read(LARGEST + 1))
        if parts is not None:
            return FileVerdict(tuple(_of_notebook(parts)))
    findings: list[Finding] = []
    with file.open() as stream:
        findings += find_secrets(_decoded(stream, encoding), file.suffix, is_text=True)
    unread: tuple[str, ...] = ()
    if _is_sample(file):
        findings += _of_people(file, encoding)
        if file.size > MOST_TEXT:
            unread = (f"personal data behind the first {MOST_TEXT >> 20} MiB",)
    if file.suffix not in _TEXTS:
        findings += _of_pickles(file)
    return FileVerdict(tuple(findings), unread)


def _of_people(file: ScannedFile, encoding: str) -> Iterator[Finding]:
    from builder.records.scan.personal import find_personal

    with file.open() as stream:
        yield from find_personal(_decoded(stream, encoding), file.suffix)


def _is_sample(file: ScannedFile) -> bool:
    if file.role == "data":
        return file.suffix in SAMPLES
    return file.suffix in TABLES or file.suffix in LINES


def _decoded(stream: io.BufferedReader, encoding: str) -> Stream:
    return stream if encoding == "utf-8" else AsUtf8(stream, encoding)


def _scan_binary(file: ScannedFile) -> FileVerdict:
    from builder.records.scan.secrets import find_secrets

    findings = list(_of_pickles(file))
    unread = []
    if file.size <= _TOKENS_ONLY:
        with file.open() as stream:
            findings += find_secrets(stream, file.suffix, is_text=False)
    else:
        unread.append(f"secrets: it is no text, and larger than {_TOKENS_ONLY >> 20} MiB")
    if file.suffix in _COMPRESSED:
        unread.append("secrets and personal data inside: it is an archive, or compressed")
    elif file.role == "data":
        kind = _TABLES_UNREAD.get(file.suffix)
        unread.append(f"personal data: {kind} is not read" if kind else "personal data: it is no text")
    return FileVerdict(tuple(findings), tuple(unread))


def _of_pickles(file: ScannedFile) -> Iterator[Finding]:
    from builder.records.scan.pickles import find_in_pickles

    with file.open() as stream:
        yield from find_in_pickles(stream, file.path, file.suffix)


def _of_notebook(parts: Iterable[Part]) -> Iterator[Finding]:
    from builder.records.scan.personal import find_personal
    from builder.records.scan.secrets import secrets_in

    for part in parts:
        block = Block(part.text, 0, len(part.text), 1)
        for finding in secrets_in(block, "py", is_text=True):
            yield replace(finding, place=part.place)
        if part.is_output:
            for finding in find_personal(io.BytesIO(part.text), "txt"):
                yield replace(finding, place=part.place)
