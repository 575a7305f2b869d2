"""The peer of the durable callback: an aiohttp handler that reads the body and answers.

On asyncio's own event loop, as aiohttp's documentation runs it, or with `uvloop` on the bot's.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web


async def receive(request: web.Request) -> web.Response:
    """Read and forget."""
    await request.read()
    return web.Response()


async def ready(_request: web.Request) -> web.Response:
    """The process answers."""
    return web.Response()


def main() -> None:
    """Serve on the port given; a second argument names the event loop."""
    app = web.Application()
    app.router.add_post("/callback", receive)
    app.router.add_get("/readyz", ready)
    loop = uvloop.new_event_loop() if sys.argv[2:] == ["uvloop"] else asyncio.new_event_loop()
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=lambda _line: None, loop=loop)


if __name__ == "__main__":
    main()
