"""Artifacts that have to be encoded anew: debs, conda packages, the archive of an interpreter.

Each is unpacked once; what it holds, and its segment, are kept in the store.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.image.kept import contents_from_value, contents_to_value, kept_value
from builder.image.locked_file import using
from builder.layers.archive import open_archive
from builder.layers.conda import open_conda
from builder.layers.deb import DebPackage, open_deb
from builder.layers.interface import Contents
from builder.layers.join import Segment, write_segment
from builder.layers.system import FACTS_FORMAT, DebFacts
from builder.layers.unpacked import UnpackedPackage
from builder.layers.wheel_layout import WheelTarget
from builder.lock.artifact import Archive, CondaPackage, DebianPackage
from builder.lock.document import Interpreter
from builder.oci.canonical import canonical_json
from builder.oci.digest import Digest
from builder.oci.store import Store

Encoded = DebianPackage | Archive | CondaPackage


@dataclass(frozen=True, slots=True)
class Unpacked:
    """What is known of an artifact once it was unpacked."""

    contents: Contents
    segment: Segment
    """With all its paths."""
    facts: DebFacts | None
    """Of a deb: what the system files are made from."""

    def to_value(self) -> Any:
        """As JSON data."""
        return {
            "contents": contents_to_value(self.contents),
            "segment": [str(self.segment.digest), self.segment.size],
            **({"facts": self.facts.to_dict()} if self.facts else {}),
        }

    @classmethod
    def from_value(cls, value: Any) -> Unpacked:
        """From JSON data, with facts of this revision."""
        facts = DebFacts.from_dict(value["facts"]) if "facts" in value else None
        if facts is None and "facts" in value:  # the record's key names the revision
            raise ValueError("facts of another revision under the key of this one")
        digest, size = value["segment"]
        return cls(contents_from_value(value["contents"]), Segment(Digest.parse(digest), size), facts)


@dataclass(frozen=True, slots=True)
class Unpacker:
    """Unpacks artifacts of one environment."""

    store: Store
    paths: Mapping[Digest, Path]
    """Where the fetched files are."""
    interpreter: Interpreter
    target: WheelTarget

    def unpack(self, artifact: Encoded) -> Any:
        """What it holds, as JSON data: one pass gives the listing, the segment and, of a deb, its facts."""

        def make() -> Any:
            with using(self.store, artifact), self._open(artifact) as package:
                segment = write_segment(self.store, package)
                facts = package.facts if isinstance(package, DebPackage) else None
                return Unpacked(package.contents(), segment, facts).to_value()

        kind, key = self._key(artifact)
        return kept_value(self.store, kind, key, make)

    def part(self, artifact: Encoded, unpacked: Unpacked, left_out: Collection[str]) -> Segment:
        """Its part of a layer, without the paths `left_out`."""
        if left_out or not self.store.has(unpacked.segment.digest, unpacked.segment.size):
            with using(self.store, artifact), self._open(artifact) as package:
                return write_segment(self.store, package, left_out)
        return unpacked.segment

    def _open(self, artifact: Encoded) -> UnpackedPackage:
        path, scratch = self.paths[artifact.digest], self.store.temporary
        if isinstance(artifact, DebianPackage):
            return open_deb(path, scratch)
        if isinstance(artifact, Archive):
            return open_archive(path, self.interpreter.path, scratch)
        return open_conda(path, artifact, self.target, scratch)

    def key_name(self, artifact: Encoded) -> str:
        """Names everything that the segment depends on."""
        return hashlib.sha256(canonical_json(list(self._key(artifact)))).hexdigest()

    def _key(self, artifact: Encoded) -> tuple[str, dict[str, Any]]:
        """The kind of record, and everything that the segment depends on."""
        if isinstance(artifact, DebianPackage):
            return "debs", {"deb": artifact.digest.hex, "facts": FACTS_FORMAT}
        if isinstance(artifact, Archive):
            return "archives", {"archive": artifact.digest.hex, "interpreter": self.interpreter.path}
        return "conda", {
            "conda": artifact.digest.hex,
            "record": [artifact.url, artifact.channel, artifact.md5, artifact.size, *artifact.depends],
            "prefix": self.target.prefix,
            "python": self.interpreter.minor if artifact.subdir == "noarch" else None,
        }


def owner_name(artifact: Encoded) -> str:
    """What to call it among the packages of an image, where it is the only one of this name."""
    return artifact.name if isinstance(artifact, DebianPackage) else artifact.file_name
