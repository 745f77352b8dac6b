"""Values that look random and are given to a name like `password` or `api_key`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder.records.scan.blocks import Block, Wanted
from builder.records.scan.likeness import looks_random

_WORDS = (b"pass", b"pwd", b"secret", b"token", b"api", b"access", b"auth", b"credential")
"""What names begin with, in lower case."""
_NAME = (
    rb"(?i:passwords?|passwd|passphrase|pwd|secrets?|tokens?|"
    rb"api[_-]?keys?|access[_-]?keys?|auth[_-]?keys?|secret[_-]?key|credentials?)"
)
_REST = rb"([A-Za-z0-9_-]{0,30})[\"']?\]?"
_GIVES = rb"[ \t]{0,4}(?:=>|:=|[:=])(?!=)[ \t]{0,4}"
_QUOTED = Wanted(re.compile(_NAME + _REST + _GIVES + rb"[bru]{0,2}([\"'`])([^\"'`\s\\]{8,200})\2"), _WORDS)
_BARE = Wanted(re.compile(_NAME + _REST + _GIVES + rb"([^\s\"'`,;(){}\[\]<>]{8,200})(?=[\s,;\"]|$)"), _WORDS)
_CONTINUES = re.compile(
    rb"(?i)(?:izer|ize|ization|[a-z0-9_-]{0,30}(?:name|path|file|url|uri|id|ids|env|var|type|len|length|size|count|field|"
    rb"header|prefix|suffix|regex|pattern|format|expiry|expires|expiration|limit|version|hash|hashes|algorithm|scopes?|"
    rb"endpoint|label|class|column|params?|spec|ref|policy|digest|checksum|sha256|md5|arn|embeddings?|index|mask|map|"
    rb"vocab|list|set|dim|public|pub|used|at|date|created))[_-]?"
)
"""How a name goes on that tells something of a secret, and not the secret: `token_url`, `password_hash`."""
_CODE_SUFFIXES = (
    "py pyi js jsx ts tsx mjs cjs java go rs rb c h cc cpp hpp cs kt scala swift php r jl lua sql md rst html css ipynb"
)
_CODE = frozenset(_CODE_SUFFIXES.split())
"""Suffixes of files in which what is assigned without quotes is an expression or a word."""


def assigned_secrets(block: Block, suffix: str) -> Iterator[tuple[int, int]]:
    """Where names with such values begin, and where the values end, in the text of a file with this suffix."""
    lower = block.data.lower()
    for wanted in (_QUOTED,) if suffix in _CODE else (_QUOTED, _BARE):
        for match in block.matches(wanted, lower):
            group = match.lastindex or 0
            if not _CONTINUES.fullmatch(match[1]) and looks_random(match[group]) and not _is_code(match, group):
                yield match.start(), match.end(group)


def _is_code(match: re.Match[bytes], group: int) -> bool:
    """Whether the value is an expression: `settings.token_1`, `os.environ["X"]`."""
    value = match[group]
    return re.fullmatch(rb"[A-Za-z_]\w{0,60}(?:\.[A-Za-z_]\w{0,60}){1,6}", value) is not None
