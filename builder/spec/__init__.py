"""The documents that users write, as frozen dataclasses: read strictly, every problem reported at once."""

from builder.spec.environment import Base, Environment, PyPI
from builder.spec.load import LoadedEnvironment, LoadedProject, find_spec, load_environment, load_project
from builder.spec.project import Command, DataReference, Model, Project

__all__ = [
    "Base",
    "Command",
    "DataReference",
    "Environment",
    "LoadedEnvironment",
    "LoadedProject",
    "Model",
    "Project",
    "PyPI",
    "find_spec",
    "load_environment",
    "load_project",
]
