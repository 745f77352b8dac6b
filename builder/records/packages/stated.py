"""What a package says of its own licence: the expression, its own words, and the texts that come with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from builder.oci.digest import Digest
from builder.records.licenses.expression import NOASSERTION

STATED_FORMAT = 1
"""The revision of how it is read; what was kept under another is read anew."""
LONGEST_TEXT = 2 << 20
"""Bytes of a licence text at most; longer ones are left where they are in the package."""
MOST_TEXTS = 200
"""Of one package."""


@dataclass(frozen=True, slots=True)
class LicenseText:
    """A file of a package with the words of a licence, or notices that must go with it."""

    name: str
    """Where it is in the package."""
    digest: Digest
    size: int
    """In bytes."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What one package says."""

    license: str = NOASSERTION
    """An SPDX expression, or `NOASSERTION`."""
    words: str = ""
    """What stands there in its own words, in one line."""
    texts: tuple[LicenseText, ...] = ()
    """Sorted by name."""
    elsewhere: str = ""
    """The Debian package that has its texts too, of which it says nothing itself."""
    source: str = ""
    """Of a Debian package, what it was built of, where that is called otherwise: `glibc`, `gcc-12 12.2.0-14`."""

    def to_value(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "license": self.license,
            "words": self.words,
            "texts": [[text.name, text.digest.hex, text.size] for text in self.texts],
            "elsewhere": self.elsewhere,
            "source": self.source,
        }

    @classmethod
    def from_value(cls, value: Mapping[str, Any]) -> Stated:
        """From JSON data."""
        texts = tuple(LicenseText(name, Digest(digest), size) for name, digest, size in value["texts"])
        return cls(value["license"], value["words"], texts, value["elsewhere"], value["source"])
