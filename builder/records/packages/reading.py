"""Reading what packages say of their licences out of their files: debs, wheels, conda packages, interpreters.

Nothing that is read is run or unpacked; texts are given as bytes, bounded in number and length.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from builder.errors import one_line
from builder.layers.archive import read_archive_files
from builder.layers.conda_archive import read_info_files
from builder.layers.deb_archive import DebArchive
from builder.layers.system.facts import parse_paragraph
from builder.layers.tar_headers import FILE, SYMBOLIC_LINK
from builder.layers.zip_reader import Entry, ZipReader
from builder.lock.artifact import Archive, CondaPackage, DebianPackage, Wheel
from builder.lock.pypi.metadata import METADATA_LIMIT, fields
from builder.oci.canonical import parse_json
from builder.records.licenses.debian_copyright import copyright_license
from builder.records.licenses.expression import NOASSERTION, spdx
from builder.records.licenses.names import classified_license, stated_license
from builder.records.packages.stated import LONGEST_TEXT, MOST_TEXTS

Artifact = DebianPackage | Archive | CondaPackage | Wheel

_NAMED_AS_TEXT = re.compile(r"(?:licen[cs]e|copying|copyright|notice|authors)[^/]*", re.IGNORECASE)
_IN_WHEEL = re.compile(r"[^/]+\.dist-info/(?P<name>[^/]+|licenses/.+|license_files/.+)", re.DOTALL)
_COMMON = "usr/share/common-licenses/"
_LONGEST_WORDS = 200


@dataclass(slots=True)
class Found:
    """What was found in one package."""

    license: str = NOASSERTION
    words: str = ""
    texts: dict[str, bytes] = field(default_factory=dict)
    """By the path in the package."""
    elsewhere: str = ""
    """The Debian package whose documentation its own is."""
    source: str = ""
    """The source package of a Debian package, and its version, where they are others."""

    def take(self, name: str, text: bytes) -> None:
        """Keep a text, unless it is one too many."""
        if len(self.texts) < MOST_TEXTS:
            self.texts[name] = text


def read_package(artifact: Artifact, path: Path) -> Found:
    """What the package at `path` says.

    Raises: EnvbuildError, DigestMismatchError, if it is damaged.
    """
    if isinstance(artifact, DebianPackage):
        return _deb(path, artifact.name)
    if isinstance(artifact, Wheel):
        return _wheel(path)
    if isinstance(artifact, CondaPackage):
        return _conda(path)
    return Found(texts=_bounded(read_archive_files(path, _is_interpreters, LONGEST_TEXT)))


def _deb(path: Path, name: str) -> Found:
    found = Found()
    folder = f"usr/share/doc/{name}"
    own = f"{folder}/copyright"

    def is_wanted(path: str) -> bool:
        return path in (folder, own) or path.startswith(_COMMON)

    with path.open("rb") as file:
        archive = DebArchive(file, path.stat().st_size)
        control = parse_paragraph(archive.control().get("control", b"").decode("utf-8", "replace"))
        found.source = " ".join(re.sub(r"[()]", " ", control.get("source", "")).split())
        for entry, content in archive.data().selected(is_wanted, LONGEST_TEXT):
            if entry.kind == SYMBOLIC_LINK:
                found.elsewhere = found.elsewhere or _linked(entry.path, entry.target)
            elif entry.kind == FILE:
                found.take(entry.path, content)
    text = found.texts.get(own, b"").decode("utf-8", "replace")
    found.license = copyright_license(text)
    found.words = "" if found.license != NOASSERTION or not text else f"see {own}"
    return found


def _linked(path: str, target: str) -> str:
    """The package whose folder below `/usr/share/doc` a link leads to."""
    parts = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), target)).split("/")
    return parts[4] if parts[1:4] == ["usr", "share", "doc"] and len(parts) > 4 else ""


def _wheel(path: Path) -> Found:
    found = Found()
    with ZipReader(path) as archive:
        entries = [(match["name"], entry) for entry in archive.read_entries() if (match := _in_wheel(entry))]
        metadata = next((entry for name, entry in entries if name == "METADATA"), None)
        if metadata and metadata.size <= METADATA_LIMIT:
            headers = fields(b"".join(archive.content(metadata)))
            found.license, found.words = wheel_license(headers)
        for name, entry in entries:
            if entry.size <= LONGEST_TEXT and ("/" in name or _NAMED_AS_TEXT.fullmatch(name)):
                found.take(entry.path, b"".join(archive.content(entry)))
    return found


def _in_wheel(entry: Entry) -> re.Match[str] | None:
    return None if entry.is_directory else _IN_WHEEL.fullmatch(entry.path)


def wheel_license(headers: Mapping[str, list[str]]) -> tuple[str, str]:
    """The expression that core metadata gives (PEP 639, else the fields before it), and its words."""
    expression = headers.get("license-expression", [""])[0]
    text = headers.get("license", [""])[0]
    classifiers = headers.get("classifier", [])
    is_text = len(text.strip().splitlines()) > 1
    candidates = (
        spdx(expression) or NOASSERTION,
        NOASSERTION if is_text else stated_license(text),
        classified_license(classifiers),
    )
    license_ = next((one for one in candidates if one != NOASSERTION), NOASSERTION)
    said = [expression or ("" if is_text else text), *(one for one in classifiers if one.startswith("License :: "))]
    return license_, _words(", ".join(filter(None, said)))


def _conda(path: Path) -> Found:
    files = read_info_files(path, _is_condas, LONGEST_TEXT)
    index = files.pop("info/index.json", b"{}")
    document = parse_json(index, "its `info/index.json`")
    words = document.get("license") if isinstance(document, dict) else None
    text = _words(words) if isinstance(words, str) else ""
    return Found(stated_license(text), text, _bounded(files))


def _is_condas(path: str) -> bool:
    return path == "info/index.json" or path.startswith(("info/licenses/", "info/license.txt", "info/LICENSE"))


def _is_interpreters(path: str) -> bool:
    folder, _, name = path.rpartition("/")
    is_own = re.fullmatch(r"python(?:/install)?/lib/python3\.\d+", folder) is not None
    return folder == "python/licenses" or (is_own and _NAMED_AS_TEXT.fullmatch(name) is not None)


def _bounded(texts: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: texts[name] for name in sorted(texts)[:MOST_TEXTS]}


def _words(text: str) -> str:
    words = " ".join(one_line(text).split())
    return words if len(words) <= _LONGEST_WORDS else words[: _LONGEST_WORDS - 1].rstrip() + "…"
