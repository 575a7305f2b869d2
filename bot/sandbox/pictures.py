"""Pictures of channels' codes. WeCom tells the address of a picture, not what the code says; so does the sandbox."""

from __future__ import annotations

import io
from urllib.parse import urlencode

import segno
from aiohttp import web

from bot.sandbox.calls import Call
from bot.sandbox.machine import MACHINE


def picture_of(call: Call, config_id: str) -> str:
    """Where the picture of a code is: at the sandbox itself, for WeCom's own server knows nothing of it."""
    return f"http://{call.request.host}/wwpic/{config_id}/0"


async def _show(request: web.Request) -> web.Response:
    """A code as PNG; it leads to the phone page, which then offers that channel."""
    config_id, ways = request.match_info["config_id"], request.app[MACHINE].world.ways
    if config_id not in ways.contact and config_id not in ways.join:
        return web.Response(status=404)
    out = io.BytesIO()
    segno.make(f"http://{request.host}/#scan={config_id}", error="m").save(out, kind="png", border=4, scale=10)
    return web.Response(body=out.getvalue(), content_type="image/png", headers={"X-Content-Type-Options": "nosniff"})


async def _open_link(request: web.Request) -> web.StreamResponse:
    """A customer-acquisition link leads to the phone page, which then offers it with its channel parameter."""
    link_id = request.match_info["link_id"]
    if request.app[MACHINE].world.links.find(link_id) is None:
        return web.Response(status=404)
    wanted = urlencode({"scan": link_id, "channel": request.query.get("customer_channel", "")[:64]})
    raise web.HTTPFound(f"/#{wanted}")


def add_pictures(app: web.Application) -> None:
    """They need no token, as at WeCom."""
    app.router.add_get("/ca/{link_id}", _open_link)
    app.router.add_get("/wwpic/{config_id}/0", _show)
