"""`environment.yml`, read strictly: what it asks for on each platform, with the lines that it stands on.

Owns the form of the file and its selectors (`# [linux64]`, as conda-lock has them). Whether a specification or a
requirement can be taken is for `sources` to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from builder.lock.conda.channels import SUBDIRS
from builder.lock.conda.yaml_document import YamlRefusedError, compose, line_of, pairs
from builder.oci.documents import Platform

Report = Callable[[int, str, str | None], None]
"""Takes line, message and hint of a problem."""

SELECTORS = {
    Platform("amd64"): frozenset({"linux64", "unix", "linux"}),
    Platform("arm64"): frozenset({"aarch64", "unix", "linux"}),
}
"""Which selectors hold on a platform (conda-lock: `filter_platform_selectors`)."""
_ELSEWHERE = frozenset({"ppc64le", "osx64", "osx", "arm64", "win", "win64"})
_BRACKETS = re.compile(r"\[([^\[\]]+)\]")
_KEYS = ("name", "channels", "dependencies", "platforms", "prefix", "category")
_REFUSED = {
    "variables": ("environment variables are not part of a lock", "set them in the commands of `envbuild.yaml`"),
    "pip-repositories": ("package indexes are named in the spec", "list them under `pypi: indexes:`"),
    "allow-pypi-requests": ("which indexes are asked is said in the spec", "use `pypi: indexes:` with `default: true`"),
}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a list."""

    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the file asks for on one platform."""

    channels: tuple[Entry, ...] = ()
    dependencies: tuple[Entry, ...] = ()
    pip: tuple[Entry, ...] = ()
    platforms: tuple[Entry, ...] = ()
    """The subdirs that the file is for; empty if it does not say."""


@dataclass(frozen=True, slots=True)
class EnvironmentFile:
    """What the file asks for."""

    platforms: Mapping[Platform, Wanted] = field(default_factory=dict)

    @property
    def entries(self) -> list[str]:
        """What the lock keeps of it, to notice a change."""
        found: dict[str, list[Platform]] = {}
        for platform, wanted in self.platforms.items():
            texts = [f"channel {entry.text}" for entry in wanted.channels]
            texts += [entry.text for entry in wanted.dependencies] + [f"pip {entry.text}" for entry in wanted.pip]
            for text in dict.fromkeys(texts):
                found.setdefault(text, []).append(platform)
        everywhere = len(self.platforms)
        return [
            text if len(where) == everywhere else f"{text} # [{SUBDIRS[where[0]]}]" for text, where in found.items()
        ]


def read_environment_file(text: str, report: Report) -> EnvironmentFile:
    """What it asks for on each platform that there is; what cannot be taken is reported."""
    told = set[tuple[int, str]]()

    def once(line: int, message: str, hint: str | None = None) -> None:
        if (line, message) not in told:
            told.add((line, message))
            report(line, message, hint)

    return EnvironmentFile(
        {platform: _wanted("\n".join(_selected(text, platform, once)), once) for platform in SELECTORS}
    )


def _selected(text: str, platform: Platform, report: Report) -> Iterator[str]:
    """The lines that hold on a platform; the others are empty, so that each keeps its number."""
    for number, line in enumerate(text.splitlines(), 1):
        selector = _selector(line)
        if selector is None:
            yield line
            continue
        known = SELECTORS[platform] | _ELSEWHERE | {name for names in SELECTORS.values() for name in names}
        if selector not in known:
            listed = ", ".join(f"`{name}`" for name in sorted(known))
            report(number, f"`[{selector[:40]}]` is not a selector of a platform", f"known are {listed}")
        yield line if selector in SELECTORS[platform] else ""


def _selector(line: str) -> str | None:
    """The last brackets of the comment behind a line's text, with no parentheses after them (conda-lock's rule)."""
    text, _, comment = line.partition("#")
    found = list(_BRACKETS.finditer(comment)) if text.strip() else []
    return found[-1][1] if found and not re.search(r"[()]", comment[found[-1].end() :]) else None


def _wanted(text: str, report: Report) -> Wanted:
    try:
        root = compose(text)
    except YamlRefusedError as error:
        report(error.line, str(error), None)
        return Wanted()
    if root is None or root.id != "mapping":
        report(1, "a mapping with `channels` and `dependencies` is expected", None)
        return Wanted()
    found: dict[str, Any] = {}
    for key, node, line in pairs(root):
        if key in found:
            report(line, f"`{key}` stands twice", None)
        elif key in _REFUSED:
            report(line, f"`{key}`: {_REFUSED[key][0]}", _REFUSED[key][1])
        elif key not in _KEYS:
            report(line, f"the key `{key[:40]}` is not known", f"known are {', '.join(f'`{name}`' for name in _KEYS)}")
        else:
            found[key] = node
    for key in ("channels", "dependencies"):
        if key not in found:
            report(1, f"the key `{key}` is missing", "what a machine has as default is not taken")
    channels = tuple(entry for entry in _texts(found.get("channels"), report) if entry.text != "nodefaults")
    if "channels" in found and not channels:
        report(line_of(found["channels"]), "at least one channel is needed", None)
    dependencies, pip = _dependencies(found.get("dependencies"), report)
    return Wanted(channels, dependencies, pip, tuple(_texts(found.get("platforms"), report)))


def _dependencies(node: Any, report: Report) -> tuple[tuple[Entry, ...], tuple[Entry, ...]]:
    if node is None:
        return (), ()
    if node.id != "sequence":
        report(line_of(node), "a list is expected for `dependencies`", None)
        return (), ()
    conda, pip = list[Entry](), list[Entry]()
    for child in node.value:
        if child.id == "mapping":
            for key, value, line in pairs(child):
                if key != "pip":
                    report(line, f"`{key[:40]}` is not known here; only `pip` can have a list", None)
                elif not _is_null(value):
                    pip += _texts(value, report)
        else:
            conda += _text(child, report)
    return tuple(conda), tuple(pip)


def _texts(node: Any, report: Report) -> list[Entry]:
    if node is None or _is_null(node):
        return []
    if node.id != "sequence":
        report(line_of(node), "a list is expected here", None)
        return []
    return [entry for child in node.value for entry in _text(child, report)]


def _text(node: Any, report: Report) -> list[Entry]:
    text = " ".join(str(node.value).split()) if node.id == "scalar" and not _is_null(node) else ""
    if not text or not text.isprintable() or len(text) > 1000:
        report(line_of(node), "a line of text is expected here", None)
        return []
    return [Entry(text, line_of(node))]


def _is_null(node: Any) -> bool:
    return bool(node.tag == "tag:yaml.org,2002:null")
