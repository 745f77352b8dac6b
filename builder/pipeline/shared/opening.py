"""Which place of shared results a text names."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from builder.errors import EnvbuildError
from builder.pipeline.shared.interface import Place, Shared
from builder.progress import Progress, Silent

if TYPE_CHECKING:
    from builder.oci.registry import Registries

_OCI = "oci://"
_HINT = "Name a folder, or a repository of a registry as `oci://HOST/NAME`"


def open_shared(
    text: str,
    registries: Callable[[], Registries],
    warn: Callable[[str, EnvbuildError], None],
    progress: Progress | None = None,
) -> Shared:
    """A folder, or `oci://HOST/NAME`; nothing is asked there yet.

    Raises: EnvbuildError, if it can be neither.
    """
    return Shared(_place(text, registries, progress or Silent()), warn)


def _place(text: str, registries: Callable[[], Registries], progress: Progress) -> Place:
    if text.startswith(_OCI):
        from builder.oci.registry import Reference
        from builder.pipeline.shared.registry import SharedRepository

        reference = Reference.parse_place(text.removeprefix(_OCI))
        if reference.tag or reference.digest:
            raise EnvbuildError(f"`{_OCI}{reference}` cannot be a shared cache", "it has a tag or a digest", _HINT)
        return SharedRepository(registries(), reference, progress)
    if "://" in text or not text:
        kind = text.partition("://")[0][:20]
        raise EnvbuildError(
            f"`{kind}://…` cannot be a shared cache" if text else "a shared cache has no name", hint=_HINT
        )
    from builder.pipeline.shared.folder import SharedFolder

    folder = Path(text).expanduser().absolute()
    if not folder.is_dir() and (folder.exists() or not folder.parent.is_dir()):
        why = "it is no folder" if folder.exists() else f"there is no folder `{folder.parent}`"
        raise EnvbuildError(f"`{text}` cannot be a shared cache", why, _HINT)
    return SharedFolder(folder, progress)
