"""Reading an expression: words, operators and parentheses; what is wrong is told with its place. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

from builder.errors import EnvbuildError
from builder.history.search.expression import Comparison, Every, Expression, Has, Not, Operator, Some
from builder.history.search.facts import FIELDS, full_name, kind_of
from builder.history.search.values import ValueFormError, amount_of, checked_digest, checked_time

LONGEST = 4000
"""Characters of an expression."""
DEEPEST = 50
"""Parentheses and `not` inside of each other."""

_TOKEN = re.compile(
    r"""(?P<space>\s+)|(?P<operator>==|!=|<=|>=|=|<|>|~)|(?P<paren>[()])"""
    r"""|(?P<word>(?:[^\s()=<>!~"'\\]+|"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')+)""",
    re.DOTALL,
)
_QUOTED = re.compile(r""""((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'""", re.DOTALL)
_WORDS = ("and", "or", "not", "has")
_FOREIGN = {"&&": "and", "||": "or", "&": "and", "|": "or"}


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    """`operator`, `paren`, `word`, `end`."""
    text: str
    """Of a word, without quotes."""
    place: int
    quoted: bool = False

    def is_word(self, text: str) -> bool:
        return self.kind == "word" and not self.quoted and self.text.lower() == text


def parse_search(text: str) -> Expression:
    """The expression that `text` is. Raises: EnvbuildError, with the place that cannot be read."""
    if len(text) > LONGEST:
        raise EnvbuildError("the expression is too long", f"{len(text)} characters; {LONGEST} are read at most")
    return _Parser(text).whole()


class _Parser:
    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split()
        self._next = 0
        self._depth = 0

    def whole(self) -> Expression:
        found = self._alternatives()
        token = self._peek()
        if token.kind != "end":
            foreign = _FOREIGN.get(token.text)
            hint = f"Write `{foreign}`" if foreign else "Put `and` or `or` between two conditions"
            raise self._wrong("something follows that belongs to no condition", token, hint)
        return found

    def _split(self) -> list[_Token]:
        tokens, place = [], 0
        while place < len(self._text):
            found = _TOKEN.match(self._text, place)
            if found is None:
                raise self._unreadable(place)
            kind = found.lastgroup or ""
            if kind == "word":
                tokens.append(_Token(kind, _unquoted(found[0]), place, found[0][0] in "\"'"))
            elif kind != "space":
                tokens.append(_Token(kind, found[0], place))
            place = found.end()
        return [*tokens, _Token("end", "", len(self._text))]

    def _unreadable(self, place: int) -> EnvbuildError:
        token = _Token("", self._text[place], place)
        if token.text in "\"'":
            return self._wrong("a quoted text has no end", token, f"Close it with {token.text}")
        hint = "`!=` is `not equal`; what is not to hold has `not` before it" if token.text == "!" else "Quote it"
        return self._wrong(f"`{token.text}` has no meaning here", token, hint)

    def _alternatives(self) -> Expression:
        return self._joined("or", self._conditions, Some)

    def _conditions(self) -> Expression:
        return self._joined("and", self._condition, Every)

    def _joined(
        self, word: str, part: Callable[[], Expression], whole: Callable[[tuple[Expression, ...]], Expression]
    ) -> Expression:
        parts = [part()]
        while self._peek().is_word(word):
            self._take()
            parts.append(part())
        return parts[0] if len(parts) == 1 else whole(tuple(parts))

    def _condition(self) -> Expression:
        token = self._take()
        if token.is_word("not") or (token.kind, token.text) == ("paren", "("):
            return self._nested(token)
        if token.is_word("has") and self._peek().text == "(" and self._peek().kind == "paren":
            opening = self._take()
            name = self._name(self._take())
            self._close(opening)
            return Has(name)
        return self._comparison(token)

    def _nested(self, token: _Token) -> Expression:
        self._depth += 1
        if self._depth > DEEPEST:
            raise self._wrong("the expression is nested too deep", token, None)
        if token.kind == "word":
            found: Expression = Not(self._condition())
        else:
            found = self._alternatives()
            self._close(token)
        self._depth -= 1
        return found

    def _close(self, opening: _Token) -> None:
        token = self._take()
        if (token.kind, token.text) != ("paren", ")"):
            place = opening if token.kind == "end" else token
            raise self._wrong("a parenthesis is not closed" if token.kind == "end" else "`)` is expected", place, None)

    def _comparison(self, token: _Token) -> Expression:
        name = self._name(token)
        sign = self._take()
        if sign.kind != "operator":
            hint = f"Write `{token.text} = VALUE`, or `has({token.text})` for every run that has it"
            raise self._wrong(f"what is asked of `{token.text}`? an operator is expected", sign, hint)
        value = self._take()
        if value.kind != "word":
            raise self._wrong(f"a value is expected behind `{sign.text}`", value, "A text with spaces stands in quotes")
        operator = cast("Operator", "=" if sign.text == "==" else sign.text)
        try:
            return _checked(Comparison(name, operator, value.text), value.quoted)
        except ValueFormError as problem:
            place = sign if problem.of_operator else value
            raise self._wrong(problem.text, place, problem.hint) from problem

    def _name(self, token: _Token) -> str:
        if token.kind != "word" or (not token.quoted and token.text.lower() in _WORDS) or not token.text:
            hint = "A name is that of a metric, or one like `params.lr`, `data.train`, `tags`, `outcome`, `start`"
            raise self._wrong("a name is expected", token, hint)
        if not token.quoted and re.fullmatch(r"[-+]?[0-9.]+(?:e[-+]?[0-9]+)?", token.text):
            raise self._wrong("the name stands before the operator, the value behind it", token, None)
        return full_name(token.text)

    def _peek(self) -> _Token:
        return self._tokens[self._next]

    def _take(self) -> _Token:
        token = self._tokens[self._next]
        self._next = min(self._next + 1, len(self._tokens) - 1)
        return token

    def _wrong(self, why: str, token: _Token, hint: str | None) -> EnvbuildError:
        shown = "".join(" " if character.isspace() else character for character in self._text)
        before = max(0, token.place - 60)
        line = shown[before : token.place + 40]
        pointed = f"{why}\n{line}\n{' ' * (token.place - before)}^"
        return EnvbuildError("the expression cannot be read", pointed, hint)


def _unquoted(word: str) -> str:
    def inner(found: re.Match[str]) -> str:
        return re.sub(r"\\(.)", r"\1", found[1] if found[1] is not None else found[2], flags=re.DOTALL)

    return _QUOTED.sub(inner, word)


def _checked(found: Comparison, quoted: bool) -> Comparison:
    """With what its value amounts to. Raises: ValueFormError."""
    kind = kind_of(found.name)
    if found.operator == "~":
        return found
    if kind == "digest":
        if found.operator not in ("=", "!="):
            raise ValueFormError("digests have no order", "Use `=` or `!=`; the first digits suffice", of_operator=True)
        return Comparison(found.name, found.operator, checked_digest(found.value))
    if kind == "time":
        return Comparison(found.name, found.operator, checked_time(found.value))
    amount = None if quoted and kind == "plain" else amount_of(found.value, kind)
    if amount is None and found.operator not in ("=", "!=") and (kind != "plain" or found.name in _ORDERED):
        examples = {"duration": "`90`, `90s`, `15m`, `2h`", "size": "`512MB`, `2GiB`"}
        raise ValueFormError(f"`{found.value}` is no number", f"Write {examples.get(kind, 'a number')}")
    return Comparison(found.name, found.operator, found.value, amount)


_ORDERED = FIELDS & {"seed", "exit_code"}
"""Fields that are numbers, without a unit."""
