"""Runs as OpenLineage events (2-0-2): when each began, how it ended, what it read and what it wrote. Pure.

The same record gives the same events, so that a server that has them already has nothing new.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

from builder import __version__
from builder.history.content import Content
from builder.history.leaves import leaves
from builder.history.record import RunRecord

PRODUCER = f"https://pypi.org/project/envbuild/{__version__}"
_SPECIFICATION = "https://openlineage.io/spec"
_EVENT = f"{_SPECIFICATION}/2-0-2/OpenLineage.json#/$defs/RunEvent"
_FACETS = {
    "DatasetVersionDatasetFacet": "1-0-1",
    "OutputStatisticsOutputDatasetFacet": "1-0-2",
    "SourceCodeLocationJobFacet": "1-1-0",
    "JobTypeJobFacet": "2-0-4",
    "DocumentationJobFacet": "1-1-0",
    "OwnershipJobFacet": "1-0-1",
    "ParentRunFacet": "1-2-0",
    "ErrorMessageRunFacet": "1-0-1",
    "ExecutionParametersRunFacet": "1-0-0",
    "ProcessingEngineRunFacet": "1-1-1",
    "TagsRunFacet": "1-0-0",
}
_RUNS = uuid.UUID("6b1c9a52-0f0e-5b0a-9d53-3f1f6f5b1f0e")
"""The name space of the identifiers of runs, which OpenLineage wants as UUIDs (RFC 9562, version 5)."""
_MOST = 1000


def run_uuid(run: str) -> str:
    """The UUID that stands for a run's id, or for the name of what runs are a part of."""
    return str(uuid.uuid5(_RUNS, run))


def events(record: RunRecord, namespace: str = "", repository: str | None = None) -> Iterator[dict[str, Any]]:
    """How a run began and, if it has ended, how it did.

    `namespace` is that of jobs and datasets, the project's name by default; `repository` the URL of its code.
    """
    space = namespace or record.project or "envbuild"
    job = {"namespace": space, "name": record.command, "facets": _job_facets(record, repository)}
    run = {"runId": run_uuid(record.id), "facets": _run_facets(record, space)}
    inputs = [_dataset(space, name, content) for name, content in record.data.items()]
    event = {"eventTime": record.start, "producer": PRODUCER, "schemaURL": _EVENT, "run": run, "job": job}
    yield {**event, "eventType": "START", "inputs": inputs, "outputs": []}
    if record.outcome == "running":
        return
    outputs = [
        _dataset(space, name, content) | {"outputFacets": {"outputStatistics": _statistics(content)}}
        for name, content in record.outputs.items()
    ]
    kind = {"ok": "COMPLETE", "failed": "FAIL", "killed": "ABORT"}[record.outcome]
    yield {**event, "eventType": kind, "eventTime": record.end or record.start, "inputs": inputs, "outputs": outputs}


def _run_facets(record: RunRecord, space: str) -> dict[str, Any]:
    facets = {"processing_engine": _facet("ProcessingEngineRunFacet", version=__version__, name="envbuild")}
    if record.parent:
        parent = {"run": {"runId": run_uuid(record.parent)}, "job": {"namespace": space, "name": record.parent}}
        facets["parent"] = _facet("ParentRunFacet", **parent)
    params = [{"key": name, "name": name, "value": str(value)} for name, value in leaves(record.params)]
    if record.seed is not None:
        params.append({"key": "seed", "name": "seed", "value": str(record.seed)})
    if params:
        facets["executionParameters"] = _facet("ExecutionParametersRunFacet", parameters=params[:_MOST])
    tags = [{"key": name, "value": str(value), "source": "envbuild"} for name, value in _told(record)]
    facets["tags"] = _facet("TagsRunFacet", tags=tags[:_MOST])
    if record.outcome in ("failed", "killed"):
        what = f"exit code {record.exit_code}" if record.outcome == "failed" else "it was killed"
        facets["errorMessage"] = _facet("ErrorMessageRunFacet", message=what, programmingLanguage="unknown")
    return facets


def _told(record: RunRecord) -> Iterator[tuple[str, Any]]:
    """What no facet is for."""
    yield "envbuild.run", record.id
    for name, value in (("image", record.image), ("lock", record.lock), ("code", record.code.digest)):
        if value:
            yield name, value
    for name, metric in record.metrics.items():
        yield f"metrics.{name}", metric


def _job_facets(record: RunRecord, repository: str | None) -> dict[str, Any]:
    kind = {"processingType": "BATCH", "integration": "ENVBUILD", "jobType": record.kind.upper()}
    facets = {"jobType": _facet("JobTypeJobFacet", **kind)}
    if record.commit is not None and repository:
        location = {"type": "git", "url": repository, "repoUrl": repository, "version": record.commit.id}
        facets["sourceCodeLocation"] = _facet("SourceCodeLocationJobFacet", **location)
    if record.why:
        facets["documentation"] = _facet("DocumentationJobFacet", description=record.why)
    if record.owner:
        facets["ownership"] = _facet("OwnershipJobFacet", owners=[{"name": record.owner}])
    return facets


def _dataset(space: str, name: str, content: Content) -> dict[str, Any]:
    version = _facet("DatasetVersionDatasetFacet", datasetVersion=f"sha256:{content.sha256}")
    return {"namespace": space, "name": name, "facets": {"version": version}}


def _statistics(content: Content) -> dict[str, Any]:
    files = {} if content.files is None else {"fileCount": len(content.files)}
    return _facet("OutputStatisticsOutputDatasetFacet", size=content.size, **files)


def _facet(kind: str, /, **values: Any) -> dict[str, Any]:
    url = f"{_SPECIFICATION}/facets/{_FACETS[kind]}/{kind}.json#/$defs/{kind}"
    return {"_producer": PRODUCER, "_schemaURL": url, **values}


def web_url(remote: str) -> str | None:
    """The URL of a git remote without credentials, as a URI; None if it is none."""
    short = re.fullmatch(r"[\w.-]+@([\w.-]+):([\w./~-]+)", remote)
    if short:
        return f"ssh://{short[1]}/{short[2]}"
    whole = re.fullmatch(r"(https?|ssh|git)://(?:[^/@]*@)?([\w.:-]+/[\w./~%+-]+)", remote)
    return f"{whole[1]}://{whole[2]}" if whole else None
