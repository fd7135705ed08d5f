"""A bounded cache of arrays."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable

from providers.demo.randomness import Ints

_ENTRY_OVERHEAD = 400  # bytes: the key, the dictionary's slot and the array's header


class ArrayCache:
    """Arrays by key, the least recently used dropped first once ``budget_bytes`` are held. Thread-safe."""

    def __init__(self, budget_bytes: int) -> None:
        self._budget = budget_bytes
        self._held = 0
        self._arrays: OrderedDict[Hashable, Ints] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._arrays)

    @property
    def held_bytes(self) -> int:
        return self._held

    def get(self, key: Hashable) -> Ints | None:
        with self._lock:
            found = self._arrays.get(key)
            if found is not None:
                self._arrays.move_to_end(key)
            return found

    def put(self, key: Hashable, array: Ints) -> Ints:
        """Keep ``array``, which nobody may change from now on; return it."""
        array.setflags(write=False)
        with self._lock:
            if key not in self._arrays:
                self._arrays[key] = array
                self._held += array.nbytes + _ENTRY_OVERHEAD
            while self._held > self._budget and len(self._arrays) > 1:
                _, dropped = self._arrays.popitem(last=False)
                self._held -= dropped.nbytes + _ENTRY_OVERHEAD
        return array
