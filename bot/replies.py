"""Answers to staff that can go back in the very request by which WeCom tells what they wrote or tapped.

Whoever received the request waits here, for a moment; whoever handles the event says here that it is done. What the
answer is stands in the database and nowhere else.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress


class Replies:
    """The requests that wait, by the number of their event. Belongs to one process and one event loop."""

    def __init__(self) -> None:
        self._waiting: dict[int, list[asyncio.Future[None]]] = {}

    async def wait(self, event_id: int, seconds: float) -> None:
        """Wait until an event was handled, or for so long."""
        handled = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(event_id, []).append(handled)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await handled
        finally:
            left = [each for each in self._waiting.get(event_id, ()) if each is not handled]
            if left:
                self._waiting[event_id] = left
            else:
                self._waiting.pop(event_id, None)

    def is_awaited(self, event_id: int) -> bool:
        """Whether a request waits for the answer to an event."""
        return event_id in self._waiting

    def end(self, event_id: int) -> None:
        """An event was handled, whatever came of it."""
        for handled in self._waiting.get(event_id, ()):
            if not handled.done():
                handled.set_result(None)
