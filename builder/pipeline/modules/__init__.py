"""Modules: stages that others have made, taken with `uses`.

They are had from where they are, read, held to what a project gives them, and pinned in `lock/modules.lock.json`.
"""
