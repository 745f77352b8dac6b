"""Which layers of an image envbuild made, told by their history, and where each may put files. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from builder.image.config import LOCK_LABEL
from builder.image.skeleton import BUNDLE, CODE, DATA, ENVIRONMENT, LICENSES, MODEL
from builder.oci.documents import ImageConfig
from builder.oci.layer_rules import shown
from builder.oci.layer_stack import LayerStack
from builder.oci.problems import Problem

ADDED = ("model", "data", "code", "licences", "bundle_documents")
"""The kinds of layers that a project puts on its environment, in this order; each where there is something in it."""

_FORMS = {
    "debian": r"Debian: .+",
    "interpreter": r"Python [^ ]+, standalone",
    "system": "system files",
    "environment": r"environment for Python .+",
    "conda": r"conda: .+",
    "python": r"Python: .+",
    "bytecode": r"bytecode: .+",
    "model": r"model(?: .+)?",
    "data": r"data .+",
    "code": "code",
    "licences": "licences",
    "bundle_documents": "bundle documents",
}
_KIND = re.compile("|".join(f"(?P<{name}>{form})" for name, form in _FORMS.items()))
_PLACES = {
    "interpreter": ("opt/python/",),
    "environment": (f"{ENVIRONMENT}/",),
    "conda": (f"{ENVIRONMENT}/",),
    "python": (f"{ENVIRONMENT}/",),
    "model": (f"{MODEL}/",),
    "data": (f"{DATA}/",),
    "code": (f"{CODE}/",),
    "licences": LICENSES,
    "bundle_documents": (f"{BUNDLE}/",),
}
_BYTECODE = re.compile(rb"(?:.+/)?lib/python3\.\d+/(?:.+/)?__pycache__/[^/]+\.pyc", re.DOTALL)


def kind_of(name: str) -> str:
    """What a layer is, told by its history entry; empty where envbuild did not write it."""
    match = _KIND.fullmatch(name)
    return match.lastgroup or "" if match else ""


def kinds_of(config: ImageConfig, layers: int) -> tuple[str, ...]:
    """What each layer of an image of envbuild is, lowest first; empty for those that others made."""
    if LOCK_LABEL not in config.labels or len(config.history) != layers:
        return ("",) * layers
    return tuple(map(kind_of, config.history))


def packages_of(config: ImageConfig, layers: int) -> Sequence[int | None]:
    """How many packages are in each layer that envbuild made; None for the others."""
    return [
        _count(name) if kind else None
        for kind, name in zip(kinds_of(config, layers), config.history or [""] * layers, strict=False)
    ]


def added_names(history: Sequence[str]) -> tuple[str, ...]:
    """What the layers of a project are called, in the order in which they have to be."""
    kinds = {name: kind_of(name) for name in history}
    found = [name for name in history if kinds[name] in ADDED]
    return tuple(sorted(found, key=lambda name: ADDED.index(kinds[name])))


def strays(files: LayerStack, kinds: Sequence[str]) -> Iterator[Problem]:
    """Files that are where their layer may put none."""
    places = [tuple(map(str.encode, _PLACES.get(kind, ("",)))) for kind in kinds]
    for path, placed in files.below(b""):
        if kinds[placed.layer] == "bytecode" and not _BYTECODE.fullmatch(path):
            what = f"`{shown(path)}` is of a layer for bytecode, and is none"
            yield Problem("contents", what, path=shown(path))
        elif not path.startswith(places[placed.layer]):
            where = " and ".join(f"`{place.decode()}`" for place in places[placed.layer])
            what = f"`{shown(path)}` is of the layer for {kinds[placed.layer]}, which has files in {where} alone"
            yield Problem("contents", what, path=shown(path))


def _count(name: str) -> int:
    return name.count(", ") + 1 if kind_of(name) in ("debian", "conda", "python", "bytecode") else 1
