"""What the machine itself brings: its processor, emulators of others, and GPUs."""

from __future__ import annotations

from builder.errors import EnvbuildError, NotMeasuredError
from builder.oci.documents import Platform
from builder.run.doctor.interface import Check, Examined, Finding
from builder.run.embedded.diagnosis import check_platform
from builder.run.gpu import INSTALL, compare, measure


def emulation(platform: Platform) -> Check:
    """Whether programs of a platform run here, by themselves or emulated."""

    def check(_: Examined) -> Finding:
        try:
            check_platform(platform)
        except EnvbuildError as error:
            return Finding("no", f"its programs do not run here: {error.why[0]}", error.hint)
        return Finding("ok", "its programs run here")

    return check


def gpu(machine: Examined) -> Finding:
    """NVIDIA's driver, held against the CUDA version that is needed."""
    try:
        driver = measure(machine.gpu)
        if driver is None:
            return Finding("no", "none is loaded", INSTALL if machine.needs.cuda else None)
        known = f"{driver.version}, for CUDA up to {driver.cuda}" if driver.cuda else driver.version
        cuda = machine.needs.cuda
        note = compare(driver, cuda, cuda.least_driver) if cuda else None
    except NotMeasuredError as error:
        return Finding("unknown", "; ".join((error.what, *error.why)), error.hint)
    except EnvbuildError as error:
        return Finding("no", "; ".join((error.what, *error.why)), error.hint)
    enough = f"; enough for {cuda.version}" if cuda else ""
    return Finding("ok", known + enough, note)
