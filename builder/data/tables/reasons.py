"""Why DuckDB could not do something, without values of the data, which its messages may hold. Pure.

What it says before it reads any row (the query is not SQL, a column is not there) is shown; of what it says while it
reads, only what is known to be about the query.
"""

from __future__ import annotations

import re

_EXPRESSION = re.compile(
    r"(invalid (?:perl operator|repetition size|escape sequence|character class(?: range)?|named capture group|UTF-8)"
    r"|missing [)\]]|unexpected \)|(?:no argument for|bad) repetition operator|trailing \\|pattern too large[^:]*)"
)
_KNOWN = (
    ("More than one row returned by a subquery", "a query within it has more than one row, and stands for one value"),
    ("strptime", "a date or time is not as its format says"),
    ("Could not parse string", "a date or time is not as its format says"),
)
TOO_LONG = "it took longer than"
NO_ROOM = "it needs more memory than it may take, or room for temporary files"
_FIRST = ("ParserException", "BinderException", "CatalogException", "SyntaxException", "PermissionException")
"""Raised before a row is read."""


def reason(error: Exception, query: str = "") -> str:
    """Why a query failed."""
    kind, first = type(error).__name__, str(error).partition("\n")[0]
    if kind in _FIRST:
        return first
    if found := _EXPRESSION.search(first):
        shown = first[found.start() :].partition(": ")[2]
        of = f": {shown}" if shown and shown in query else ""
        return f"a regular expression is not one of RE2 ({found[0]}{of}), which has no lookahead and no backreferences"
    for start, meaning in _KNOWN:
        if start in first:
            return meaning
    return _by_kind(kind, first)


def _by_kind(kind: str, first: str) -> str:
    if kind == "ConversionException":
        wanted = re.search(r" to ([A-Z][A-Z0-9_]*)$", first)
        return f"a value cannot be converted to {wanted[1]}" if wanted else "a value cannot be converted"
    if kind == "OutOfRangeException":
        return "a number is beyond what its type holds"
    if kind == "OutOfMemoryException":
        return NO_ROOM
    return f"a function was given what it does not take ({kind.removesuffix('Exception')})"


_BROKEN = (
    (re.compile(r"CSV Error on Line: (\d+)"), ""),
    (re.compile(r"CSV Parser state machine"), "its lines do not all end in the same way"),
    (re.compile(r"Malformed JSON in file"), ""),
    (re.compile(r"JSON transform error in file .* in line (\d+)"), ""),
    (re.compile(r"non-record JSON"), "its rows are not objects (`{…}`), or there are none"),
    (re.compile(r"JSON exceeds maximum recursion depth"), "an object in it is nested more than 128 times"),
    (re.compile(r"maximum_object_size"), "an object in it is longer than 16 MiB"),
    (re.compile(r"Unexpected end of GZIP"), "its gzip stream ends too early: it is cut"),
    (re.compile(r"not a GZIP stream|gzip|GZIP"), "it is not a gzip stream"),
    (re.compile(r"No magic bytes|too small to be a Parquet"), "its end is not that of a Parquet file: it may be cut"),
    (re.compile(r"[Ee]ncrypted"), "it is encrypted"),
    (re.compile(r"Failed to read (?:Parquet )?file"), "its content is damaged"),
)
_CSV = (
    (re.compile(r"Expected Number of Columns: (\d+) Found: (\d+)"), "row {row} has {1} columns, not {0}"),
    (re.compile(r"unterminated quote"), "row {row} has a quote that is not closed, or text after one"),
    (re.compile(r"Invalid unicode"), "it is not UTF-8"),
    (re.compile(r"[Mm]aximum line size"), "row {row} is longer than 2 MB"),
)


def broken(error: Exception) -> str:
    """What is wrong with a file, if that is what DuckDB complains of; else nothing."""
    text = str(error)
    for pattern, meaning in _BROKEN:
        if found := pattern.search(text):
            return meaning or _place(text, found)
    kind = type(error).__name__
    return "its content is damaged" if kind in ("IOException", "SerializationException", "InternalException") else ""


def is_encoding(error: Exception) -> bool:
    """Whether DuckDB complains of bytes that are no UTF-8; the row that it names may be far off."""
    return "Invalid unicode" in str(error)


def is_line_end(error: Exception) -> bool:
    """Whether DuckDB complains of lines that end in different ways; it names none."""
    return "CSV Parser state machine" in str(error)


def _place(text: str, found: re.Match[str]) -> str:
    if text.find("CSV Error") >= 0:
        row = int(found[1]) - 1
        for pattern, meaning in _CSV:
            if match := pattern.search(text):
                return meaning.format(*match.groups(), row=row)
        return f"row {row} is not CSV"
    if found.groups():
        same = "has a key twice" if "duplicate key" in text else "is unlike those before it"
        return f"line {found[1]} {same}"
    return _malformed(text)


def _malformed(text: str) -> str:
    """Of `Malformed JSON in file "…", at byte 15 in line 3: unexpected end of data`: it counts from 2."""
    found = re.search(r"at byte (\d+) in (line|record/value) (\d+): ([a-zA-Z0-9 -]+)", text)
    if not found:
        return "it is not JSON"
    place = "line" if found[2] == "line" else "element"
    return f"{place} {max(int(found[3]) - 1, 1)} is not JSON: {found[4].strip()}"
