"""What came of stages, by their keys: kept beside the outputs, and given only where all of them are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from builder.errors import EnvbuildError
from builder.history.content import Content
from builder.history.kept.place import Kept
from builder.history.kept.restoring import has
from builder.oci.store import Store

RESULT_FORMAT = 1
RESULTS = "results"


@dataclass(frozen=True, slots=True)
class Result:
    """What a stage made."""

    outputs: Mapping[str, Content]
    """By target, absolute in the image."""
    run: str | None = None
    """The id of the run that made it."""
    metrics: Mapping[str, float | str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As it is kept; long lists of files are kept by themselves."""
        return {
            "format": RESULT_FORMAT,
            "outputs": {target: content.to_dict() for target, content in self.outputs.items()},
            "run": self.run,
            "metrics": dict(self.metrics),
        }

    @classmethod
    def from_dict(cls, value: Any) -> Result:
        """From anywhere. Raises: EnvbuildError, if it is none."""
        try:
            if value["format"] != RESULT_FORMAT:
                raise ValueError(f"format {RESULT_FORMAT} is expected")
            outputs = {str(target): Content.from_dict(one) for target, one in value["outputs"].items()}
            run, metrics = value["run"], dict(value["metrics"])
            if not isinstance(run, str | None) or not all(
                isinstance(one, float | int | str) for one in metrics.values()
            ):
                raise TypeError("its run or its metrics are of another type")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise EnvbuildError("this is no result of a stage", str(error)) from error
        return cls(outputs, run, metrics)


def keep_result(store: Store, key: str, result: Result) -> None:
    """Keep what came of the stage with this key (hexadecimal); its outputs are kept before."""
    Kept.of(store).keep_record(RESULTS, key, result.to_dict())


def result_of(store: Store, key: str) -> Result | None:
    """What came of the stage with this key, where all of its outputs are kept, as they were."""
    kept = Kept.of(store)
    value = kept.record(RESULTS, key)
    if value is None:
        return None
    try:
        result = Result.from_dict(value)
    except EnvbuildError:  # of another version, or damaged: as good as none
        return None
    return result if all(has(store, content) for content in result.outputs.values()) else None
