"""The stages of a pipeline as a graph, to be drawn, and as a document. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from builder.pipeline.graph import Places
from builder.pipeline.stage import Port
from builder.pipeline.step import Step
from builder.records.graph import Edge, Graph, Node


def graph_of(steps: Sequence[Step], needs: Mapping[str, Sequence[str]], *, with_data: bool) -> Graph:
    """The steps, which are in order, and which waits for which; `with_data`, by way of what they read and write."""
    stages = tuple(Node(f"stage:{step.name}", "command", step.name, _note(step), step.stage.owner) for step in steps)
    if with_data:
        ports = _data(steps)
        return Graph("Stages and data", (*stages, *ports.values()), tuple(_ways(steps, ports)))
    ways = (Edge(f"stage:{other}", f"stage:{step.name}") for step in steps for other in needs[step.name])
    return Graph("Stages", stages, tuple(ways))


def document_of(steps: Sequence[Step], needs: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The steps in order, for `--format json`."""
    return {
        "stages": [
            {
                "name": step.name,
                "run": list(step.stage.arguments),
                "uses": step.stage.uses,
                "inputs": [{"name": port.name, "path": port.path, "source": port.source} for port in step.inputs],
                "outputs": [{"name": port.name, "path": port.path} for port in step.outputs],
                "metrics": sorted(step.metrics),
                "environment": step.stage.environment,
                "owner": step.stage.owner,
                "why": step.stage.why,
                "needs": list(needs[step.name]),
            }
            for step in steps
        ]
    }


def _note(step: Step) -> str:
    return step.stage.uses or " ".join(step.stage.arguments)


def _data(steps: Sequence[Step]) -> dict[str, Node]:
    """What is read and written, by its id, in the order of the steps."""
    found: dict[str, Node] = {}
    written = {port.path for step in steps for port in step.outputs}
    for step in steps:
        for port in step.inputs:
            kind = "result" if port.source == "project" and port.path in written else "data"
            note = "data" if port.source == "data" else ""
            found.setdefault(_id(port), Node(_id(port), kind, port.path, note))  # type: ignore[arg-type]
        for port in step.outputs:
            note = "metrics" if port.name in step.metrics else ""
            found[_id(port)] = Node(_id(port), "result", port.path, note)
    return found


def _ways(steps: Sequence[Step], ports: Mapping[str, Node]) -> Iterator[Edge]:
    """From what is read to the stage, from the stage to what it writes, and between a folder and what is in it."""
    outputs = Places((port.path, _id(port)) for step in steps for port in step.outputs)
    for step in steps:
        for port in step.inputs:
            yield Edge(_id(port), f"stage:{step.name}")
            if port.source == "project" and port.path not in outputs:
                yield from (Edge(other, _id(port)) for _, other in outputs.touching(port.path))
        yield from (Edge(f"stage:{step.name}", _id(port)) for port in step.outputs if _id(port) in ports)


def _id(port: Port) -> str:
    return f"{port.source}:{port.path}"
