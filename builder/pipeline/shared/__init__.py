"""Results of stages that machines share: a folder, or a repository of a registry."""

from builder.pipeline.shared.interface import Shared
from builder.pipeline.shared.opening import open_shared

__all__ = ["Shared", "open_shared"]
