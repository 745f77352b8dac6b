"""What a registry asks for before it lets one in: the header WWW-Authenticate (RFC 9110, section 11.6.1). Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_TOKEN = re.compile(r"""([A-Za-z0-9!#$%&'*+.^_`|~-]+)(?:\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]*)))?""")
_LONGEST = 16384


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way of proving who one is."""

    scheme: str
    """`bearer` or `basic`."""
    parameters: Mapping[str, str]
    """By name in lower case: `realm`, `service`, `scope`."""


def choose_challenge(header: str) -> Challenge | None:
    """The challenge to answer: for a token if there is one, else for a password; None if neither is asked for."""
    challenges: list[tuple[str, dict[str, str]]] = []
    for match in _TOKEN.finditer(header[:_LONGEST]):
        name, quoted, plain = match.groups()
        if quoted is None and plain is None:
            challenges.append((name.lower(), {}))
        elif challenges:
            value = re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else plain
            challenges[-1][1].setdefault(name.lower(), value)
    for wanted in ("bearer", "basic"):
        for scheme, parameters in challenges:
            if scheme == wanted:
                return Challenge(scheme, parameters)
    return None
