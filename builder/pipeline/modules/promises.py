"""What comes into a module held to what the module demands, before anything is run: kinds, and contracts.

A contract that data or another module's output already has must promise all that the input's contract demands: data
that keep the one may not break the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from builder.data.compare.contracts import compare_contracts
from builder.data.contract.document import Contract
from builder.data.contract.read import read_contract
from builder.lock.data.document import DataLock
from builder.pipeline.graph import normal
from builder.pipeline.modules.read import LoadedModule
from builder.pipeline.stage import Port
from builder.pipeline.step import Report, Step
from builder.spec import LoadedProject

_MOST_TOLD = 5


@dataclass(frozen=True, slots=True)
class Promises:
    """What is known of what stages read."""

    loaded: LoadedProject
    data: DataLock
    steps: Mapping[str, Step]
    """The uses of modules, by stage."""
    modules: Mapping[str, LoadedModule]
    """By stage."""

    def check(self, step: Step, report: Report) -> None:
        """Report what an input of a module's use cannot be, or does not promise."""
        declared = self.modules[step.name].document.inputs
        for port in step.inputs:
            kind, expected = self._kind(port), declared[port.name].kind
            if kind is not None and kind != expected:
                report(f"inputs.{port.name}", f"`{port.path}` is a {kind}, where the module reads a {expected}", None)
            promised = self._promised(port)
            if promised is None or port.contract is None or promised == port.contract or not promised.is_file():
                continue
            for reason in missing_promises(read_contract(promised).contract, read_contract(port.contract).contract):
                what = f"the contract of `{port.path}` does not promise what the module demands: {reason}"
                report(f"inputs.{port.name}", what, None)

    def _kind(self, port: Port) -> str | None:
        """`file` or `folder`, None where it cannot be told yet."""
        if port.source == "data":
            entry = self.data.data.get(port.path)
            return None if entry is None else "file" if entry.kind == "file" else "folder"
        for name, step in self.steps.items():
            for output in step.outputs:
                if output.path == port.path:
                    return self.modules[name].document.outputs[output.name].kind
        if any(port.path in map(normal, stage.written) for stage in self.loaded.project.stages.values()):
            return None
        place = self.loaded.folder / port.path
        return "folder" if place.is_dir() else "file" if place.is_file() else None

    def _promised(self, port: Port) -> Path | None:
        """The contract that what is read keeps: of data, or of the output that it is."""
        if port.source == "data":
            contract = self.loaded.project.data[port.path].contract
            return None if contract is None else self.loaded.folder / contract
        for step in self.steps.values():
            for output in step.outputs:
                if output.path == port.path:
                    return output.contract
        for stage in self.loaded.project.stages.values():
            if stage.uses is None and port.path in map(normal, stage.written):
                own = {normal(path): contract for path, contract in stage.contracts.items()}
                return self.loaded.folder / own[port.path] if port.path in own else None
        return None


def missing_promises(promised: Contract, demanded: Contract) -> tuple[str, ...]:
    """What is demanded, and does not follow from what is promised; a few of many."""
    if len(promised.schema) == len(demanded.schema) == 1:  # whatever each calls its one table
        promised = replace(promised, schema=(replace(promised.schema[0], name=demanded.schema[0].name),))
    found = list(_missing(promised, demanded))
    more = len(found) - _MOST_TOLD
    return (*found[:_MOST_TOLD], *((f"and {more} more",) if more > 0 else ()))


def _missing(promised: Contract, demanded: Contract) -> Iterator[str]:
    tables = {table.name: {column.name for column in table.properties} for table in promised.schema}
    for table in demanded.schema:
        if table.name not in tables:
            yield f"it has no table `{table.name}`"
            continue
        gone = [column.name for column in table.properties if column.name not in tables[table.name]]
        yield from (f"it has no column `{table.name}.{name}`" for name in gone)
    missing = {f"{table.name}.{column.name}" for table in demanded.schema for column in table.properties} - {
        f"{name}.{column}" for name, columns in tables.items() for column in columns
    }
    for change in compare_contracts(promised, replace(demanded, id=promised.id, version=promised.version)).changes:
        if change.kind == "breaking" and "producer" in change.breaks and change.place not in missing:
            yield f"{change.place}: {change.what}" if change.place else change.what
