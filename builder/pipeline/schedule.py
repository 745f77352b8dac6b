"""Which stages may be run now: those whose predecessors are done, and that find room beside the running ones. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from builder.errors import EnvbuildError
from builder.pipeline.graph import Needs
from builder.spec.stages import Resources


@dataclass(frozen=True, slots=True)
class Capacity:
    """What the machine has for stages."""

    cpu: float
    """Processors."""
    memory: int | None
    """Bytes; None where it is not known, and nothing is held to it."""
    gpus: tuple[str, ...] = ()
    """The names of its GPUs, as engines know them."""

    def lacking(self, name: str, wanted: Resources) -> list[str]:
        """What a stage needs and the whole machine does not have, a sentence each."""
        memory = wanted.memory_bytes
        found = []
        if wanted.cpu > self.cpu:
            found.append(f"`{name}` needs {wanted.cpu:g} processors of {self.cpu:g}")
        if memory is not None and self.memory is not None and memory > self.memory:
            found.append(f"`{name}` needs {wanted.memory} of memory of {_size(self.memory)}")
        if wanted.gpu > len(self.gpus):
            found.append(f"`{name}` needs {wanted.gpu} GPUs of {len(self.gpus)}")
        return found


def check_capacity(capacity: Capacity, wanted: Iterable[tuple[str, Resources]]) -> None:
    """Refuse stages that could never be run. Raises: EnvbuildError, naming each."""
    reasons = [reason for name, resources in wanted for reason in capacity.lacking(name, resources)]
    if reasons:
        raise EnvbuildError(
            "this machine has not what stages need",
            reasons,
            "Run them on another machine, lower `resources`, or say what there is with `--cpu`, `--memory`, `--gpus`",
        )


@dataclass(slots=True)
class Board:
    """What is done, what runs, and what may be begun."""

    needs: Needs
    """Those that each stage waits for, in an order in which all can be run."""
    resources: Mapping[str, Resources]
    capacity: Capacity
    jobs: int | None = None
    """Stages at a time at most; None for as many as find room."""
    done: set[str] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    running: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """With the GPUs that each has."""

    def ready(self) -> list[str]:
        """Stages that are not begun, and whose predecessors are done; in their order."""
        begun = self.done | self.failed | self.running.keys()
        return [name for name, needed in self.needs.items() if name not in begun and self.done.issuperset(needed)]

    def fits(self, name: str) -> bool:
        """Whether a stage finds room beside the running ones."""
        wanted = self.resources[name]
        if self.jobs is not None and len(self.running) >= self.jobs:
            return False
        used = [self.resources[one] for one in self.running]
        memory = sum(one.memory_bytes or 0 for one in used) + (wanted.memory_bytes or 0)
        return (
            sum(one.cpu for one in used) + wanted.cpu <= self.capacity.cpu
            and (self.capacity.memory is None or memory <= self.capacity.memory)
            and len(self._free_gpus()) >= wanted.gpu
        )

    def begin(self, name: str) -> tuple[str, ...]:
        """Take what a stage needs: the GPUs that are its own."""
        self.running[name] = self._free_gpus()[: self.resources[name].gpu]
        return self.running[name]

    def end(self, name: str, *, is_done: bool) -> None:
        """Give back what a stage had."""
        self.running.pop(name, None)
        (self.done if is_done else self.failed).add(name)

    def left(self) -> dict[str, str | None]:
        """Stages that were not begun, with the failed stage that each waits for; None where it waits for none."""
        found: dict[str, str | None] = {}
        for name, needed in self.needs.items():
            if name not in self.done | self.failed | self.running.keys():
                causes = (one if one in self.failed else found.get(one) for one in needed)
                found[name] = next((cause for cause in causes if cause), None)
        return found

    def _free_gpus(self) -> tuple[str, ...]:
        used = {one for gpus in self.running.values() for one in gpus}
        return tuple(one for one in self.capacity.gpus if one not in used)


def _size(number: int) -> str:
    return f"{number / (1 << 30):.1f}g" if number >= 1 << 30 else f"{number >> 20}m"
