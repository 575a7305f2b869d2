"""The pages beside a chat (聊天工具栏) as a whole: their routes, the way in by WeCom, and who may frame them."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, quote

from aiohttp import web

from bot.console import customer_changes, customer_notes, jssdk, sidebar, sidebar_acts
from bot.console.asks import Parts, Place
from bot.console.frame import Route, framed
from bot.console.jssdk import FILES, with_sdk
from bot.console.logins import Logins
from bot.console.media import type_of
from bot.console.pages import HEADERS, LANGUAGES, asked_language
from bot.console.sidebar import PATH
from bot.logs import get_logger
from data.errors import StorageError
from data.queries import media as media_rows

log = get_logger("sidebar")

ENTER, BACK = f"{PATH}/enter", f"{PATH}/back"
ID = "{id:[0-9]{1,18}}"
_CUSTOMER = f"{PATH}/customers/{{external_userid:[^/]{{1,64}}}}"
_CHAT = f"{PATH}/groups/{{chat_id:[A-Za-z0-9_-]{{1,64}}}}"
#: Where somebody was going: kept with the way to WeCom.
_GOING = re.compile(rf"{PATH}/(customers|groups)/([A-Za-z0-9_-]{{1,64}})(?:/|$)", re.ASCII)
_ALONG = re.compile(r"(zh|en|)\.(customers|groups|)\.([A-Za-z0-9_-]{0,64})", re.ASCII)

# fmt: off
ROUTES: tuple[Route, ...] = (
    Route("GET", PATH, "staff", sidebar.show),
    Route("GET", f"{PATH}/signature", "staff", jssdk.show_signature),
    Route("POST", f"{PATH}/media", "staff", sidebar_acts.give_media),
    Route("GET", _CUSTOMER, "staff", sidebar.show_customer),
    Route("GET", f"{_CUSTOMER}/scripts", "staff", sidebar.show_scripts),
    Route("GET", f"{_CUSTOMER}/orders", "staff", sidebar.show_orders),
    Route("GET", f"{_CUSTOMER}/timeline", "staff", sidebar.show_timeline),
    Route("GET", f"{_CUSTOMER}/profile", "staff", sidebar.show_profile),
    Route("POST", f"{_CUSTOMER}/tags", "staff", customer_changes.change_tags),
    Route("POST", f"{_CUSTOMER}/remark", "staff", customer_changes.change_words),
    Route("POST", f"{_CUSTOMER}/fields", "staff", customer_changes.change_fields),
    Route("POST", f"{_CUSTOMER}/preference", "staff", customer_changes.change_preference),
    Route("POST", f"{_CUSTOMER}/notes", "staff", customer_notes.add),
    Route("POST", f"{_CUSTOMER}/notes/{ID}/remove", "staff", customer_notes.remove),
    Route("POST", f"{_CUSTOMER}/next-contact", "staff", customer_notes.plan),
    Route("POST", f"{_CUSTOMER}/contacted", "staff", customer_notes.contacted),
    Route("POST", f"{_CUSTOMER}/orders", "staff", sidebar_acts.claim_order),
    Route("POST", f"{_CUSTOMER}/scripts/{ID}/used", "staff", sidebar_acts.count_script),
    Route("POST", f"{_CUSTOMER}/scripts/{ID}/favourite", "staff", sidebar_acts.set_favourite),
    Route("POST", f"{_CUSTOMER}/tasks/{ID}/{{act:done|later|refuse}}", "staff", sidebar_acts.answer_task),
    Route("GET", _CHAT, "staff", sidebar.show_group),
)
# fmt: on


class Sidebar:
    """What is shown beside a chat. `parts`: the console's, of which it takes everything but the way in."""

    def __init__(self, parts: Parts) -> None:
        self._settings = parts.context.settings
        self._logins = Logins(parts.context, BACK, PATH, self._show_notice, where=where_of)
        place = Place(
            "sidebar_notice", "sidebar_notice_part", ENTER, members_only=True, customer=sidebar.show_again,
            tabs=sidebar.TABS,
        )  # fmt: skip
        self._parts = replace(parts, logins=self._logins, place=place)

    def add_routes(self, app: web.Application) -> None:
        """All of its pages."""
        for route in ROUTES:
            app.router.add_route(route.method, route.path, self._beside(framed(self._parts, route)))
        app.router.add_get(f"{FILES}/{{name}}", self._parts.painter.assets.show)
        app.router.add_get(f"{PATH}/pictures/{{key:[0-9a-f]{{64}}}}", self._guarded(self._show_picture))
        app.router.add_get(ENTER, self._beside(self._guarded(self._enter)))
        app.router.add_get(BACK, self._beside(self._guarded(self._logins.come_back)))
        app.router.add_route("*", f"{PATH}/{{rest:.*}}", self._beside(self._no_such_page))

    async def _enter(self, request: web.Request) -> web.StreamResponse:
        return await self._logins.enter(request, along=along_of(request))

    async def _show_picture(self, request: web.Request) -> web.Response:
        """A picture of the library, for WeCom, which shows it on a mini-program's card and signs in nowhere: its
        address is known to whoever has the picture, and to nobody else."""
        found = await self._parts.context.db.read(media_rows.find_media, request.match_info["key"])
        type_ = type_of(found.kind, found.content) if found is not None and found.kind == "image" else ""
        if found is None or not type_:
            raise web.HTTPNotFound
        headers = {
            **HEADERS,
            "Content-Security-Policy": "default-src 'none'; sandbox",
            "Cache-Control": "public, max-age=86400",
            "Cross-Origin-Resource-Policy": "cross-origin",
        }
        return web.Response(body=found.content, content_type=type_, headers=headers)

    async def _no_such_page(self, request: web.Request) -> web.StreamResponse:
        return self._show_notice(request, "not_found", 404, "")

    def _show_notice(self, request: web.Request, about: str, status: int, _along: str) -> web.Response:
        painter = self._parts.painter
        return painter.paint(
            request, "sidebar_notice", status, language=painter.language_of(request), about=about, words="", remedy=""
        )

    def _guarded(self, handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                return await handle(request)
            except (StorageError, TimeoutError) as error:
                log.error("unavailable", cause=str(error))
                return self._show_notice(request, "away", 503, "")

        return guarded

    def _beside(self, handle: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> Any:
        """The headers of pages in a frame of WeCom's that use its JS-SDK."""

        async def beside(request: web.Request) -> web.StreamResponse:
            return with_sdk(self._settings, await handle(request))

        return beside


def along_of(request: web.Request) -> str:
    """What goes along with whoever is asked who they are: their language, and to whose page they were going."""
    path, _, query = request.query.get("next", "").partition("?")
    going, asked = _GOING.match(path), parse_qs(query).get("lang", [""])[0]
    language = asked_language(request) or (asked if asked in LANGUAGES else "")
    return ".".join((language, *(going.groups() if going else ("", ""))))


def where_of(along: str) -> str:
    """Where they arrive."""
    found = _ALONG.fullmatch(along)
    language, kind, id_ = found.groups() if found else ("", "", "")
    path = f"{PATH}/{kind}/{quote(id_)}" if kind and id_ else PATH
    return path + (f"?lang={language}" if language in LANGUAGES else "")
