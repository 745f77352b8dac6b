"""Rattler at work, in a process of its own: one question as JSON on its standard input, the answer on its output.

The process ends without the interpreter's own way of ending, in which rattler's threads may abort it. What it is
told of credentials stays here; its answers are cleaned by who asked.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from rattler import Channel, Gateway, MatchSpec
    from rattler.repo_data import RepoDataRecord

_PATIENCE = timedelta(minutes=10)
"""For one target."""
_FILE_LIMIT = 4 << 30
"""Bytes that a file of the cache may have; the largest index in use has a tenth of that, uncompressed."""
_RETRIES = 3


async def answer(question: Mapping[str, Any]) -> dict[str, Any]:
    """What `solver` asks for: a solution for each target, or the records of names in one subdir of a channel."""
    gateway = _gateway(question)
    if "records" in question:
        wanted = question["records"]
        found = await asyncio.gather(*(_records(gateway, **each) for each in wanted))
        return {"records": list(found)}
    return {"targets": [await _solution(gateway, question["channels"], target) for target in question["targets"]]}


def _gateway(question: Mapping[str, Any]) -> Gateway:
    from rattler import Gateway
    from rattler.networking import AddHeadersMiddleware, Client, MirrorMiddleware, RetryMiddleware
    from rattler.repo_data.gateway import SourceConfig

    headers = [(urlsplit(place), value) for place, value in question["headers"]]

    def known(host: str, path: str) -> dict[str, str] | None:
        found = (value for place, value in headers if place.hostname == host and path.startswith(place.path))
        value = next(found, None)
        return {"Authorization": value} if value else None

    layers: list[Any] = [RetryMiddleware(_RETRIES)]
    if question["mirrors"]:
        layers.append(MirrorMiddleware(question["mirrors"]))
    layers.append(AddHeadersMiddleware(known))
    action: Any = "force-cache-only" if question["offline"] else "cache-or-fetch"
    return Gateway(
        cache_dir=Path(question["cache"]),
        default_config=SourceConfig(cache_action=action),
        client=Client(layers, user_agent="envbuild"),
    )


async def _solution(gateway: Gateway, urls: list[str], target: Mapping[str, Any]) -> dict[str, Any]:
    from rattler import Channel, MatchSpec, solve
    from rattler.channel import ChannelPriority
    from rattler.platform import Subdir

    channels, platforms = [Channel(url) for url in urls], [Subdir(target["subdir"]), Subdir("noarch")]
    try:
        favoured = await _favoured(gateway, channels, target)
        records = await solve(
            channels,
            _specs(target["specs"]),
            gateway=gateway,
            platforms=platforms,
            locked_packages=favoured,
            virtual_packages=[_virtual(*each) for each in target["virtual"]],
            timeout=_PATIENCE,
            channel_priority=ChannelPriority.Strict,
            constraints=[MatchSpec(text, strict=False) for text in target["constraints"]],
            channel_relations="disabled",
        )
    except Exception as error:  # noqa: BLE001 (whatever it is, it is told)
        return {"error": type(error).__name__, "message": str(error)}
    return {"records": [json.loads(record.to_json()) for record in records]}


def _specs(texts: list[str]) -> list[MatchSpec]:
    """The specifications, and the name alone of each that names no channel.

    rattler asks for the records that a specification matches, and finds the first channel among those; only with all
    records of a name does it see that a channel before has the package in other versions.
    """
    from rattler import MatchSpec

    specs = [MatchSpec(text, strict=False) for text in texts]
    names = {spec.name.normalized: spec.channel is None for spec in specs if spec.name}
    names |= {spec.name.normalized: False for spec in specs if spec.name and spec.channel}
    return [*specs, *(MatchSpec(name) for name, bare in names.items() if bare)]


async def _favoured(gateway: Gateway, channels: list[Channel], target: Mapping[str, Any]) -> list[RepoDataRecord]:
    """The records of packages that are to stay, where the first channel that knows a name still has them."""
    kept: Mapping[str, str] = target["kept"]
    if not kept:
        return []
    from rattler.platform import Subdir

    platforms = [Subdir(target["subdir"]), Subdir("noarch")]
    sources = await gateway.query(channels, platforms, list(kept), recursive=False, channel_relations="disabled")
    chosen: dict[str, RepoDataRecord] = {}
    taken: set[str] = set()
    for source in sources:
        names = set()
        for record in source:
            name = record.name.normalized
            names.add(name)
            if name not in taken and record.sha256 is not None and record.sha256.hex() == kept.get(name):
                chosen.setdefault(name, record)
        taken |= names
    return [chosen[name] for name in sorted(chosen)]


async def _records(gateway: Gateway, channel: str, subdir: str, names: Iterable[str]) -> dict[str, Any]:
    from rattler import Channel
    from rattler.platform import Subdir

    try:
        (found,) = await gateway.query(
            [Channel(channel)], [Subdir(subdir)], list(names), recursive=False, channel_relations="disabled"
        )
    except Exception as error:  # noqa: BLE001 (whatever it is, it is told)
        return {"error": type(error).__name__, "message": str(error)}
    return {"records": [json.loads(record.to_json()) for record in found]}


def _virtual(name: str, version: str, build: str) -> Any:
    from rattler import GenericVirtualPackage, PackageName, Version
    from rattler.package.build_string import BuildString

    return GenericVirtualPackage(PackageName(name), Version(version), BuildString(build))


def _limit_files() -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    limit = _FILE_LIMIT if hard == resource.RLIM_INFINITY else min(_FILE_LIMIT, hard)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))


if __name__ == "__main__":
    _limit_files()
    reply = json.dumps(asyncio.run(answer(json.load(sys.stdin))))
    sys.stdout.write(reply)
    sys.stdout.flush()
    os._exit(0)
