"""Telling a secret from what stands in its place in examples, and from words. Pure."""

from __future__ import annotations

import math
import re
from collections import Counter

_STAND_INS = re.compile(
    rb"(?i)example|placeholder|change.?me|your|dummy|sample|fake|redacted|x{4}|\*{3}|\.{3}|todo|insert|replace|"
    rb"abcdef|123456|fixme|not.?a.?secret|no.?secret|default|secret|passw|hunter2|correct.?horse|foobar|lorem|mock|test"
)
_EXAMPLES = re.compile(
    rb"(?i)example|placeholder|redacted|your|x{6}|\*{3}|\.{3}|abcdefgh|12345678|00000000|dummy|fake|notreal|not.a.real"
)
_FILLED_IN_LATER = re.compile(rb"[<>]|\$\{|\{\{|\$\(|%\(|%[sd]|^\$|^%[A-Z]|^@|\}$|^env:|^vault:|^!|^ref\+")
_CLASSES = (rb"[a-z]", rb"[A-Z]", rb"[0-9]", rb"[^A-Za-z0-9]")
_NO_SECRETS = re.compile(
    rb"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|\d{4}-\d\d-\d\dT[0-9:.]{5,15}(?:Z|[+-][0-9:]{4,5})?"
)
"""UUIDs and times."""
_WORDS = re.compile(rb"[A-Za-z]+(?:[ _./:-][A-Za-z]+)*[0-9]{0,2}|[a-z]+(?:[A-Z][a-z]+)+[0-9]?")


def entropy(text: bytes) -> float:
    """Shannon's, in bits a character."""
    counts = Counter(text).values()
    return -sum(count / len(text) * math.log2(count / len(text)) for count in counts) if text else 0.0


def is_example(token: bytes) -> bool:
    """Whether a token of a known form was made for a document: it says so, or has the entropy of a pattern."""
    return entropy(token) < 2.8 or _EXAMPLES.search(token) is not None


def is_stand_in(password: bytes) -> bool:
    """Whether a password is none: one of an example, or one that is filled in later."""
    return (
        not password.strip(b"-_*.")
        or _STAND_INS.search(password) is not None
        or _FILLED_IN_LATER.search(password) is not None
    )


def looks_random(value: bytes) -> bool:
    """Whether what is assigned to a name like `password` is no word, no path and no identifier."""
    if is_stand_in(value) or b" " in value or b"://" in value or value.startswith(b"/"):
        return False
    if _WORDS.fullmatch(value) or _NO_SECRETS.fullmatch(value):
        return False
    classes = sum(re.search(pattern, value) is not None for pattern in _CLASSES)
    if len(value) < 16:
        return classes >= 3 and entropy(value) >= 2.5
    return classes >= 2 and re.search(rb"[0-9]", value) is not None and entropy(value) >= 3.0
