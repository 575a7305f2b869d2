"""Long questions of one browser, one at a time, of those that wait only the last: a number that is shown while somebody
types must not be asked for a second time beside itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """Who is asking, by key."""

    def __init__(self) -> None:
        self._locks: dict[str, asyncio.Lock] = {}
        self._last: dict[str, int] = {}

    @asynccontextmanager
    async def take(self, key: str) -> AsyncIterator[bool]:
        """Wait for one's turn; False: somebody has come after, and is the one to be answered."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        number = self._last[key] = self._last.get(key, 0) + 1
        async with lock:
            is_last = self._last[key] == number
            try:
                yield is_last
            finally:
                if self._last[key] == number:
                    del self._locks[key], self._last[key]
