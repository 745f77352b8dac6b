"""Holding what a stage reads and writes to data contracts; what came of it is kept by the digests of both."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from builder.errors import CheckFailedError, EnvbuildError, NotMeasuredError, shortened
from builder.history.content import Content
from builder.image.kept import keep_value, known_value
from builder.lock.data.hashing import walk
from builder.oci.store import Store
from builder.pipeline.stage import Port

if TYPE_CHECKING:
    from builder.data.contract.read import LoadedContract
    from builder.data.evidence import Evidence

_RECORDS = "stage-checks"


@dataclass(frozen=True, slots=True)
class Held:
    """Something that is held to a contract."""

    port: Port
    path: Path
    """Where it is on this machine."""
    content: Content | None = None
    """What it holds, where that is known already."""


def check(stage: str, role: str, things: Iterable[Held], store: Store, now: datetime) -> dict[str, Evidence]:
    """Hold things to their contracts; what came of each, by target. `role` is `inputs` or `outputs`.

    Raises: CheckFailedError, with everything that is violated; NotMeasuredError, if a rule could not be evaluated;
        EnvbuildError, if a contract or a file cannot be read.
    """
    found, reasons = {}, {"violated": list[str](), "not-evaluated": list[str]()}
    for one in things:
        evidences = _evidence(one, store, now)
        found[one.port.target] = evidences[0]
        for evidence in evidences:
            if evidence.result != "passed":
                reasons[evidence.result] += [f"`{one.port.path}`: {reason}" for reason in evidence.reasons]
    hint = "Correct what makes it, or the contract; `--no-check` goes on, and that is recorded"
    if reasons["violated"]:
        told = shortened([*reasons["violated"], *reasons["not-evaluated"]])
        raise CheckFailedError(f"{role} of the stage `{stage}` are not what their contracts promise", told, hint)
    if reasons["not-evaluated"]:
        what = f"not everything that is promised of {role} of the stage `{stage}` could be checked"
        raise NotMeasuredError(what, shortened(reasons["not-evaluated"]), hint)
    return found


def note(store: Store, port: Port, content: Content, evidence: Evidence) -> None:
    """Keep what came of holding a content to the contract of a port."""
    from builder.data.contract.read import read_contract

    if port.contract is not None and not evidence.is_of_machine:
        keep_value(store, _RECORDS, _key(read_contract(port.contract), port, content), evidence.to_value())


def _evidence(one: Held, store: Store, now: datetime) -> list[Evidence]:
    """What came of it whatever the day, and of what depends on the day."""
    from builder.data.contract.read import read_contract
    from builder.data.evidence import depends_on_day, evaluate_day

    if one.port.contract is None:
        raise ValueError(f"{one.port.path} has no contract")
    loaded = read_contract(one.port.contract)
    files = {_table(loaded, one): _files(one.path)}
    lasting = _lasting(one, loaded, files, store)
    return [lasting, evaluate_day(loaded, files, now)] if depends_on_day(loaded.contract) else [lasting]


def _lasting(one: Held, loaded: LoadedContract, files: dict[str, list[Path]], store: Store) -> Evidence:
    from builder.data.evidence import Evidence, evaluate

    key = _key(loaded, one.port, one.content) if one.content else None
    value = known_value(store, _RECORDS, key) if key else None
    if value is not None:
        return Evidence.from_value(value)
    evidence = evaluate(loaded, files)
    if key and not evidence.is_of_machine:
        keep_value(store, _RECORDS, key, evidence.to_value())
    return evidence


def _key(loaded: LoadedContract, port: Port, content: Content) -> dict[str, object]:
    from builder.data.evidence import REVISION

    return {
        "stage-check": REVISION,
        "contract": str(loaded.digest),
        "name": posixpath.basename(port.path),
        "content": [content.kind, content.sha256],
    }


def _table(loaded: LoadedContract, one: Held) -> str:
    from builder.data.promised import table_of_file

    return table_of_file(loaded.contract, Path(one.port.path)).name


def _files(path: Path) -> list[Path]:
    """A file by itself, or those of a folder that are not hidden."""
    if not path.is_dir():
        return [path]
    files = [path / file.path for file in walk(path) if not posixpath.basename(file.path).startswith(("_", "."))]
    if not files:
        raise EnvbuildError(f"`{path}` has no file that could be held to a contract")
    return files
