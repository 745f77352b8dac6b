"""Drift: how far data are from what a reference profile says, and whether that is too far."""

from builder.data.drift.outcome import Drift, Measure
from builder.data.drift.rules import Rules

__all__ = ["Drift", "Measure", "Rules"]
