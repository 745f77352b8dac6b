"""What installs the packages of a context: pip, and rattler for conda packages, each pinned as one wheel. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from builder.fetch import Source
from builder.fetch.mirrors import PYPI_FILES
from builder.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class Tool:
    """A wheel that is used in a build, and is in no image."""

    file_name: str
    source: Source
    oldest_python: tuple[int, int]
    """That it runs on."""


def _tool(place: str, sha256: str, size: int, oldest_python: tuple[int, int]) -> Tool:
    name = place.rpartition("/")[2]
    project, version = name.split("-")[:2]
    source = Source(Digest(sha256), size, (PYPI_FILES + place,), f"{project.replace('_', '-')} {version}")
    return Tool(name, source, oldest_python)


PIP = _tool(
    "44/3c/d717024885424591d5376220b5e836c2d5293ce2011523c9de23ff7bf068/pip-25.3-py3-none-any.whl",
    "9655943313a94722b7774661c21049070f6bbb0a1516bf02f7c8d5d9201514cd",
    1778622,
    (3, 9),
)
"""It runs from its wheel, without being installed."""

RATTLER = {
    "amd64": _tool(
        "8f/6d/3fa200701f73ba8c2230d76f01c4e928c1abad98d6c43722f5cace3c12ab/py_rattler-0.28.0-cp310-abi3-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "4f4ab1d34d5394e7ce130a86e59009c95ace4f5757d9c3af04de1351bcea47eb",
        24874516,
        (3, 10),
    ),
    "arm64": _tool(
        "ab/d1/2160739ab3796b2285871c3b653ceefab19fa5d7dcf3179e7435f0bfacbd/py_rattler-0.28.0-cp310-abi3-manylinux_2_28_aarch64.whl",
        "61b24202374188e72130f1b3dc63b455befaafc3e49e5481a38b6a6c8828c1e0",
        26589741,
        (3, 10),
    ),
}
"""By processor. It needs no other package."""
