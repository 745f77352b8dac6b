"""What is made in place of maintainer scripts, against what they make."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filesystem_comparison import assert_same, documented, of_folder

from builder.layers.deb import open_deb
from builder.layers.system import system_files

pytestmark = pytest.mark.slow

DIFFERENCES = Path(__file__).parents[3] / "docs/reference/debian-differences.md"


def _listing(root: Path) -> dict[str, tuple[Any, ...]]:
    found: dict[str, tuple[Any, ...]] = {}
    for folder, directories, files in os.walk(root):
        for name in directories + files:
            path = Path(folder, name)
            status = path.lstat()
            content: Any = None
            if stat.S_ISLNK(status.st_mode):
                content = os.readlink(path)
            elif stat.S_ISREG(status.st_mode):
                content = path.read_bytes()
            found[str(path.relative_to(root))] = (oct(status.st_mode), status.st_uid, status.st_gid, content)
    return found


def _chroot(root: Path, *command: str) -> str:
    environment = {"PATH": "/usr/sbin:/usr/bin"}
    result = subprocess.run(
        ["chroot", str(root), *command], env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, (result.stdout + result.stderr)[-3000:]
    return result.stdout


def test_files_are_those_of_dpkg_but_for_the_documented_ones(roots: Any) -> None:
    assert_same(of_folder(roots.installed), of_folder(roots.assembled), documented(DIFFERENCES))


def test_what_is_compared_is_awkward(roots: Any) -> None:
    files = of_folder(roots.assembled)
    modes = {path: entry.mode for path, entry in files.items() if entry.type == "file"}
    assert modes["usr/bin/passwd"] & 0o4000
    assert modes["usr/bin/chage"] & 0o2000
    assert files["etc/shadow"].owner == (0, 42)
    assert files["usr/bin/perl"].names
    assert files["usr/bin/pager"].target == "/etc/alternatives/pager"
    assert files["bin"].target == "usr/bin"
    assert not all(path.isascii() for path in files)


def test_shells_are_the_same_in_another_order(roots: Any) -> None:
    real, ours = ((root / "etc/shells").read_text().splitlines() for root in (roots.installed, roots.assembled))
    assert sorted(real) == sorted(ours)


def test_accounts_are_those_of_dpkg_and_nonroot(roots: Any) -> None:
    for name in ("passwd", "group", "shadow", "gshadow"):
        real, ours = ((root / "etc" / name).read_text().splitlines() for root in (roots.installed, roots.assembled))
        assert ours[:-1] == [re.sub(r":\d+:0:99999:7:::$", "::0:99999:7:::", line) for line in real]
        assert ours[-1].startswith("nonroot:")


def test_ld_so_cache_is_what_ldconfig_writes(roots: Any) -> None:
    ours = (roots.assembled / "etc/ld.so.cache").read_bytes()
    before = _listing(roots.assembled / "usr/lib")
    _chroot(roots.assembled, "/sbin/ldconfig", "-i", "-C", "/tmp/ld.so.cache")
    made = roots.assembled / "tmp/ld.so.cache"
    try:
        assert made.read_bytes() == ours
        assert _listing(roots.assembled / "usr/lib") == before
    finally:
        made.unlink()


def test_hash_links_are_those_of_openssl_rehash(roots: Any) -> None:
    folder = roots.assembled / "etc/ssl/certs"
    made = roots.assembled / "tmp/certs"
    made.mkdir()
    try:
        for path in folder.glob("*.pem"):
            (made / path.name).symlink_to(os.readlink(path))
        _chroot(roots.assembled, "/usr/bin/openssl", "rehash", "/tmp/certs")
        expected = {path.name: os.readlink(path) for path in made.iterdir()}
    finally:
        for path in made.iterdir():
            path.unlink()
        made.rmdir()
    ours = {path.name: os.readlink(path) for path in folder.iterdir() if path.is_symlink()}
    assert ours == expected


STANDARD_LIBRARY = """
import importlib, json, pkgutil, sys, sysconfig, warnings
warnings.simplefilter("ignore")
folders = [sysconfig.get_path("stdlib"), sysconfig.get_path("stdlib") + "/lib-dynload"]
names = {module.name for module in pkgutil.iter_modules(folders)} | set(sys.builtin_module_names)
# a joke, a poem, and three that need Tk, setuptools or iOS
names -= {"antigravity", "this", "turtle", "_distutils_system_mod", "_ios_support"}
failed = {}
for name in sorted(names):
    try:
        importlib.import_module(name)
    except BaseException as error:
        failed[name] = repr(error)
