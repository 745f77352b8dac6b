"""`lock/modules.lock.json`: which modules the stages of a project use, and what each takes and gives.

Of a module from elsewhere its files are pinned by digest. One in the repository is code like any other: of it only the
interface is pinned. Reading is strict, as the file may come from anywhere; writing leaves the old one or the new.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

from builder.errors import EnvbuildError, shortened
from builder.lock.integrity import CHECK, TamperedLockError, check_merged, sealed
from builder.lock.lock_file import check_version, read_lock_file, write_lock_file
from builder.oci.canonical import parse_json, readable_json
from builder.spec.module import ParameterType

MODULES_LOCK_FILE = "modules.lock.json"
MODULES_LOCK_VERSION = 1
_SIZE_LIMIT = 16 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_AGAIN = "Restore it from version control, or delete it and lock again with `envbuild lock`"
_GROUPS = ("inputs", "outputs", "params")

Interface = Mapping[str, Mapping[str, Mapping[str, Any]]]
"""What a module takes and gives: `inputs`, `outputs` and `params`, each by name, as plain JSON data."""


@dataclass(frozen=True, slots=True)
class PinnedModule:
    """A module as it was locked."""

    interface: Interface
    sha256: str | None = None
    """Hexadecimal, of its list of files (`history.content.listing_digest`); None of one in the repository."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON data."""
        interface = {group: dict(self.interface[group]) for group in _GROUPS}
        return {"interface": interface, "sha256": self.sha256}

    @classmethod
    def from_dict(cls, value: Any) -> PinnedModule:
        """From JSON data. Raises: ValueError, KeyError, TypeError, AttributeError, if it is none."""
        sha256, interface = value["sha256"], value["interface"]
        if sha256 is not None and not _SHA256.fullmatch(sha256):
            raise ValueError("its `sha256` is no SHA-256")
        for group in _GROUPS:
            if not all(isinstance(one, dict) for one in interface[group].values()):
                raise TypeError(f"`{group}` of its interface are no mappings")
        for name, parameter in interface["params"].items():
            _check_parameter(name, parameter)
        return cls({group: interface[group] for group in _GROUPS}, sha256)


@dataclass(frozen=True, slots=True)
class ModulesLock:
    """The modules of a project, by what `uses` says."""

    modules: Mapping[str, PinnedModule] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The readable bytes: sorted, one value a line, a check in each entry."""
        modules = {uses: sealed(module.to_dict()) for uses, module in self.modules.items()}
        return readable_json({"version": MODULES_LOCK_VERSION, "modules": modules})

    @classmethod
    def from_bytes(cls, data: bytes, what: str) -> ModulesLock:
        """From the file; `what` names it in messages.

        Raises: EnvbuildError, if it is no such lock or one of another version; TamperedLockError, if an entry is not
        as it was locked; ConflictedLockError.
        """
        check_merged(data, MODULES_LOCK_FILE, what)
        document = parse_json(data, what)
        check_version(document, MODULES_LOCK_VERSION, what, _AGAIN)
        try:
            raw = document["modules"]
            modules = {str(uses): PinnedModule.from_dict(entry) for uses, entry in raw.items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            why = f"{type(error).__name__}: {error}" if isinstance(error, (KeyError, AttributeError)) else str(error)
            raise EnvbuildError(f"{what} is not as it should be", why, _AGAIN) from error
        edits = [f"`{uses[:200]}` is not as it was locked" for uses, entry in raw.items() if not _is_sealed(entry)]
        if edits:
            raise TamperedLockError(f"{what} was changed by hand", shortened(edits), _AGAIN)
        return cls(modules)


def read_modules_lock(folder: Path) -> ModulesLock:
    """The lock in a project's folder `lock`; an empty one where there is none. Raises: as `ModulesLock.from_bytes`."""
    data = read_lock_file(folder / MODULES_LOCK_FILE, _SIZE_LIMIT, _AGAIN)
    return ModulesLock() if data is None else ModulesLock.from_bytes(data, f"the lock of modules in `{folder}`")


def write_modules_lock(folder: Path, lock: ModulesLock) -> bool:
    """Make the file what `lock` says, no file where it is empty; whether anything changed."""
    return write_lock_file(folder / MODULES_LOCK_FILE, lock.to_bytes() if lock.modules else None)


def _check_parameter(name: str, value: Mapping[str, Any]) -> None:
    limits = [value[key] for key in ("minimum", "maximum") if key in value]
    is_number = value.get("type") in ("integer", "number")
    if value.get("type") not in get_args(ParameterType) or not isinstance(value.get("values", []), list):
        raise ValueError(f"the parameter `{name[:100]}` of an interface is not as it should be")
    if limits and not (is_number and all(type(limit) in (int, float) for limit in limits)):
        raise ValueError(f"the limits of the parameter `{name[:100]}` are no numbers")


def _is_sealed(entry: Mapping[str, Any]) -> bool:
    return bool(entry.get(CHECK) == sealed(entry)[CHECK])
