"""GPUs of this machine: how many a command wants, which NVIDIA driver is here, and whether an image runs on it.

The driver is measured, not guessed: of the kernel's module, of NVIDIA's library, or of `nvidia-smi`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from builder.errors import EnvbuildError, NotMeasuredError
from builder.run.nvml import LibraryMissingError, NoDriverError, NvmlError, ask
from builder.spec.cuda import DRIVER_LABEL, Cuda, version_of

_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9:/._-]*")
_MODULE = re.compile(r"^NVRM version:.*?Kernel Module.*?\s(\d+(?:\.\d+){1,2})\s", re.MULTILINE)
_SECONDS = 20
"""For `nvidia-smi`, which starts the driver where nothing uses it."""
_MOST = 1 << 12
INSTALL = "Install NVIDIA's driver on this machine, or run on one that has it"
_TOOLKIT = (
    "Install NVIDIA's container toolkit (`nvidia-container-toolkit`), run `nvidia-ctk runtime configure` and restart "
    "the engine"
)
_CDI = "Install NVIDIA's container toolkit, and run `nvidia-ctk cdi generate --output=/etc/cdi/nvidia.yaml`"
_HINTS = (
    ("could not select device driver", _TOOLKIT),
    ("unresolvable CDI device", _CDI),
    ("CDI device injection failed", _CDI),
    ("unsatisfied condition: cuda", "The image needs a newer NVIDIA driver: `envbuild doctor` tells which is here"),
)
"""What to do, by what an engine says."""


@dataclass(frozen=True, slots=True)
class Gpus:
    """Which GPUs a command gets."""

    count: int | None = None
    """How many; None for all, or for those of `devices`."""
    devices: tuple[str, ...] = ()
    """Numbers, UUIDs or names of parts (MIG)."""

    @classmethod
    def parse(cls, text: str) -> Gpus:
        """`all`, a number, or `device=0,1`, as `docker run --gpus` has it. Raises: ValueError."""
        if text == "all":
            return cls()
        if text.isascii() and text.isdigit() and 0 < int(text) < 1000:
            return cls(int(text))
        devices = tuple(text.removeprefix("device=").split(","))
        if not text.startswith("device=") or not all(map(_DEVICE.fullmatch, devices)):
            raise ValueError("`all`, a number, or `device=0,1` is expected")
        return cls(devices=devices)

    @property
    def numbered(self) -> tuple[str, ...]:
        """The names of the devices, where something counts them by number (CDI)."""
        return self.devices or (("all",) if self.count is None else tuple(map(str, range(self.count))))


@dataclass(frozen=True, slots=True)
class Driver:
    """An NVIDIA driver that is loaded."""

    version: str
    """As in `570.86.15`."""
    cuda: str | None = None
    """The newest CUDA version that it knows all of, where it tells."""


@dataclass(frozen=True, slots=True)
class Machine:
    """Where the driver is looked for."""

    module: Path = Path("/proc/driver/nvidia/version")
    library: str = "libnvidia-ml.so.1"
    program: Callable[[], str | None] = field(default=lambda: shutil.which("nvidia-smi"))


def measure(machine: Machine | None = None) -> Driver | None:
    """The driver of this machine; None if there is none.

    Raises: NotMeasuredError, if there is something of one, and it does not tell its version.
    """
    machine = machine or Machine()
    failures: list[str] = []
    module = _of_module(machine.module, failures)
    try:
        library = _of_library(machine.library, failures)
    except NoDriverError:
        if module is None and not failures:
            return None
        library = None
    if module is not None:
        return replace(module, cuda=library.cuda if library else None)
    if library is not None:
        return library
    program = machine.program()
    told = _of_program(program, failures) if program else None
    if told is None and failures:
        raise NotMeasuredError(
            "the NVIDIA driver of this machine cannot be told", failures, "Look at what `nvidia-smi` says"
        )
    return told


def check_driver(labels: Mapping[str, str], machine: Machine | None = None) -> str | None:
    """Compare this machine's driver with what an image says of itself; a note for the user, if there is one.

    Raises: EnvbuildError, if there is no driver, or one that is too old; NotMeasuredError, if that cannot be told.
    """
    driver, cuda = measure(machine), Cuda.of_labels(labels)
    label = labels.get(DRIVER_LABEL, "")
    least = label if version_of(label) else cuda.least_driver if cuda else None
    if driver is None:
        needed = f"driver {least} or newer" if least else "one"
        raise EnvbuildError(
            "there is no GPU to give to the command",
            f"no NVIDIA driver is loaded on this machine, and the image needs {needed}",
            f"{INSTALL}; to run without a GPU, leave out `--gpus`",
        )
    return compare(driver, cuda, least) if cuda else None


def compare(driver: Driver, cuda: Cuda, least: str | None) -> str | None:
    """Whether a driver runs what needs a version of CUDA; a note, if it does not know all of it.

    `least` is the oldest driver that will do, if that is known.

    Raises: EnvbuildError, if it is too old; NotMeasuredError, if that cannot be told.
    """
    known = version_of(driver.cuda or "")
    if least is not None:
        is_enough = version_of(driver.version) >= version_of(least)
    elif known:
        is_enough = known >= version_of(cuda.version)
    else:
        raise NotMeasuredError(
            f"whether the driver {driver.version} runs CUDA {cuda.version} cannot be told",
            f"neither the image (label `{DRIVER_LABEL}`) nor this envbuild knows which driver that needs",
            "Use a newer envbuild",
        )
    if not is_enough:
        needed = f"driver {least}" if least else f"a driver for CUDA {cuda.version}"
        raise EnvbuildError(
            f"the NVIDIA driver of this machine is too old for CUDA {cuda.version}",
            f"it is {driver.version}, and {needed} or newer is needed",
            f"Update the driver to {needed.removeprefix('driver ')} or newer, or lock for an older version: `cuda:`",
        )
    if known and known < version_of(cuda.version):
        return (
            f"the driver {driver.version} knows CUDA {driver.cuda}, and the image is for {cuda.version}; it runs, "
            "apart from what is new there and code that is compiled while it runs (PTX)"
        )
    return None


def check_engine_is_here(engine: str, variables: Mapping[str, str]) -> None:
    """Make sure that this machine's driver is the one that a command gets.

    Raises: NotMeasuredError, if the engine is on another machine.
    """
    from urllib.parse import urlsplit

    address = variables.get("DOCKER_HOST", "") if engine == "docker" else ""
    if urlsplit(address).scheme in ("tcp", "http", "https", "ssh") and not _is_loopback(urlsplit(address).hostname):
        raise NotMeasuredError(
            "which NVIDIA driver the command would get cannot be told",
            "`DOCKER_HOST` names an engine on another machine",
            "Run envbuild on that machine",
        )


def gpu_hint(text: str) -> str | None:
    """What to do if an engine's words are that it cannot give GPUs."""
    return next((hint for words, hint in _HINTS if words in text), None)


