"""What `[tool.uv]` of a `pyproject.toml` says about choosing packages: honoured, or refused with what to write."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from builder.fetch.project_name import normalised
from builder.lock.indexes import folder_of
from builder.lock.interface import FileIndex, Line
from builder.lock.sources.options import LOCAL_HINT, check_index_url
from builder.lock.sources.references import Reference, ReferenceRefusedError, reference
from builder.lock.sources.repository import Repository, shown_text
from builder.lock.sources.requirement import read_requirement
from builder.lock.sources.toml_file import TomlFile, strings, table
from builder.spec.environment import PyPI

_OWN_LOCK = "or take the project's own lock: `lockfile: uv.lock`"
_PRE = "ask for pre-releases of the package that needs them, as in `name>=2.0rc1`"
REFUSED: Mapping[str, tuple[tuple[Any, ...], str]] = {
    "dependency-metadata": ((), "leave it out"),
    "exclude-dependencies": ((), "override the dependency with a marker that never holds"),
    "find-links": ((), "serve the folder as an index (PEP 503) and name it under `indexes:` in the spec"),
    "index-strategy": (("first-index",), "name the package under its index: `indexes: [{name, url, packages}]`"),
    "no-binary": ((False,), "leave it out: source is built where there is no wheel"),
    "no-binary-package": ((), "leave it out: source is built where there is no wheel"),
    "no-build": ((False,), "leave it out and run `envbuild lock --no-sdist`"),
    "no-build-package": ((), "leave it out and run `envbuild lock --no-sdist`"),
    "no-index": ((False,), "give the index that stands in place of PyPI `default: true` in the spec"),
    "prerelease": (("disallow", "if-necessary-or-explicit"), _PRE),
    "resolution": (("highest",), "leave it out: the newest versions are taken"),
}
"""Settings that change what is chosen: the values that change nothing, and what to write instead."""
INDEX_SETTINGS = ("index", "index-url", "extra-index-url")
"""Settings that name indexes."""
_LIMITS = {"exclude-newer": "exclude_newer", "exclude-newer-package": "exclude_newer_package"}


@dataclass(frozen=True, slots=True)
class UvSettings:
    """The settings of one file, for a spec that may say the same."""

    repository: Repository
    file: TomlFile
    pypi: PyPI

    @property
    def table(self) -> Mapping[str, Any]:
        """`[tool.uv]`."""
        return table(table(self.file.document.get("tool")).get("uv"))

    def entries(self) -> Iterator[tuple[str, str]]:
        """Constraints and overrides: the option's name with a requirement."""
        for name in ("constraint", "override"):
            for text in strings(self.table.get(f"{name}-dependencies")) or ():
                yield name, text

    def source(self, name: str) -> tuple[str, Any]:
        """What `[tool.uv.sources]` says of a package, with its name as it is written there; None if nothing."""
        sources = {normalised(key): (key, value) for key, value in table(self.table.get("sources")).items()}
        return sources.get(normalised(name), (name, None))

    def check(self) -> None:
        """Report the settings that cannot be honoured."""
        for name, (harmless, hint) in REFUSED.items():
            value = self.table.get(name)
            if value not in (None, [], {}) and value not in harmless:
                self._report(f"`tool.uv.{name}` is not taken", f"{hint}; {_OWN_LOCK}", name)
        for name, field in _LIMITS.items():
            if self.table.get(name) and not getattr(self.pypi, field):
                self._report(f"`tool.uv.{name}` is not taken", f"write `{name}` in the spec; {_OWN_LOCK}", name)

    def lines(self, which: str) -> Iterator[Line]:
        """The constraints or the overrides."""
        key = f"{which}-dependencies"
        texts = strings(self.table.get(key))
        if texts is None:
            self._report("a list of requirements (PEP 508) is expected here", None, key)
        for text in texts or ():
            try:
                found = read_requirement(text)
                if isinstance(found, Reference):
                    raise ReferenceRefusedError(f"it has a URL, which is not taken in `{key}`", "name its version")
                yield Line(" ".join(text.split()), self.file.at(self.repository, "tool", "uv", key, value=text))
            except ReferenceRefusedError as error:
                self._report(f"`{shown_text(text)}`: {error}", error.hint, key, value=text)

    def indexes(self) -> Iterator[FileIndex]:
        """The indexes for all packages; of those that the spec names itself, the one in place of PyPI alone."""
        known = {folder_of(index.url) for index in self.pypi.indexes}
        for entry in self._indexes():
            url, is_default = str(entry.get("url", "")), entry.get("default") is True
            if is_default or (entry.get("explicit") is not True and folder_of(url) not in known):
                yield from self._index(url, "index", is_default)
        if self.table.get("index-url"):
            yield from self._index(str(self.table["index-url"]), "index-url", is_default=True)
        for url in strings(self.table.get("extra-index-url")) or ():
            yield from self._index(url, "extra-index-url", is_default=False)

    def reference(self, name: str, extras: str, marker: str) -> Reference | None:
        """Where `[tool.uv.sources]` says that a package is, or None: on an index. What cannot be taken is reported."""
        written, source = self.source(name)
        entries = source if isinstance(source, list) else [source]
        for entry in map(table, entries):
            try:
                found = self._reference(name, extras, marker, entry, alone=len(entries) == 1)
            except ReferenceRefusedError as error:
                self._report(f"`{name}`: {error}", f"{error.hint}; {_OWN_LOCK}", "sources", written)
                continue
            if found is not None:
                return found
        return None

    def _reference(
        self, name: str, extras: str, marker: str, entry: Mapping[str, Any], alone: bool
    ) -> Reference | None:
        if "index" in entry:
            self._check_index(name, str(entry["index"]))
            return None
        if "path" in entry or "workspace" in entry:
            raise ReferenceRefusedError("a path or a member of the workspace is not taken", LOCAL_HINT)
        if entry and (not alone or entry.get("marker")):
            raise ReferenceRefusedError("one of several sources is not taken", "write the URL with the requirement")
        if "git" in entry:
            revision = str(entry.get("rev") or entry.get("tag") or entry.get("branch") or "")
            url = "git+" + str(entry["git"]).removeprefix("git+") + (f"@{revision}" if revision else "")
            where = f"#subdirectory={entry['subdirectory']}" if entry.get("subdirectory") else ""
            return reference(name, url + where, (), extras, marker)
        if "url" in entry:
            return reference(name, str(entry["url"]), (), extras, marker)
        if entry:
            raise ReferenceRefusedError(f"a source of `{shown_text(next(iter(entry)))}` is not taken", "leave it out")
        return None

    def _check_index(self, name: str, index: str) -> None:
        """Refuse an index for one package, unless the spec has it."""
        url = next((str(entry.get("url", "")) for entry in self._indexes() if entry.get("name") == index), "")
        for known in self.pypi.indexes:
            if folder_of(known.url) == folder_of(url) and normalised(name) in map(normalised, known.packages):
                return
        raise ReferenceRefusedError(
            f"it is to come from the index `{shown_text(index)}`",
            f"write `indexes: [{{name: {shown_text(index)}, url: {shown_text(url) or '…'}, packages: [{name}]}}]` "
            "under `pypi:` in the spec",
        )

    def _indexes(self) -> list[Mapping[str, Any]]:
        entries = self.table.get("index")
        return [table(entry) for entry in entries] if isinstance(entries, list) else []

    def _index(self, url: str, key: str, is_default: bool) -> Iterator[FileIndex]:
        try:
            check_index_url(url)
        except ReferenceRefusedError as error:
            self._report(f"`tool.uv.{key}`: {error}", error.hint, key, value=url)
            return
        yield FileIndex(url, self.file.at(self.repository, "tool", "uv", key, value=url), is_default)

    def _report(self, message: str, hint: str | None, *keys: str, value: str = "") -> None:
        line = self.file.line("tool", "uv", *keys, value=value)
        self.repository.report(self.file.path, line, message, hint)
