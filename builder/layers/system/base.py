"""What the small maintainer scripts of the base system make: base-files, libc-bin, Python, tzdata and the like."""

from __future__ import annotations

import re
from collections.abc import Iterable

from builder.layers.files import FileEntry
from builder.layers.system.image import Image
from builder.layers.system.paths import MERGED, MOVED

_OWNERS = {"root": 0, "adm": 4, "mail": 8, "shadow": 42, "utmp": 43, "staff": 50}
_DEFAULTS = "usr/share/base-files/"
_CALL = r"^[ \t]*{0}[ \t]+(.+)$"


def base_files(image: Image) -> Iterable[FileEntry]:
    """All of them; those without the package only where every image needs them."""
    yield from _top(image)
    yield from _of_base_files(image)
    yield from _of_python(image)
    yield from _of_tzdata(image)
    yield from _of_fontconfig(image)
    yield from image.copy("usr/share/libc-bin/nsswitch.conf", "etc/nsswitch.conf")
    yield from image.copy("usr/share/readline/inputrc", "etc/inputrc")
    if "netbase" in image.packages:
        yield FileEntry("etc/networks", _document(image.script("netbase"), "/etc/networks"))
    if "openssl" in image.packages:
        yield FileEntry.directory("etc/ssl/private", 0o700)
    if "unixodbc-common" in image.packages:
        yield FileEntry("etc/odbcinst.ini")
    if "/var/log/faillog" in image.script("login"):
        yield FileEntry("var/log/faillog")


def _top(image: Image) -> Iterable[FileEntry]:
    """The links of merged `/usr` that no package ships, and the folders that programs expect."""
    needed = {"bin", "lib", "sbin"} | ({"lib64"} if image.architecture == "amd64" else set())
    libraries = {library.path for facts in image.packages.values() for library in facts.libraries}
    for name in MERGED:
        used = name in needed or any(path.startswith(f"usr/{name}/") for path in libraries)
        if used and name not in image.links:
            yield FileEntry.link(name, f"usr/{name}")
    for link, place in MOVED.items():
        if link not in image.links:
            yield FileEntry.link(link, f"/{place}")
    for name in ("dev", "proc", "run", "sys"):
        yield FileEntry.directory(name)
    yield FileEntry.directory("root", 0o700)
    for name in ("run/lock", "tmp", "var/tmp"):
        yield FileEntry.directory(name, 0o1777)


def _of_base_files(image: Image) -> Iterable[FileEntry]:
    script = image.script("base-files")
    if not script:
        return
    for name, path in _calls(script, "install_from_default", 2):
        if path == "/usr/share/info/dir" or not path.startswith("/"):
            continue
        yield from image.copy(_DEFAULTS + name, path.lstrip("/"))
    yield from image.copy(_DEFAULTS + "info.dir", "usr/share/info/dir")
    for path, mode, group in _calls(script, "install_directory", 3):
        if path != "run/lock":
            yield FileEntry.directory(path, int(mode, 8), 0, _OWNERS[group])
    for (path,) in _calls(script, "install_local_dir", 1):
        yield FileEntry.directory(path.lstrip("/"))
    for path, owner, mode in _calls(script, "ensure_file_owner_mode", 3):
        yield FileEntry(path.lstrip("/"), mode=int(mode, 8), gid=_OWNERS[owner.partition(":")[2]])
    yield FileEntry.link("etc/dpkg/origins/default", "debian")
    yield FileEntry.link("usr/local/man", "share/man")
    yield FileEntry.link("var/spool/mail", "../mail")


def _calls(script: str, function: str, count: int) -> list[tuple[str, ...]]:
    """The literal arguments of each call of a shell function, once each, in their order."""
    found = [tuple(match[1].split()) for match in re.finditer(_CALL.format(function), script, re.MULTILINE)]
    return list(
        dict.fromkeys(words for words in found if len(words) == count and not any("$" in word for word in words))
    )


def _of_python(image: Image) -> Iterable[FileEntry]:
    for facts in image.matching(r"python3\.\d+-minimal"):
        folder = "usr/local/lib/" + facts.name.removesuffix("-minimal")
        yield FileEntry.directory(folder)
        if f"/{folder}/dist-packages" in image.script(facts.name):
            yield FileEntry.directory(f"{folder}/dist-packages")
    if "python3" in image.packages:
        path = "etc/python3/debian_config"
        yield FileEntry(path, _document(image.script("python3"), f"/{path}"))


def _of_tzdata(image: Image) -> Iterable[FileEntry]:
    script = image.script("tzdata")
    if not script:
        return
    yield FileEntry.link("etc/localtime", "/usr/share/zoneinfo/Etc/UTC")
    writes = re.search(r'^\s*echo "\$TIMEZONE" > "\$DPKG_ROOT/etc/timezone"', script, re.MULTILINE)
    if writes and 'test -f "$DPKG_ROOT/etc/timezone"' not in script:
        yield FileEntry("etc/timezone", b"Etc/UTC\n")


def _of_fontconfig(image: Image) -> Iterable[FileEntry]:
    """The defaults of fontconfig-config's questions: slight hinting, no bitmap fonts."""
    script = image.script("fontconfig-config")
    if not script:
        return
    bitmaps = re.search(r'^\s*no_bitmaps="([\w.-]+)"', script, re.MULTILINE)
    for name in ("10-hinting-slight.conf", bitmaps[1] if bitmaps else ""):
        if name:
            yield FileEntry.link(f"etc/fonts/conf.d/{name}", f"/usr/share/fontconfig/conf.avail/{name}")
    for_staff = "chmod 2775" in script and "/etc/staff-group-for-usr-local" not in script
    yield FileEntry.directory("usr/local/share/fonts", *((0o2775, 0, _OWNERS["staff"]) if for_staff else ()))


def _document(script: str, path: str) -> bytes:
    """The body of the here-document that a script writes to the absolute `path`."""
    pattern = rf"^[ \t]*cat > {re.escape(path)} <<-EOF\n(.*?)^\t*EOF$"
    match = re.search(pattern, script, re.MULTILINE | re.DOTALL)
    return re.sub(r"^\t+", "", match[1], flags=re.MULTILINE).encode() if match else b""
