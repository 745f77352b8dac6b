"""SPDX licence expressions (SPDX 3.0, annex B): reading what somebody wrote, and asking what one permits. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

NOASSERTION = "NOASSERTION"
"""What SPDX calls a licence of which nothing is known."""

_LONGEST = 20_000
_MOST_PARENTHESES = 60
_TOKEN = re.compile(r"[()]|[^\s()]+")
_GNU = re.compile(r"((?:A|L)?GPL-\d\.\d|GFDL-\d\.\d)(\+?)")


def spdx(text: str) -> str | None:
    """The expression that `text` is, spelled as SPDX spells it; None if it is none.

    Names that SPDX has replaced, as `GPL-2.0+`, are given as those that replace them.
    """
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    if not text.strip() or len(text) > _LONGEST or text.count("(") > _MOST_PARENTHESES:
        return None
    try:
        written = canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        return None
    return " ".join(map(_current, written.split(" ")))


def terms(expression: str) -> Iterator[str]:
    """The licences of an expression in order, each with its exception: `GPL-2.0-only WITH Classpath-exception-2.0`."""
    return (part for part in _tokens(expression) if part not in ("AND", "OR", "(", ")"))


def permits(expression: str, accepts: Callable[[str], bool]) -> bool:
    """Whether what an expression asks for can be met by licences that are accepted.

    Of what is joined by OR one is enough; AND binds stronger.
    """
    values: list[bool] = []
    waiting: list[str] = []
    for part in _tokens(expression):
        if part == "(":
            waiting.append(part)
        elif part == ")":
            _settle(values, waiting, ("AND", "OR"))
            waiting.pop()
        elif part in ("AND", "OR"):
            _settle(values, waiting, ("AND",) if part == "AND" else ("AND", "OR"))
            waiting.append(part)
        else:
            values.append(accepts(part))
    _settle(values, waiting, ("AND", "OR"))
    return values[0]


def all_of(expressions: Iterable[str]) -> str:
    """One expression that asks for all of these, each once; `NOASSERTION`, if there is none or it grows too long."""
    wanted = sorted(set(expressions))
    if len(wanted) == 1:
        return wanted[0]
    joined = " AND ".join(f"({one})" if " OR " in one else one for one in wanted)
    return joined if 0 < len(joined) <= _LONGEST else NOASSERTION


def _settle(values: list[bool], waiting: list[str], operators: tuple[str, ...]) -> None:
    while waiting and waiting[-1] in operators:
        right, left = values.pop(), values.pop()
        values.append((left and right) if waiting.pop() == "AND" else (left or right))


def _tokens(expression: str) -> Iterator[str]:
    """Operators, parentheses, and licences with their exceptions."""
    licence = ""
    for part in _TOKEN.findall(expression):
        if part == "WITH" or licence.endswith(" WITH"):
            licence += f" {part}"
            continue
        if licence:
            yield licence
        licence = "" if part in ("AND", "OR", "(", ")") else part
        if not licence:
            yield part
    if licence:
        yield licence


def _current(part: str) -> str:
    """A name that is still in use: those of the GNU licences say `-only` or `-or-later`."""
    bare = part.strip("()")
    match = _GNU.fullmatch(bare)
    return part.replace(bare, f"{match[1]}-{'or-later' if match[2] else 'only'}") if match else part
