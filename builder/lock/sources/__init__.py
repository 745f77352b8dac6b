"""The files that teams already have: what they ask for, read strictly, with file and line of what cannot be taken.

One format a file: `requirements` and `pyproject` say what to resolve; `requirements` with hashes, `uv_lock` and
`pylock_toml` are locks that are taken as they are.
"""

from builder.lock.sources.read import read_inputs, read_sources

__all__ = ["read_inputs", "read_sources"]
