"""The Debian packages of an image: found by what dpkg keeps of them, each with the sums of its files. Pure.

`/var/lib/dpkg/status.d` is read as images without dpkg have it. Where dpkg was run, its `status` tells the
versions; the files are not compared then, as some may be left out on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from builder.image.contents.claims import Claim, Claims
from builder.layers.system.facts import parse_paragraph
from builder.layers.system.paths import merged_path
from builder.lock.artifact import DebianPackage
from builder.oci.layer_rules import FILE, shown
from builder.oci.layer_stack import LayerStack
from builder.oci.problems import Problem

_STATUS_D, _STATUS = b"var/lib/dpkg/status.d", b"var/lib/dpkg/status"
_SUMS = b".md5sums"
_LINE = re.compile(rb"([0-9a-f]{32})  (?:\./)?(.+)")


def check_debian(
    packages: Sequence[DebianPackage], files: LayerStack, claims: Claims, *, on_base: bool = False
) -> Iterator[Problem]:
    """Compare the packages that are there with the locked ones, and take their claims in.

    `on_base` lets others be there too: those that the base image of a Dockerfile brings.
    """
    expected = {package.name: package.version for package in packages}
    found = dict(_installed(files))
    if on_base:
        found = {name: version for name, version in found.items() if name in expected}
    for name in sorted(expected.keys() | found.keys()):
        version, locked = found.get(name), expected.get(name)
        path = f"{_STATUS_D.decode()}/{name}"
        if locked is None:
            yield Problem("contents", f"the Debian package {name} {version} is there and not locked", path=path)
        elif version is None:
            yield Problem("contents", f"the Debian package {name} {locked} is locked and is not there", path=path)
        elif version != locked:
            what = f"the Debian package {name} is there as {version}, where the lock has {locked}"
            yield Problem("contents", what, path=path)
    yield from _take(found, files, claims)


def not_locked(packages: Sequence[DebianPackage], files: LayerStack) -> int:
    """How many packages are there that the lock has not."""
    return len(dict(_installed(files)).keys() - {package.name for package in packages})


def unclaimed(files: LayerStack, layers: Mapping[int, Sequence[str]], claims: Claims) -> Iterator[Problem]:
    """Files in layers of Debian packages, by number with the names of these, that no package has sums of.

    Nobody sums configuration files and links; layers with a package that has no sums are passed over.
    """
    summed = {
        number
        for number, names in layers.items()
        if all(files.content(_STATUS_D + b"/" + name.encode() + _SUMS) is not None for name in names)
    }
    for path, placed in files.below(b""):
        summed_file = placed.layer in summed and placed.node.kind == FILE and not path.startswith(b"etc/")
        if summed_file and path not in claims.by_path:
            what = f"`{shown(path)}` is in a layer of Debian packages, and no package has it"
            yield Problem("contents", what, path=shown(path, 4096))


def _installed(files: LayerStack) -> Iterator[tuple[str, str]]:
    top = files.find(_STATUS_D, follow=False)
    names = sorted((top.entries if top else None) or {})
    paragraphs = [files.content(_STATUS_D + b"/" + name) or b"" for name in names if not name.endswith(_SUMS)]
    paragraphs += re.split(rb"\n\s*\n", files.content(_STATUS) or b"")
    for paragraph in paragraphs:
        fields = parse_paragraph(paragraph.decode("utf-8", "replace").strip("\n"))
        if fields.get("package") and fields.get("status", "install ok installed").endswith(" installed"):
            yield fields["package"], fields.get("version", "")


def _take(found: Mapping[str, str], files: LayerStack, claims: Claims) -> Iterator[Problem]:
    for name, version in found.items():
        path = _STATUS_D + b"/" + name.encode() + _SUMS
        data = files.content(path)
        for line in (data or b"").splitlines():
            match = _LINE.fullmatch(line)
            place = match and merged_path(match[2].decode("utf-8", "surrogateescape"))
            if not match or not place:
                yield Problem("contents", f"`{shown(path)}` has a line that is no sum of a file", path=shown(path))
                break
            claims.add(
                place.encode("utf-8", "surrogateescape"), Claim(f"{name} {version}", bytes.fromhex(match[1].decode()))
            )
