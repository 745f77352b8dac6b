"""Which locked files are in a context, under which names, and the lists of their hashes. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from builder.errors import EnvbuildError
from builder.image.dockerfile import words
from builder.image.dockerfile.context import Vendored
from builder.image.dockerfile.tools import PIP, RATTLER
from builder.lock.artifact import CondaPackage, DebianPackage, Wheel
from builder.oci.canonical import readable_json
from builder.plan import Plan
from builder.resources import read_template

SUMS = "SHA256SUMS"
ARCHIVE = "python.tar.gz"
"""The name of a standalone interpreter's archive in a context, equal on all platforms."""


def vendored_files(plan: Plan) -> Iterator[Vendored]:
    """The locked files of one platform, and the tools that install them."""
    folder = plan.platform.slug
    for package in plan.debian:
        yield Vendored(f"{folder}/debian/{_deb_name(package)}", package.source)
    if plan.archive:
        if not plan.archive.file_name.endswith((".tar.gz", ".tgz")):
            raise EnvbuildError(f"`{plan.archive.file_name}` cannot be unpacked in a Dockerfile", "it is no .tar.gz")
        yield Vendored(f"{folder}/python/{ARCHIVE}", plan.archive.source)
    for conda in plan.conda:
        yield Vendored(f"{folder}/conda/{words.file_name(conda.file_name)}", conda.source)
    if plan.conda:
        tool = RATTLER[plan.platform.architecture]
        yield Vendored(f"{folder}/linker/{tool.file_name}", tool.source)
    for wheel in plan.wheels:
        yield Vendored(f"{folder}/wheels/{words.file_name(wheel.file_name)}", wheel.source)
    if plan.wheels:
        yield Vendored(f"pip/{PIP.file_name}", PIP.source)


def list_files(plan: Plan, vendored: Iterable[Vendored]) -> Iterator[tuple[str, bytes]]:
    """The texts beside them, by path: hashes, requirements, records."""
    folder = plan.platform.slug
    sums: dict[str, list[str]] = {}
    for one in vendored:
        place, _, name = one.path.rpartition("/")
        if not place.endswith("/wheels"):  # pip checks those itself
            sums.setdefault(place, []).append(f"{one.source.digest.hex}  {name}\n")
    for place, lines in sums.items():
        yield f"{place}/{SUMS}", "".join(sorted(lines, key=lambda line: line[64:])).encode()
    if plan.conda:
        yield f"{folder}/conda/packages.json", readable_json([_record(one) for one in plan.conda])
        yield f"{folder}/linker/link.py", read_template("docker/link.py")
    if plan.wheels:
        yield f"{folder}/wheels/requirements.txt", "".join(map(_requirement, plan.wheels)).encode()


def _deb_name(package: DebianPackage) -> str:
    """As Debian's archive names it: without the epoch."""
    version = package.version.rpartition(":")[2]
    return words.file_name(f"{package.name}_{version}_{package.architecture}.deb")


def _requirement(wheel: Wheel) -> str:
    name, version = words.requirement(wheel.name), words.requirement(wheel.version)
    return f"{name}=={version} --hash=sha256:{wheel.digest.hex}\n"


def _record(package: CondaPackage) -> dict[str, Any]:
    """What the records in `conda-meta` are to say by the lock, and not by the build."""
    return {
        "fn": package.file_name,
        "url": package.url,
        "channel": package.channel,
        "md5": package.md5,
        "depends": list(package.depends),
    }
