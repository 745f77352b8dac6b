"""`ssh-keygen -Y`: signatures by SSH keys, made and checked (PROTOCOL.sshsig).

The program is used, and not a library, because a key may be held by an agent or a hardware token.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from builder.errors import EnvbuildError, NotMeasuredError

PROGRAM = "ssh-keygen"
_SECONDS = 120
"""A person may have to touch a token, or to type a passphrase."""


def sign(data: bytes, namespace: str, key: Path) -> bytes:
    """A signature of `data`, armored, by the private key in a file, or by the agent that has the key of a public one.

    Asks on the terminal for a passphrase or a touch, as `ssh-keygen` does.

    Raises: EnvbuildError, if it cannot be had.
    """
    done = run(["-Y", "sign", "-q", "-n", namespace, "-f", str(key.absolute())], data)
    if done.returncode or not done.stdout:
        why = said(done) or "it is no SSH key, or its agent or device did not sign"
        raise EnvbuildError(f"`{key}` cannot be used to sign", why, "An SSH key is expected; `--key` takes keys in PEM")
    return done.stdout


@contextmanager
def signature_file(armored: bytes) -> Iterator[list[str]]:
    """The option that names a signature, which is in a file while this lasts."""
    with tempfile.NamedTemporaryFile(prefix="envbuild-", suffix=".sig") as file:
        file.write(armored)
        file.flush()
        yield ["-s", file.name]


def run(arguments: Sequence[str], data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run it with `data` on its standard input, whatever it ends with.

    Raises: NotMeasuredError, if it is not there; EnvbuildError, if it does not end.
    """
    try:
        return subprocess.run([PROGRAM, *arguments], input=data, capture_output=True, timeout=_SECONDS, check=False)
    except FileNotFoundError as error:
        what = "SSH signatures cannot be made or checked here"
        raise NotMeasuredError(what, f"`{PROGRAM}` is not installed", "Install OpenSSH") from error
    except subprocess.TimeoutExpired as error:
        raise EnvbuildError(f"`{PROGRAM}` did not answer within {_SECONDS} seconds") from error


def said(done: subprocess.CompletedProcess[bytes]) -> str:
    """What it wrote to standard error; that it reads from standard input is no news."""
    lines = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return "; ".join(line.strip() for line in lines if not line.startswith("Signing data on"))[:500]
