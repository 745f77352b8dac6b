"""Order of Debian versions, as deb-version(7) and dpkg have it. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

from builder.errors import EnvbuildError

OPERATORS = ("<<", "<=", "=", ">=", ">>", "<", ">")
"""Of a versioned relation. The last two are obsolete spellings of `<=` and `>=` (Debian policy 7.1)."""

_FORM = re.compile(r"(?:([0-9]{1,9}):)?([A-Za-z0-9.+~-]+)")
_LENGTH = 512
_PARTS = re.compile(r"([^0-9]*)([0-9]*)")

_Part = tuple[tuple[int, ...], int, str]
_Key = tuple[int, tuple[_Part, ...], tuple[_Part, ...]]


@lru_cache(maxsize=1 << 16)
def version_key(version: str) -> _Key:
    """A value that sorts as `version` does.

    Raises: EnvbuildError, if it is not a version.
    """
    match = _FORM.fullmatch(version) if len(version) <= _LENGTH else None
    if match is None:
        raise EnvbuildError(f"`{version[:80]}` is not a Debian version")
    upstream, _, revision = match[2].rpartition("-")
    if not upstream:
        upstream, revision = match[2].removeprefix("-"), "0"
    return int(match[1] or 0), _parts(upstream), _parts(revision or "0")


def satisfies(version: str, operator: str, wanted: str) -> bool:
    """Whether `version operator wanted` holds, for one of `OPERATORS`."""
    if operator == "=" and version == wanted:
        return True
    left, right = version_key(version), version_key(wanted)
    if operator == "=":
        return left == right
    if operator == "<<":
        return left < right
    if operator == ">>":
        return left > right
    return left <= right if operator in ("<=", "<") else left >= right


def _parts(text: str) -> tuple[_Part, ...]:
    """Alternating runs of other characters and of digits; digits as a length and a text, which sort as the number.

    The last, empty match ends every text by a part that sorts after `~` and before all else.
    """
    found = []
    for other, digits in _PARTS.findall(text):
        number = digits.lstrip("0")
        found.append(((*map(_order, other), 0), len(number), number))
    return tuple(found)


def _order(character: str) -> int:
    """`~` sorts before the end of a text (0), letters after it, and all else after letters."""
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256
