"""How each method is said in SQL. Pure: the key is in a variable of the database, and in no text.

HMAC is built as RFC 2104 defines it, of two hashes over bytes; a test holds it to Python's.
"""

from __future__ import annotations

from builder.data.privacy.mask import MASK
from builder.data.privacy.methods import Bucket, DateShift, Hash, Mask, Noise
from builder.data.privacy.plan import ColumnPlan
from builder.data.tables.sql import literal

INNER, OUTER = "envbuild_inner_pad", "envbuild_outer_pad"
"""Variables of the database that hold the key's pads."""
ROW = '"\x01row"'
"""The number of a row; a name that no file's column has."""
_BITS = 52
"""Of a uniform number: what a double has behind its point."""


def keyed(purpose: str, domain: str, message: str) -> str:
    """The HMAC-SHA-256, in 64 hexadecimal digits, of `message`, SQL for a text; each purpose and domain has its own."""
    prefix = f"envbuild/{purpose}\0{domain}\0".encode().hex()
    inner = f"sha256(getvariable('{INNER}') || unhex('{prefix}') || encode({message}))"
    return f"sha256(getvariable('{OUTER}') || unhex({inner}))"


def expression(plan: ColumnPlan, value: str, subject: str = "", top: tuple[str, ...] = ()) -> str:
    """What a column becomes. `value` and `subject` are SQL; `top` are the values that stay of the most frequent."""
    method, text = plan.method, f"CAST({value} AS VARCHAR)"
    if isinstance(method, Mask):
        return _masked(method, text)
    if isinstance(method, Hash):
        return f"left({keyed('hash', method.domain or plan.column, text)}, {method.length})"
    if isinstance(method, Bucket):
        return _bucket(method, value, top)
    if isinstance(method, DateShift):
        return _shifted(method, plan, value, subject)
    if isinstance(method, Noise):
        return _noisy(method, plan, value)
    return value


def _masked(method: Mask, text: str) -> str:
    if method.pattern is not None:
        replaced = f"regexp_replace({text}, {literal(method.pattern)}, '{MASK}', 'g')"
        found = f"regexp_matches({text}, {literal(method.pattern)})"
        return f"CASE WHEN {text} IS NULL THEN NULL WHEN {found} THEN {replaced} ELSE '{MASK}' END"
    kept = method.keep_first + method.keep_last
    partly = f"left({text}, {method.keep_first}) || '{MASK}' || right({text}, {method.keep_last})"
    return f"CASE WHEN {text} IS NULL THEN NULL WHEN length({text}) < {2 * kept} THEN '{MASK}' ELSE {partly} END"


def _bucket(method: Bucket, value: str, top: tuple[str, ...]) -> str:
    if method.to is not None:
        form = {"month": "%Y-%m", "year": "%Y"}.get(method.to)
        if form:
            return f"strftime({value}, '{form}')"
        if method.to == "quarter":
            return f"strftime({value}, '%Y') || '-Q' || quarter({value})"
        return f"CAST(CAST(floor(year({value}) / 10) * 10 AS BIGINT) AS VARCHAR) || 's'"
    if method.width is not None:
        return _wide(method.width, value)
    if method.edges:
        return _edged(method.edges, value)
    mapped = method.map or {each: each for each in top}
    cases = " ".join(f"WHEN {literal(each)} THEN {literal(group)}" for each, group in mapped.items())
    chosen = (
        f"CASE CAST({value} AS VARCHAR) {cases} ELSE {literal(method.other)} END" if cases else literal(method.other)
    )
    return f"CASE WHEN {value} IS NULL THEN NULL ELSE {chosen} END"


def _wide(width: float, value: str) -> str:
    number = _finite(value)
    kind = "HUGEINT" if width == int(width) else "DOUBLE"
    low, high = (
        f"CAST(CAST(round((floor({number} / {width!r}) + {step}) * {width!r}, 9) AS {kind}) AS VARCHAR)"
        for step in (0, 1)
    )
    return f"'[' || {low} || ', ' || {high} || ')'"


def _edged(edges: tuple[float, ...], value: str) -> str:
    number, names = _finite(value), [f"{edge:g}" if edge == float(f"{edge:g}") else repr(edge) for edge in edges]
    cases = [f"WHEN {number} < {edges[0]!r} THEN '< {names[0]}'"]
    cases += [
        f"WHEN {number} < {edges[place]!r} THEN '[{names[place - 1]}, {names[place]})'"
        for place in range(1, len(edges))
    ]
    cases.append(f"WHEN {number} >= {edges[-1]!r} THEN '>= {names[-1]}'")
    return f"CASE {' '.join(cases)} END"


def _shifted(method: DateShift, plan: ColumnPlan, value: str, subject: str) -> str:
    key = keyed("date-shift", method.domain or plan.subject, f"CAST({subject} AS VARCHAR)")
    drawn = f"CAST(CAST('0x' || left({key}, 12) AS UBIGINT) % {2 * method.days + 1} AS INTEGER) - {method.days}"
    return f"{value} + ({drawn})" if plan.logical_type == "date" else f"{value} + to_days({drawn})"


def _noisy(method: Noise, plan: ColumnPlan, value: str) -> str:
    """Of one row and one value always the same: who has the table twice learns no more from it."""
    key = keyed("noise", plan.column, f"CAST({ROW} AS VARCHAR) || chr(1) || CAST({value} AS VARCHAR)")
    uniform = f"(CAST('0x' || left({key}, {_BITS // 4}) AS UBIGINT) + 0.5::DOUBLE) / {2**_BITS}::DOUBLE - 0.5"
    noise = f"list_transform([{uniform}], lambda u: -({method.scale!r}) * sign(u) * ln(1 - 2 * abs(u)))[1]"
    integer = plan.logical_type == "integer"
    decimals = (0 if integer else 6) if method.decimals is None else method.decimals
    number = f"CAST({value} AS DOUBLE)"
    result = _clamped(f"round({_clamped(number, method)} + {noise}, {decimals})", method)
    result = f"CAST({result} AS BIGINT)" if integer else result
    return f"CASE WHEN isfinite({number}) THEN {result} END"


def _finite(value: str) -> str:
    return f"CASE WHEN isfinite(CAST({value} AS DOUBLE)) THEN CAST({value} AS DOUBLE) END"


def _clamped(number: str, method: Noise) -> str:
    return f"least(greatest({number}, {method.minimum!r}::DOUBLE), {method.maximum!r}::DOUBLE)"
