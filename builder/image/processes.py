"""Doing work in forked processes: compressing and Python's own work hold the interpreter's lock, which threads share.

A forked child inherits everything that is in memory, so nothing has to be sent to it but the number of an item.
"""

from __future__ import annotations

import os
import pickle
import selectors
import signal
import struct
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

from builder.errors import EnvbuildError

T = TypeVar("T")
R = TypeVar("R")

_NUMBER = struct.Struct("<I")
_MOST_ITEMS = 4000
"""The numbers of so many items fit into a pipe, which is filled before anybody reads."""


def can_fork(count: int) -> bool:
    """Whether `count` items may go to forked processes: only Linux forks safely, and only without other threads."""
    return 1 < count <= _MOST_ITEMS and sys.platform == "linux" and threading.active_count() == 1


def forked_map(function: Callable[[T], R], items: Sequence[T], workers: int) -> Iterator[tuple[int, R]]:
    """The number and the result of each item as it is done; items are begun in their order.

    Raises: what `function` raises, as soon as the items that others have begun are done; EnvbuildError, if a worker
        is killed.
    """
    queue, numbers = os.pipe()
    os.write(numbers, b"".join(map(_NUMBER.pack, range(len(items)))))
    os.close(numbers)
    children: dict[int, int] = {}
    try:
        for _ in range(min(workers, len(items))):
            reading, writing = os.pipe()
            children[reading] = _fork(partial(_work, function, items, queue, writing))
            os.close(writing)
        yield from _results(children, len(items))
    except KeyboardInterrupt:
        for child in children.values():
            os.kill(child, signal.SIGTERM)  # one that has finished is not reaped yet, and takes it
        raise
    finally:
        while os.read(queue, 1 << 16):  # nobody begins another item
            pass
        os.close(queue)
        for reading, child in children.items():
            os.close(reading)
            os.waitpid(child, 0)


def _fork(work: Callable[[], None]) -> int:
    """Start a child that does `work` and nothing else; its process id.

    The child must never return into the code of its parent, whatever signal comes when: signals wait while it is
    made, and its one handler fires once at most, so that of two ways to the exit one is undisturbed.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        child = os.fork()
        if child == 0:
            try:
                try:
                    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted too, and ends its children
                    signal.signal(signal.SIGTERM, _stop)  # unwinds, so that temporary files are removed
                    signal.pthread_sigmask(signal.SIG_SETMASK, before)
                    work()
                finally:
                    os._exit(0)  # neither the parent's exit handlers nor its buffers are this process's to run
            finally:
                os._exit(0)
        return child
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _work(function: Callable[[T], R], items: Sequence[T], queue: int, writing: int) -> None:
    """The life of a child: take numbers until there are none, send back what came of each."""
    with os.fdopen(writing, "wb") as answers:
        while number := os.read(queue, _NUMBER.size):
            (position,) = _NUMBER.unpack(number)
            pickle.dump((position, *_attempt(function, items[position])), answers)
            answers.flush()


def _stop(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit


def _attempt(function: Callable[[T], R], item: T) -> tuple[bool, Any]:
    try:
        return True, function(item)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is raised in the parent
        try:
            pickle.dumps(error)
        except Exception:  # noqa: BLE001 - an error that cannot be sent is told by its text
            return False, EnvbuildError(str(error) or type(error).__name__)
        return False, error


def _results(children: dict[int, int], count: int) -> Iterator[tuple[int, Any]]:
    files = {reading: os.fdopen(os.dup(reading), "rb") for reading in children}
    with selectors.DefaultSelector() as selector:
        for reading, file in files.items():
            selector.register(file, selectors.EVENT_READ, reading)
        try:
            while count:
                if not selector.get_map():
                    raise EnvbuildError(
                        "a worker process was killed", hint="There may be too little memory: `--workers 1`"
                    )
                for key, _ in selector.select():
                    answer = _answer(files[key.data])
                    if answer is None:
                        selector.unregister(key.fileobj)
                        continue
                    position, succeeded, value = answer
                    if not succeeded:
                        raise value
                    count -= 1
                    yield position, value
        finally:
            for file in files.values():
                file.close()


def _answer(file: Any) -> tuple[int, bool, Any] | None:
    """The next answer of a child, None at its end or where it was killed within one."""
    try:
        answer: tuple[int, bool, Any] = pickle.load(file)  # noqa: S301 - it is from a child of this process
    except (EOFError, pickle.UnpicklingError):
        return None
    return answer
