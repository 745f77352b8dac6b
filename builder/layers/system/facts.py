"""What is known of a deb once it was opened: all that the files made in place of its maintainer scripts depend on.

Owns the documents that a caller keeps beside a cached segment, so that a deb need not be opened again. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from builder.layers.system.elf import SharedObject

FACTS_FORMAT = 1
"""The revision of what is captured. Facts of another revision are not read: open the deb again."""

_CAPTURED = re.compile(
    r"""
    etc/ld\.so\.conf(\.d/[^/]+\.conf)?
    | usr/share/ca-certificates/.+\.crt
    | usr/share/base-passwd/(passwd|group)\.master
    | usr/share/base-files/[a-z.]+
    | usr/share/libc-bin/nsswitch\.conf
    | usr/share/debianutils/(shells|shells\.d/[^/]+)
    | usr/share/readline/inputrc
    | usr/share/pam/common-[a-z-]+
    | usr/lib/sysusers\.d/[^/]+\.conf
    | usr/share/(glib-2\.0/schemas|mime/packages)/[^/]+\.xml
    """,
    re.VERBOSE,
)
_LARGEST_CAPTURED = 1 << 20
_LISTED = re.compile(r"usr/s?bin/[^/]+")
_LINKS = re.compile(r"[^/]+|usr/[^/]+|(etc|usr)/[^/]+/[^/]+|usr/lib[^/]*/.*|.*\.so[^/]*")


@dataclass(frozen=True, slots=True)
class Library:
    """A shared library and where it lies."""

    path: str
    object: SharedObject


@dataclass(frozen=True, slots=True)
class DebFacts:
    """Of one deb. Paths are as in the image: relative, with `/usr` merged."""

    paragraph: str
    """The control file: one paragraph of `Field: value` lines."""
    md5sums: str
    conffiles: str
    scripts: tuple[tuple[str, str], ...]
    """`preinst` and `postinst` by name, with their text."""
    libraries: tuple[Library, ...]
    """Every file that ldconfig would take for a shared library if it came by it."""
    links: tuple[tuple[str, str], ...]
    """Symbolic links near the root and among libraries, with their targets as written."""
    listed: tuple[str, ...]
    """The programs, and the paths that are named in the scripts."""
    files: tuple[tuple[str, bytes], ...]
    """The content of the small files that scripts work on, certificates among them."""

    @property
    def name(self) -> str:
        """The package's name."""
        return self.field("Package")

    @property
    def version(self) -> str:
        """The version, epoch included."""
        return self.field("Version")

    @property
    def architecture(self) -> str:
        """`amd64`, `arm64`, `all`."""
        return self.field("Architecture")

    def field(self, name: str) -> str:
        """A field of the control paragraph; continuation lines keep their form. Empty if there is none."""
        return parse_paragraph(self.paragraph).get(name.lower(), "")

    def to_dict(self) -> dict[str, Any]:
        """The facts as a JSON document."""
        return {
            "format": FACTS_FORMAT,
            "paragraph": self.paragraph,
            "md5sums": self.md5sums,
            "conffiles": self.conffiles,
            "scripts": [list(script) for script in self.scripts],
            "libraries": [
                [
                    library.path,
                    library.object.bits,
                    library.object.machine,
                    library.object.soname,
                    library.object.isa_level,
                ]
                for library in self.libraries
            ],
            "links": [list(link) for link in self.links],
            "listed": list(self.listed),
            "files": [[path, data.decode("latin-1")] for path, data in self.files],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> DebFacts | None:
        """The facts that `to_dict` wrote, or None if they are of another revision."""
        if document.get("format") != FACTS_FORMAT:
            return None
        return cls(
            paragraph=document["paragraph"],
            md5sums=document["md5sums"],
            conffiles=document["conffiles"],
            scripts=tuple((name, text) for name, text in document["scripts"]),
            libraries=tuple(Library(path, SharedObject(*fields)) for path, *fields in document["libraries"]),
            links=tuple((path, target) for path, target in document["links"]),
            listed=tuple(document["listed"]),
            files=tuple((path, data.encode("latin-1")) for path, data in document["files"]),
        )


def is_captured(path: str, size: int) -> bool:
    """Whether the content of the file `path` belongs to the facts."""
    return size <= _LARGEST_CAPTURED and _CAPTURED.fullmatch(path) is not None


def is_library_name(path: str) -> bool:
    """Whether the file `path` may be a shared library."""
    return ".so" in path[path.rfind("/") + 1 :]


def is_listed(path: str, scripts: str) -> bool:
    """Whether the existence of `path` may matter to `scripts`."""
    return _LISTED.fullmatch(path) is not None or "/" + path in scripts or "/" + path.removeprefix("usr/") in scripts


def is_kept_link(path: str) -> bool:
    """Whether the symbolic link `path` belongs to the facts."""
    return _LINKS.fullmatch(path) is not None


def parse_paragraph(text: str) -> dict[str, str]:
    """The fields of a control paragraph by lower-case name (deb822(5))."""
    fields: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line[:1] in (" ", "\t") and name:
            fields[name] += "\n" + line
        elif ":" in line:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields
