"""Strict reading of YAML into declared documents: all problems together, each with file, line, key and a hint."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from builder.errors import EnvbuildError
from builder.spec.fields import Form, Key, alternatives, keys, kind
from builder.spec.yaml_events import NestsTooDeepError, yaml_events, yaml_loader

T = TypeVar("T")

_NODE_LIMIT = 50_000
_DEPTH_LIMIT = 50
_SIZE_LIMIT = 1 << 20
_EXPONENT = r"[-+]?[0-9]+(\.[0-9]+)?[eE][-+]?[0-9]{1,4}"
"""A number as JSON writes it, and YAML 1.1 takes for a text."""
_NULL = "tag:yaml.org,2002:null"
_WORDS = {"scalar": "a single value", "sequence": "a list", "mapping": "a mapping of keys to values"}


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a document."""

    file: str
    line: int
    """From 1."""
    key: str
    """The way to it, as in `environment.pypi.requirements[2]`; empty for the whole."""
    message: str
    hint: str | None = None

    def __str__(self) -> str:
        """`file:line: key: message (hint)`."""
        place = f"{self.file}:{self.line}: " + (f"`{self.key}`: " if self.key else "")
        return place + self.message + (f" ({self.hint})" if self.hint else "")


class SpecError(EnvbuildError):
    """A document that cannot be taken, with every reason."""

    def __init__(self, file: str, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.file, problem.line)))
        count = len(self.problems)
        super().__init__(f"`{file}` has {count} problem{'s' if count > 1 else ''}", tuple(map(str, self.problems)))


