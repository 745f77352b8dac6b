"""Where results of stages are shared, and asking there: what fails is told, and the stage is run instead."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Protocol

from builder.errors import EnvbuildError
from builder.history.kept import Result
from builder.history.kept.place import Kept
from builder.oci.registry.failure import RefusedError
from builder.oci.registry.patience import TransientError
from builder.oci.store import Store


class Place(Protocol):
    """Results of stages by key, with the files of their outputs."""

    @property
    def name(self) -> str:
        """For messages."""

    def pull(self, kept: Kept, key: str, targets: Collection[str]) -> Result | None:
        """Have what came of a stage, every file checked by its digest; None where it is not there.

        Raises: EnvbuildError, if it is damaged, is of other outputs than `targets`, or cannot be had; OSError.
        """

    def push(self, kept: Kept, key: str, result: Result, *, replace: bool = False) -> None:
        """Bring what came of a stage there; what is there already stays, unless it is to be replaced.

        Raises: EnvbuildError, if that cannot be done; OSError.
        """


@dataclass(slots=True)
class Shared:
    """A place that may fail: then results are computed here, as without it."""

    place: Place
    warn: Callable[[str, EnvbuildError], None]
    """Is told what could not be done, and why."""
    _refused: set[str] = field(default_factory=set)
    """Keys under which something is that could not be taken."""
    _is_gone: bool = False
    """Whether nobody answers there, or nobody lets us in, so that it is not asked again."""

    def result_of(self, store: Store, key: str, targets: Collection[str]) -> Result | None:
        """What came of a stage, kept in the store now; None where it must be run."""
        from builder.history.kept import keep_result

        if self._is_gone:
            return None
        try:
            result = self.place.pull(Kept.of(store), key, targets)
        except (EnvbuildError, OSError) as error:
            self._refused.add(key)
            self._tell(f"a result of `{self.place.name}` is not used", error)
            return None
        if result is not None:
            keep_result(store, key, result)
        return result

    def keep(self, store: Store, key: str, result: Result) -> None:
        """Share what came of a stage, whose outputs are kept in the store."""
        if self._is_gone:
            return
        try:
            self.place.push(Kept.of(store), key, result, replace=key in self._refused)
        except (EnvbuildError, OSError) as error:
            self._tell(f"a result could not be shared in `{self.place.name}`", error)

    def _tell(self, what: str, error: EnvbuildError | OSError) -> None:
        if isinstance(error, OSError):
            error = EnvbuildError(f"`{error.filename or self.place.name}`: {error.strerror or error}")
        self._is_gone = isinstance(error, TransientError | RefusedError)
        self.warn(what, error)
