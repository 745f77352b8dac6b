"""Debian's machine-readable copyright files (copyright-format 1.0): under which licences a package is. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from builder.layers.system.facts import parse_paragraph
from builder.records.licenses.expression import NOASSERTION, all_of
from builder.records.licenses.names import debian_license

_FORMAT = re.compile(r"\s*Format(?:-Specification)?:\s*\S*(?:copyright-format|dep5|DEP-?5)", re.IGNORECASE)
_BREAK = re.compile(r",?\s+(and|or)\s+", re.IGNORECASE)
_COMMA = re.compile(r",\s+(and|or)\s+", re.IGNORECASE)
_MOST_STATEMENTS, _MOST_WORDS = 500, 200


def copyright_license(text: str) -> str:
    """The licences of all its files, joined by AND; `NOASSERTION`, if it is not machine-readable.

    It speaks of the source package: of files too that only tests or the packaging use.
    """
    if not _FORMAT.match(text):
        return NOASSERTION
    stated = {line for line in _lines(text) if line}
    if not 0 < len(stated) <= _MOST_STATEMENTS or any(len(line.split()) > _MOST_WORDS for line in stated):
        return NOASSERTION
    return all_of(map(_expression, stated))


def _lines(text: str) -> Iterator[str]:
    """What stands behind `License:` of files; of the whole, where no files are named."""
    paragraphs = [parse_paragraph(part) for part in re.split(r"\n[ \t]*\n", text.replace("\r\n", "\n"))]
    files = [paragraph for paragraph in paragraphs if "files" in paragraph]
    for paragraph in files or paragraphs[:1]:
        yield " ".join(paragraph.get("license", "").partition("\n")[0].split())


def _expression(line: str) -> str:
    """`GPL-2+ or Artistic, and BSD-3-clause`: AND binds stronger than OR, a comma before one binds weakest."""
    parts = _COMMA.split(line)
    joined = _simple(parts[0])
    for operator, part in zip(parts[1::2], parts[2::2], strict=True):
        joined = f"{_grouped(joined)} {operator.upper()} {_grouped(_simple(part))}"
    return joined


def _simple(text: str) -> str:
    words = _BREAK.split(text)
    names = [debian_license(name.strip().rstrip(",")) for name in words[::2]]
    if len(names) == 1:
        return names[0]
    pairs = zip(["", *words[1::2]], names, strict=True)
    return "".join(f" {operator.upper()} {_grouped(name)}" for operator, name in pairs).strip()


def _grouped(expression: str) -> str:
    return f"({expression})" if " AND " in expression or " OR " in expression else expression
