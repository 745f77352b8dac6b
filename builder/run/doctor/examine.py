"""Every check, in the order in which they are told, and which of them what is to be worked with depends on."""

from __future__ import annotations

from collections.abc import Iterator

from builder.oci.documents import Platform
from builder.run.doctor.engines import buildkit, docker, embedded, podman
from builder.run.doctor.host import emulation, gpu
from builder.run.doctor.interface import Check, Examined, Finding, Result
from builder.run.doctor.network import certificates, debian, logins, mirrors, proxies, pypi, pytorch
from builder.run.doctor.programs import pip_tools, python, uv
from builder.run.doctor.storage import storage
from builder.spec.environment import PLATFORMS

CHECKS: dict[str, Check] = {
    "Python": python,
    "uv": uv,
    "pip-tools": pip_tools,
    "store": storage,
    "Docker Engine": docker,
    "BuildKit": buildkit,
    "Podman": podman,
    "embedded engine": embedded,
    **{name: emulation(Platform.parse(name)) for name in PLATFORMS},
    "NVIDIA driver": gpu,
    "mirrors": mirrors,
    "certificates": certificates,
    "proxies": proxies,
    "registry logins": logins,
}
ONLINE: dict[str, Check] = {"PyPI": pypi, "Debian": debian, "PyTorch's wheels": pytorch}
"""Those that ask the network."""
_ENGINES = ("Docker Engine", "Podman", "embedded engine")
_ALWAYS = frozenset({"Python", "store", "mirrors", "certificates", "registry logins", "PyPI", "Debian"})


def examine(machine: Examined) -> tuple[Result, ...]:
    """What every check finds."""
    checks = CHECKS | (ONLINE if machine.read else {})
    found = {name: check(machine) for name, check in checks.items()}
    needed = frozenset(_needed(machine, found))
    return tuple(Result(name, finding, name in needed) for name, finding in found.items())


def _needed(machine: Examined, found: dict[str, Finding]) -> Iterator[str]:
    needs = machine.needs
    yield from _ALWAYS
    if needs.uv:
        yield "uv"
    if needs.pip_tools:
        yield "pip-tools"
    if needs.cuda:
        yield from ("NVIDIA driver", "PyTorch's wheels")
    if needs.engine and not any(found[name].state == "ok" for name in _ENGINES):
        yield from _ENGINES
    yield from map(str, needs.emulated)