print(json.dumps([len(names), failed]))
"""


def test_every_shipped_module_of_the_standard_library_is_imported(slim_root: tuple[str, Path]) -> None:
    python, root = slim_root
    count, failed = json.loads(_chroot(root, f"/usr/bin/{python}", "-c", STANDARD_LIBRARY).splitlines()[-1])
    assert failed == {}
    assert count > 200


RUNS = """
import ctypes, ctypes.util, json, locale, os, pwd, ssl, time, zoneinfo, datetime
context = ssl.create_default_context()
locale.setlocale(locale.LC_ALL, "C.UTF-8")
folder = ssl.get_default_verify_paths().capath
os.setgid(65532); os.setuid(65532)
print(json.dumps({
    "certificates": len(context.get_ca_certs()),
    "hashes": sum(os.path.exists(f"{folder}/{name}") for name in os.listdir(folder) if name.endswith(".0")),
    "libraries": [ctypes.util.find_library(name) for name in ("c", "gomp", "openblas", "lapack")],
    "loaded": bool(ctypes.CDLL("liblapack.so.3")),
    "encoding": locale.nl_langinfo(locale.CODESET),
    "offset": zoneinfo.ZoneInfo("Europe/Zurich").utcoffset(datetime.datetime(2026, 7, 1)).seconds,
    "user": pwd.getpwuid(os.getuid()).pw_name,
    "home": os.path.expanduser("~"),
    "writes": os.access("/tmp", os.W_OK) and os.access(os.path.expanduser("~"), os.W_OK),
    "service": __import__("socket").getservbyname("https"),
}))
"""


def test_python_finds_certificates_libraries_zones_and_users(slim_root: tuple[str, Path]) -> None:
    python, root = slim_root
    found = json.loads(_chroot(root, f"/usr/bin/{python}", "-c", RUNS))
    assert found.pop("certificates") > 100
    assert found.pop("hashes") > 100
    assert found == {
        "libraries": ["libc.so.6", "libgomp.so.1", "libopenblas.so.0", "liblapack.so.3"],
        "loaded": True,
        "encoding": "UTF-8",
        "offset": 7200,
        "user": "nonroot",
        "home": "/home/nonroot",
        "writes": True,
        "service": 443,
    }


@pytest.mark.parametrize("suite", ["bookworm", pytest.param("trixie", marks=pytest.mark.slow)])
def test_a_cache_for_arm64_lists_the_same_libraries_with_their_own_flags(
    apt: Callable[[str, str], Any], suite: str
) -> None:
    names: dict[str, set[str]] = {}
    for architecture, folder, flags in (("amd64", "x86_64", 0x303), ("arm64", "aarch64", 0xA03)):
        facts = []
        for deb in apt(suite, architecture).download(
            "base-files", "libc-bin", "libgomp1", "liblapack3", "libopenblas0"
        ):
            with open_deb(deb) as package:
                facts.append(package.facts)
        entries = {entry.path: entry for entry in system_files(facts, architecture)}
        cache = entries["etc/ld.so.cache"].data
        count = int.from_bytes(cache[20:24], "little")
        found = [int.from_bytes(cache[48 + 24 * index :][:4], "little") for index in range(count)]
        assert set(found) == {flags}
        assert f"/lib/{folder}-linux-gnu/libc.so.6".encode() in cache
        strings = cache[48 + 24 * count :].split(b"\0")
        names[architecture] = {
            text.rpartition(b"/")[2].decode() for text in strings if b"/libgomp" in text or b"/liblapack" in text
        }
        shipped = {path for one in facts for path, _ in one.links}
        assert ("lib64" in entries.keys() | shipped) is (architecture == "amd64")
    assert names["amd64"] == names["arm64"] != set()
