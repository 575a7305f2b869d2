"""Pictures of codes, shown or saved."""

from __future__ import annotations

from urllib.parse import quote

from aiohttp import web

from bot.console.asks import Ask
from bot.console.pages import HEADERS


def send_picture(ask: Ask, content: bytes, content_type: str, filename: str) -> web.Response:
    """A picture in a page, or (`save` in the address) as a file; nothing in it is run."""
    kept = "attachment" if "save" in ask.request.query else "inline"
    headers = {
        **HEADERS, "Content-Security-Policy": "default-src 'none'; img-src data:; style-src 'none'; sandbox",
        "Cache-Control": "private, max-age=60", "Content-Disposition": f"{kept}; filename*=UTF-8''{quote(filename)}",
    }  # fmt: skip
    return web.Response(body=content, content_type=content_type, headers=headers)
