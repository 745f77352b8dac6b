"""RECORD, the list of a wheel's files (packaging.python.org: binary distribution format, recorded projects).

Owns what is accepted in one and how the installed one is written. pip and `installer` take sloppy ones in silence, and
so does this reader where nothing is lost by it:

- a row without a hash or a size: what is there is checked, and the archive's CRC always;
- a row for a directory: ignored;
- a row twice, with the same claims (zeroconf's were in 2023): taken once;
- a hash with base64's padding or its other alphabet (pantsbuild.pants, catboost): taken as if without;
- a hash in hexadecimal digits (furo 2022.12.7, pydata-sphinx-theme 0.12.0): compared all the same;
- a backslash between the parts of a path: taken as a slash.

Refused, as the specification asks and PyPI does since February 2026, are a file that is not listed (selenium 4.1.0,
FMPy 0.3.15), a listed file that is not there, two different claims for one file, and hashes weaker than SHA-256.
"""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Collection, Iterable
from typing import NamedTuple

from builder.layers.archive_names import parents

_STRONG = {"sha256": 32, "sha384": 48, "sha512": 64}
_MOST_ROWS = 200_000
_ALPHABET = str.maketrans("-_", "+/")


class RecordError(Exception):
    """A RECORD is not one, or does not list what it should; the text is a cause line."""


class Claim(NamedTuple):
    """What a RECORD says of one file."""

    algorithm: str
    """`sha256`, `sha384` or `sha512`; empty where the row has no hash."""
    digest: bytes
    size: int | None
    """In bytes; None where the row has no size."""


def parse_record(text: str) -> dict[str, Claim]:
    """The claims of a wheel's RECORD by path. Raises: RecordError."""
    claims: dict[str, Claim] = {}
    try:
        for row in csv.reader(io.StringIO(text, newline=""), strict=True):
            if not row:
                continue
            if len(row) != 3:
                raise RecordError(f"the row {','.join(row)!r} of RECORD does not have three fields")
            path = row[0].replace("\\", "/")
            claim = _parse_claim(path, row[1], row[2])
            if claims.setdefault(path, claim) != claim:
                raise RecordError(f"RECORD lists `{path}` twice, with different claims")
            if len(claims) > _MOST_ROWS:
                raise RecordError(f"RECORD has more than {_MOST_ROWS} rows")
    except csv.Error as error:
        raise RecordError(f"RECORD is not valid CSV: {error}") from error
    return claims


def check_listing(claims: dict[str, Claim], files: Collection[str], unlisted: Collection[str]) -> None:
    """Check that `claims` list all `files` and no others; those in `unlisted` may be missing on either side.

    Raises: RecordError.
    """
    for path in files:
        if path not in claims and path not in unlisted:
            raise RecordError(f"RECORD does not list `{path}`")
    missing = claims.keys() - set(files) - set(unlisted)
    if missing:
        directories = parents(files)
        missing = {path for path in missing if path.removesuffix("/") not in directories}
    if missing:
        raise RecordError(f"RECORD lists `{min(missing)}`, which the wheel does not hold")


def format_record(rows: Iterable[tuple[str, bytes, int]], record: str) -> bytes:
    """An installed RECORD: rows of (path, SHA-256, size) sorted bytewise by path; `record`, its own path, last."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows((path, f"sha256={_encode(digest)}", size) for path, digest, size in sorted(rows))
    writer.writerow((record, "", ""))
    return text.getvalue().encode()


def _parse_claim(path: str, stated_hash: str, stated_size: str) -> Claim:
    if stated_size and not (stated_size.isascii() and stated_size.isdigit() and len(stated_size) < 20):
        raise RecordError(f"the size {stated_size!r} of `{path}` in RECORD is not a number")
    size = int(stated_size) if stated_size else None
    if not stated_hash:
        return Claim("", b"", size)
    algorithm, _, encoded = stated_hash.partition("=")
    if algorithm not in _STRONG:
        raise RecordError(f"the hash of `{path}` in RECORD is {algorithm!r}, not SHA-256 or better")
    digest = _decode(encoded, _STRONG[algorithm])
    if digest is None:
        raise RecordError(f"the hash of `{path}` in RECORD is malformed")
    return Claim(algorithm, digest, size)


def _decode(encoded: str, size: int) -> bytes | None:
    """The digest of `size` bytes that a row states, or None."""
    try:
        if len(encoded) == 2 * size:
            return bytes.fromhex(encoded)
        bare = encoded.rstrip("=")
        digest = base64.b64decode(bare.translate(_ALPHABET) + "=" * (-len(bare) % 4), validate=True)
    except ValueError:
        return None
    return digest if len(digest) == size else None


def _encode(digest: bytes) -> str:
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")
