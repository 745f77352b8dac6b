"""Git repositories of the tests' own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path


def make_repository(folder: Path, files: Mapping[str, bytes], when: str = "2024-05-06T07:08:09+02:00") -> str:
    """A bare repository in `folder` with one commit; its name."""
    work = folder.parent / f"{folder.name}-work"
    git(work, "init", "--quiet", "--initial-branch=main", str(work))
    for path, data in files.items():
        (work / path).parent.mkdir(parents=True, exist_ok=True)
        (work / path).write_bytes(data)
        if path.endswith(".sh"):
            (work / path).chmod(0o755)
    commit(work, when)
    git(folder.parent, "clone", "--quiet", "--bare", str(work), str(folder))
    git(folder, "update-server-info")
    return git(work, "rev-parse", "HEAD").strip()


def commit(work: Path, when: str = "2024-05-06T07:08:09+02:00") -> None:
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message=one", when=when)


def git(folder: Path, *arguments: str, when: str = "") -> str:
    folder.mkdir(parents=True, exist_ok=True)
    author = {"NAME": "A", "EMAIL": "a@example.org", "DATE": when}
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "GIT_CONFIG_NOSYSTEM": "1"}
    environment |= {f"GIT_{role}_{key}": value for role in ("AUTHOR", "COMMITTER") for key, value in author.items()}
    return subprocess.run(
        ["git", "-c", "protocol.file.allow=always", *arguments],
        cwd=folder, env=environment, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
