"""`lock/stages.lock.json`: what each stage was last made of and what it made. Committed, so that others know it too.

Reading is strict, as it may come from anywhere; writing leaves the old one or the new. A stage has its own lines, so
that branches that run different stages merge.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from builder.errors import EnvbuildError
from builder.history.content import Content
from builder.history.layout import RUN_ID
from builder.history.leaves import leaves
from builder.layers.files import check_path
from builder.lock.integrity import TamperedLockError, check_merged
from builder.lock.lock_file import check_version, read_lock_file, write_lock_file
from builder.oci.canonical import parse_json, readable_json
from builder.pipeline.key import Parts, key_of

STAGES_LOCK_FILE = "stages.lock.json"
STAGES_LOCK_VERSION = 1
_AGAIN = "Restore it from version control, or delete it and run `envbuild repro`: what is kept is not made again"
_SIZE_LIMIT = 64 << 20
_PARTS: Mapping[str, type | tuple[type, ...]] = {
    "format": int,
    "arguments": list,
    "inputs": dict,
    "outputs": list,
    "code": dict,
    "parameters": dict,
    "parameter-files": dict,
    "seed": (int, type(None)),
    "environment": str,
    "platform": str,
    "variables": dict,
    "network": bool,
}


@dataclass(frozen=True, slots=True)
class StageEntry:
    """A stage as it was last made, here or elsewhere."""

    key: str
    parts: Parts
    """What the key is of."""
    outputs: Mapping[str, Content]
    """By path in the project; without lists of files."""
    run: str | None = None
    """The id of the run that made them; None where that is not known."""
    contracts: Mapping[str, str] = field(default_factory=dict)
    """The SHA-256 of each contract that was held, by the path of the input or output."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON data."""
        return {
            "key": self.key,
            "parts": dict(self.parts),
            "outputs": {path: _brief(content) for path, content in self.outputs.items()},
            "run": self.run,
            "contracts": dict(self.contracts),
        }

    @classmethod
    def from_dict(cls, value: Any) -> StageEntry:
        """From JSON data. Raises: ValueError, KeyError, TypeError, AttributeError, EnvbuildError, if it is none."""
        run, parts = value["run"], value["parts"]
        if run is not None and not RUN_ID.fullmatch(run):
            raise ValueError("its `run` is no run")
        _check_parts(parts)
        outputs = {check_path(path): Content.from_dict(one) for path, one in value["outputs"].items()}
        contracts = {str(path): str(digest) for path, digest in value["contracts"].items()}
        return cls(str(value["key"]), parts, outputs, run, contracts)


@dataclass(frozen=True, slots=True)
class StagesLock:
    """The entries of a project, by stage."""

    stages: Mapping[str, StageEntry] = field(default_factory=dict)

    def with_entry(self, name: str, entry: StageEntry) -> StagesLock:
        """With another entry of a stage."""
        return StagesLock({**self.stages, name: entry})

    def only(self, names: Collection[str]) -> StagesLock:
        """Without the stages that are not among these."""
        return StagesLock({name: entry for name, entry in self.stages.items() if name in names})

    def to_bytes(self) -> bytes:
        """The readable bytes: sorted, one value a line."""
        stages = {name: entry.to_dict() for name, entry in self.stages.items()}
        return readable_json({"version": STAGES_LOCK_VERSION, "stages": stages})

    @classmethod
    def from_bytes(cls, data: bytes, what: str) -> StagesLock:
        """From the file; `what` names it in messages.

        Raises: EnvbuildError, if it is no such lock or one of another version; TamperedLockError, if a key is not
        that of its parts; ConflictedLockError.
        """
        check_merged(data, STAGES_LOCK_FILE, what, "envbuild repro")
        document = parse_json(data, what)
        check_version(document, STAGES_LOCK_VERSION, what, _AGAIN)
        try:
            stages = {str(name): StageEntry.from_dict(entry) for name, entry in document["stages"].items()}
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError, EnvbuildError) as error:
            why = f"{type(error).__name__}: {error}" if isinstance(error, (KeyError, AttributeError)) else str(error)
            raise EnvbuildError(f"{what} is not as it should be", why, _AGAIN) from error
        wrong = [f"the key of `{name}` is not that of its parts" for name in stages if not _is_whole(stages[name])]
        if wrong:
            raise TamperedLockError(f"{what} was changed by hand, or merged from two that do not fit", wrong, _AGAIN)
        return cls(stages)


def read_stages_lock(folder: Path) -> StagesLock:
    """The lock in a project's folder `lock`; an empty one where there is none.

    Raises: as `StagesLock.from_bytes`.
    """
    data = read_lock_file(folder / STAGES_LOCK_FILE, _SIZE_LIMIT, _AGAIN)
    return StagesLock() if data is None else StagesLock.from_bytes(data, f"the lock of stages in `{folder}`")


def write_stages_lock(folder: Path, lock: StagesLock) -> bool:
    """Make the file what `lock` says, atomically; whether anything changed."""
    return write_lock_file(folder / STAGES_LOCK_FILE, lock.to_bytes())


def _check_parts(parts: Any) -> None:
    if not isinstance(parts, dict) or parts.keys() != _PARTS.keys():
        raise ValueError(f"its `parts` are not {', '.join(_PARTS)}")
    texts = [*parts["arguments"], *parts["outputs"]]
    for name in ("code", "parameter-files", "variables"):
        texts += parts[name].values()
    for content in parts["inputs"].values():
        texts += [content["kind"], content["sha256"]]
    is_other = [name for name, expected in _PARTS.items() if not isinstance(parts[name], expected)]
    if is_other or not all(isinstance(text, str) for text in texts):
        raise TypeError(f"`{is_other[0] if is_other else 'parts'}` is of another type")
    list(leaves(parts["parameters"]))  # what nests too deep to be told cannot be compared


def _brief(content: Content) -> dict[str, Any]:
    return {"kind": content.kind, "sha256": content.sha256, "size": content.size}


def _is_whole(entry: StageEntry) -> bool:
    return key_of(entry.parts) == entry.key
