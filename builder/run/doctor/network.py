"""How this machine reaches others: mirrors, certificates, proxies, logins; and, if asked for, whether it does."""

from __future__ import annotations

from pathlib import Path

from builder.errors import EnvbuildError
from builder.fetch import Mirrors
from builder.fetch.mirrors import DEBIAN_ARCHIVE, PYPI_INDEX, PYTORCH_WHEELS
from builder.fetch.redaction import without_secrets_in
from builder.run.doctor.interface import Examined, Finding

_PROXIES = ("http", "https", "all", "no")


def mirrors(machine: Examined) -> Finding:
    """Which addresses are asked in place of the usual ones, without credentials."""
    try:
        found = Mirrors.from_environment(machine.variables)
    except EnvbuildError as error:
        return Finding("no", "; ".join((error.what, *error.why)), error.hint)
    told = [f"{other} for {known}" for known, other in found.prefixes]
    told += [f"{found.python_index} for {PYPI_INDEX}"] if found.python_index else []
    told += [f"{index} before {PYPI_INDEX}" for index in found.more_indexes]
    told += [f"built wheels from {found.built_wheels}"] if found.built_wheels else []
    return Finding("ok", "; ".join(map(without_secrets_in, told)) or "none are set")


def certificates(machine: Examined) -> Finding:
    """The authorities that are trusted."""
    import ssl

    try:
        path = Mirrors.from_environment(machine.variables).access.certificates
    except EnvbuildError:
        return Finding("unknown", "a variable of this machine cannot be read")
    if path is None:
        return Finding("ok", "the system's")
    try:
        ssl.create_default_context(cafile=path)
    except OSError as error:
        why = error.strerror or type(error).__name__
        return Finding("no", f"`{path}` holds no certificates that can be read: {why}", "Look at `SSL_CERT_FILE`")
    return Finding("ok", f"those in `{Path(path)}`")


def proxies(machine: Examined) -> Finding:
    """The proxies that variables name, without credentials."""
    told: dict[str, str] = {}
    for kind in _PROXIES:
        for name in (f"{kind}_proxy", f"{kind}_proxy".upper()):
            if value := machine.variables.get(name):
                told.setdefault(f"{kind}_proxy".upper(), without_secrets_in(value))
    return Finding("ok", ", ".join(f"{name}={value}" for name, value in told.items()) or "none are set")


def logins(machine: Examined) -> Finding:
    """The files with logins to registries, each read; no login is shown, and no helper is asked."""
    from builder.oci.registry import Credentials

    try:
        files = Credentials(machine.variables).files()
    except EnvbuildError as error:
        return Finding("no", "; ".join((error.what, *error.why)), error.hint or "Log in again with `docker login`")
    return Finding("ok", ", ".join(f"`{path}`" for path in files) or "there are none")


def pypi(machine: Examined) -> Finding:
    """Whether an index of Python packages answers."""
    try:
        index = Mirrors.from_environment(machine.variables).python_index or PYPI_INDEX
    except EnvbuildError as error:
        return Finding("unknown", error.what, error.hint)
    return _asked(machine, f"{index}pip/")


def debian(machine: Examined) -> Finding:
    """Whether an archive of Debian answers."""
    return _asked(machine, f"{DEBIAN_ARCHIVE}dists/{machine.needs.suite}/InRelease")


def pytorch(machine: Examined) -> Finding:
    """Whether an index of PyTorch answers: that of the CUDA version that is needed, or that of all."""
    cuda = machine.needs.cuda
    return _asked(machine, f"{PYTORCH_WHEELS[0]}{f'{cuda.tag}/' if cuda else ''}torch/")


def _asked(machine: Examined, url: str) -> Finding:
    assert machine.read is not None  # noqa: S101 - such a check is made only where the network may be asked
    try:
        machine.read(url)
    except EnvbuildError as error:
        return Finding("no", "; ".join(error.why or (error.what,)), error.hint)
    return Finding("ok", f"{url} answers")
