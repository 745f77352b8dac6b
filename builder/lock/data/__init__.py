"""Locking data and weights: which bytes a project's `data` and `model` mean, in `lock/data.lock.json`."""
