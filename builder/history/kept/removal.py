"""What is kept of outputs, and deleting it: they may be hours of work, so only who asks for it loses them."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from builder.errors import EnvbuildError
from builder.history.content import Content
from builder.history.kept.place import FOLDER, Kept
from builder.history.kept.results import RESULTS, Result
from builder.oci.store import Store


def kept_files(store: Store) -> tuple[int, int]:
    """How many files of outputs are kept, and their size in bytes."""
    if not (store.root / FOLDER).is_dir():
        return 0, 0
    kept = Kept.of(store)
    sizes = []
    for digest in kept.blobs():
        with suppress(FileNotFoundError):
            sizes.append(kept.path(digest).stat().st_size)
    return len(sizes), sum(sizes)


def drop_leftovers(store: Store) -> int:
    """Delete what killed processes left behind; the bytes that it took."""
    return Kept.of(store).prune() if (store.root / FOLDER).is_dir() else 0


def remove_outputs(store: Store, used: Iterable[Content] = ()) -> int:
    """Forget all outputs, and what came of stages, but for those that are `used`; the bytes that they took.

    What is laid out in projects stays there.
    """
    kept = Kept.of(store)
    before = sum(part.size for part in kept.usage())
    contents = tuple(used)
    stay = {row[1] for content in contents for row in kept.rows(content) or ()}
    folders = {content.sha256 for content in contents}
    for digest in list(kept.blobs()):
        if digest.hex not in stay | folders:
            kept.discard(digest)
    records = kept.root / "records"
    for file in records.glob(f"{RESULTS}/*.json") if records.is_dir() else ():
        if not _outputs(kept, file.stem) <= folders:
            file.unlink(missing_ok=True)
    for file in [file for file in records.glob("*/*.json") if file.parent.name != RESULTS]:
        if file.stem not in folders:
            file.unlink(missing_ok=True)
    return before - sum(part.size for part in kept.usage())


def _outputs(kept: Kept, key: str) -> set[str]:
    """The digests of the outputs of a result; of one that cannot be read, one that nobody has."""
    try:
        return {content.sha256 for content in Result.from_dict(kept.record(RESULTS, key)).outputs.values()}
    except EnvbuildError:
        return {""}