@dataclass(slots=True)
class Reader:
    """Reads one document and collects what is wrong with it."""

    file: str
    """As it is to be shown."""
    folder: Path
    """What paths in the document are relative to."""
    problems: list[Problem] = field(default_factory=list)
    lines: dict[str, int] = field(default_factory=dict)
    """The line of each key that was read."""
    _nodes: int = 0

    def read(self, data: bytes, document: type[T]) -> T | None:
        """The document in `data`, or None where `problems` says why not."""
        root = self._compose(data)
        if root is None:
            return None
        value = self._value(root, document, "", None, 0)
        return value if isinstance(value, document) and not self.problems else None

    def read_plain(self, data: bytes) -> Any:
        """Whatever is in `data`, as JSON data; None where `problems` says why not."""
        root = self._compose(data)
        value = None if root is None else self._value(root, Any, "", None, 0)
        return None if self.problems else value

    def report(self, key: str, message: str, hint: str | None = None) -> None:
        """Add a problem of a key that was read."""
        self.problems.append(Problem(self.file, self._line(key), _shown(key), message, hint))

    def _line(self, key: str) -> int:
        while key and key not in self.lines:
            key = key[: max(key.rfind("."), key.rfind("["), 0)]
        return self.lines.get(key, 1)

    def _compose(self, data: bytes) -> Any:
        import yaml

        if len(data) > _SIZE_LIMIT:
            self.problems.append(Problem(self.file, 1, "", f"it is larger than {_SIZE_LIMIT} bytes"))
            return None
        try:
            text = data.decode("utf-8-sig")
            for _ in yaml_events(text, _DEPTH_LIMIT):
                pass
            node = yaml.compose(text, Loader=yaml_loader())
        except NestsTooDeepError as error:
            self.problems.append(Problem(self.file, 1, "", str(error)))
            return None
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            mark = getattr(error, "problem_mark", None)
            message = getattr(error, "problem", None) or getattr(error, "reason", None) or "it cannot be read"
            self.problems.append(Problem(self.file, mark.line + 1 if mark else 1, "", f"this is not YAML: {message}"))
            return None
        if node is None:
            self.problems.append(Problem(self.file, 1, "", "it is empty"))
        return node

    def _value(self, node: Any, declared: Any, path: str, key: Key | None, depth: int) -> Any:
        self.lines.setdefault(path, node.start_mark.line + 1)
        self._nodes += 1
        if self._nodes > _NODE_LIMIT or depth > _DEPTH_LIMIT:
            if self._nodes <= _NODE_LIMIT + 1:
                self.report(path, "the document nests or repeats too much")
            self._nodes = _NODE_LIMIT + 2
            return None
        if declared is Any:
            return self._plain(node, path, depth)
        if node.tag == _NULL:
            self.report(path, "it has no value", "give it one, or leave it out")
            return None
        members = {kind(member): member for member in alternatives(declared)}
        member = members.get(node.id)
        if member is None:
            expected = " or ".join(_WORDS[name] for name in members)
            self.report(path, f"{expected} is expected here, not {_WORDS[node.id]}")
            return None
        if member is Any:
            return self._plain(node, path, depth)
        if dataclasses.is_dataclass(member):
            return self._document(node, typing.cast("type", member), path, depth)
        if node.id == "mapping":
            return self._mapping(node, typing.get_args(member)[1], path, key, depth)
        if node.id == "sequence":
            element = typing.get_args(member)[0]
            return tuple(
                self._value(child, element, f"{path}[{number}]", key, depth + 1)
                for number, child in enumerate(node.value)
            )
        return self._scalar(node, member, path, key)

    def _document(self, node: Any, document: type, path: str, depth: int) -> Any:
        declared = keys(document)
        values: dict[str, Any] = {}
        given = set()
        for name, child in self._pairs(node, path):
            given.add(name)
            place = f"{path}.{name}" if path else name
            if name not in declared:
                self.lines[place] = child.start_mark.line + 1
                self.report(place, "this key is not known", nearest(name, declared))
            else:
                value = self._value(child, declared[name].type, place, declared[name], depth + 1)
                if value is not None:
                    values[declared[name].field] = value
        for name, key in declared.items():
            if key.required:
                values.setdefault(key.field, None)
                if name not in given:
                    self.report(path, f"the key `{name}` is missing", key.doc)
        one_of = getattr(document, "ONE_OF", ())
        if one_of and given.isdisjoint(one_of):
            first = declared[one_of[0]]
            others = " or ".join(f"`{name}`" for name in one_of[1:])
            self.report(path, f"the key `{first.name}` is missing, or else {others}", first.doc)
        value = document(**values)  # what could not be read stands at None: all else is checked all the same
        unread = {declared[name].field for name in given & declared.keys()} - values.keys()
        for name, message, hint in value.problems() if hasattr(value, "problems") else ():
            if name not in unread:  # what is wrong with that key has been said
                self.report(f"{path}.{name}".strip("."), message, hint)
        return value

    def _mapping(self, node: Any, element: Any, path: str, key: Key | None, depth: int) -> Mapping[str, Any]:
        result = {}
        for name, child in self._pairs(node, path):
            place = f"{path}.{name}"
            if key and key.key_form:
                self.lines[place] = child.start_mark.line + 1
                self._check(name, key.key_form, place, "the name ")
            value = self._value(child, element, place, key, depth + 1)
            if value is not None or element is Any:
                result[name] = value
        return result

    def _pairs(self, node: Any, path: str) -> Iterable[tuple[str, Any]]:
        seen = set()
        for key, child in node.value:
            name = str(key.value) if key.id == "scalar" else ""
            place = f"{path}.{name}" if path else name
            if key.id != "scalar":
                self.lines[path] = key.start_mark.line + 1
                self.report(path, f"a key is a single value, not {_WORDS[key.id]}")
                continue
            if name in seen:
                self.lines[place] = key.start_mark.line + 1
                self.report(place, "this key stands twice")
            seen.add(name)
            yield name, child

    def _plain(self, node: Any, path: str, depth: int) -> Any:
        """Any value, as JSON data; a date as its text."""
        if node.id == "mapping":
            pairs = self._pairs(node, path)
            return {name: self._value(child, Any, f"{path}.{name}", None, depth + 1) for name, child in pairs}
        if node.id == "sequence":
            each = enumerate(node.value)
            return [self._value(child, Any, f"{path}[{number}]", None, depth + 1) for number, child in each]
        if node.tag == _NULL:
            return None
        tag = node.tag.removeprefix("tag:yaml.org,2002:")
        if tag == "str" and not node.style and re.fullmatch(_EXPONENT, node.value):
            return _finite_or_text(node.value)
        declared = {"bool": bool, "int": int, "float": float}.get(tag, str)
        return self._scalar(node, declared, path, None)

    def _scalar(self, node: Any, declared: Any, path: str, key: Key | None) -> Any:
        text = str(node.value)
        if typing.get_origin(declared) is typing.Literal:
            choices = typing.get_args(declared)
            if text not in choices:
                listed = ", ".join(f"`{choice}`" for choice in choices)
                self.report(path, f"`{_shown(text)}` is not one of {listed}", _close(text, choices))
            return text
        if declared is bool:
            return self._typed(node, path, "bool", "`true` or `false`", lambda: text.lower() in ("true", "yes", "on"))
        if declared is int:
            return self._typed(node, path, "int", "a whole number", lambda: int(text.replace("_", ""), 0))
        if declared is float:
            return self._typed(node, path, "float int", "a finite number", lambda: _finite(text))
        if key and key.form:
            self._check(text, key.form, path)
        return text

    def _typed(self, node: Any, path: str, tags: str, expected: str, convert: Any) -> Any:
        try:
            if node.tag.removeprefix("tag:yaml.org,2002:") not in tags.split():
                raise ValueError
            return convert()
        except ValueError:
            self.report(path, f"`{_shown(node.value)}` is not {expected}")
            return None

    def _check(self, text: str, form: Form, path: str, subject: str = "") -> None:
        shown = f"{subject}`{_shown(text)}`" if not form.confidential else "it"
        if not re.fullmatch(form.pattern, text):
            self.report(path, f"{shown} is not {form.description}")
            return
        try:
            if form.check:
                form.check(text)
            missing = form.missing_file(self.folder, text) if form.missing_file else None
            if missing:
                self.report(path, missing)
        except (ValueError, EnvbuildError) as error:
            self.report(path, f"{shown} is not {form.description}: {error}")
        except OSError as error:
            self.report(path, f"{shown} cannot be looked at: {error.strerror}")


def _finite(text: str) -> float:
    value = float(text.replace("_", ""))
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _finite_or_text(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _shown(text: str) -> str:
    """A text of the document, fit for one line of a message."""
    return " ".join(text[:200].splitlines()) + ("…" if len(text) > 200 else "")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """A hint for a name that is not among `known`."""
    names = list(known)
    hint = _close(name, names)
    if hint:
        return hint
    return "known are " + ", ".join(f"`{text}`" for text in names) if len(names) <= 12 else None


def _close(name: str, known: Iterable[str]) -> str | None:
    known = list(known)
    letters = [text for text in known if sorted(text) == sorted(name)]
    close = letters or difflib.get_close_matches(name, known, 1)
    return f"did you mean `{close[0]}`?" if close else None
