"""Layers as folders: each is unpacked once into the store, verified both ways while it streams.

A layer may hold anything. No entry leaves the folder: every parent is a directory that this layer made, which is
checked before anything is put into it. Whiteouts (image-spec, layer.md) become those of overlayfs.
"""

from __future__ import annotations

import errno
import io
import os
import stat
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO

from builder.errors import DigestMismatchError, EnvbuildError
from builder.oci.compression import damage_errors, decompressed, largest_content
from builder.oci.digest import Digest
from builder.oci.documents import Descriptor, ImageConfig, Manifest
from builder.oci.layout import CHUNK
from builder.oci.store import Store
from builder.oci.streams import ObservedStream
from builder.oci.tar_entries import Entry, TarError, TarReader
from builder.progress import Progress, Silent
from builder.run.privileges import keeps_owners

_WHITEOUT = b".wh."
_OPAQUE = b".wh..wh..opq"
_DEVICES = (b"3", b"4")
"""Kinds that are left out: who runs an image gives it the devices that it may have."""
_LONGEST_PATH = 4096
_DEEPEST = 256
"""Names of one path at most: what removes a tree goes down level by level."""
_ENTRY_LIMIT = 2_000_000
"""Entries of one layer at most: each takes room in the file system, however small its layer is compressed."""
_DIRECTORY_LIMIT = 1_000_000
"""Directories of one layer at most; their modes are kept in memory until the end."""


def unpack_image(
    store: Store,
    manifest: Manifest,
    config: ImageConfig,
    progress: Progress | None = None,
    bring: Callable[[Iterable[Descriptor]], None] = lambda _: None,
) -> list[Path]:
    """The unpacked layers of an image, lowest first; those that are missing are unpacked, in parallel.

    Their blobs are asked for by `bring` before.

    Raises: EnvbuildError, if a layer cannot be unpacked; DigestMismatchError, if it is not what was promised.
    """
    if len(manifest.layers) != len(config.diff_ids):
        raise EnvbuildError(
            "the image is inconsistent",
            f"its manifest has {len(manifest.layers)} layers and its config {len(config.diff_ids)}",
        )
    pairs = list(zip(manifest.layers, config.diff_ids, strict=True))
    bring([layer for layer, diff_id in pairs if not _folder_of(store, diff_id).exists()])
    with ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        jobs = [pool.submit(unpack_layer, store, *pair, progress or Silent()) for pair in pairs]
        try:
            return [job.result() for job in jobs]
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


def unpack_layer(store: Store, layer: Descriptor, diff_id: Digest, progress: Progress) -> Path:
    """The folder of one unpacked layer, which is made if it is not there.

    Owners are kept where this process may give files away; otherwise everything belongs to the caller, and the
    folder is one of their own.

    Raises: EnvbuildError, if the layer cannot be unpacked; DigestMismatchError, if it is not what was promised.
    """
    target = _folder_of(store, diff_id)
    if target.exists():
        return target
    with store.locked(f"unpack-{target.name}"):
        if target.exists():
            return target
        # Nobody but the owner may walk into it: it can hold setuid files of an image.
        target.parent.mkdir(mode=0o700, exist_ok=True)
        target.parent.chmod(0o700)
        with store.scratch() as folder:
            _unpack_into(store, layer, diff_id, _Destination(folder, keeps_owners()), progress)
            folder.rename(target)
    return target


def _folder_of(store: Store, diff_id: Digest) -> Path:
    return store.unpacked_path(diff_id.hex if keeps_owners() else f"{diff_id.hex}-{os.geteuid()}")


def _unpack_into(
    store: Store, layer: Descriptor, diff_id: Digest, destination: _Destination, progress: Progress
) -> None:
    try:
        with store.open(layer.digest) as blob:
            _unpack_verified(blob, layer, diff_id, destination, progress)
        destination.root.chmod(0o755)
    except damage_errors() as error:
        raise EnvbuildError(f"layer {layer.digest} cannot be unpacked", str(error)) from error


def _unpack_verified(
    blob: IO[bytes], layer: Descriptor, diff_id: Digest, destination: _Destination, progress: Progress
) -> None:
    label = f"unpacking {layer.digest.hex[:12]}"
    progress.start(label, layer.size)
    what = f"layer {layer.digest}"
    compressed = ObservedStream(blob, layer.size, what, lambda data: progress.advance(label, len(data)))
    buffered = io.BufferedReader(compressed, CHUNK)
    uncompressed = ObservedStream(decompressed(buffered), largest_content(layer.size), f"{what}, unpacked,")
    stream = io.BufferedReader(uncompressed, CHUNK)
    reader = TarReader(stream)
    for count, entry in enumerate(reader, 1):
        if count > _ENTRY_LIMIT:
            raise TarError(f"it holds more than {_ENTRY_LIMIT} entries")
        destination.put(entry, reader)
    while stream.read(CHUNK):
        pass
    while buffered.read(CHUNK):
        pass
    if compressed.digest != layer.digest or uncompressed.digest != diff_id:
        raise DigestMismatchError(
            f"layer {layer.digest} does not have the bytes that its digests promise",
            f"compressed it is {compressed.digest}, uncompressed {uncompressed.digest} instead of {diff_id}",
            "Delete it, or run `envbuild cache prune --all`, and try again",
        )
    destination.finish()
    progress.finish(label)


