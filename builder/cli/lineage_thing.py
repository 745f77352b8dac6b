"""What is meant by the THING of `envbuild lineage`: a name, a digest, a file, or a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from builder.cli.output import Output
from builder.errors import EnvbuildError

if TYPE_CHECKING:
    from builder.lineage.graph import Lineage
    from builder.lineage.naming import Asked, Names
    from builder.lineage.things import Activity
    from builder.oci.store import Store


@dataclass(frozen=True, slots=True)
class Search:
    """Among all that is known, and the files that are here."""

    lineage: Lineage
    names: Names
    paths: Sequence[Path]
    """The folders of the projects."""
    store: Store
    output: Output

    def asked(self, thing: str, bundle: Sequence[Activity]) -> Asked:
        """What is asked for. Raises: EnvbuildError, if nothing is known of it, or several things are meant."""
        from builder.lineage.naming import Asked, find, nearest

        if bundle:
            top = bundle[0].id
            return Asked(thing, (top,), {top: top})
        on_disk = _on_disk(thing, self.paths)
        named = "/" not in thing.rstrip("/") or on_disk is None
        asked = find(thing, self.lineage, self.names) if named else None
        if asked is not None and not (on_disk is not None and asked.recorded):
            return asked
        if on_disk is not None:
            return self._of_file(thing, on_disk)
        near = nearest(thing, self.lineage, self.names)
        hint = f"Did you mean {' or '.join(f'`{one}`' for one in near)}?" if near else None
        raise EnvbuildError(
            f"nothing is known of `{thing}`",
            "it is no data, stage, command, run, digest, image, bundle, or file",
            hint or _hint(thing),
        )

    def _of_file(self, thing: str, path: Path) -> Asked:
        """What is known of the bytes at a path. Raises: EnvbuildError, if nothing is."""
        import time

        from builder.lineage.naming import find, of_digests
        from builder.lock.data.entry import manifest_digest
        from builder.lock.data.hashing import Found, Hasher, walk
        from builder.oci.sourced import identity_of
        from builder.progress import Silent

        hasher = Hasher(self.store, time.time_ns, self.output.progress() or Silent())
        is_folder = path.is_dir()
        files = walk(path) if is_folder else (Found("", identity_of(path.stat())),)
        locked, _ = hasher.hash(path, files, f"hashing {thing}")
        top = manifest_digest(locked).hex if is_folder else locked[0].digest.hex
        inner = [file.digest.hex for file in locked] if is_folder else []
        known = {*self.lineage.digests(), *self.names.data.values()}
        if known.isdisjoint((top, *inner)):
            other = find(thing, self.lineage, self.names)
            why = ["no run, lock or image has a file of these bytes", f"its digest is sha256:{top}"]
            if other is not None:
                why.append(f"other versions of it are known: {', '.join(one[:19] for one in other.roots[:3])}")
            raise EnvbuildError(f"nothing is known of `{thing}`", why, "Name a digest to ask for an earlier version")
        return of_digests(thing, [top], self.lineage, members=inner)


def bundle_of(thing: str, paths: Sequence[Path]) -> list[Activity]:
    """What a bundle's file or folder tells of itself, the bundle first; nothing of what is none."""
    path = _on_disk(thing, paths)
    if path is None or not _is_layout(path):
        return []
    from builder.bundle.reading.lineage import activities_in
    from builder.bundle.reading.reader import open_bundle

    return activities_in(open_bundle(path))


def _is_layout(path: Path) -> bool:
    if path.is_dir():
        return (path / "index.json").is_file() and (path / "oci-layout").is_file()
    return path.suffix == ".tar" and path.is_file()


def _on_disk(thing: str, paths: Sequence[Path]) -> Path | None:
    """The file or folder that is meant: from here, or from a project."""
    return next((path for path in (Path(thing), *(each / thing for each in paths)) if path.exists()), None)


def _hint(thing: str) -> str:
    if "/" in thing and ":" in thing.rpartition("/")[2]:
        return "Names in registries are known from an audit trail alone: name the digest that `push` printed"
    return "`-C` names the project that it is of"
