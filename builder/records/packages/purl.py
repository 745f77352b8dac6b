"""Package URLs (ECMA-427) in the forms that scanners look packages up by. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from builder.lock.artifact import Archive, CondaPackage, DebianPackage, Wheel
from builder.lock.base_image import BaseImage
from builder.oci.documents import Platform
from builder.oci.registry.reference import Reference

RELEASES = {"bookworm": "12", "trixie": "13", "forky": "14"}
"""Of Debian, by suite: advisories go by number."""


def debian_purl(package: DebianPackage, suite: str, source: str = "") -> str:
    """Of a deb; advisories name its source, `upstream`, where that is called otherwise: `glibc`, `gcc-12 12.2.0-14`."""
    name, _, version = source.partition(" ")
    upstream = f"{name}@{version}" if version else name
    distro = f"debian-{RELEASES.get(suite, suite)}" if suite else ""
    qualifiers = {"arch": package.architecture, "distro": distro, "upstream": upstream}
    return _purl("deb", f"debian/{package.name}", package.version, qualifiers)


def wheel_purl(wheel: Wheel) -> str:
    """Of a distribution of PyPI, or of an index like it."""
    return _purl("pypi", wheel.name, wheel.version, {})


def conda_purl(package: CondaPackage) -> str:
    """Of a conda package."""
    channel = package.channel.rstrip("/").rpartition("/")[2]
    form = "conda" if package.file_name.endswith(".conda") else "tar.bz2"
    qualifiers = {"build": package.build, "channel": channel, "subdir": package.subdir, "type": form}
    return _purl("conda", package.name, package.version, qualifiers)


def interpreter_purl(archive: Archive, version: str) -> str:
    """Of a standalone interpreter, which no registry has."""
    checksum = f"sha256:{archive.digest.hex}"
    return _purl("generic", "python", version, {"checksum": checksum, "download_url": archive.url})


def base_purl(base: BaseImage, platform: Platform) -> str:
    """Of a base image, by the digest of its manifest."""
    reference = Reference.parse(base.reference)
    place = f"{reference.registry}/{reference.repository}"
    name = reference.repository.rpartition("/")[2].lower()
    qualifiers = {"arch": platform.architecture, "repository_url": place, "tag": reference.tag or ""}
    return _purl("oci", name, str(base.manifest.digest), qualifiers)


def _purl(kind: str, path: str, version: str, qualifiers: Mapping[str, str]) -> str:
    pairs = "&".join(f"{name}={quote(value, safe=':/')}" for name, value in sorted(qualifiers.items()) if value)
    plain = "/".join(map(_quoted, path.split("/")))
    return f"pkg:{kind}/{plain}@{_quoted(version)}" + (f"?{pairs}" if pairs else "")


def _quoted(text: str) -> str:
    return quote(text, safe=":")
