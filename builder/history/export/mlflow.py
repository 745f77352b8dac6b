"""Runs on an MLflow server, over its REST API 2.0. A run that is sent again is brought up to date, not doubled.

The tag `envbuild.run_id` says which run it is. Values are cut to what the server takes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from builder.errors import EnvbuildError
from builder.history.export.sending import Answer
from builder.history.leaves import leaves
from builder.history.metrics import Row
from builder.history.record import RunRecord

RUN_TAG = "envbuild.run_id"
_API = "/api/2.0/mlflow"
_PARAMS_AT_ONCE, _TAGS_AT_ONCE, _METRICS_AT_ONCE = 100, 100, 1000
"""What one `log-batch` takes; a request takes 1000 of all together."""
_VALUE_LIMIT, _TAG_LIMIT, _KEY_LIMIT = 500, 5000, 250
"""Characters of a parameter, a tag, a name."""
_STATUS = {"running": "RUNNING", "ok": "FINISHED", "failed": "FAILED", "killed": "KILLED"}


class Server(Protocol):
    """Asks an MLflow server."""

    def send(self, path: str, document: Any, method: str = "POST") -> Answer:
        """The answer. Raises: EnvbuildError, if there is none."""

    def expect(self, path: str, document: Any, method: str = "POST") -> Any:
        """The document of an answer that is a success. Raises: EnvbuildError."""

    def refused(self, answer: Answer) -> EnvbuildError:
        """An error for an answer that is none."""


@dataclass(frozen=True, slots=True)
class Sent:
    """Where a run is on the server."""

    id: str
    """Of envbuild."""
    run: str
    """Of MLflow."""
    created: bool


def find_experiment(server: Server, name: str) -> str:
    """The id of the experiment of this name, which is made if there is none. Raises: EnvbuildError."""
    from urllib.parse import quote

    answer = server.send(f"{_API}/experiments/get-by-name?experiment_name={quote(name, safe='')}", None, "GET")
    if answer.status == 200:
        return _text(answer.document, "experiment", "experiment_id")
    code = answer.document.get("error_code") if isinstance(answer.document, dict) else None
    if code != "RESOURCE_DOES_NOT_EXIST":
        raise server.refused(answer)
    return _text(server.expect(f"{_API}/experiments/create", {"name": name}), "experiment_id")


def send_run(
    server: Server, experiment: str, record: RunRecord, steps: Sequence[Row] = (), tags: Sequence[str] = ()
) -> Sent:
    """Have a run on the server as its record is now. Raises: EnvbuildError."""
    known = _found(server, experiment, record.id)
    run = known or _created(server, experiment, record)
    for batch in _batches(record, steps, tags):
        server.expect(f"{_API}/runs/log-batch", {"run_id": run, **batch})
    end = {} if record.end is None else {"end_time": _milliseconds(record.end)}
    server.expect(f"{_API}/runs/update", {"run_id": run, "status": _STATUS[record.outcome], **end})
    return Sent(record.id, run, known is None)


def _found(server: Server, experiment: str, run: str) -> str | None:
    wanted = {"experiment_ids": [experiment], "filter": f"tags.`{RUN_TAG}` = '{run}'", "max_results": 1}
    document = server.expect(f"{_API}/runs/search", wanted)
    runs = document.get("runs", []) if isinstance(document, dict) else None
    if not isinstance(runs, list):
        raise _strange("runs")
    return _text(runs[0], "info", "run_id") if runs else None


def _created(server: Server, experiment: str, record: RunRecord) -> str:
    wanted = {
        "experiment_id": experiment,
        "run_name": record.id,
        "start_time": _milliseconds(record.start),
        "tags": [{"key": RUN_TAG, "value": record.id}],
    }
    return _text(server.expect(f"{_API}/runs/create", wanted), "run", "info", "run_id")


def _batches(record: RunRecord, steps: Sequence[Row], tags: Sequence[str]) -> Iterator[dict[str, Any]]:
    params = [{"key": _key(name), "value": str(value)[:_VALUE_LIMIT]} for name, value in _params(record)]
    for start in range(0, len(params), _PARAMS_AT_ONCE):
        yield {"params": params[start : start + _PARAMS_AT_ONCE]}
    told = [{"key": _key(key), "value": str(value)[:_TAG_LIMIT]} for key, value in _tags(record, tags) if value]
    for start in range(0, len(told), _TAGS_AT_ONCE):
        yield {"tags": told[start : start + _TAGS_AT_ONCE]}
    metrics = list(_metrics(record, steps))
    for start in range(0, len(metrics), _METRICS_AT_ONCE):
        yield {"metrics": metrics[start : start + _METRICS_AT_ONCE]}


def _params(record: RunRecord) -> Iterator[tuple[str, Any]]:
    yield from leaves(record.params)
    if record.seed is not None:
        yield "seed", record.seed


def _tags(record: RunRecord, tags: Sequence[str]) -> Iterator[tuple[str, Any]]:
    yield "mlflow.user", record.who.get("name")
    yield "mlflow.source.type", "PROJECT"
    yield "mlflow.source.name", record.project
    yield "mlflow.source.git.commit", record.commit.id if record.commit else None
    yield "mlflow.note.content", record.why
    yield "mlflow.project.entryPoint", record.command
    for name in ("image", "lock", "environment", "parent", "owner"):
        yield f"envbuild.{name}", getattr(record, name)
    yield "envbuild.code", record.code.digest
    yield "envbuild.tags", " ".join(tags)
    for group, contents in (("data", record.data), ("output", record.outputs)):
        for name, content in contents.items():
            yield f"envbuild.{group}.{name}", f"sha256:{content.sha256}"


def _metrics(record: RunRecord, steps: Sequence[Row]) -> Iterator[dict[str, Any]]:
    """By step, then the last values of what has no steps; the times are the run's own, so that none is doubled."""
    start, end = _milliseconds(record.start), _milliseconds(record.end or record.start)
    seen = set()
    for step, values in steps:
        for name, value in values.items():
            if _is_number(value):
                seen.add(name)
                yield {"key": _key(name), "value": value, "timestamp": start, "step": int(step)}
    for name, value in record.metrics.items():
        if name not in seen and _is_number(value):
            yield {"key": _key(name), "value": value, "timestamp": end, "step": 0}


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _key(name: str) -> str:
    """A name as MLflow takes it: letters, digits, `_`, `-`, `.`, `/`, ` `, `:`."""
    plain = "".join(one if one.isalnum() or one in "_-. /:" else "_" for one in name)
    return "/".join(part for part in plain.split("/") if part not in ("", ".", ".."))[:_KEY_LIMIT] or "_"


def _milliseconds(time: str) -> int:
    try:
        return round(datetime.fromisoformat(time).timestamp() * 1000)
    except ValueError as error:
        raise EnvbuildError(f"`{time[:40]}` is no time", "the record of the run was changed by hand") from error


def _text(document: Any, *path: str) -> str:
    for name in path:
        document = document.get(name) if isinstance(document, dict) else None
    if not isinstance(document, str) or not 0 < len(document) <= 200:
        raise _strange(".".join(path))
    return document


def _strange(what: str) -> EnvbuildError:
    return EnvbuildError("the server does not answer as MLflow does", f"its answer has no `{what}`")
