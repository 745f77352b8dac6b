"""Where each part of an image goes, so that a project stands there again that gives the same image. Pure.

`bundle.json` has it as `recreate`; the README inside says the same in commands of Docker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from builder.errors import EnvbuildError
from builder.image.skeleton import BUNDLE, CODE, DATA, MODEL
from builder.layers.files import check_path

TOP = "recreated"
"""The folder that everything is in."""
NO_CHECK = "--no-check"
_OWN = (".git", ".gitignore")
"""What is made there, so that nothing above it counts."""
_PARTS = (CODE, MODEL, DATA, BUNDLE)
_MOST_COPIES = 10_000
_PACKING: Mapping[tuple[str, ...], Literal["default", "full", "thin"]] = {
    (): "default",
    ("--full",): "full",
    ("--thin",): "thin",
}


@dataclass(frozen=True, slots=True)
class Recipe:
    """What is to be copied out of an image, and which project is to be built then."""

    project: str
    """The project's folder, below `recreated`."""
    copies: tuple[tuple[str, str], ...]
    """A file, or a folder whose files are meant, of the image; and what it becomes. In this order."""
    packing: Literal["default", "full", "thin"] = "default"
    """What `build` is to be told of data."""
    no_check: bool = False
    """Whether data are not held to their contracts."""

    def to_dict(self) -> dict[str, Any]:
        """As `bundle.json` has it."""
        options = next(options for options, packing in _PACKING.items() if packing == self.packing)
        options = (*options, NO_CHECK) if self.no_check else options
        return {"project": self.project, "options": list(options), "copies": [list(pair) for pair in self.copies]}

    @classmethod
    def from_dict(cls, document: Any) -> Recipe:
        """From a `bundle.json` that came from anywhere. Raises: EnvbuildError, if it leads elsewhere, or is none."""
        try:
            copies = tuple((_source(source), _place(place)) for source, place in document["copies"])
            options = tuple(document["options"])
            no_check = options[-1:] == (NO_CHECK,)
            packing = _PACKING[options[:-1] if no_check else options]
            if len(copies) > _MOST_COPIES:
                raise ValueError(f"it has more than {_MOST_COPIES} copies")
            return cls(_place(document["project"]), copies, packing, no_check)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise EnvbuildError(
                "the bundle does not say how it is recreated",
                f"`recreate` in its `bundle.json`: {error!r}"[:200],
                "Make it again with this envbuild, or go by the README inside",
            ) from error


def make_recipe(told: Mapping[str, Any], *, has_code: bool, has_model: bool, has_run: bool) -> Recipe:
    """The recipe of what the README is told (`documents.py`)."""
    return Recipe(
        told["project"],
        tuple(_copies(told, has_code=has_code, has_model=has_model, has_run=has_run)),
        _PACKING[tuple(told["packing"].split())],
        bool(told["checks"]),
    )


def _copies(told: Mapping[str, Any], *, has_code: bool, has_model: bool, has_run: bool) -> Iterator[tuple[str, str]]:
    project, environment = told["project"], told["environment"]
    if has_code:
        yield CODE, project
    yield f"{BUNDLE}/envbuild.yaml", f"{project}/envbuild.yaml"
    if told["shared"]:
        yield f"{BUNDLE}/environment.yaml", f"{environment}/environment.yaml"
    yield f"{BUNDLE}/lock", f"{environment}/lock"
    for one in (*told["inputs"], *told["contracts"]):
        yield f"{BUNDLE}/{one['name']}", one["path"]
    if told["data_lock"]:
        yield f"{BUNDLE}/data.lock.json", f"{project}/lock/data.lock.json"
    if told["card"]:
        yield f"{BUNDLE}/MODEL_CARD.md", told["card"]
    if has_model and told["model_folder"]:
        yield MODEL, told["model_folder"]
    for one in told["data"]:
        yield one["source"].removesuffix("/."), one["place"]
    if has_run:
        yield f"{BUNDLE}/run.json", f"{project}/out/run.json"
    if told.get("lineage"):
        yield f"{BUNDLE}/lineage.json", f"{project}/out/lineage.json"


def _source(text: Any) -> str:
    if check_path(_text(text)).partition("/")[0] not in _PARTS:
        raise ValueError(f"`{text[:100]}` is not of the bundle")
    return str(text)


def _place(text: Any) -> str:
    path = check_path(_text(text))
    if not path.startswith(f"{TOP}/") or path.split("/")[1] in _OWN:
        raise ValueError(f"`{text[:100]}` is not a place below `{TOP}` for it")
    return str(text)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a path is no text")
    return value
