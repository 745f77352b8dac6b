"""Engines that run commands, or build by Dockerfiles."""

from __future__ import annotations

from builder.run.doctor.interface import Examined, Finding

_START = "Start it, or set DOCKER_HOST; the embedded engine does without"


def docker(machine: Examined) -> Finding:
    """Docker Engine: whether it answers, its version, and how it keeps images."""
    finding = _engine(machine, "docker", _START)
    return Finding("ok", _docker_detail()) if finding.state == "ok" else finding


def buildkit(machine: Examined) -> Finding:
    """What `build --builder buildkit` would use."""
    from builder.image.engine.buildkit import BuildKitEngine
    from builder.image.engine.connection import Connection

    if _engine(machine, "docker", None).state != "ok":
        return Finding("no", "it needs Docker Engine")
    engine = BuildKitEngine(Connection())
    reason = engine.unavailable()
    return Finding("no", reason, "Install docker-buildx") if reason else Finding("ok", engine.description())


def podman(machine: Examined) -> Finding:
    """Podman, of the caller."""
    return _engine(machine, "podman", "Install Podman 4 or newer")


def embedded(machine: Examined) -> Finding:
    """The engine that needs no daemon: namespaces are tried for real."""
    return _engine(machine, "embedded", None)


def _engine(machine: Examined, name: str, hint: str | None) -> Finding:
    make = machine.engines.get(name)
    if make is None:
        return Finding("unknown", "this envbuild does not know it")
    reason = make().unavailable()
    return Finding("no", reason, hint) if reason else Finding("ok", "it answers" if name == "podman" else "it works")


def _docker_detail() -> str:
    import docker

    from builder.run.docker.load import has_containerd_store

    try:
        client = docker.from_env(timeout=5)
        version = str(client.version().get("Version", ""))[:40]
        kept = "containerd" if has_containerd_store(client) else "classic"
        client.close()
    except (docker.errors.DockerException, OSError) as error:
        return f"it answers, and does not tell of itself: {type(error).__name__}"
    return f"{version}, {kept} image store"
