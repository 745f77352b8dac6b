"""Reports as one JSON document. Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from builder.data.check.outcome import CheckReport, worst


def as_document(reports: Sequence[CheckReport]) -> dict[str, Any]:
    """All reports, and the exit code of all together."""
    return {"exit-code": int(worst(reports)), "contracts": [report.to_dict() for report in reports]}


def as_json(reports: Sequence[CheckReport]) -> str:
    """The document as text, in ASCII: no character in it is a command to a terminal."""
    return json.dumps(as_document(reports), indent=2).replace("\x7f", "\\u007f") + "\n"
