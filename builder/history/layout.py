"""How the folders of runs are called, and the record in each."""

from __future__ import annotations

import re

RUNS = "runs"
"""Below the folder of a project."""
RECORD_FILE = "run.json"
TAGS_FILE = "tags.json"
RECORD_LIMIT = 8 << 20
"""Bytes of a record at most."""

RUN_ID = re.compile(r"[0-9]{8}T[0-9]{6}Z-[a-z0-9]+(?:[._-][a-z0-9]+)*-[0-9a-f]{6}")
"""When it began, what was run, and six random digits: `20260131T235959Z-train-3f9a01`."""
