"""Outputs of stages: which are kept here or in the shared cache, and laid out in the project."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from builder.history.content import Content
from builder.history.kept import Result, has, keep_result, restore, result_of
from builder.lock.data.hashing import shown
from builder.oci.store import Store
from builder.pipeline.bench import Screen
from builder.pipeline.resolve import Pipeline
from builder.pipeline.shared import Shared
from builder.pipeline.stage import Port, ResolvedStage


@dataclass(frozen=True, slots=True)
class Outputs:
    """Those of the stages of one project."""

    store: Store
    shared: Shared | None
    pipeline: Pipeline
    screen: Screen

    def result_of(self, key: str, ports: Sequence[Port] | None = None) -> Result | None:
        """What is kept under a key; of a stage with these outputs the shared cache is asked, too."""
        result = result_of(self.store, key)
        if result is None and self.shared and ports is not None:
            return self.shared.result_of(self.store, key, [port.target for port in ports])
        return result

    def keep(self, key: str, result: Result) -> None:
        """Keep what a stage made under its key, here."""
        keep_result(self.store, key, result)

    def share(self, key: str, result: Result) -> None:
        """Have the shared cache keep it, too."""
        if self.shared:
            self.shared.keep(self.store, key, result)

    def share_kept(self, key: str) -> None:
        """Have the shared cache keep what was made before, if it is kept here."""
        result = result_of(self.store, key) if self.shared else None
        if result is not None:
            self.share(key, result)

    def are_at_hand(self, outputs: Mapping[str, Content]) -> bool:
        """Whether all of them are in the project or can be restored."""
        return all(self.is_here(path, one) or has(self.store, one) for path, one in outputs.items())

    def is_here(self, path: str, content: Content) -> bool:
        """Whether an output is in the project."""
        here = self.pipeline.contents.at(path)
        return here is not None and (here.kind, here.sha256) == (content.kind, content.sha256)

    def place(self, outputs: Mapping[str, Content]) -> None:
        """Have outputs in the project. Raises: EnvbuildError."""
        for path, content in outputs.items():
            if not self.is_here(path, content):
                aside = restore(self.store, content, self.pipeline.loaded.folder / path).aside
                if aside:
                    self.screen.say(
                        f"note: what was at `{path}` is kept nowhere else, so it is at `{shown(aside)}` now"
                    )

    def broken_promises(self, stage: ResolvedStage, key: str, outputs: Mapping[str, Content]) -> tuple[str, ...]:
        """That a stage which promises the same bytes made others than before."""
        before = result_of(self.store, key) if stage.deterministic else None
        if before is None or not outputs:
            return ()
        others = [target for target, one in outputs.items() if before.outputs[target].sha256 != one.sha256]
        return tuple(f"it is declared `deterministic`, and `{one}` is other than in {before.run}" for one in others)
