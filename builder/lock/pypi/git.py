"""The git program, run on one new repository for one commit: no hook, no setting of this machine, no question."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from builder.errors import EnvbuildError
from builder.fetch.redaction import without_credentials_in
from builder.lock.pypi.checkout import SCHEMES, Checkout

PROGRAM, LINK, SUBMODULE = "100755", "120000", "160000"
"""The modes of what is no plain file."""
_MOST_FILES = 500_000
"""Of a commit: a small repository can hold one tree in another more often than there is memory."""
_LARGEST_FILE = 4 << 30
"""Bytes."""
_LONGEST_LIST = 128 << 20
"""Bytes of the list of a commit's files."""
_PIECE = 1 << 20
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
    **{f"protocol.{scheme}.allow": "always" for scheme in SCHEMES},
}


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """A file of a commit."""

    path: str
    """Below the tree; bytes that are not UTF-8 are escaped, as Python does it for file names."""
    mode: str
    blob: str


class Content:
    """A file of a commit, of which no more is in memory than what is read of it."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream = stream
        self._left = size
        self.size = size

    def read(self, size: int) -> bytes:
        """The next bytes; empty at the end."""
        data = self._stream.read(min(size, self._left))
        self._left -= len(data)
        return data


class Git:
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

    def tree(self) -> Iterator[Entry]:
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
                yield Entry(os.fsdecode(path), mode, blob)
            if process.wait() != 0:
                raise self.failed("the repository is damaged")
        except ValueError as error:
            raise self.failed("its list of files cannot be read") from error
        finally:
            process.kill()
            process.wait()
            cast("IO[bytes]", process.stdout).close()

    def contents(self, blobs: Iterator[str]) -> Generator[Content, None, None]:
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
                if kind != b"blob" or int(size) > _LARGEST_FILE:
                    raise self.failed("its files take too much room")
                content = Content(answers, int(size))
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
