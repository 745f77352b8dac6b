"""Explicit lists (`@EXPLICIT`): one URL with its hash a line, as `conda list --explicit` writes them. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable

from builder.fetch.redaction import without_credentials
from builder.lock.conda.channels import parts_of, place_of, without_token
from builder.lock.interface import CondaPin

Report = Callable[[int, str, str | None], None]

_MARK = "@EXPLICIT"
_MD5 = re.compile(r"[0-9a-fA-F]{32}")
_SHA256 = re.compile(r"(?:sha256:)?([0-9a-fA-F]{64})")
_HINT = "`conda list --explicit --md5` and `--sha256`, `conda-lock render` and `pixi` write them"


def is_explicit(text: str) -> bool:
    """Whether a file is such a list."""
    return any(line.strip() == _MARK for line in text.splitlines()[:100])


def read_explicit(text: str, subdir: str, place: Callable[[int], str], report: Report) -> tuple[CondaPin, ...]:
    """The packages of a list for a platform; what cannot be taken is reported."""
    pins: dict[str, CondaPin] = {}
    for number, line in enumerate(text.splitlines(), 1):
        content = line.strip()
        if not content or content.startswith("#") or content == _MARK:
            continue
        try:
            pin = _pin(content, subdir, place(number))
        except ValueError as error:
            report(number, str(error), getattr(error, "hint", None))
            continue
        name = parts_of(pin.url.rpartition("/")[2])[0]
        if name in pins and pins[name].url != pin.url:
            report(number, f"`{name}` was listed before with another file", "leave out one of them")
        pins[name] = pin
    return tuple(pins[name] for name in sorted(pins))


class _RefusedError(ValueError):
    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def _pin(content: str, subdir: str, place: str) -> CondaPin:
    url, _, fragment = content.partition("#")
    url = without_token(without_credentials(url))
    _, found, file_name = place_of(url)
    parts_of(file_name)
    if found not in (subdir, "noarch"):
        raise _RefusedError(f"`{file_name}` is for `{found}`, not for `{subdir}`", "give a list for each platform")
    sha256 = _SHA256.fullmatch(fragment)
    if sha256:
        return CondaPin(url, None, sha256[1].lower(), place)
    if not fragment:
        raise _RefusedError(f"`{file_name}` has no hash", _HINT)
    if not _MD5.fullmatch(fragment):
        raise _RefusedError(f"the hash of `{file_name}` is neither md5 nor sha256", _HINT)
    return CondaPin(url, fragment.lower(), None, place)
