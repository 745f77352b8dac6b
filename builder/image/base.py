"""What an image takes over from its base: layers, folders, settings; and how the base's layers get into the store.

`docs/decisions/` says why each setting stays or goes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from builder.errors import EnvbuildError
from builder.image.skeleton import DATA, OUTPUT
from builder.layers.interface import Directory
from builder.layers.join import Layer
from builder.lock.base_image import BaseImage
from builder.oci.digest import Digest
from builder.oci.documents import ImageConfig, Platform
from builder.oci.registry.reference import Reference
from builder.oci.store import Store

USER = "65532:65532"
"""The user `nonroot`; any other user id works too."""

BASE_NAME, BASE_DIGEST = "org.opencontainers.image.base.name", "org.opencontainers.image.base.digest"

_OTHERS_OWN = ("org.opencontainers.image.", "org.label-schema.", "dev.envbuild.")
"""Labels that describe the image that they are of, and no image that is made of it."""
_OTHER_ENVIRONMENTS = frozenset({"PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "CONDA_PREFIX", "CONDA_DEFAULT_ENV"})
"""Variables that lead to packages beside the locked ones."""
_INTERPRETER = re.compile(
    r"(?:python|pypy|ipython|node|perl|ruby|php|lua|java|R|Rscript|julia|bash|dash|ash|sh|zsh|ksh|fish|busybox)[\d.]*"
)
_DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def base_layers(base: BaseImage | None) -> tuple[Layer, ...]:
    """The layers of a base, lowest first; none without one. Raises: EnvbuildError, if one cannot be taken over."""
    return tuple(map(Layer, base.oci_layers, base.diff_ids)) if base else ()


def base_places(base: BaseImage | None) -> dict[Digest, Reference]:
    """Where each layer of a base is."""
    if base is None:
        return {}
    reference = Reference.parse(base.reference)
    return {layer.digest: reference for layer in base.layers}


def base_history(base: BaseImage) -> tuple[str, ...]:
    """What each layer of a base holds, as far as it tells."""
    return base.history or tuple(f"layer {number + 1} of {base.reference}" for number in range(len(base.layers)))


def base_directories(base: BaseImage | None) -> dict[str, Directory]:
    """The folders of an environment that a base has, by path: with its modes and owners, so that they stay.

    Everybody may write to the two folders for data and outputs all the same.
    """
    folders = base.folders or () if base else ()
    return {
        one.path: Directory(one.path, 0o1777 if one.path in (DATA, OUTPUT) else one.mode, one.uid, one.gid)
        for one in folders
    }


def base_variables(base: BaseImage) -> dict[str, str]:
    """The environment variables of a base, without those that lead to other environments than ours."""
    pairs = (text.partition("=") for text in base.environment)
    return {name: value for name, equals, value in pairs if name and equals and name not in _OTHER_ENVIRONMENTS}


def base_labels(base: BaseImage) -> dict[str, str]:
    """The labels of a base that hold for an image made of it too, and those that say what it was made of."""
    kept = {name: text for name, text in base.settings.labels.items() if not name.startswith(_OTHERS_OWN)}
    return {**kept, BASE_NAME: base.reference, BASE_DIGEST: str(base.manifest.digest)}


def base_user(base: BaseImage) -> str:
    """The user of a base, unless it is root."""
    name = base.settings.user.partition(":")[0].strip()
    is_root = name in ("", "root") or (name.isascii() and name.isdigit() and int(name) == 0)
    return USER if is_root else base.settings.user


def base_entrypoint(base: BaseImage, wish: str | None) -> tuple[str, ...]:
    """The entry point of a base, which is given what is to be run as arguments; empty where it is not to start it."""
    entrypoint = base.settings.entrypoint
    if wish == "replace" or (wish is None and not _hands_over(entrypoint)):
        return ()
    return entrypoint


def check_base(base: BaseImage, platform: Platform, store: Store) -> None:
    """Compare the lock with the config of its base, where the store has that.

    Raises: EnvbuildError, if it is an image for another platform; DigestMismatchError, if it is another image.
    """
    if not store.has(base.config.digest, base.config.size):
        return
    config = ImageConfig.from_bytes(store.read(base.config))
    other = config.platform
    if (other.os, other.architecture) != (platform.os, platform.architecture) or config.diff_ids != base.diff_ids:
        raise EnvbuildError(
            f"`{base.reference}` is not the base that the lock says",
            f"its config is for {other} and has {len(config.diff_ids)} layers",
            "Lock again with `envbuild lock --upgrade`",
        )


def with_path(variables: Mapping[str, str], folder: str) -> str:
    """The PATH of these variables with a folder in front."""
    others = [part for part in (variables.get("PATH") or _DEFAULT_PATH).split(":") if part != folder]
    return ":".join((folder, *others))


def _hands_over(entrypoint: Sequence[str]) -> bool:
    """Whether an entry point may be one that starts its arguments: it is no shell or interpreter without a script."""
    if not entrypoint:
        return False
    if not _INTERPRETER.fullmatch(entrypoint[0].rpartition("/")[2]):
        return True
    options, script = _options(entrypoint[1:])
    return script and not any(re.fullmatch(r"-[A-Za-z]*[cm]", option) for option in options)


def _options(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """The options that come first, and whether something follows them."""
    options: list[str] = []
    for argument in arguments:
        if not argument.startswith("-"):
            return options, True
        options.append(argument)
    return options, False
