"""What commands take from the machine: environment variables, the store, workers, the host's platform."""

from __future__ import annotations

import functools
import os
import platform as host
from collections.abc import Mapping
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urlsplit

from builder.cli.output import Output
from builder.errors import EnvbuildError
from builder.oci.documents import Platform, architecture_of
from builder.oci.store import Store
from builder.progress import Silent

if TYPE_CHECKING:
    import urllib3

    from builder.fetch import Fetcher
    from builder.image.kept import Image
    from builder.image.workshop import Workshop
    from builder.lock.document import Lock
    from builder.oci.registry import Registries
    from builder.records.provenance import Builder
    from builder.spec import LoadedEnvironment

_ARCHITECTURES = ("amd64", "arm64")
"""That images are built for."""


def open_store() -> Store:
    """The store in `ENVBUILD_CACHE`, or in the user's cache folder."""
    root = os.environ.get("ENVBUILD_CACHE")
    if not root:
        import platformdirs

        root = platformdirs.user_cache_dir("envbuild", appauthor=False)
    store = Store(Path(root).absolute())
    try:
        store.create()
    except OSError as error:
        raise EnvbuildError(
            f"the store `{root}` cannot be used", error.strerror or str(error), "Name a folder in `ENVBUILD_CACHE`"
        ) from error
    return store


def machine_variables() -> Mapping[str, str]:
    """The environment variables that say where packages come from; with pip's indexes where they are asked for."""
    if not os.environ.get("ENVBUILD_PIP_CONFIG"):
        return os.environ
    from builder.lock.pypi.pip_config import with_pip_indexes

    return with_pip_indexes(os.environ)


def make_fetcher(store: Store, output: Output, *, offline: bool = False) -> Fetcher:
    """A downloader with this machine's mirrors."""
    from builder.fetch import Fetcher, Mirrors
    from builder.lock.conda.settings import read_settings, with_channels

    mirrors = Mirrors.from_environment(machine_variables())
    with suppress(EnvbuildError):  # settings that cannot be read are told where channels are needed
        mirrors = with_channels(mirrors, read_settings(os.environ))
    return Fetcher(store, mirrors, output.progress() or Silent(), offline)


def make_workshop(output: Output, workers: int | None = None, *, offline: bool = False) -> Workshop:
    """What a build needs."""
    from builder.image.workshop import Workshop

    store = open_store()
    count = workers or os.cpu_count() or 1
    output.detail(f"the store is `{store.root}`; {count} workers")
    fetcher = make_fetcher(store, output, offline=offline)
    registries = functools.partial(make_registries, fetcher)
    return Workshop(store, fetcher, count, output.progress() or Silent(), registries, compiler=_Compiler())


def make_registries(fetcher: Fetcher, *, offline: bool = False) -> Registries:
    """What asks registries, with the logins of this machine; what is offline asks none."""
    from builder.fetch.transport import Transport
    from builder.oci.registry import Credentials, Registries

    return Registries(_ask_nobody, Credentials({})) if offline else Transport(fetcher.mirrors).registries()


def _ask_nobody(url: str) -> urllib3.PoolManager:
    hint = "Run it once without `--offline`, and name it by its digest then: what is pulled is kept"
    raise EnvbuildError(f"`{urlsplit(url).netloc}` cannot be asked: this run is offline", hint=hint)


def this_builder(name: str | None) -> Builder:
    """What provenance says of who builds here; a time only where `SOURCE_DATE_EPOCH` gives one.

    Raises: EnvbuildError, if the name is no URI, or the time no number.
    """
    import re

    from builder import __version__
    from builder.records.provenance import LOCAL_BUILDER, Builder

    if name and not re.fullmatch(r"[a-z][a-z0-9+.-]*:[^\s@?\x00-\x1f]+", name):
        why = "a URI like `https://ci.example/runners/gpu` is expected, without a login and without a query"
        raise EnvbuildError("the builder cannot be called that", why, "Correct `--builder-id`")
    return Builder(name or LOCAL_BUILDER, __version__, given_time())


def given_time() -> str:
    """The time that `SOURCE_DATE_EPOCH` gives, RFC 3339 in UTC; empty without one.

    Raises: EnvbuildError, if it is no number.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch and not (epoch.isdecimal() and len(epoch) < 12):
        raise EnvbuildError(f"`SOURCE_DATE_EPOCH` is `{epoch[:20]}`", "a number of seconds is expected")
    return utc_text(int(epoch)) if epoch else ""


def utc_text(seconds: int | None = None) -> str:
    """A time since the epoch as RFC 3339 has it, in UTC; now, without one."""
    import time

    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class _Compiler:
    """An EmbeddedCompiler that is imported when it is needed, which is seldom."""

    def __call__(self, store: Store, root: Image, sources: Path, order: str) -> AbstractContextManager[BinaryIO]:
        from builder.run.compile import EmbeddedCompiler

        return EmbeddedCompiler()(store, root, sources, order)

    def check(self, platform: Platform) -> None:
        from builder.run.compile import EmbeddedCompiler

        EmbeddedCompiler().check(platform)


def current_lock(loaded: LoadedEnvironment) -> Lock:
    """The lock of an environment, refused if it is stale."""
    from builder.layers.interface import LAYER_FORMAT
    from builder.lock.folder import read_current_lock

    return read_current_lock(loaded, LAYER_FORMAT)


def host_platform() -> Platform:
    """The platform whose images this machine runs.

    Raises: EnvbuildError, if no image is built for this processor.
    """
    architecture = architecture_of(host.machine().lower())
    if architecture not in _ARCHITECTURES:
        raise EnvbuildError(f"no image is built for this processor, `{host.machine()}`")
    return Platform(architecture)


def chosen_platforms(lock: Lock, names: tuple[str, ...]) -> tuple[Platform, ...]:
    """The platforms that were named, or all of the lock."""
    return tuple(sorted({Platform.parse(name) for name in names})) or lock.platforms
