"""Signatures of events by SSH keys, as git has them: made and verified by `ssh-keygen -Y` (PROTOCOL.sshsig).

The program is used, and not a library, because a key may be held by an agent or a hardware token.
"""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from builder.errors import EnvbuildError
from builder.records.audit.event import NAMESPACE, Event

_PROGRAM = "ssh-keygen"
_FINGERPRINT = re.compile(r"\b(SHA256:[A-Za-z0-9+/]{43})(?![A-Za-z0-9+/])")
_TIMEOUT = 120.0
"""Seconds; a person may have to touch a token, or to type a passphrase."""


@dataclass(frozen=True, slots=True)
class SshKey:
    """A key that signs."""

    path: Path
    """Of the private key, or of the public one where an agent has the private one."""

    @property
    def fingerprint(self) -> str:
        """`SHA256:…`. Raises: EnvbuildError, if it is no key."""
        done = _run(["-l", "-E", "sha256", "-f", str(self.path)])
        found = _FINGERPRINT.search(done.stdout.decode(errors="replace"))
        if done.returncode or not found:
            raise EnvbuildError(f"`{self.path}` is no SSH key", _message(done))
        return found[1]

    def sign(self, data: bytes) -> bytes:
        """The signature of an event. Raises: EnvbuildError."""
        done = _run(["-Y", "sign", "-q", "-n", NAMESPACE, "-f", str(self.path)], data)
        if done.returncode or not done.stdout:
            raise EnvbuildError(f"the event cannot be signed with `{self.path}`", _message(done))
        return done.stdout


def verify_event(allowed_signers: Path | None, event: Event, data: bytes, signature: bytes) -> str | None:
    """What is wrong with the signature of an event, or None.

    The key must be the one that the event names; with `allowed_signers` (ssh-keygen(1)) also one that its actor's
    email may sign with. Raises: EnvbuildError, if it cannot be checked.
    """
    with tempfile.NamedTemporaryFile(prefix="envbuild-", suffix=".sig") as file:
        file.write(signature)
        file.flush()
        options = ["-n", NAMESPACE, "-s", file.name]
        if allowed_signers is None:
            done = _run(["-Y", "check-novalidate", *options], data)
        else:
            person = ["-f", str(allowed_signers), "-I", event.actor.email or "nobody"]
            done = _run(["-Y", "verify", *person, *options, f"-Overify-time={_moment(event.time)}"], data)
    found = _FINGERPRINT.search(done.stdout.decode(errors="replace"))
    if done.returncode or not found:
        whose = f" by {event.actor}" if allowed_signers else ""
        return f"its signature{whose} is not valid: {_message(done)}"
    if found[1] != event.actor.key:
        return f"it is signed with the key {found[1]}, and names {event.actor.key or 'none'}"
    return None


def _moment(time: str) -> str:
    """A time as ssh-keygen takes it."""
    return re.sub(r"[-:T]", "", time)


def _run(arguments: Sequence[str], data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    try:
        return subprocess.run([_PROGRAM, *arguments], input=data, capture_output=True, timeout=_TIMEOUT, check=False)
    except FileNotFoundError as error:
        raise EnvbuildError(f"`{_PROGRAM}` is not there", hint="Install OpenSSH's client") from error
    except subprocess.TimeoutExpired as error:
        raise EnvbuildError(f"`{_PROGRAM}` did not answer within {_TIMEOUT:.0f} seconds") from error


def _message(done: subprocess.CompletedProcess[bytes]) -> str:
    lines = (done.stderr + done.stdout).decode(errors="replace").strip().splitlines()
    return lines[0][:200] if lines else f"it ended with {done.returncode}"
