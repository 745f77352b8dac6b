"""Where the files of a wheel go, as pip and PyPA's `installer` put them into a virtual environment.

Owns the checks of a wheel's own metadata (packaging.python.org: binary distribution format), and which files are made
here rather than copied. The archive's checks are `zip_reader`'s, RECORD's rules `wheel_record`'s; nothing is written.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.parser import HeaderParser
from typing import NamedTuple

from packaging.utils import canonicalize_name
from packaging.version import Version

from builder.errors import EnvbuildError
from builder.layers.archive_names import clash, parents
from builder.layers.interface import Directory
from builder.layers.wheel_record import Claim, RecordError, check_listing, parse_record
from builder.layers.wheel_scripts import EntryPointError, generate_scripts
from builder.layers.zip_reader import Entry, ZipReader

_LARGEST_LISTING = 32 << 20
_LARGEST_METADATA = 1 << 20
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")
_UNSAFE_PREFIX = re.compile(r"[^A-Za-z0-9_./+@-]|^/|/$|//|(?:^|/)\.\.?(?:/|$)|^$")
_LONGEST_SHEBANG = 127


@dataclass(frozen=True, slots=True)
class WheelTarget:
    """The virtual environment that wheels are installed into."""

    prefix: str = "opt/env"
    """Relative to the image's root, without a leading or trailing slash."""
    python_version: tuple[int, int] = (3, 11)

    def __post_init__(self) -> None:
        if _UNSAFE_PREFIX.search(self.prefix) or len(self.interpreter) + len("#!\n") > _LONGEST_SHEBANG:
            raise EnvbuildError(
                f"Nothing can be installed into {self.prefix!r}", "scripts there could not name their interpreter"
            )

    @property
    def interpreter(self) -> str:
        """What scripts are run by: an absolute path inside the image."""
        return f"/{self.prefix}/bin/python"

    @property
    def site_packages(self) -> str:
        """Where modules go, pure or not; relative to the image's root."""
        return f"{self.prefix}/lib/python{self._dotted}/site-packages"

    def scheme(self, distribution: str) -> dict[str, str]:
        """Where the files of each key of a `.data` directory go, relative to the image's root."""
        return {
            "purelib": self.site_packages,
            "platlib": self.site_packages,
            "scripts": f"{self.prefix}/bin",
            "headers": f"{self.prefix}/include/site/python{self._dotted}/{distribution}",
            "data": self.prefix,
        }

    @property
    def _dotted(self) -> str:
        return "{}.{}".format(*self.python_version)


class WheelFile(NamedTuple):
    """A file that is installed as it is in the wheel."""

    entry: Entry
    claim: Claim
    executable: bool
    is_script: bool
    """Its first line may have to be replaced."""


class GeneratedFile(NamedTuple):
    """A file that is made here."""

    data: bytes
    executable: bool


@dataclass(frozen=True, slots=True)
class Layout:
    """What a wheel puts where. Paths are relative to the image's root."""

    files: dict[str, WheelFile]
    """By installed path."""
    generated: dict[str, GeneratedFile]
    """By installed path; without RECORD, which is made last."""
    record: str
    """The installed path of RECORD."""
    directories: tuple[Directory, ...]
    """Those that the wheel holds without a file in them."""


class LayoutError(Exception):
    """A wheel can't be installed; the text is a cause line."""


def lay_out(
    archive: ZipReader, target: WheelTarget, expected_name: str | None = None, expected_version: str | None = None
) -> Layout:
    """Where the files of `archive` go in `target`. Reads WHEEL, RECORD and entry_points.txt, and no other file.

    Raises: LayoutError, if it is not a wheel or not the expected one; EnvbuildError, if the archive can't be used.
    """
    entries = archive.read_entries()
    files = {entry.path: entry for entry in entries if not entry.is_directory}
    info = _find_dist_info(entries, expected_name, expected_version)
    for name in ("WHEEL", "METADATA", "RECORD"):
        if f"{info}/{name}" not in files:
            raise LayoutError(f"it has no `{info}/{name}`")
    _check_wheel_version(_text(archive, files[f"{info}/WHEEL"], _LARGEST_METADATA))
    unlisted = [f"{info}/{name}" for name in ("RECORD", *_SIGNATURES)]
    placement = _Placement(info, target)
    try:
        claims = parse_record(_text(archive, files[f"{info}/RECORD"], _LARGEST_LISTING))
        check_listing(claims, files, unlisted)
        generated = _generate(archive, files.get(f"{info}/entry_points.txt"), target)
    except (RecordError, EntryPointError) as error:
        raise LayoutError(str(error)) from error
    generated[placement.path(f"{info}/INSTALLER")] = GeneratedFile(b"envbuild\n", executable=False)
    record = placement.path(f"{info}/RECORD")
    placed = _place(files, claims, unlisted, placement)
    shipped = {path: file for path, file in placed if path not in generated}
    problem = clash([*(path for path, _ in placed if path in shipped), *generated, record])
    if problem is not None:
        raise LayoutError(f"{problem}, once installed")
    return Layout(shipped, generated, record, _empty_directories(entries, placement, [*shipped, *generated, record]))


