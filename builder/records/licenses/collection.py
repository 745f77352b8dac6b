"""What packages are licensed under, for people and programs, and the texts that have to go with them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from builder.oci.canonical import readable_json
from builder.oci.digest import Digest
from builder.records.licenses.expression import NOASSERTION
from builder.records.markdown import plain
from builder.records.packages.listing import Package
from builder.records.packages.stated import LicenseText
from builder.records.record import JSON, MARKDOWN, TEXT, Record

LICENSES_FILE, LICENSES_PAGE = "licenses.json", "LICENSES.md"
TEXTS_FOLDER = "licenses"
LICENSES_FORMAT = 1
_MOST_BYTES = 48 << 20
"""Of all texts together; the rest stays where the packages have it."""


def license_records(packages: Sequence[Package], read: Callable[[LicenseText], bytes]) -> Iterator[Record]:
    """A document for programs, a page for people, and each text once, under its digest."""
    texts = _collected(packages)
    document = {"format": LICENSES_FORMAT, "packages": [_entry(package, texts) for package in packages]}
    yield Record(LICENSES_FILE, "licenses", JSON, readable_json(document))
    yield Record(LICENSES_PAGE, "licenses", MARKDOWN, _page(packages, texts).encode())
    for text in texts.values():
        yield Record(_path(text.digest), "license-text", TEXT, read(text))


def _collected(packages: Iterable[Package]) -> dict[Digest, LicenseText]:
    """The texts that are packed, each once, in the order of their digests."""
    found: dict[Digest, LicenseText] = {}
    size = 0
    for text in (text for package in packages for text in package.stated.texts):
        if text.digest not in found and size + text.size <= _MOST_BYTES:
            found[text.digest] = text
            size += text.size
    return dict(sorted(found.items()))


def _entry(package: Package, texts: Mapping[Digest, LicenseText]) -> dict[str, Any]:
    return {
        "kind": package.kind,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
        "sha256": package.digest.hex,
        "license": package.license,
        "stated": package.stated.words,
        "texts": [
            {"name": text.name, "path": _path(text.digest) if text.digest in texts else None, "sha256": text.digest.hex}
            for text in package.stated.texts
        ],
    }


def _page(packages: Sequence[Package], texts: Mapping[Digest, LicenseText]) -> str:
    unknown = sum(package.license == NOASSERTION for package in packages)
    lines = [
        "# Licences",
        "",
        f"What the {len(packages)} packages of this image say of their licences, in SPDX's words. {NOASSERTION} stands",
        f"where a package does not say it so ({unknown} of them): then its own words are given, and its text decides.",
        "Debian's copyright files speak of the source package, of files too that are not in the image.",
        "",
        "| package | version | licence | texts |",
        "|---|---|---|---|",
        *(_row(package, texts) for package in packages),
    ]
    return "\n".join(lines) + "\n"


def _row(package: Package, texts: Mapping[Digest, LicenseText]) -> str:
    own = sorted({text.digest for text in package.stated.texts if text.digest in texts})
    links = ", ".join(f"[{number}]({_path(digest)})" for number, digest in enumerate(own, 1))
    words = f" ({plain(package.stated.words)})" if package.license == NOASSERTION and package.stated.words else ""
    return f"| {plain(package.name)} | {plain(package.version)} | {plain(package.license)}{words} | {links} |"


def _path(digest: Digest) -> str:
    return f"{TEXTS_FOLDER}/{digest.hex}.txt"
