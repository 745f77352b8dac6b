"""Looking for secrets in a stream of bytes. Owns the walk over blocks; the patterns are declared elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

from builder.records.scan.assignments import assigned_secrets
from builder.records.scan.blocks import Block, Stream, blocks
from builder.records.scan.finding import Finding
from builder.records.scan.secret_rules import SECRET_RULES


def find_secrets(stream: Stream, suffix: str, *, is_text: bool) -> Iterator[Finding]:
    """The secrets in a stream. In what is no text, tokens of a known form alone are looked for.

    `suffix` is that of the file's name, in lower case and without its dot.
    """
    for block in blocks(stream):
        yield from secrets_in(block, suffix, is_text=is_text)


def secrets_in(block: Block, suffix: str, *, is_text: bool) -> Iterator[Finding]:
    """The secrets that begin in a block."""
    told: list[tuple[int, int]] = []
    for rule in SECRET_RULES:
        for match in block.matches(rule.wanted):
            if rule.check(match):
                told.append(match.span())
                line = block.line(match.start()) if is_text else None
                yield Finding(rule.name, rule.level, rule.what, line)
    for start, end in sorted(assigned_secrets(block, suffix)) if is_text else ():
        if not any(begin < end and start < until for begin, until in told):
            told.append((start, end))
            what = "a value that looks random, given to a name like `password`, `token` or `key`"
            yield Finding("generic-secret", "medium", what, block.line(start))
