"""Commits of git repositories as archives in the store: the same bytes on every machine, of the tree alone.

The archive is made here of the objects of the commit's tree. `git archive` would write other bytes with other versions
and settings of git, and its attributes (export-subst) tell of branches and tags, which move.
"""

from __future__ import annotations

import os
import re
import subprocess
import tarfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast
from urllib.parse import unquote, urlsplit, urlunsplit

from builder.errors import EnvbuildError
from builder.fetch.redaction import without_credentials_in
from builder.oci.digest import Digest
from builder.oci.layout import BlobWriter
from builder.oci.store import CHECKOUTS, Store

LARGEST_ARCHIVE = 4 << 30
"""Bytes of a commit's files together."""
_MOST_FILES = 500_000
"""Of a commit: a small repository can hold one tree in another more often than there is memory."""
_LONGEST_LINK = 4096
_LONGEST_LIST = 128 << 20
"""Bytes of the list of a commit's files."""
_PIECE = 1 << 20

_FORMAT = 1
"""The revision of the rules that decide an archive's bytes."""
_TIME = 315619200  # 1980-01-02, which a zip archive can hold
_SCHEMES = ("https", "http", "ssh", "file")
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_SECONDS = 1800
_PASSED = re.compile(
    r"PATH|HOME|USER|LOGNAME|TMPDIR|SSH_AUTH_SOCK|SSL_CERT_(?:FILE|DIR)|GIT_SSL_CA(?:INFO|PATH)|GIT_SSH(?:_COMMAND)?|"
    r"(?:https?|all|no)_proxy",
    re.IGNORECASE,
)
"""Which variables git sees: those that say how to reach a server."""
_SETTINGS = {
    "core.hooksPath": os.devnull,
    "core.fsmonitor": "false",
    "core.attributesFile": os.devnull,
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "protocol.allow": "never",
    **{f"protocol.{scheme}.allow": "always" for scheme in _SCHEMES},
}


@dataclass(frozen=True, slots=True)
class Checkout:
    """One commit of a repository, as a requirement names it (PEP 440, direct references)."""

    repository: str
    """The URL that git gets; no password in it."""
    commit: str
    """In full, in hexadecimal."""
    subdirectory: str = ""
    """Where the project is."""

    @property
    def url(self) -> str:
        """As a lock names it, without the folder."""
        return f"git+{self.repository}@{self.commit}"

    @property
    def name(self) -> str:
        """What the folder in the archive is called."""
        last = re.sub(r"[^A-Za-z0-9._-]", "-", unquote(self.repository).rstrip("/").rpartition("/")[2])
        return f"{last.removesuffix('.git').lstrip('.-') or 'checkout'}-{self.commit[:12]}"

    @classmethod
    def parse(cls, url: str) -> Checkout:
        """From `git+https://…@<commit>`, perhaps with `#subdirectory=…`.

        Raises: EnvbuildError, if it is of another form, or holds a password.
        """
        shown = without_credentials_in(url)
        bare, _, fragment = url.partition("#")
        place, at, commit = bare.rpartition("@")
        if "/" in commit or not at:
            place, commit = bare, ""
        parts = urlsplit(place.removeprefix("git+"))
        if not place.startswith("git+") or parts.scheme not in _SCHEMES:
            raise EnvbuildError(f"`{shown}` cannot be taken", hint="Write `git+https://…@<commit>`")
        if not _COMMIT.fullmatch(commit):
            raise EnvbuildError(
                f"`{shown}` is not pinned to a commit", "branches and tags move", "Name the commit in full, 40 digits"
            )
        user, _, host = parts.netloc.rpartition("@")
        if ":" in user or (user and parts.scheme != "ssh"):
            raise EnvbuildError(
                f"`{shown}` holds credentials", "they would be in the lock", "Keep them in `~/.netrc`, or use `git+ssh`"
            )
        if (not host and parts.scheme != "file") or host.startswith("-") or user.startswith("-") or parts.query:
            raise EnvbuildError(f"`{shown}` cannot be taken", hint="Write `git+https://…@<commit>`")
        settings = dict(item.partition("=")[::2] for item in fragment.split("&"))
        return cls(urlunsplit(parts), commit, _folder(unquote(settings.get("subdirectory", "")), shown))