def _is_loopback(host: str | None) -> bool:
    return host is not None and (host == "localhost" or host == "::1" or host.startswith("127."))


def _of_module(path: Path, failures: list[str]) -> Driver | None:
    """Of the kernel's module, which tells nothing of CUDA."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read(_MOST)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        failures.append(f"`{path}` cannot be read: {error.strerror or error}")
        return None
    match = _MODULE.search(text)
    if match is None:
        failures.append(f"`{path}` does not tell the version")
        return None
    return Driver(match[1])


def _of_library(name: str, failures: list[str]) -> Driver | None:
    """Of NVIDIA's management library (NVML), which comes with the driver."""
    try:
        version, cuda = ask(name)
    except LibraryMissingError:
        return None
    except NvmlError as error:
        failures.append(f"`{name}`: {error}")
        return None
    if not version_of(version):
        failures.append(f"`{name}` tells a version that is none")
        return None
    return Driver(version, cuda)


def _of_program(program: str, failures: list[str]) -> Driver | None:
    line = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(
            line, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_SECONDS,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        failures.append(f"`{program}` gives no answer within {_SECONDS} seconds")
        return None
    except OSError as error:
        failures.append(f"`{program}` cannot be run: {error.strerror or error}")
        return None
    text = done.stdout.strip().partition("\n")[0].strip()
    if done.returncode == 0 and len(version_of(text)) > 1:
        return Driver(text)
    said = (done.stdout.strip() or done.stderr.strip() or f"exit code {done.returncode}").partition("\n")[0]
    failures.append(f"`{program}` says: {said[:200]}")
    return None
