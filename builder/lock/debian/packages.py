"""A `Packages` index: what each package of one archive and architecture is and needs (Debian policy 5.3, deb822(5)).

The index is read as a stream and kept in an unnamed temporary file that is mapped into memory; only names and
offsets stay, and a paragraph is parsed when somebody asks for its package. Knows nothing of other indexes.
"""

from __future__ import annotations

import mmap
import re
import tempfile
from collections.abc import Iterable, Iterator, KeysView
from dataclasses import dataclass
from functools import cached_property

from builder.errors import EnvbuildError
from builder.lock.debian.relations import Group, Relation, parse_groups, parse_relations
from builder.lock.debian.version import version_key
from builder.oci.digest import Digest

PARAGRAPH_LIMIT = 1 << 20
"""Bytes of one package's paragraph at most; the largest in Debian have 24 KB."""

_PRIORITIES = {"": 0, "required": 1, "important": 2, "standard": 3, "optional": 4}
_EXTRA = 5

_PATH = re.compile(r"pool(?:/[A-Za-z0-9][A-Za-z0-9+.~_-]*)+\.deb")

_MENTIONS = (
    "Package", "Pre-Depends", "Depends", "Conflicts", "Breaks", "Recommends", "Suggests", "Replaces", "Enhances",
    "Provides",
)  # fmt: skip
_FIELD_END = re.compile(rb"\n(?![ \t])")
_PROVIDED = re.compile(rb"(?:^|,)\s*([A-Za-z0-9][A-Za-z0-9+.-]*)")


@dataclass(frozen=True, slots=True)
class Location:
    """Where in its archive a package is, and which bytes it must have."""

    path: str
    """Relative to the archive's root; begins with `pool/`."""
    size: int
    """In bytes."""
    digest: Digest


@dataclass(frozen=True, eq=False)
class BinaryPackage:
    """One version of one package, as its paragraph says it. Fields are read when they are asked for."""

    name: str
    version: str
    architecture: str
    """Of the index, or `all`."""
    fields: dict[str, str]
    """The paragraph."""

    @cached_property
    def requirements(self) -> tuple[Group, ...]:
        """Pre-Depends, then Depends."""
        return self._groups("Pre-Depends") + self._groups("Depends")

    @cached_property
    def suggestions(self) -> tuple[Group, ...]:
        """Recommends, then Suggests: never installed, but a reason to stay."""
        return self._groups("Recommends") + self._groups("Suggests")

    @cached_property
    def conflicts(self) -> tuple[Relation, ...]:
        """Conflicts, then Breaks: none may be there with it."""
        return self._relations("Conflicts") + self._relations("Breaks")

    @cached_property
    def provides(self) -> tuple[Relation, ...]:
        """Names that it stands for, with a version or without."""
        return self._relations("Provides")

    @property
    def multi_arch(self) -> str:
        """`no`, `same`, `foreign` or `allowed`."""
        return self.fields.get("Multi-Arch", "no")

    @property
    def is_essential(self) -> bool:
        """Whether a system that has it cannot do without."""
        return "yes" in (self.fields.get("Essential"), self.fields.get("Important"), self.fields.get("Protected"))

    @property
    def rank(self) -> tuple[bool, bool, int]:
        """Sorts packages that provide the same as apt does: essential ones, protected ones, then by priority."""
        protected = "yes" in (self.fields.get("Important"), self.fields.get("Protected"))
        priority = _PRIORITIES.get(self.fields.get("Priority", ""), _EXTRA)
        return self.fields.get("Essential") != "yes", not protected, priority

    def answers(self, relation: Relation, architecture: str) -> bool:
        """Whether it satisfies `relation` on `architecture`, as itself or by what it provides."""
        if self.name == relation.name and self._is_open_to(relation, architecture) and relation.accepts(self.version):
            return True
        return any(
            provided.name == relation.name
            and self._provides_to(provided, relation, architecture)
            and relation.accepts(provided.version)
            for provided in self.provides
        )

    def location(self) -> Location:
        """Where its file is.

        Raises: EnvbuildError, if a field is missing, or the path leads anywhere but into the archive's pool.
        """
        path, size, sha256 = (self.fields.get(field, "") for field in ("Filename", "Size", "SHA256"))
        if not _PATH.fullmatch(path) or len(path) > 1024:
            raise self._malformed(f"its Filename `{path[:80]}` is not a path in the archive's pool")
        if not (size.isascii() and size.isdigit() and len(size) < 15):
            raise self._malformed(f"its Size `{size[:80]}` is not a number of bytes")
        if not sha256:
            raise self._malformed("it has no SHA256")
        return Location(path, int(size), Digest(sha256))

    def _is_open_to(self, relation: Relation, architecture: str) -> bool:
        if relation.qualifier == "any":
            return self.multi_arch == "allowed"
        return relation.qualifier in (None, "native", architecture)

    def _provides_to(self, provided: Relation, relation: Relation, architecture: str) -> bool:
        if relation.qualifier == "any":
            return provided.qualifier == "any" or (provided.qualifier is None and self.multi_arch == "allowed")
        return provided.qualifier in (None, architecture) and relation.qualifier in (None, "native", architecture)

    def _groups(self, field: str) -> tuple[Group, ...]:
        try:
            return parse_groups(self.fields.get(field, ""))
        except EnvbuildError as error:
            raise self._malformed(f"in its field {field}: {error.what}") from error

    def _relations(self, field: str) -> tuple[Relation, ...]:
        try:
            return parse_relations(self.fields.get(field, ""))
        except EnvbuildError as error:
            raise self._malformed(f"in its field {field}: {error.what}") from error

    def _malformed(self, why: str) -> EnvbuildError:
        return EnvbuildError(f"The archive's entry for the Debian package `{self.name}` is malformed", why)