def checkout_archive(url: str, store: Store) -> tuple[Digest, int]:
    """The archive (a tar, not compressed) of a commit, in the store: its digest and its size in bytes.

    `url` is `git+https://…@<commit>`, the commit in full; a subdirectory is not looked at. Fetched with git where the
    store does not have it. Everything is below one folder, as in an sdist. Submodules are empty folders.

    Raises: EnvbuildError, if the URL is of another form or holds a password, or git cannot fetch it.
    """
    checkout = Checkout.parse(url)
    key = Digest.of(f"{_FORMAT} {checkout.url}".encode()).hex
    known = _known(store, key)
    if known is None:
        with store.locked(f"checkout-{key}"):
            known = _known(store, key)
            if known is None:
                known = _make(checkout, store)
                store.keep_record(CHECKOUTS, key, {"url": checkout.url, "digest": str(known[0]), "size": known[1]})
    return known


def _known(store: Store, key: str) -> tuple[Digest, int] | None:
    record = store.record(CHECKOUTS, key)
    if record is None:
        return None
    digest, size = Digest.parse(record["digest"]), int(record["size"])
    return (digest, size) if store.has(digest, size) else None


def _make(checkout: Checkout, store: Store) -> tuple[Digest, int]:
    with store.scratch() as folder:
        git = _Git(folder / "repository.git", folder, checkout)
        git.fetch()
        with store.new_blob() as blob:
            with tarfile.open(
                fileobj=cast("IO[bytes]", _Bounded(blob)), mode="w|", format=tarfile.PAX_FORMAT, encoding="utf-8"
            ) as archive:
                for info, content in _members(git, checkout):
                    archive.addfile(info, cast("IO[bytes] | None", content))
            return blob.commit(), blob.size


class _Bounded:
    """A blob that is written up to a limit."""

    def __init__(self, blob: BlobWriter) -> None:
        self._blob = blob

    def write(self, data: bytes) -> int:
        if self._blob.size > LARGEST_ARCHIVE:
            raise EnvbuildError("the commit is too large", f"its files take more than {LARGEST_ARCHIVE} bytes")
        self._blob.write(data)
        return len(data)


def _members(git: _Git, checkout: Checkout) -> Iterator[tuple[tarfile.TarInfo, _Content | None]]:
    """The files of the commit's tree, each with its content, sorted by path; folders where they are empty."""
    yield _info(checkout.name, tarfile.DIRTYPE), None
    entries = sorted(git.tree())
    with closing(git.contents(entry.blob for entry in entries if entry.mode != _SUBMODULE)) as contents:
        for entry in entries:
            path = f"{checkout.name}/{entry.path}"
            if entry.mode == _SUBMODULE:
                yield _info(path, tarfile.DIRTYPE), None
                continue
            content = next(contents)
            if entry.mode == _LINK:
                if content.size > _LONGEST_LINK:
                    raise git.failed("a link in it is too long")
                link = _info(path, tarfile.SYMTYPE)
                link.linkname = os.fsdecode(content.read(content.size))
                yield link, None
            else:
                file = _info(path, tarfile.REGTYPE, 0o755 if entry.mode == _PROGRAM else 0o644)
                file.size = content.size
                yield file, content


