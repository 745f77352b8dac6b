"""Real installers in a virtual environment that stands at `/opt/env`, as in an image.

A mount namespace of its own makes a folder appear there, so nothing of the machine changes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from filesystem_comparison import Files, Rule, of_folder, rules

INSTALLERS = ("pip", "uv")
PAGE = Path(__file__).parents[1] / "docs/reference/wheel-differences.md"
PYTHON = Path("/usr/bin/python3.11")
PREFIX = "opt/env"
_ENTER = """
set -e
mount -t overlay -o "lowerdir=$1:/opt" none /opt
mount --bind "$2" /opt/env
shift 2
exec "$@"
"""
_PIP = ("--isolated", "--no-input", "--no-cache-dir", "--disable-pip-version-check")


def missing() -> str | None:
    """What this machine lacks, if anything."""
    if not PYTHON.exists():
        return f"{PYTHON} is not there: Debian's interpreter, as images have it"
    if shutil.which("unshare") is None:
        return "`unshare` is not installed"
    return None


@dataclass(frozen=True)
class VirtualEnvironment:
    """One of `python -m venv`, on Debian's interpreter."""

    folder: Path
    """What stands at `/opt/env`."""

    @classmethod
    def make(cls, place: Path) -> VirtualEnvironment:
        """An empty one, without pip."""
        made = cls(place / "env")
        made.folder.mkdir(parents=True)
        (place / "mount-point" / "env").mkdir(parents=True)
        made.run(PYTHON, "-I", "-m", "venv", "--without-pip", "/opt/env")
        return made

    def run(self, *command: str | Path) -> str:
        """Run a program that sees it; what it prints."""
        user = () if os.geteuid() == 0 else ("--map-root-user",)
        line = ["unshare", *user, "--mount", "sh", "-c", _ENTER, "sh", self.folder.parent / "mount-point", self.folder]
        environment = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [*map(str, line), *map(str, command)], env=environment, umask=0o022, cwd="/", capture_output=True, text=True
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def pip(self, pip: Path, house: Path, *arguments: str) -> None:
        """Install with pip, which is a wheel."""
        options = ("--no-compile", "--root-user-action", "ignore", "--no-index", "--find-links", house)
        self.run("/opt/env/bin/python", "-I", pip / "pip", *_PIP, "install", *options, *arguments)

    def uv(self, house: Path, *arguments: str) -> None:
        """Install with uv."""
        options = ("--no-config", "--no-cache", "--no-index", "--link-mode", "copy", "--find-links", house)
        self.run(sys.executable, "-m", "uv", "pip", "install", "--python", "/opt/env/bin/python", *options, *arguments)

    def files(self) -> Files:
        """All of it, by path in the image, as if root had made it."""
        return {f"{PREFIX}/{path}": replace(entry, owner=(0, 0)) for path, entry in of_folder(self.folder).items()}


def rules_for(installer: str) -> tuple[Rule, ...]:
    """What the page says of an installer: of both, then of one of them. What is by chance comes last."""
    common, *sections = PAGE.read_text("utf-8").split("\n## Only with ")
    (own,) = (section for section in sections if section.startswith(f"{installer}\n"))
    return (*rules(common), *rules(own))
