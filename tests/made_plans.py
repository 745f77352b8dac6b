"""Plans of made-up packages, one of each kind of environment that a Dockerfile is rendered for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from made_locks import AMD64, ARM64, INTERPRETER, made_deb, made_wheel

from builder.lock.artifact import Archive, CondaPackage
from builder.lock.base_image import BaseImage
from builder.lock.base_image.pinned import Settings
from builder.lock.document import Interpreter, Lock, LockDocument, PlatformLock
from builder.oci.digest import Digest
from builder.oci.documents import Descriptor, Platform
from builder.plan import Plan, make_plan

OF_CONDA = Interpreter("conda", "3.12.4", "/opt/env/bin/python3.12")
OF_BASE = Interpreter("base", "3.12.4", "/usr/local/bin/python3.12")
ARCHIVE = Archive("https://x.example/cpython-3.12.4%2B2024-x86_64-install_only.tar.gz", Digest("3" * 64), None)
STANDALONE = Interpreter("standalone", "3.12.4", "/opt/python/bin/python3.12", ARCHIVE)
SETTINGS = Settings(
    user="1000",
    entrypoint=("/usr/bin/tini", "--"),
    stop_signal="SIGINT",
    ports=("9000/tcp",),
    labels={"org.opencontainers.image.title": "theirs", "team": "data"},
)
_BLOB = Descriptor("application/vnd.oci.image.manifest.v1+json", Digest("a" * 64), 100)
_LAYER = Descriptor("application/vnd.oci.image.layer.v1.tar+gzip", Digest("c" * 64), 100)
BASE = BaseImage(
    "registry.example:5000/team/python:3.12", _BLOB, _BLOB, (_LAYER,), (Digest("b" * 64),), "2.36",
    ("PATH=/usr/local/bin:/usr/bin", "PYTHONPATH=/theirs", "TEAM=data"), SETTINGS, (), (),
)  # fmt: skip


def made_conda(name: str, version: str = "1.0") -> CondaPackage:
    """A conda package."""
    url = f"https://conda.example/team/linux-64/{name}-{version}-0.conda"
    return CondaPackage(
        name, version, "0", "linux-64", Digest.of(url.encode()), "0" * 32, 700, url, "https://conda.example/team"
    )


def made_lock(
    interpreter: Interpreter = INTERPRETER,
    *,
    wheels: bool = True,
    conda: bool = False,
    image: BaseImage | None = None,
    compiled: bool = False,
) -> Lock:
    """A lock for both platforms."""
    debs = () if image else (made_deb("libc6", "2:2.36-9+deb12u1"), made_deb("zlib1g", "1:1.2.13"))
    packages = ((made_conda("python", "3.12.4"),) if interpreter.source == "conda" else ()) + (made_conda("zlib"),)
    platforms = {
        platform: PlatformLock("" if image else "bookworm", interpreter, debs, "x.toml", Digest("0" * 64), image=image)
        for platform in (AMD64, ARM64)
    }
    document = LockDocument({"compile": True} if compiled else {}, {}, 1, "2026-11-15T00:00:00Z", platforms)
    found = (made_wheel("idna", "3.7"), made_wheel("typing-extensions", "4.0")) if wheels else ()
    return Lock(
        document,
        Digest("1" * 64),
        dict.fromkeys(platforms, found),
        dict.fromkeys(platforms, packages if conda else ()),
        {},
    )


def made_plans(lock: Lock, platforms: Sequence[Platform] = (AMD64,)) -> list[Plan]:
    """The plans of some of its platforms."""
    return [make_plan(lock, platform) for platform in platforms]


def other_base(plan: Plan) -> Plan:
    """The same on an image of the same name with another digest."""
    assert plan.base is not None
    return replace(plan, base=replace(plan.base, manifest=replace(_BLOB, digest=Digest("d" * 64))))


KINDS = {
    "wheels": made_lock(),
    "nothing": made_lock(wheels=False),
    "compiled": made_lock(compiled=True),
    "standalone": made_lock(STANDALONE),
    "conda": made_lock(OF_CONDA, wheels=False, conda=True),
    "conda, compiled": made_lock(OF_CONDA, wheels=False, conda=True, compiled=True),
    "conda and wheels": made_lock(OF_CONDA, conda=True),
    "conda beside Debian's Python": made_lock(conda=True),
    "base": made_lock(OF_BASE, image=BASE),
    "conda on a base": made_lock(OF_CONDA, conda=True, image=BASE),
    "standalone on a base": made_lock(STANDALONE, image=BASE),
}
"""One of each kind that there is."""
