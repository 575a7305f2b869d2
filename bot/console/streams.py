"""Progress that comes as it happens (server-sent events): a part of a page is painted again and again, and sent where
it has changed.

Each look is a short read of its own: between two of them nothing is held. A stream ends with its page, with the session
that opened it, after a while (the browser opens another one), and when the program stops.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from aiohttp import web

from bot.console.asks import Ask
from bot.console.pages import HEADERS

LOOK_SECONDS = 2.0
LIFE_SECONDS = 600.0
#: A browser opens six connections to one server: an account's pages leave some of them free.
PER_ACCOUNT = 3


class Painted(NamedTuple):
    """A part of a page as it is now; `is_final`: it changes no more."""

    html: str
    is_final: bool


class Streams:
    """All streams that are open."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self._open = Counter[int]()

    async def follow(self, ask: Ask, paint: Callable[[], Awaitable[Painted]]) -> web.StreamResponse:
        """Send what `paint` paints until it is final. 204 (which browsers do not ask again): too many are open."""
        account_id = ask.account.id or 0
        if self._open[account_id] >= PER_ACCOUNT:
            return web.Response(status=204, headers={"Cache-Control": "no-store"})
        answer = web.StreamResponse(
            headers={**HEADERS, "Content-Type": "text/event-stream; charset=utf-8", "Cache-Control": "no-store",
                     "X-Accel-Buffering": "no"}
        )  # fmt: skip
        await answer.prepare(ask.request)
        task = asyncio.create_task(_send(ask, paint, answer))
        self._tasks.add(task)
        self._open[account_id] += 1
        try:
            await asyncio.wait({task})
        finally:
            task.cancel()
            self._tasks.discard(task)
            self._open[account_id] -= 1
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, OSError):
            raise error
        return answer

    async def stop(self, _app: web.Application) -> None:
        """The program stops: nobody's page keeps it."""
        for task in self._tasks:
            task.cancel()


async def _send(ask: Ask, paint: Callable[[], Awaitable[Painted]], answer: web.StreamResponse) -> None:
    loop, last = asyncio.get_running_loop(), ""
    ends = loop.time() + LIFE_SECONDS
    while loop.time() < ends and _is_read(ask) and await ask.parts.logins.find_reader(ask.request) is not None:
        painted = await paint()
        await answer.write(b": \n\n" if painted.html == last else _event(painted.html))
        last = painted.html
        if painted.is_final:
            await answer.write(b"event: end\ndata:\n\n")
            return
        await asyncio.sleep(LOOK_SECONDS)


def _is_read(ask: Ask) -> bool:
    transport = ask.request.transport
    return transport is not None and not transport.is_closing()


def _event(html: str) -> bytes:
    lines = "".join(f"data: {line}\n" for line in html.splitlines() if line.strip())
    return f"{lines}\n".encode()
