"""Which paths the pattern of a glob takes, in time that grows with the path, whatever the pattern. Pure."""

from __future__ import annotations

import re

_WILD = re.compile(r"(\*\*/|\*\*|\*)")


class Glob:
    """A pattern: `*` within a part of a path, `**` across parts (more stars are no more), `**/` any folders or none.

    It is an automaton whose states are the bits of a number: bit n is set where what was read takes the way to the
    nth step. A backtracking expression would try the stars of a hostile pattern in ever so many ways.
    """

    def __init__(self, pattern: str) -> None:
        self._size = 0
        self._steps: dict[str, int] = {}
        """Which states a character leads on from, where `_any` does not."""
        self._any = self._within = self._across = 0
        """Which states each character leads on from; which stay where they are, but at a slash; and always."""
        self._free: list[tuple[int, int]] = []
        """Pairs of a state and a later one that it is at the same time, ascending."""
        for part in _WILD.split(re.sub(r"\*{3,}", "**", pattern)):
            self._add(part)

    def _add(self, part: str) -> None:
        state = 1 << self._size
        if part == "*":
            self._within |= state
            self._free.append((state, state << 1))
            self._size += 1
        elif part.startswith("**"):
            self._any |= state
            self._across |= state << 1
            self._size += 2
            if part == "**/":
                self._free.append((state, state << 2))
                self._steps["/"] = self._steps.get("/", 0) | state << 1
            else:
                self._free.append((state << 1, state << 2))
        else:
            for number, character in enumerate(part):
                self._steps[character] = self._steps.get(character, 0) | state << number
            self._size += len(part)

    def matches(self, path: str) -> bool:
        """Whether the pattern takes the whole path."""
        states = self._with_free(1)
        for character in path:
            stay = self._across if character == "/" else self._across | self._within
            on = states & (self._any | self._steps.get(character, 0))
            states = self._with_free(on << 1 | states & stay)
        return bool(states >> self._size & 1)

    def _with_free(self, states: int) -> int:
        for state, later in self._free:
            if states & state:
                states |= later
        return states
