"""Docker Engine's own builder, which every engine has, through its API."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Iterator
from typing import Any

from builder.errors import EnvbuildError
from builder.image.engine.connection import Connection, checked_id
from builder.image.engine.context import context_stream
from builder.image.engine.interface import BuildRequest, Observer
from builder.image.engine.steps import Steps, plain

_EVENT_LIMIT = 1 << 20
"""Bytes of one event at most: longer ones are cut by the engine itself."""
_PATIENCE, _PAUSE = 20, 0.2
"""Seconds in which an interrupted engine is to end its step, and between two looks."""
_STEP = re.compile(r"Step (\d+/\d+) : (.*)")
_MADE = re.compile(r" ---> ([0-9a-f]{12,64})")
_IGNORED = re.compile(r" ---> |Removing intermediate container |Successfully |\[Warning\] One or more build-args")


class ClassicEngine:
    """Builds step by step, each in a container that is removed."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def unavailable(self) -> str | None:
        """Why no engine answers, or None if one does."""
        return self._connection.unavailable()

    def description(self) -> str:
        """The engine with its version."""
        return f"Docker Engine {self._connection.version()}"

    def build(self, request: BuildRequest, observer: Observer) -> str:
        """Build, and return the image's id.

        Raises: EnvbuildError. Images of the steps before the one that failed are removed, unless they were there.
        """
        before = self._connection.images()
        log = _Log(Steps(observer))
        options = {
            "fileobj": context_stream(request.context),
            "custom_context": True,
            "tag": request.tag,
            "rm": True,
            "forcerm": True,
            "network_mode": "none",
            "platform": str(request.platform),
            "buildargs": dict(request.arguments),
            "use_config_proxy": False,
        }
        try:
            with self._connection.built(**options) as pieces:
                return log.read(_events(pieces))
        except BaseException:
            self._discard([image for image in reversed(log.made) if not _is_among(before, image)])
            raise

    def _discard(self, images: list[str]) -> None:
        """Remove images; an engine that was interrupted first has to end the step that goes on."""
        end = time.monotonic() + _PATIENCE
        while images and time.monotonic() < end:
            images = [image for image in images if not self._connection.discard(image)]
            if images:
                time.sleep(_PAUSE)


def _is_among(images: frozenset[str], start: str) -> bool:
    return any(image.startswith((start, f"sha256:{start}")) for image in images)


class _Log:
    """What the engine tells of one build."""

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self._open = ""
        self._of_base = False
        self._image: str | None = None
        self.made: list[str] = []
        """What the engine said that it made, in order, by the first digits of the ids. Not to be trusted."""

    def read(self, events: Iterable[Any]) -> str:
        for event in events:
            if not isinstance(event, dict):
                continue
            if reason := _reason(event):
                self._end_line()
                raise self._steps.failure(reason)
            if isinstance(event.get("aux"), dict) and "ID" in event["aux"]:
                self._image = str(event["aux"]["ID"])
            self._text(str(event.get("stream", "")))
        self._end_line()
        return checked_id(self._image)

    def _text(self, text: str) -> None:
        *whole, self._open = (self._open + text).split("\n")
        self._open = self._open[-_EVENT_LIMIT:]
        for line in whole:
            self._line(line)

    def _end_line(self) -> None:
        self._line(self._open)
        self._open = ""

    def _line(self, line: str) -> None:
        line = plain(line)
        if step := _STEP.match(line):
            self._of_base = step[2].startswith("FROM ")
            self._steps.begin(step[1], f"{step[1]} {step[2]}")
        elif made := _MADE.fullmatch(line):
            self.made += [] if self._of_base else [made[1]]
        elif line and not _IGNORED.match(line):
            self._steps.line(line)


def _reason(event: dict[str, Any]) -> str | None:
    """Why a build ends with this event, if it does."""
    detail = event.get("errorDetail")
    if isinstance(detail, dict) and isinstance(detail.get("code"), int):
        return f"its command exited with {detail['code']}"  # the message repeats the whole command
    reason = event.get("error") or event.get("message")  # the latter where the engine refuses at once
    return str(reason) if reason else None


def _events(pieces: Iterable[bytes | str]) -> Iterator[Any]:
    """The JSON values of the stream, one a line."""
    waiting = b""
    for piece in pieces:
        piece = piece.encode() if isinstance(piece, str) else piece  # the client decodes an answer that is no stream
        *lines, waiting = (waiting + piece).split(b"\n")
        if len(waiting) > _EVENT_LIMIT:
            raise EnvbuildError("Docker Engine's answer is not understood", "a line of it has no end")
        for line in filter(bytes.strip, lines):
            yield _event(line)
    if waiting.strip():
        yield _event(waiting)


def _event(line: bytes) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise EnvbuildError("Docker Engine's answer is not understood", "it is not JSON") from error
