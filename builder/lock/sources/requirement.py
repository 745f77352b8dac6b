"""One requirement as a team wrote it: a named one, or a direct reference; everything else is refused. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from builder.lock.sources.options import LOCAL_HINT, VARIABLE_HINT
from builder.lock.sources.references import ARCHIVES, Reference, ReferenceRefusedError, reference
from builder.lock.sources.repository import shown_text
from builder.lock.sources.statements import VARIABLE

if TYPE_CHECKING:
    from packaging.requirements import Requirement

_NAMED = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)\s*(?P<extras>\[[^\]]*\])?\s*@\s*(?P<url>\S+)(?P<rest>.*)", re.DOTALL)
_BARE = re.compile(r"(?P<url>(?:[A-Za-z][\w+.-]*://|file:)[^\s;]+)(?P<rest>.*)", re.DOTALL)
_MARKER = re.compile(r"\s*;\s*(.+)", re.DOTALL)
_EXAMPLE = "as in `name[extra]>=1.0; python_version < '3.12'`"


def read_requirement(text: str, hashes: tuple[str, ...] = ()) -> Requirement | Reference:
    """What one line asks for; `hashes` are the values of its `--hash` options, which a direct reference may have.

    Raises: ReferenceRefusedError.
    """
    text = " ".join(text.split())
    if VARIABLE.search(text):
        raise ReferenceRefusedError("a variable is not taken in a file that is locked", VARIABLE_HINT)
    match = _BARE.fullmatch(text) or _NAMED.fullmatch(text)
    if match is None:
        return _named(text)
    named = match.groupdict()
    if not _BARE.match(match["url"]):
        raise ReferenceRefusedError("a path is not taken", LOCAL_HINT)
    marker = _MARKER.fullmatch(match["rest"])
    if match["rest"].strip() and marker is None:
        raise ReferenceRefusedError(f"`{shown_text(match['rest'])}` is not expected after a URL", _EXAMPLE)
    found = reference(
        named.get("name") or "", match["url"], hashes, named.get("extras") or "", marker[1] if marker else ""
    )
    _parsed(str(found))
    return found


def _named(text: str) -> Requirement:
    target = re.split(r"[;\[]", text)[0].strip()
    if re.match(r"\.|~|[/\\]|[A-Za-z]:[/\\]", target) or "/" in target or target.endswith(ARCHIVES):
        raise ReferenceRefusedError("a path is not taken", LOCAL_HINT)
    return _parsed(text)


def _parsed(text: str) -> Requirement:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(text)
    except InvalidRequirement as error:
        reason = shown_text(str(error).splitlines()[0])
        raise ReferenceRefusedError(f"this is not a requirement (PEP 508): {reason}", _EXAMPLE) from error
    except (RecursionError, ValueError) as error:
        raise ReferenceRefusedError("this is not a requirement (PEP 508)", _EXAMPLE) from error
