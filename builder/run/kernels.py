"""Where Jupyter looks for kernels, and what it wants to know of one (jupyter-client: kernel specifications)."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from builder.oci.canonical import readable_json
from builder.oci.layout import write_atomically


def kernel_folder(variables: Mapping[str, str]) -> Path:
    """The user's own folder of kernels."""
    if variables.get("JUPYTER_DATA_DIR"):
        return Path(variables["JUPYTER_DATA_DIR"]) / "kernels"
    if sys.platform == "darwin":
        return Path.home() / "Library/Jupyter/kernels"
    return Path(variables.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "jupyter/kernels"


def kernel_specification(display_name: str, arguments: Sequence[str]) -> dict[str, Any]:
    """What `kernel.json` holds; `{connection_file}` among the arguments stands for Jupyter's file."""
    return {
        "argv": list(arguments),
        "display_name": display_name,
        "language": "python",
        "interrupt_mode": "signal",
        "metadata": {"debugger": True},
    }


def write_kernel(folder: Path, specification: Mapping[str, Any]) -> None:
    """Write `kernel.json` into the kernel's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "kernel.json", readable_json(specification))
