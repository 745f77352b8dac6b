"""The texts of a build context, from plans. Pure: needs nothing that has to be fetched."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from builder.errors import EnvbuildError, one_line
from builder.image.dockerfile import words
from builder.image.dockerfile.context import Addition, Context, Vendored
from builder.image.dockerfile.packages import list_files, vendored_files
from builder.image.dockerfile.shape import LINKER, Shape, common_shape
from builder.image.dockerfile.tools import PIP, RATTLER
from builder.image.skeleton import BUNDLE, CODE, DATA, ENVIRONMENT, MODEL, OUTPUT
from builder.layers.files import FileEntry
from builder.lock.base_image.pinned import Settings
from builder.oci.canonical import readable_json
from builder.plan import Plan
from builder.resources import render as fill

DOCKERFILE, IGNORE_FILE, FETCH_SCRIPT = "Dockerfile", ".dockerignore", "fetch.sh"
MARKER = "context.json"
"""Says of a folder that it was rendered, from which lock, and what was written: not for Docker."""
CONTEXT_FORMAT = 1


def render(name: str, plans: Sequence[Plan], addition: Addition | None = None, base: str | None = None) -> Context:
    """The context for the platforms of `plans`, which are of one lock.

    `name` is the image's with its tag; `base` an image to start from instead of the suite's official or the locked one.

    Raises: EnvbuildError, if a name of the lock cannot stand in it, or one Dockerfile cannot be for all platforms.
    """
    plans = sorted(plans, key=lambda plan: plan.platform)
    shape = common_shape(plans, addition, base)
    by_path: dict[str, Vendored] = {}
    texts: dict[str, bytes] = {}
    for plan in plans:
        vendored = tuple(vendored_files(plan))
        texts |= list_files(plan, vendored)
        for one in vendored:
            if by_path.setdefault(one.path, one).source.digest != one.source.digest:
                raise EnvbuildError(f"two locked files would be `{one.path}` in one folder")
    values = _values(name, plans, shape, addition)
    texts[DOCKERFILE] = fill("docker/Dockerfile.j2", values).encode()
    ordered = tuple(by_path[path] for path in sorted(by_path))
    texts[FETCH_SCRIPT] = fill("docker/fetch.sh.j2", {"vendored": ordered}).encode()
    texts[IGNORE_FILE] = fill("docker/dockerignore.j2", values).encode()
    files = tuple(_project_files(addition)) if addition else ()
    texts[MARKER] = readable_json(_marker(name, plans, texts, by_path))
    return Context(name, dict(sorted(texts.items())), ordered, files)


def _values(name: str, plans: Sequence[Plan], shape: Shape, addition: Addition | None) -> dict[str, Any]:
    """What the templates need; all text that is not ours is made safe by their filters or here."""
    platforms = [plan.platform for plan in plans]
    first = plans[0]
    return {
        "name": one_line(name),
        "lock": str(first.lock_digest),
        "platforms": [one_line(str(platform)) for platform in platforms],
        "architectures": [platform.architecture for platform in platforms],
        "folder": f"{first.platform.os}-${{ARCH}}" if len(plans) > 1 else first.platform.slug,
        "folders": [platform.slug for platform in platforms],
        "epoch": _epoch(shape.created),
        "shape": shape,
        "base": words.image(shape.base),
        "linker": LINKER if shape.has_linker else None,
        "interpreter": words.path(shape.interpreter),
        "environment": f"/{ENVIRONMENT}",
        "pip": PIP.file_name,
        "rattler": RATTLER[first.platform.architecture].file_name if len(plans) == 1 else "py_rattler-*.whl",
        "library": _library(shape),
        "stages": _package_stages(shape),
        "places": (CODE, MODEL, BUNDLE, DATA, OUTPUT),
        "data": DATA,
        "output": OUTPUT,
        "parts": _parts(addition),
        **_config_values(shape),
    }


def _library(shape: Shape) -> str | None:
    """Where the standard library of an interpreter of our own is; None for those that bring their bytecode."""
    if shape.source not in ("debian", "standalone"):
        return None
    prefix, _, name = words.path(shape.interpreter).rpartition("/bin/")
    return f"{prefix}/lib/{name}"


def _package_stages(shape: Shape) -> list[str]:
    """The stages that make the environment, the last one whole."""
    wanted = {"conda": shape.has_conda, "packages": shape.source != "conda" or shape.has_wheels or shape.compiled}
    return [stage for stage, is_wanted in wanted.items() if is_wanted]


def _parts(addition: Addition | None) -> list[tuple[str, str]]:
    """What is copied from the project, in the order in which it changes least often: folder, and what it is."""
    if addition is None:
        return []
    parts = (
        (MODEL, "The model.", addition.model),
        (DATA, "Data.", addition.data),
        (CODE, "The code.", addition.code),
        (BUNDLE, "The launcher, and the documents that belong to the bundle.", addition.documents),
    )
    return [(folder, what) for folder, what, files in parts if files]


def _config_values(shape: Shape) -> dict[str, Any]:
    """What the image says of itself, where its base does not say it already."""
    config, base = shape.config, shape.base_image.settings if shape.base_image else Settings()
    given = _mapping(shape.base_image.environment) if shape.base_image else {}
    variables = _changed(_mapping(config.env), given)
    labels = _changed(config.labels, base.labels)
    return {
        "root": base.user.partition(":")[0] not in ("", "0", "root"),
        "variables": [f"{words.variable(name)}={words.quoted(value)}" for name, value in variables.items()],
        "labels": [f"{words.label(name)}={words.quoted(text)}" for name, text in sorted(labels.items())],
        "ports": [words.port(port) for port in config.exposed_ports if port not in base.ports],
        "user": words.user(config.user) if config.user else None,
        "working_dir": words.path(config.working_dir or "/"),
        "entrypoint": words.exec_form(config.entrypoint),
        "cmd": words.exec_form(config.cmd),
        "signal": "SIGTERM" if base.stop_signal and not config.stop_signal else None,
    }


def _changed(wanted: Mapping[str, str], given: Mapping[str, str]) -> dict[str, str]:
    """What has to be said; what is given and not wanted cannot be taken away in a Dockerfile, and becomes empty."""
    emptied = {name: "" for name, text in given.items() if name not in wanted and text}
    return {name: text for name, text in wanted.items() if given.get(name) != text} | emptied


def _mapping(variables: Sequence[str]) -> dict[str, str]:
    """Of `NAME=value`, the last of each name."""
    return {name: value for name, _, value in (entry.partition("=") for entry in variables)}


def _project_files(addition: Addition) -> Iterator[FileEntry]:
    parts = ((MODEL, addition.model), (DATA, addition.data), (CODE, addition.code), (BUNDLE, addition.documents))
    entries = [replace(entry, path=f"{folder}/{entry.path}") for folder, files in parts for entry in files]
    return iter(sorted(entries, key=lambda entry: entry.path.encode()))


def _marker(name: str, plans: Sequence[Plan], texts: dict[str, bytes], vendored: dict[str, Vendored]) -> dict[str, Any]:
    return {
        "format": CONTEXT_FORMAT,
        "name": name,
        "lock": str(plans[0].lock_digest),
        "platforms": [str(plan.platform) for plan in plans],
        "texts": {path: hashlib.sha256(data).hexdigest() for path, data in sorted(texts.items())},
        "files": {path: one.source.digest.hex for path, one in sorted(vendored.items())},
    }


def _epoch(created: str) -> int:
    """Seconds since 1970 of an RFC 3339 time."""
    return int(datetime.fromisoformat(created).timestamp())
