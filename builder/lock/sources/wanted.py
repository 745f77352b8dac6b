"""What a `pyproject.toml` asks for, with extras (PEP 621) and dependency groups (PEP 735) chosen; unread texts. Pure.

Nothing heavy is imported: `lock --check` reads as much as this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from builder.fetch.project_name import normalised
from builder.lock.sources.toml_file import strings, table
from builder.spec.reader import nearest

_SELF = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*\[([^\]]*)\]\s*(?:;(.*))?", re.DOTALL)
_STEPS = 5_000
"""Lists that are read, one included in another counted each time."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One requirement as it is written."""

    text: str
    keys: tuple[str, ...]
    """Where it stands."""
    markers: tuple[str, ...] = ()
    """Of the references to its extra."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with what was asked for, or with the file."""

    message: str
    hint: str | None = None
    keys: tuple[str, ...] = ()
    """Where in the file; empty if the spec is at fault."""
    value: str = ""
    spec_key: str = ""


@dataclass(slots=True)
class Wanted:
    """Collects what is wanted of a document."""

    document: Mapping[str, Any]
    faults: list[Fault] = field(default_factory=list)
    _steps: int = 0

    def entries(self, extras: tuple[str, ...], groups: tuple[str, ...]) -> tuple[Entry, ...]:
        """The requirements of the project, of these of its extras and of its groups; each once."""
        found = list(self._list(("project", "dependencies"), (), ()))
        for number, name in enumerate(extras):
            keys = ("project", "optional-dependencies")
            if self._known(name, self.extras(), "extra", f"pypi.extras[{number}]"):
                found += self._list((*keys, self.extras()[normalised(name)]), (), (normalised(name),))
        for number, name in enumerate(groups):
            if self._known(name, self.groups(), "dependency group", f"pypi.groups[{number}]"):
                found += self._group(normalised(name), ())
        return tuple(dict.fromkeys(found))

    def extras(self) -> dict[str, str]:
        """The extras, as they are written, by their normalised names."""
        return {normalised(name): name for name in table(self._project.get("optional-dependencies"))}

    def groups(self) -> dict[str, str]:
        """The dependency groups; the same. uv's `dev-dependencies` are the group `dev`."""
        found = {normalised(name): name for name in table(self.document.get("dependency-groups"))}
        return {"dev": "dev", **found} if "dev-dependencies" in self._uv else found

    @property
    def _project(self) -> Mapping[str, Any]:
        return table(self.document.get("project"))

    @property
    def _uv(self) -> Mapping[str, Any]:
        return table(table(self.document.get("tool")).get("uv"))

    def _may_go_on(self, keys: tuple[str, ...]) -> bool:
        self._steps += 1
        if self._steps == _STEPS:
            self.faults.append(Fault("lists include each other too often", keys=keys))
        return self._steps < _STEPS

    def _known(self, name: str, known: Mapping[str, str], what: str, spec_key: str) -> bool:
        if normalised(name) in known:
            return True
        hint = nearest(name, known.values()) if known else f"it has no {what} at all"
        self.faults.append(Fault(f"the file has no {what} `{name}`", hint, spec_key=spec_key))
        return False

    def _list(self, keys: tuple[str, ...], markers: tuple[str, ...], above: tuple[str, ...]) -> Iterator[Entry]:
        """The requirements of a list; in place of the project's own extras what they stand for."""
        if not self._may_go_on(keys):
            return
        value: Any = self.document
        for key in keys:
            value = table(value).get(key)
        texts = strings(value)
        if texts is None:
            self.faults.append(Fault("a list of requirements (PEP 508) is expected here", keys=keys))
        for text in texts or ():
            own = self._own_extras(text)
            if own is None:
                yield Entry(text, keys, markers)
                continue
            names, marker = own
            yield from self._extras(text, keys, names, (*markers, marker) if marker else markers, above)

    def _extras(
        self, text: str, keys: tuple[str, ...], names: list[str], markers: tuple[str, ...], above: tuple[str, ...]
    ) -> Iterator[Entry]:
        known = self.extras()
        for name in names:
            if name not in known:
                hint = nearest(name, known.values()) if known else "it has no extra at all"
                self.faults.append(Fault(f"the project has no extra `{name}`", hint, keys, text))
            elif name in above:
                self.faults.append(Fault(f"the extra `{name}` includes itself", "leave it out", keys, text))
            else:
                yield from self._list(("project", "optional-dependencies", known[name]), markers, (*above, name))

    def _own_extras(self, text: str) -> tuple[list[str], str] | None:
        """The extras and the marker of a reference to the project itself."""
        match, name = _SELF.fullmatch(text), self._project.get("name")
        if match is None or not isinstance(name, str) or normalised(match[1]) != normalised(name):
            return None
        return [normalised(extra.strip()) for extra in match[2].split(",") if extra.strip()], (match[3] or "").strip()

    def _group(self, name: str, above: tuple[str, ...]) -> Iterator[Entry]:
        """The requirements of a group and of those that it includes."""
        if not self._may_go_on(("dependency-groups",)):
            return
        known = self.groups()
        spelled = known[name]
        members = table(self.document.get("dependency-groups")).get(spelled, [])
        if name == "dev" and not above:
            yield from self._list(("tool", "uv", "dev-dependencies"), (), ())
        keys = ("dependency-groups", spelled)
        if not isinstance(members, list):
            self.faults.append(Fault("a list of requirements and `{include-group = …}` is expected here", keys=keys))
            return
        for member in members:
            if isinstance(member, str):
                own = self._own_extras(member)
                yield from (
                    self._extras(member, keys, own[0], (own[1],) if own[1] else (), ())
                    if own
                    else [Entry(member, keys)]
                )
            elif not isinstance(member, dict) or list(member) != ["include-group"]:
                self.faults.append(Fault("a requirement or `{include-group = …}` is expected here", keys=keys))
            else:
                yield from self._included(str(member["include-group"]), keys, (*above, name))

    def _included(self, written: str, keys: tuple[str, ...], above: tuple[str, ...]) -> Iterator[Entry]:
        name, known = normalised(written), self.groups()
        if name not in known:
            hint = nearest(written, known.values())
            self.faults.append(Fault(f"there is no dependency group `{written}`", hint, keys, written))
        elif name in above:
            way = " → ".join((*above[-5:], name))
            self.faults.append(Fault(f"dependency groups include each other: {way}", "leave one out", keys, written))
        else:
            yield from self._group(name, above)
