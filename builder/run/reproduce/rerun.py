"""The second half of a reproduction: a recorded run once more, in the image that was built again."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from builder.bundle.inside.recorded import parse_record
from builder.errors import DigestMismatchError, EnvbuildError
from builder.fetch import Fetcher
from builder.history.layout import RECORD_LIMIT
from builder.history.leaves import leaves
from builder.image.skeleton import MODEL
from builder.run.gpu import Gpus
from builder.run.interface import Engine, LocalImage, Mount, Network
from builder.run.prepare import Wish, prepare
from builder.run.reproduce.check import Check
from builder.run.reproduce.compare import compare_runs


@dataclass(frozen=True, slots=True)
class Conditions:
    """How commands are run again, besides what is recorded."""

    network: Network = "none"
    data: Mapping[str, Path] = field(default_factory=dict)
    """Files to use for data of these names; their bytes are checked all the same."""
    folder: Path = Path()
    """Where data of the project are looked for."""
    gpus: Gpus | None = None
    shared_memory: int | None = None


@dataclass(frozen=True, slots=True)
class Rerunner:
    """Runs commands of one image."""

    engine: Engine
    image: LocalImage
    document: Mapping[str, Any]
    """The `bundle.json` of the image."""
    fetcher: Fetcher
    conditions: Conditions

    def checks(self, record: Mapping[str, Any], out: Path) -> list[Check]:
        """Run what a record is of once more, with outputs in the empty folder `out`, and compare the two.

        What cannot be run is not measured. Raises: DigestMismatchError, if data have other bytes.
        """
        name = record["command"]
        command = self.document.get("commands", {}).get(name)
        if command is None:
            return [Check(f"run {name}", "not measured", "the bundle has no such command")]
        if record["state"] != "finished" or record.get("exit_code") != 0:
            return [Check(f"run {name}", "not measured", "the recorded run did not end well")]
        try:
            code = self._run(record, command, out)
            after = _read(out / "run.json")
        except DigestMismatchError:
            raise
        except EnvbuildError as error:
            return [Check(f"run {name}", "not measured", ": ".join((error.what, *error.why)))]
        if after is None:
            return [Check(f"run {name}", "different", f"it left no record, and ended with {code}")]
        return [*self._model_at_start(record), *compare_runs(record, after, command)]

    def _model_at_start(self, record: Mapping[str, Any]) -> list[Check]:
        """Whether the run began with the model that the recorded one began with."""
        if not record.get("model"):
            return []
        packed = (self.document.get("model") or {}).get("digest")
        digest = record["model"].get("digest")
        if digest is None:
            why = "the record does not tell which model was in the folder of outputs"
            return [Check("model at start", "not measured", why, None, packed, required=False)]
        same = digest == packed
        why = "" if same else "the recorded run began with a model that is not in the bundle"
        return [Check("model at start", "same" if same else "different", why, digest, packed)]

    def _run(self, record: Mapping[str, Any], command: Mapping[str, Any], out: Path) -> int:
        conditions = self.conditions
        wish = Wish(
            command=record["command"],
            arguments=tuple(record["arguments"]),
            parameters=tuple(parameter_options(command.get("parameters") or {}, record["params"])),
            seed=record["seed"],
            data=conditions.data,
            output=out,
            network=conditions.network,
            shared_memory=conditions.shared_memory,
            gpus=conditions.gpus,
        )
        request = prepare(wish, self.image, self.document, conditions.folder, self.fetcher)
        if not record.get("model"):  # it began without a model, and the image has the one that it made
            nothing = out.with_name(f"{out.name}-no-model")
            nothing.mkdir()
            request = replace(request, mounts=(*request.mounts, Mount(nothing, f"/{MODEL}", read_only=True)))
        with _output_as_messages():
            return self.engine.run(self.image, request)


def parameter_options(defaults: Mapping[str, Any], recorded: Mapping[str, Any]) -> Iterator[str]:
    """`NAME=VALUE` of each recorded parameter that is another than the default, as the launcher takes it.

    Raises: EnvbuildError, if the command has no such parameter.
    """
    known, wanted = dict(leaves(defaults)), dict(leaves(recorded))
    for name, value in wanted.items():
        if name not in known:
            raise EnvbuildError(f"the recorded run has a parameter `{name[:100]}`, which the command has not")
        if value != known[name] or type(value) is not type(known[name]):
            text = value if isinstance(value, str) and isinstance(known[name], str) else json.dumps(value)
            yield f"{name}={text}"


def _read(path: Path) -> dict[str, Any] | None:
    """The record that a run left. Raises: EnvbuildError, if it is none."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            return parse_record(file.read(RECORD_LIMIT + 1), "the record of the run")
    except OSError:
        return None


@contextmanager
def _output_as_messages() -> Iterator[None]:
    """What a command prints goes to standard error: standard output is for the report."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        os.dup2(2, 1)
        yield
        sys.stdout.flush()
    finally:
        os.dup2(kept, 1)
        os.close(kept)
