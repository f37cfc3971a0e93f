"""A cache that forgets by size: what was used longest ago goes first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Kept(Generic[K, V]):
    """Values made by `make`, kept up to `limit` bytes in all as `size` tells them. A larger one is not kept at all."""

    def __init__(self, limit: int, make: Callable[[K], V], size: Callable[[V], int]) -> None:
        self._limit, self._make, self._size = limit, make, size
        self._values: OrderedDict[K, V] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()
        self._making: dict[K, threading.Lock] = {}

    def __call__(self, key: K) -> V:
        """The value of `key`; raises what `make` raises. Who asks while it is made waits for it, and for no other."""
        return self.get(key, lambda: self._make(key))

    def get(self, key: K, make: Callable[[], V]) -> V:
        """The same, where what it is made of is no part of its key."""
        with self._lock:
            if key in self._values:
                self._values.move_to_end(key)
                return self._values[key]
            making = self._making.setdefault(key, threading.Lock())
        with making:
            with self._lock:
                if key in self._values:
                    return self._values[key]
            try:
                return self._keep(key, make())
            finally:
                with self._lock:
                    self._making.pop(key, None)

    def forget(self, key: K) -> None:
        """Make the value of `key` anew when it is asked for next."""
        with self._lock:
            if key in self._values:
                self._bytes -= self._size(self._values.pop(key))

    def _keep(self, key: K, value: V) -> V:
        with self._lock:
            if key not in self._values and self._size(value) <= self._limit:
                self._values[key] = value
                self._bytes += self._size(value)
            while self._bytes > self._limit:
                _, oldest = self._values.popitem(last=False)
                self._bytes -= self._size(oldest)
        return value
