"""What a CUDA version asks of the hosts: the least NVIDIA driver, and its words in an image. Pure.

CUDA 11 and later are compatible within a major version: what was built with 12.8 runs on every driver for 12.x.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CUDA_LABEL = "dev.envbuild.cuda"
DRIVER_LABEL = "dev.envbuild.nvidia-driver"

_LEAST_DRIVERS = {11: "450.80.02", 12: "525.60.13", 13: "580"}
"""By major version, on Linux (NVIDIA, CUDA compatibility: minor version compatibility, table 1)."""


@dataclass(frozen=True, slots=True)
class Cuda:
    """A version of CUDA that packages were built with."""

    version: str
    """Major and minor, as in `12.8`."""

    @classmethod
    def of_spec(cls, spec: Mapping[str, Any]) -> Cuda | None:
        """What an environment's document says, if it says any."""
        return cls.of_text(spec.get("cuda"))

    @classmethod
    def of_labels(cls, labels: Mapping[str, str]) -> Cuda | None:
        """What an image says of itself, if it says any."""
        return cls.of_text(labels.get(CUDA_LABEL))

    @classmethod
    def of_text(cls, text: object) -> Cuda | None:
        """A version like `12.8`; None of anything else."""
        return cls(text) if isinstance(text, str) and len(version_of(text)) == 2 else None

    @property
    def major(self) -> int:
        """Within which versions are compatible."""
        return version_of(self.version)[0]

    @property
    def tag(self) -> str:
        """How indexes and local versions of packages call it, as in `cu128`."""
        return "cu" + self.version.replace(".", "")

    @property
    def least_driver(self) -> str | None:
        """The oldest driver that runs it; None where that is not known."""
        return _LEAST_DRIVERS.get(self.major)

    @property
    def labels(self) -> dict[str, str]:
        """Of an image with it."""
        return {CUDA_LABEL: self.version} | ({DRIVER_LABEL: self.least_driver} if self.least_driver else {})

    @property
    def variables(self) -> dict[str, str]:
        """Of an image with it: what NVIDIA's container runtime gives it, and the driver that it then insists on."""
        least = f"{self.major}.0" if self.least_driver else self.version
        return {
            "NVIDIA_VISIBLE_DEVICES": "all",
            "NVIDIA_DRIVER_CAPABILITIES": "compute,utility",
            "NVIDIA_REQUIRE_CUDA": f"cuda>={least}",
        }


def version_of(text: str) -> tuple[int, ...]:
    """The numbers of a version like `525.60.13`, to compare; empty, if it is none."""
    parts = text.split(".")
    return tuple(map(int, parts)) if all(part.isascii() and part.isdigit() and len(part) < 9 for part in parts) else ()
