"""conda packages: from an environment file to one locked package each, for every platform, solved in process."""

from builder.lock.conda.lock_file import read_conda_lock, write_conda_lock

__all__ = ["read_conda_lock", "write_conda_lock"]