class _Placement:
    """Where a path of the archive goes."""

    def __init__(self, info: str, target: WheelTarget) -> None:
        self._data = _comparable(info.removesuffix(".dist-info") + ".data")
        self._schemes = target.scheme(_split_stem(info)[0])

    def path(self, path: str) -> str:
        """The installed path of `path`. Raises: LayoutError."""
        return self.place(path)[1]

    def place(self, path: str) -> tuple[str, str]:
        """The key of the scheme that `path` belongs to, and its installed path. Raises: LayoutError."""
        top, _, rest = path.partition("/")
        if not top.endswith(".data") or _comparable(top) != self._data or not rest:
            return "purelib", f"{self._schemes['purelib']}/{path}"
        key, _, rest = rest.partition("/")
        if key not in self._schemes:
            raise LayoutError(f"`{path}` is in no directory that installers know ({', '.join(self._schemes)})")
        return key, f"{self._schemes[key]}/{rest}" if rest else self._schemes[key]


def _place(
    files: dict[str, Entry], claims: dict[str, Claim], unlisted: list[str], placement: _Placement
) -> list[tuple[str, WheelFile]]:
    """Each installed path with its file. Bytecode is left out, and RECORD and its signatures, which no longer hold."""
    placed = []
    for path, entry in files.items():
        if path in unlisted or ("__pycache__/" in path and "__pycache__" in path.split("/")):
            continue
        claim = claims[path]
        if claim.size not in (None, entry.size):
            raise LayoutError(f"`{path}` has {entry.size} bytes, RECORD says {claim.size}")
        scheme, installed = placement.place(path)
        is_script = scheme == "scripts"
        placed.append((installed, WheelFile(entry, claim, is_script or entry.is_executable, is_script)))
    return placed


def _empty_directories(entries: tuple[Entry, ...], placement: _Placement, paths: list[str]) -> tuple[Directory, ...]:
    explicit = [entry.path for entry in entries if entry.is_directory and "__pycache__" not in entry.path.split("/")]
    if not explicit:
        return ()
    in_archive = parents(entry.path for entry in entries if not entry.is_directory)
    explicit = [path for path in explicit if path not in in_archive and not path.endswith((".data", ".dist-info"))]
    installed = {placement.path(path) for path in explicit} - parents(paths)
    return tuple(Directory(path) for path in sorted(installed))


def _generate(archive: ZipReader, entry_points: Entry | None, target: WheelTarget) -> dict[str, GeneratedFile]:
    if entry_points is None:
        return {}
    text = _text(archive, entry_points, _LARGEST_METADATA)
    scripts = generate_scripts(text, target.interpreter)
    folder = target.scheme("")["scripts"]
    return {f"{folder}/{name}": GeneratedFile(data, executable=True) for name, data in scripts.items()}


def _find_dist_info(entries: tuple[Entry, ...], expected_name: str | None, expected_version: str | None) -> str:
    tops = {top for entry in entries if (top := entry.path.partition("/")[0]).endswith(".dist-info")}
    if len(tops) != 1:
        raise LayoutError(
            f"it has {len(tops) or 'no'} dist-info directories: {', '.join(sorted(tops)) or 'not a wheel'}"
        )
    (info,) = tops
    name, version = _split_stem(info)
    if expected_name is not None and canonicalize_name(name) != canonicalize_name(expected_name):
        raise LayoutError(f"it holds `{name}`, not `{expected_name}`")
    if expected_version is not None and not _same_version(version, expected_version):
        raise LayoutError(f"it holds version {version} of `{name}`, not {expected_version}")
    return info


def _split_stem(info: str) -> tuple[str, str]:
    name, dash, version = info.removesuffix(".dist-info").rpartition("-")
    if not dash or not name or not version:
        raise LayoutError(f"the directory `{info}` names no project and version")
    return name, version


def _same_version(found: str, expected: str) -> bool:
    try:
        return Version(found.replace("_", "-")) == Version(expected.replace("_", "-"))
    except ValueError:  # it is none, or has thousands of digits
        return found == expected


def _comparable(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _check_wheel_version(text: str) -> None:
    version = HeaderParser().parsestr(text).get("Wheel-Version", "").strip()
    if not re.fullmatch(r"1\.[0-9]{1,9}", version):
        raise LayoutError(f"its Wheel-Version is {version or 'missing'}; only 1.x can be installed")


def _text(archive: ZipReader, entry: Entry, largest: int) -> str:
    if entry.size > largest:
        raise LayoutError(f"`{entry.path}` is larger than {largest} bytes")
    try:
        return b"".join(archive.content(entry)).decode()
    except UnicodeDecodeError as error:
        raise LayoutError(f"`{entry.path}` is not UTF-8") from error
