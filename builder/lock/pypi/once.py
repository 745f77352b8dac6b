"""Values that several threads ask for, each made once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")


class Once(Generic[K, V]):
    """Makes the value of a key for whoever asks first; the others wait for it. What failed stays failed."""

    def __init__(self, make: Callable[[K], V]) -> None:
        self._make = make
        self._values: dict[K, Future[V]] = {}
        self._lock = threading.Lock()

    def __call__(self, key: K) -> V:
        """The value of a key. Raises: what making it raised."""
        with self._lock:
            known = self._values.get(key)
            if known is None:
                mine = self._values[key] = Future()
        if known is not None:
            return known.result()
        try:
            mine.set_result(self._make(key))
        except BaseException as error:  # whoever waits for it must not wait for ever
            mine.set_exception(error)
            raise
        return mine.result()

    def put(self, key: K, value: V) -> None:
        """Give the value of a key."""
        with self._lock:
            self._values[key] = Future()
            self._values[key].set_result(value)
