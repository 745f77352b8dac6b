"""Signatures of events by SSH keys, as git has them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from builder.errors import EnvbuildError
from builder.records import ssh_keygen
from builder.records.audit.event import NAMESPACE, Event

_FINGERPRINT = re.compile(r"\b(SHA256:[A-Za-z0-9+/]{43})(?![A-Za-z0-9+/])")


@dataclass(frozen=True, slots=True)
class SshKey:
    """A key that signs."""

    path: Path
    """Of the private key, or of the public one where an agent has the private one."""

    @property
    def fingerprint(self) -> str:
        """`SHA256:…`. Raises: EnvbuildError, if it is no key."""
        done = ssh_keygen.run(["-l", "-E", "sha256", "-f", str(self.path.absolute())])
        found = _FINGERPRINT.search(done.stdout.decode(errors="replace"))
        if done.returncode or not found:
            raise EnvbuildError(f"`{self.path}` is no SSH key", ssh_keygen.said(done))
        return found[1]

    def sign(self, data: bytes) -> bytes:
        """The signature of an event. Raises: EnvbuildError."""
        return ssh_keygen.sign(data, NAMESPACE, self.path)


def verify_event(allowed_signers: Path | None, event: Event, data: bytes, signature: bytes) -> str | None:
    """What is wrong with the signature of an event, or None.

    The key must be the one that the event names; with `allowed_signers` (ssh-keygen(1)) also one that its actor's
    email may sign with. Raises: EnvbuildError, if it cannot be checked.
    """
    with ssh_keygen.signature_file(signature) as of_file:
        options = ["-n", NAMESPACE, *of_file]
        if allowed_signers is None:
            done = ssh_keygen.run(["-Y", "check-novalidate", *options], data)
        else:
            person = ["-f", str(allowed_signers), "-I", event.actor.email or "nobody"]
            done = ssh_keygen.run(["-Y", "verify", *person, *options, f"-Overify-time={_moment(event.time)}"], data)
    found = _FINGERPRINT.search(done.stdout.decode(errors="replace"))
    if done.returncode or not found:
        whose = f" by {event.actor}" if allowed_signers else ""
        return f"its signature{whose} is not valid: {ssh_keygen.said(done)}"
    if found[1] != event.actor.key:
        return f"it is signed with the key {found[1]}, and names {event.actor.key or 'none'}"
    return None


def _moment(time: str) -> str:
    """A time as ssh-keygen takes it."""
    return re.sub(r"[-:T]", "", time)
