"""`module.yaml` read: strictly, with its contracts and its environment, none of which may lead out of the module."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.lock.data.hashing import shown
from builder.lock.modules import Interface
from builder.pipeline.modules.source import Source
from builder.spec.fields import as_document
from builder.spec.load import LoadedEnvironment, load_environment
from builder.spec.module import MODULE_FILE, ModuleDocument
from builder.spec.reader import Reader, SpecError

_SIZE_LIMIT = 1 << 20
_CONTRACT_LIMIT = 1 << 20


@dataclass(frozen=True, slots=True)
class LoadedModule:
    """A module and where it is."""

    source: Source
    document: ModuleDocument
    root: Path
    interface: Interface

    def environment(self) -> LoadedEnvironment | None:
        """Its own environment, None where it runs in the project's. Raises: SpecError, EnvbuildError."""
        if self.document.environment is None:
            return None
        return load_environment(self.root / self.document.environment)


def load_module(source: Source, root: Path) -> LoadedModule:
    """The module in a folder. Raises: SpecError, with every problem of it; EnvbuildError."""
    file = root / MODULE_FILE
    data = _read(file, root, _SIZE_LIMIT, MODULE_FILE)
    reader = Reader(shown(file), root)
    document = reader.read(data, ModuleDocument)
    if document is None:
        raise SpecError(reader.file, reader.problems)
    if document.environment is not None:
        _check_inside(root / document.environment, root)
    return LoadedModule(source, document, root, _interface(document, root))


def _interface(document: ModuleDocument, root: Path) -> Interface:
    """What the module takes and gives; not where its code finds it, nor words."""
    return {
        "inputs": {name: _port(port, root) for name, port in sorted(document.inputs.items())},
        "outputs": {
            name: {**_port(port, root), "metrics": port.metrics} for name, port in sorted(document.outputs.items())
        },
        "params": {
            name: {
                **{key: value for key, value in as_document(one).items() if key not in ("description", "required")},
                "required": one.is_required,
            }
            for name, one in sorted(document.params.items())
        },
    }


def _port(port: Any, root: Path) -> Mapping[str, Any]:
    contract = None
    if port.contract is not None:
        data = _read(root / port.contract, root, _CONTRACT_LIMIT, port.contract)
        contract = hashlib.sha256(data).hexdigest()
    return {"kind": port.kind, "optional": port.optional, "contract": contract}


def _read(file: Path, root: Path, limit: int, name: str) -> bytes:
    _check_inside(file, root)
    try:
        with open(file, "rb") as stream:
            data = stream.read(limit + 1)
    except OSError as error:
        raise EnvbuildError(
            f"`{shown(root)}` is no module: its `{name}` cannot be read", error.strerror or ""
        ) from error
    if len(data) > limit:
        raise EnvbuildError(f"`{shown(file)}` is larger than {limit} bytes")
    return data


def _check_inside(path: Path, root: Path) -> None:
    try:
        inside = path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError) as error:
        raise EnvbuildError(f"`{shown(path)}` cannot be read", str(error)) from error
    if not inside:
        raise EnvbuildError(f"`{shown(path)}` is a link that leads out of the module")
