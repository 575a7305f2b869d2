"""The stream of what happens in the sample company, for whoever watches (the phone page)."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

KEPT = 1000
_QUEUE = 2000


class Changes:
    """A bounded history with a number per change, and any number of watchers. A watcher too slow is let go."""

    def __init__(self) -> None:
        self._history: deque[tuple[int, str]] = deque(maxlen=KEPT)
        self._watchers: set[asyncio.Queue[tuple[int, str] | None]] = set()
        self.seq = 0

    def note(self, kind: str, **facts: Any) -> None:
        """Tell the watchers. `kind` is the noun and what happened to it: `follow.changed`, `message.sent` …"""
        self.seq += 1
        entry = (self.seq, json.dumps({"seq": self.seq, "kind": kind, **facts}, ensure_ascii=False))
        self._history.append(entry)
        for queue in list(self._watchers):
            try:
                queue.put_nowait(entry)
            except asyncio.QueueFull:
                self._watchers.discard(queue)
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)

    async def watch(self, since: int | None = None) -> AsyncGenerator[tuple[int, str], None]:
        """Every change after number `since` (None: from now on) as (number, JSON), until `close`."""
        queue: asyncio.Queue[tuple[int, str] | None] = asyncio.Queue(_QUEUE)
        missed = [] if since is None else [entry for entry in self._history if entry[0] > since]
        self._watchers.add(queue)
        try:
            for entry in missed:
                yield entry
            while (entry_ := await queue.get()) is not None:
                yield entry_
        finally:
            self._watchers.discard(queue)

    def close(self) -> None:
        """End every watcher's stream."""
        for queue in self._watchers:
            while queue.full():
                queue.get_nowait()
            queue.put_nowait(None)
        self._watchers.clear()
