"""Addresses that somebody wrote, as references that every reader of JSON documents takes (RFC 3987). Pure."""

from __future__ import annotations

import re
from urllib.parse import quote

_SAFE = "%/:=&?~+!$,;'@()*"
_NO_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


def iri(text: str) -> str:
    """The same address with what cannot stand in one escaped; escapes that are there stay."""
    place, mark, fragment = text.partition("#")
    return "".join(
        quote(_NO_ESCAPE.sub("%25", part), safe=_SAFE) + end for part, end in ((place, mark), (fragment, ""))
    )
