"""What this machine can do for envbuild, one small check a subject; nothing is changed, and nothing is fetched."""

from builder.run.doctor.examine import examine
from builder.run.doctor.interface import Examined, Finding, Needs, Result, State

__all__ = ["Examined", "Finding", "Needs", "Result", "State", "examine"]
