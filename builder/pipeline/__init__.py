"""The stages of a project: what depends on what, what changed, and running just that in its image."""