class _Destination:
    """A new folder that entries are put into. Nobody else writes to it."""

    def __init__(self, root: Path, owners: bool) -> None:
        self.root = root
        self._owners = owners
        self._base = os.fsencode(root) + b"/"
        self._directories: dict[bytes, Entry | None] = {b"": None}
        self._whiteouts: set[bytes] = set()

    def put(self, entry: Entry, reader: TarReader) -> None:
        """Make what `entry` names.

        Raises: TarError, if it would lie outside, or is of a kind that is not taken.
        """
        path = _inside(entry.path)
        if not path:
            return
        parent, _, name = path.rpartition(b"/")
        self._make_parents(parent)
        if name.startswith(_WHITEOUT):
            self._white_out(parent, name)
        elif entry.kind == b"5":
            self._put_directory(path, entry)
        else:
            self._make_room(path)
            self._put_other(path, entry, reader)

    def finish(self) -> None:
        """Give the directories their modes and times, the deepest first: one may forbid to enter it."""
        for path, entry in sorted(self._directories.items(), reverse=True):
            if path:
                full = self._base + path
                if entry and self._owners:
                    os.chown(full, entry.uid, entry.gid)
                os.chmod(full, entry.mode if entry else 0o755)
                if entry:
                    os.utime(full, (entry.mtime, entry.mtime))

    def _make_parents(self, path: bytes) -> None:
        missing = []
        while path not in self._directories:
            missing.append(path)
            path = path.rpartition(b"/")[0]
        for parent in reversed(missing):
            self._put_directory(parent, None)

    def _put_directory(self, path: bytes, entry: Entry | None) -> None:
        if path not in self._directories:
            opaque = path in self._whiteouts
            if opaque:
                self._make_room(path)
            try:
                os.mkdir(self._base + path, 0o700)
            except FileExistsError as error:
                raise TarError(f"`{_shown(path)}` is used as a directory, which it is not") from error
            if opaque:
                self._make_opaque(path)
            if len(self._directories) > _DIRECTORY_LIMIT:
                raise TarError(f"it holds more than {_DIRECTORY_LIMIT} directories")
        self._directories[path] = entry

    def _put_other(self, path: bytes, entry: Entry, reader: TarReader) -> None:
        full = self._base + path
        if entry.kind == b"0":
            self._write_file(full, entry, reader)
        elif entry.kind == b"1":
            self._link(full, entry)
        elif entry.kind == b"2":
            os.symlink(entry.link, full)
            self._stamp_link(full, entry)
        elif entry.kind == b"6":
            os.mkfifo(full, entry.mode & 0o777)
            self._stamp_link(full, entry)
        elif entry.kind not in _DEVICES:
            raise TarError(f"`{_shown(path)}` is of kind {entry.kind.decode('latin-1')!r}, which is not taken")

    def _write_file(self, full: bytes, entry: Entry, reader: TarReader) -> None:
        descriptor = os.open(full, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            for data in reader.content():
                view = memoryview(data)
                while view:
                    view = view[os.write(descriptor, view) :]
            if self._owners:
                os.fchown(descriptor, entry.uid, entry.gid)
            os.fchmod(descriptor, entry.mode if self._owners else entry.mode & 0o777)
            os.utime(descriptor, (entry.mtime, entry.mtime))
        finally:
            os.close(descriptor)

    def _link(self, full: bytes, entry: Entry) -> None:
        target = _inside(entry.link)
        if target.rpartition(b"/")[0] not in self._directories or not _is_plain(self._base + target):
            raise TarError(
                f"`{_shown(entry.path)}` is a hard link to `{_shown(target)}`, which the layer does not hold"
            )
        os.link(self._base + target, full, follow_symlinks=False)

    def _stamp_link(self, full: bytes, entry: Entry) -> None:
        if self._owners:
            os.chown(full, entry.uid, entry.gid, follow_symlinks=False)
        os.utime(full, (entry.mtime, entry.mtime), follow_symlinks=False)

    def _make_room(self, path: bytes) -> None:
        """Remove what stands at `path`: of two entries the later counts."""
        if path in self._directories:
            raise TarError(f"`{_shown(path)}` is both a directory and something else")
        try:
            os.unlink(self._base + path)
        except FileNotFoundError:
            return

    def _white_out(self, parent: bytes, name: bytes) -> None:
        if name == _OPAQUE:
            self._make_opaque(parent)
        elif not name.startswith(_WHITEOUT * 2):
            hidden = name[len(_WHITEOUT) :]
            path = parent + b"/" + hidden if parent else hidden
            if hidden in (b"", b".", b".."):
                raise TarError(f"`{_shown(path)}` cannot be hidden")
            if path in self._directories:
                self._make_opaque(path)
            elif not os.path.lexists(self._base + path):
                os.mknod(self._base + path, stat.S_IFCHR, os.makedev(0, 0))  # needs no privilege from Linux 5.8 on
                self._whiteouts.add(path)

    def _make_opaque(self, path: bytes) -> None:
        os.setxattr(self._base + path, b"user.overlay.opaque", b"y")
        try:
            os.setxattr(self._base + path, b"trusted.overlay.opaque", b"y")
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP):
                raise


def _inside(path: bytes) -> bytes:
    """`path` relative to the root of the layer, without empty parts.

    Raises: TarError, if it leaves the layer.
    """
    if len(path) > _LONGEST_PATH:
        raise TarError(f"a path has {len(path)} bytes")
    parts = [part for part in path.split(b"/") if part not in (b"", b".")]
    if len(parts) > _DEEPEST:
        raise TarError(f"`{_shown(path)}` is {len(parts)} folders deep")
    if b".." in parts or b"\0" in path:
        raise TarError(f"`{_shown(path)}` leads out of the layer")
    return b"/".join(parts)


def _is_plain(full: bytes) -> bool:
    try:
        return not stat.S_ISDIR(os.lstat(full).st_mode)
    except FileNotFoundError:
        return False


def _shown(path: bytes) -> str:
    return path[:200].decode(errors="backslashreplace")
