"""The phone page: what customers and staff of the sample company see, and buttons to play them.

The page and its files come from `templates/sandbox/`; it acts through the control API and reads through the few
routes under /sandbox/phone/ (see `bot.sandbox.phone_reading`), which answer in pages however large the company is.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from urllib.parse import urlsplit

import segno
from aiohttp import web

from bot.sandbox.authorize import show_page, show_sidebar, show_today
from bot.sandbox.control import failure, handler_of, refuse_strangers
from bot.sandbox.jssdk import script_of
from bot.sandbox.machine import MACHINE
from bot.sandbox.phone_reading import PhoneReading

_CONTENT_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".json": "application/json",
    ".svg": "image/svg+xml",
}
#: Nothing from elsewhere, nothing inline, and no page may frame this one.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'none';"
    " frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
#: What is read is the world as it is now.
FRESH = {"Cache-Control": "no-store"}
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def page_files() -> Path:
    """The folder of the page's files."""
    return Path(__file__).resolve().parents[2] / "templates" / "sandbox"


def phone_routes(*, bot_url: str = "") -> list[web.RouteDef]:
    """The page at / and /phone, its files, and what it reads; to be put beside the control API.

    `bot_url` is where the bot shows itself to people (http or https); the page links to it. Raises ValueError for
    another kind of address.
    """
    if bot_url and urlsplit(bot_url).scheme not in ("http", "https"):
        raise ValueError("bot_url is an address that begins with http:// or https://")
    reading = PhoneReading(bot_url)
    return [
        web.get("/", _file("phone.html")),
        web.get("/phone", _file("phone.html")),
        web.get("/phone/{name}", _named_file),
        web.get("/sandbox/phone/qr/{config_id}", _qr_code),
        web.get("/sandbox/phone/open", show_page),
        web.get("/sandbox/phone/today", show_today),
        web.get("/sandbox/phone/sidebar", show_sidebar),
        web.get("/sandbox/jssdk.js", script_of((page_files() / "wecom" / "jssdk.js").read_bytes())),
        *(web.route(route.method, f"/sandbox{route.path}", handler_of(route, FRESH)) for route in reading.routes()),
    ]


def _file(name: str) -> _Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        refused = refuse_strangers(request)
        if refused is not None:
            return refused
        path = page_files() / name
        data = path.read_bytes()
        etag = hashlib.sha256(data).hexdigest()[:24]
        # Checked on every load: the files change with the program, and on this machine asking costs nothing.
        headers = {**_HEADERS, "Cache-Control": "no-cache", "ETag": f'"{etag}"'}
        if path.suffix == ".html":
            headers["Content-Security-Policy"] = _policy(request)
        if any(known.value == etag for known in request.if_none_match or ()):
            return web.Response(status=304, headers=headers)
        return web.Response(body=data, content_type=_CONTENT_TYPES[path.suffix], charset="utf-8", headers=headers)

    return handle


def _policy(request: web.Request) -> str:
    """The page may show those of the bot in a frame."""
    bot = urlsplit(request.app[MACHINE].world.app.callback_url)
    if bot.scheme not in ("http", "https") or not re.fullmatch(r"[A-Za-z0-9.:-]+", bot.netloc):
        return CONTENT_SECURITY_POLICY
    return f"{CONTENT_SECURITY_POLICY}; frame-src 'self' {bot.scheme}://{bot.netloc}"


async def _named_file(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    # Only names that stand in the folder: a path can never lead out of it.
    known = {entry.name for entry in page_files().iterdir() if entry.suffix in _CONTENT_TYPES}
    if name not in known:
        return refuse_strangers(request) or failure(404, "not_found", "The phone page has no such file.")
    return await _file(name)(request)


async def _qr_code(request: web.Request) -> web.StreamResponse:
    """A channel's code as SVG. It leads back to this page, which then offers that channel."""
    refused = refuse_strangers(request)
    if refused is not None:
        return refused
    config_id = request.match_info["config_id"].removesuffix(".svg")
    world = request.app[MACHINE].world
    ways = world.ways
    if config_id not in ways.contact and config_id not in ways.join and world.links.find(config_id) is None:
        return failure(404, "not_found", f"There is no channel {config_id!r}.")
    code = segno.make(f"http://{request.host}/#scan={config_id}", error="m")
    out = io.BytesIO()
    code.save(
        out, kind="svg", border=2, scale=4, dark="#000", light="#fff", xmldecl=False, svgclass=None, omitsize=True
    )
    headers = {**_HEADERS, "Cache-Control": "private, max-age=3600"}
    return web.Response(body=out.getvalue(), content_type="image/svg+xml", headers=headers)