class PackagesIndex:
    """The packages of one index."""

    def __init__(self, chunks: Iterable[bytes], what: str, architecture: str) -> None:
        """Read an uncompressed index; `what` is its name in messages, `architecture` the only one it may hold.

        Raises: EnvbuildError, if it is malformed.
        """
        self._what = what
        self._architecture = architecture
        self._offsets: dict[str, list[int]] = {}
        self._providers: dict[str, list[str]] = {}
        with tempfile.TemporaryFile() as file:
            offset = 0
            for paragraphs in _split(chunks, what):
                file.write(paragraphs + b"\n\n")
                offset = self._take(paragraphs, offset)
            file.flush()
            self._text = mmap.mmap(file.fileno(), offset, access=mmap.ACCESS_READ) if offset else b""

    @property
    def names(self) -> KeysView[str]:
        """Of all packages, in the order of the index."""
        return self._offsets.keys()

    def newest(self, name: str) -> BinaryPackage | None:
        """The highest version of `name`."""
        found = [self._package(name, offset) for offset in self._offsets.get(name, ())]
        return max(found, key=lambda package: version_key(package.version), default=None)

    def providers(self, name: str) -> Iterable[str]:
        """The names of packages of which some version provides `name`."""
        return self._providers.get(name, ())

    def first_mention(self, name: str) -> tuple[int, int, int] | None:
        """Where `name` stands first: the paragraph's offset, the field's place in apt's order, the place in it."""
        own = min(self._offsets.get(name, [len(self._text)]))
        whole = re.compile(rf"(?<![A-Za-z0-9+.-]){re.escape(name)}(?![A-Za-z0-9+.:-])")
        word, position = re.compile(re.escape(name.encode())), 0
        while found := word.search(self._text, position, own):
            before = self._text.rfind(b"\n\n", 0, found.start())
            offset = before + 2 if before >= 0 else 0
            end = self._text.find(b"\n\n", offset)
            fields = _fields(self._text[offset:end])
            for rank, field in enumerate(_MENTIONS):
                if match := whole.search(fields.get(field, "")):
                    return offset, rank, match.start()
            position = end
        return (own, 0, 0) if name in self._offsets else None

    def _take(self, paragraphs: bytes, offset: int) -> int:
        """Index some paragraphs that begin at `offset`, and return where the next begins."""
        for paragraph in paragraphs.split(b"\n\n"):
            end = paragraph.find(b"\n")
            if end < 0 or not paragraph.startswith(b"Package: "):
                raise EnvbuildError(f"{self._what} is malformed", f"an entry without a package at byte {offset}")
            name = paragraph[9:end].decode("ascii", "replace").strip()
            self._offsets.setdefault(name, []).append(offset)
            start = paragraph.find(b"\nProvides:")
            if start >= 0:
                for provided in _PROVIDED.findall(_field(paragraph, start + 10)):
                    self._providers.setdefault(provided.decode(), []).append(name)
            offset += len(paragraph) + 2
        return offset

    def _package(self, name: str, offset: int) -> BinaryPackage:
        end = self._text.find(b"\n\n", offset)
        fields = _fields(self._text[offset:end])
        version, architecture = fields.get("Version", ""), fields.get("Architecture", "")
        version_key(version)
        if architecture not in (self._architecture, "all"):
            raise EnvbuildError(
                f"{self._what} is malformed", f"`{name}` is for `{architecture[:40]}`, not `{self._architecture}`"
            )
        return BinaryPackage(name, version, architecture, fields)


def _split(chunks: Iterable[bytes], what: str) -> Iterator[bytes]:
    """Whole paragraphs, many at a time, without the blank line after the last."""
    rest = b""
    for chunk in chunks:
        rest += chunk
        cut = rest.rfind(b"\n\n")
        if cut >= 0:
            yield rest[:cut].lstrip(b"\n")
            rest = rest[cut + 2 :]
        if len(rest) > PARAGRAPH_LIMIT:
            raise EnvbuildError(f"{what} is malformed", f"an entry is longer than {PARAGRAPH_LIMIT} bytes")
    if rest := rest.strip(b"\n"):
        yield rest


def _fields(paragraph: bytes) -> dict[str, str]:
    """The fields of a paragraph; continued lines are joined, and of a field that is repeated the first counts."""
    fields: dict[str, str] = {}
    for line in re.split(r"\n(?![ \t])", paragraph.decode("utf-8", "replace")):
        name, _, value = line.partition(":")
        fields.setdefault(name, value.strip())
    return fields


def _field(paragraph: bytes, start: int) -> bytes:
    """The value that begins at `start`, with its continued lines."""
    end = _FIELD_END.search(paragraph, start)
    return paragraph[start : end.start() if end else len(paragraph)]
