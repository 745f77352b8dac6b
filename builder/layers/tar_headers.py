"""Tar headers: USTAR (POSIX.1-2017, pax), with a PAX record only where a name or a number needs one.

Owns the bytes of an entry's header and padding; knows nothing of what the entry holds.
"""

from __future__ import annotations

import zlib

from builder.layers.interface import PACKAGE_MTIME

BLOCK = 512
END_OF_ARCHIVE = bytes(2 * BLOCK)

FILE, HARD_LINK, SYMBOLIC_LINK, DIRECTORY = b"0", b"1", b"2", b"5"

_NAME, _PREFIX, _LINK = 100, 155, 100
_LARGEST_SIZE = 8**11 - 1
_LARGEST_OWNER = 8**7 - 1


def header(
    path: str,
    *,
    kind: bytes = FILE,
    size: int = 0,
    mode: int = 0o644,
    link: str = "",
    uid: int = 0,
    gid: int = 0,
    mtime: int = PACKAGE_MTIME,
) -> bytes:
    """The header blocks of one entry: 512 bytes, or 1536 and more with PAX records before it.

    `path` is relative, without a trailing slash (a directory's is added); `size` is in bytes; `mode` is taken
    modulo the type bits (a symbolic link's is always 0777, as every system reports it); owners are numeric and
    their names stay empty.
    """
    name = path.encode() + (b"/" if kind == DIRECTORY else b"")
    target = link.encode()
    split = _split(name)
    records = {}
    if split is None:
        records["path"] = name
    if len(target) > _LINK or not target.isascii():
        records["linkpath"] = target
    if size > _LARGEST_SIZE:
        records["size"] = b"%d" % size
    for key, number in (("uid", uid), ("gid", gid)):
        if number > _LARGEST_OWNER:
            records[key] = b"%d" % number
    if kind == SYMBOLIC_LINK:
        mode = 0o777
    prefix, base = split if split is not None else (b"", name[:_NAME])
    uid, gid, size = min(uid, _LARGEST_OWNER), min(gid, _LARGEST_OWNER), min(size, _LARGEST_SIZE)
    block = _block(base, prefix, kind, size, mode & 0o7777, target[:_LINK], uid, gid, mtime)
    if not records:
        return block
    body = b"".join(_record(key, value) for key, value in sorted(records.items()))
    extension = _block(b"PaxHeaders/" + base[: _NAME - 11], b"", b"x", len(body), 0o644, b"", 0, 0, mtime)
    return extension + body + padding(len(body)) + block


def padding(size: int) -> bytes:
    """The zero bytes that fill up the last block of `size` bytes of content."""
    return bytes(-size % BLOCK)


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """`name` as USTAR's prefix and name fields, or None if it does not fit or is not ASCII."""
    if not name.isascii():
        return None
    if len(name) <= _NAME:
        return b"", name
    cut = name.find(b"/", len(name) - _NAME - 1, _PREFIX + 1)
    if cut <= 0 or cut == len(name) - 1:
        return None
    return name[:cut], name[cut + 1 :]


def _block(
    name: bytes, prefix: bytes, kind: bytes, size: int, mode: int, link: bytes, uid: int, gid: int, mtime: int
) -> bytes:
    block = bytearray(
        b"%b%07o\0%07o\0%07o\0%011o\0%011o\0%b%b%b%b%b%b%b%b"
        % (
            name.ljust(_NAME, b"\0"), mode, uid, gid, size, mtime, b" " * 8, kind, link.ljust(_LINK, b"\0"),
            b"ustar\00000", bytes(64), b"0000000\0" * 2, prefix.ljust(_PREFIX, b"\0"), bytes(12),
        )
    )  # fmt: skip
    block[148:156] = b"%06o\0 " % _sum(block)
    return bytes(block)


def _sum(block: bytearray) -> int:
    """The sum of the bytes; of 512 ASCII ones it is below Adler-32's modulus, and so its low half less one."""
    return (zlib.adler32(block) & 0xFFFF) - 1 if block.isascii() else sum(block)


def _record(key: str, value: bytes) -> bytes:
    r"""A PAX record `LENGTH KEY=VALUE\n`, whose length counts its own digits."""
    rest = b" %b=%b\n" % (key.encode(), value)
    length = len(rest)
    while len(b"%d" % length) + len(rest) != length:
        length = len(b"%d" % length) + len(rest)
    return b"%d" % length + rest
