"""Outputs of stages and commands, kept by digest in the store and laid out again wherever they are wanted."""

from builder.history.kept.keeping import keep, keep_all
from builder.history.kept.restoring import Restored, has, holds, restore
from builder.history.kept.results import Result, keep_result, result_of

__all__ = ["Restored", "Result", "has", "holds", "keep", "keep_all", "keep_result", "restore", "result_of"]