class _Content:
    """A file of a commit, of which no more is in memory than what is read of it."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self._left = size
        self.size = size

    def read(self, size: int) -> bytes:
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data


_PROGRAM, _LINK, _SUBMODULE = "100755", "120000", "160000"


def _info(path: str, kind: bytes, mode: int = 0o755) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path)
    info.type, info.mode, info.mtime = kind, mode, _TIME
    return info


@dataclass(frozen=True, slots=True, order=True)
class _Entry:
    path: str
    """Below the tree; bytes that are not UTF-8 are escaped, as Python does it for file names."""
    mode: str
    blob: str


class _Git:
    """The git program on one new repository: no hook, no setting of this machine, no question to its user."""

    def __init__(self, repository: Path, home: Path, checkout: Checkout) -> None:
        self._repository = repository
        self._checkout = checkout
        self._environment = {name: value for name, value in os.environ.items() if _PASSED.fullmatch(name)}
        self._environment |= {
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ASKPASS": "false",
            "SSH_ASKPASS": "false",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_CEILING_DIRECTORIES": str(home),
            "LC_ALL": "C",
        }

    def fetch(self) -> None:
        """Fetch the commit; with the whole history where the server gives no single commits."""
        (self._repository.parent / "template").mkdir()
        kind = "sha256" if len(self._checkout.commit) == 64 else "sha1"
        template = f"--template={self._repository.parent / 'template'}"
        self._run("init", "--quiet", "--bare", template, f"--object-format={kind}", str(self._repository))
        quiet = ("fetch", "--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules")
        source = ("--", self._checkout.repository)
        try:
            self._run(*quiet, "--depth=1", *source, self._checkout.commit)
        except EnvbuildError:
            self._run(*quiet, *source, "+refs/*:refs/*")
        found = self._run("cat-file", "-t", self._checkout.commit, why="the repository has no such commit")
        if found.strip() != b"commit":
            raise self.failed("what it names is not a commit")

    def tree(self) -> Iterator[_Entry]:
        """The files of the commit."""
        process: subprocess.Popen[bytes] = subprocess.Popen(
            self._command("ls-tree", "-r", "-z", "--full-tree", self._checkout.commit),
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            for number, row in enumerate(_rows(cast("IO[bytes]", process.stdout))):
                if number >= _MOST_FILES:
                    raise self.failed(f"it has more than {_MOST_FILES} files")
                head, _, path = row.partition(b"\t")
                mode, _, blob = head.decode().split()
                yield _Entry(os.fsdecode(path), mode, blob)
            if process.wait() != 0:
                raise self.failed("the repository is damaged")
        except ValueError as error:
            raise self.failed("its list of files cannot be read") from error
        finally:
            process.kill()
            process.wait()
            cast("IO[bytes]", process.stdout).close()

    def contents(self, blobs: Iterator[str]) -> Generator[_Content, None, None]:
        """Each blob, in order (git-cat-file(1), --batch), to be read before the next."""
        process: subprocess.Popen[bytes] = subprocess.Popen(
            self._command("cat-file", "--batch"),
            env=self._environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        asked, answers = cast("IO[bytes]", process.stdin), cast("IO[bytes]", process.stdout)
        try:
            for blob in blobs:
                asked.write(f"{blob}\n".encode())
                asked.flush()
                _, kind, size = answers.readline().split()
                if kind != b"blob" or int(size) > LARGEST_ARCHIVE:
                    raise self.failed("its files take too much room")
                content = _Content(answers, int(size))
                yield content
                while content.read(_PIECE):
                    pass
                answers.read(1)
        except (OSError, ValueError) as error:
            raise self.failed("the repository is damaged") from error
        finally:
            process.kill()
            process.wait()
            asked.close()
            answers.close()

    def _run(self, *arguments: str, why: str | None = None) -> bytes:
        try:
            finished = subprocess.run(
                self._command(*arguments),
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=_SECONDS,
            )
        except FileNotFoundError as error:
            raise self.failed("git is not installed here", "Install git") from error
        except subprocess.TimeoutExpired as error:
            raise self.failed(f"the server did not give it within {_SECONDS // 60} minutes") from error
        if finished.returncode != 0:
            raise self.failed(*((why,) if why else (_last_words(finished.stderr),)))
        return finished.stdout

    def _command(self, *arguments: str) -> Sequence[str]:
        settings: list[str] = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
        place = [] if arguments[0] == "init" else [f"--git-dir={self._repository}"]
        return ["git", *settings, *place, *arguments]

    def failed(self, why: str, hint: str | None = None) -> EnvbuildError:
        """Why there is no archive."""
        hint = hint or "Check the URL, the commit, and that git can reach the server without asking for a password"
        return EnvbuildError(f"`{self._checkout.url}` could not be fetched", why, hint)


def _rows(stream: IO[bytes]) -> Iterator[bytes]:
    """What stands before each NUL. Raises: ValueError, if it is too much."""
    left, total = b"", 0
    while piece := stream.read(_PIECE):
        total += len(piece)
        if total > _LONGEST_LIST:
            raise ValueError("the list is too long")
        *rows, left = (left + piece).split(b"\0")
        yield from rows


def _last_words(stderr: bytes) -> str:
    lines = without_credentials_in(stderr.decode("utf-8", "replace")).strip().splitlines()
    return "\n".join(lines[-5:]) or "git failed and said nothing"


def _folder(path: str, shown: str) -> str:
    parts: list[Any] = [part for part in path.strip("/").split("/") if part not in ("", ".")]
    if path.startswith("/") or ".." in parts or "\0" in path:
        raise EnvbuildError(f"the subdirectory of `{shown}` is not inside the repository", f"it is `{path}`")
    return "/".join(parts)
