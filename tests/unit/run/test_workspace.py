"""Which shell is opened in an image."""

from __future__ import annotations

from dataclasses import replace

from builder.lock.artifact import DebianPackage
from builder.lock.document import CondaDetail, CondaReference, Interpreter, PlatformLock
from builder.oci.digest import Digest
from builder.run.workspace import shell_of

PYTHON = Interpreter("conda", "3.11.2", "/opt/env/bin/python3.11")


def lock(*debian: str) -> PlatformLock:
    packages = tuple(DebianPackage(name, "1", "amd64", Digest("0" * 64), 1, ()) for name in debian)
    return PlatformLock("bookworm", PYTHON, packages, "pylock.toml", Digest("0" * 64))


def test_condas_shell_is_preferred_to_debians() -> None:
    conda = CondaReference("conda-lock.yml", Digest("0" * 64), {"bash": CondaDetail(1)})
    assert shell_of(replace(lock("dash"), conda=conda)) == "/opt/env/bin/bash"
    assert shell_of(replace(lock("dash"), conda=replace(conda, details={}))) == "/bin/sh"


def test_an_image_without_a_shell_opens_python() -> None:
    assert shell_of(lock("libc6")) == "/opt/env/bin/python"
