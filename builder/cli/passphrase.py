"""The passphrase of a private key: from a variable or a file descriptor, or asked for on the terminal."""

from __future__ import annotations

import os
import sys

import click

from builder.errors import EnvbuildError

VARIABLE = "ENVBUILD_KEY_PASSWORD"
_LIMIT = 4096

descriptor_option = click.option(
    "--password-fd", "descriptor", type=click.IntRange(0), metavar="NUMBER",
    help=f"Read the passphrase from this file descriptor [default: {VARIABLE}, else it is asked for].",
)  # fmt: skip


def passphrase(path: object, descriptor: int | None, *, new: bool = False) -> bytes:
    """The passphrase of the key at `path`; a `new` one is asked for twice.

    Raises: EnvbuildError, if there is none, or nobody to ask.
    """
    given = _given(descriptor)
    if given is None and sys.stdin.isatty():
        text = click.prompt(f"Passphrase of {path}", hide_input=True, confirmation_prompt=new, err=True)
        given = str(text).encode()
    if not given:
        raise EnvbuildError(
            f"the key `{path}` needs a passphrase",
            "there is no terminal to ask on" if given is None else "it is empty",
            f"Give it in `{VARIABLE}` or with `--password-fd`",
        )
    return given


def _given(descriptor: int | None) -> bytes | None:
    if descriptor is not None:
        try:
            data = os.read(descriptor, _LIMIT)
        except OSError as error:
            raise EnvbuildError(f"file descriptor {descriptor} cannot be read", error.strerror or "") from error
        return data.rstrip(b"\r\n")
    text = os.environ.get(VARIABLE)
    return text.encode(errors="surrogateescape") if text is not None else None
