"""Python, and the programs that envbuild brings with it."""

from __future__ import annotations

import platform
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

from builder import __version__
from builder.errors import EnvbuildError
from builder.run.doctor.interface import Examined, Finding

_SECONDS = 10
_AGAIN = "Install envbuild anew; it brings it along"


def python(_: Examined) -> Finding:
    """What envbuild runs in."""
    libc = " ".join(part for part in platform.libc_ver() if part)
    system = f"{sys.platform} {platform.machine()}{f', {libc}' if libc else ''}"
    return Finding("ok", f"{platform.python_version()} on {system}, with envbuild {__version__}")


def uv(machine: Examined) -> Finding:
    """uv, run for its version."""
    from builder.lock.programs import uv_program

    try:
        done = subprocess.run(
            [uv_program(), "--version"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS,
            check=True, env=dict(machine.variables),
        )  # fmt: skip
    except EnvbuildError as error:
        return Finding("no", "; ".join((error.what, *error.why)), error.hint)
    except (OSError, subprocess.SubprocessError) as error:
        return Finding("no", f"it does not run: {getattr(error, 'strerror', None) or type(error).__name__}", _AGAIN)
    return Finding("ok", done.stdout.strip().partition("\n")[0].removeprefix("uv ").partition(" ")[0])


def pip_tools(_: Examined) -> Finding:
    """pip-tools, which locks for the Python and platform that it runs on alone."""
    try:
        found = version("pip-tools")
    except PackageNotFoundError:
        return Finding("no", "it is not installed", _AGAIN)
    minor = "{}.{}".format(*sys.version_info)
    return Finding("ok", f"{found}, for Python {minor} on {platform.machine()}")
