"""Which files of data are looked at for what is about people, by the suffixes of their names. Pure."""

from __future__ import annotations

TABLES = {"csv": ",", "tsv": "\t"}
"""And what is between their columns."""
LINES = frozenset(("jsonl", "ndjson"))
SAMPLES = frozenset((*TABLES, *LINES, "json", "txt", "log", "xml", "yaml", "yml", "sql", "md", "dat", ""))
MOST_TEXT = 256 << 20
"""Bytes of a file that are looked at."""
