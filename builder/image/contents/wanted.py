"""What is remembered of the files in layers while they are read, so that they can be compared with a lock. Pure."""

from __future__ import annotations

import re

from builder.image.skeleton import BUNDLE, CODE, DATA, ENVIRONMENT, MODEL
from builder.oci.layer_scan import Wanted

_BY_SHA256 = tuple(f"{folder}/".encode() for folder in (ENVIRONMENT, CODE, MODEL, DATA, BUNDLE))
_LISTS = re.compile(
    rb"opt/env/lib/python[^/]+/site-packages/[^/]+\.dist-info/(?:METADATA|RECORD)"
    rb"|opt/env/conda-meta/[^/]+\.json"
    rb"|var/lib/dpkg/status(?:\.d/[^/]+)?"
    rb"|usr/lib/os-release"
    rb"|bundle/(?:bundle\.json|lock/[^/]+)"
)


def _checksum(path: bytes) -> str:
    return "sha256" if path.startswith(_BY_SHA256) else "md5"


def _is_list(path: bytes) -> bool:
    return _LISTS.fullmatch(path) is not None


WANTED = Wanted(_checksum, _is_list)
"""The checksums that packages' lists have, and these lists."""
