"""The embedded engine: Linux namespaces, with or without root, without a daemon (namespaces(7))."""

from builder.run.embedded.engine import EmbeddedEngine

__all__ = ["EmbeddedEngine"]
