"""How the names of Python projects are compared. Pure."""

from __future__ import annotations

import re


def normalised(name: str) -> str:
    """A project's name as indexes have it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
