"""`/l/…`: a tracked link followed. Through WeCom, which says who it is, and on to the target that our row names.

Whatever goes wrong on the way, the customer gets there; nothing of a request ever decides where. Only what comes back
from WeCom with a code counts: programs that look at a link before people do (previews, scanners) do not get that far.

What comes back counts once because WeCom takes each code once (WeCom doc 91023): a page that is loaded again, by any
copy of the program, is refused there, so that nothing of it is remembered here. The state is signed and lives for
minutes; who takes one to WeCom several times has opened the link several times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any

from aiohttp import web
from jinja2 import Environment, FileSystemLoader

from bot.context import Context
from bot.logs import get_logger
from bot.throttling import Throttle, networks_of, visitor_address
from bot.visitors import ask_who, authorize_url, visitor_of
from bot.wecom.errors import WeComError
from data.errors import StorageError
from data.queries import link_clicks
from data.queries import links as rows
from data.queries.links import Target
from data.rules.links import CODE, PATH, STATE_LIFE, Visitor, Way, key_of, read_state, read_via, sign

log = get_logger("links")

#: A person waits: longer than this the database is not waited for.
STORE_SECONDS = 2.0
#: So many are asked about at the same time; whoever comes beyond that goes on without.
AT_ONCE = 64

_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"}
_PAGE_HEADERS = {
    **_HEADERS,
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}


@cache
def _pages() -> tuple[str, str, str]:
    """The pages for those who cannot be led on: gone, open it again, wait."""
    folder = Path(__file__).resolve().parents[1] / "templates" / "links"
    pages = Environment(loader=FileSystemLoader(folder), autoescape=True)
    gone, again, wait = (pages.get_template(name).render() for name in ("gone.html", "again.html", "wait.html"))
    return gone, again, wait


class Redirects:
    """Answers those who follow tracked links."""

    def __init__(self, context: Context) -> None:
        self.context = context
        settings = context.settings
        self._public_url = settings.server.public_url
        self._key = key_of(settings.app.secret.get_secret_value())
        self._asking = 0
        self._throttle = Throttle(settings.server.link_misses_per_minute)
        self._proxies = networks_of(settings.server.trusted_proxies)
        self._gone, self._again, self._wait = _pages()

    def add_routes(self, app: web.Application) -> None:
        """The way out and the way back."""
        app.router.add_get(f"{PATH}back", self.come_back)
        app.router.add_get(f"{PATH}{{code}}", self.follow)
        app.router.add_get(f"{PATH}{{code}}/{{via}}", self.follow)

    async def follow(self, request: web.Request) -> web.Response:
        """A link is opened: in WeChat by way of WeCom, anywhere else straight to its target."""
        if waits := self._held_up(request):
            return waits
        code = request.match_info["code"]
        try:
            target = await self._read(rows.find_target, code) if CODE.fullmatch(code) else None
        except (StorageError, TimeoutError):
            return self._page(self._again, 503)
        if target is None:
            return self._missed(request)
        if target.retired:
            return self._page(self._gone, 410)
        if not self._public_url or not is_read_in_wechat(request):
            return self._go(target.url)
        way = Way(target.link_id, read_via(request.match_info.get("via", "")), self.context.clock.now())
        return self._go(authorize_url(self.context.settings, f"{PATH}back", sign(self._key, way)))

    async def come_back(self, request: web.Request) -> web.Response:
        """Back from WeCom: who it was is asked and written, and then they go on."""
        if waits := self._held_up(request):
            return waits
        way = read_state(self._key, request.query.get("state", ""))
        if way is None:
            return self._missed(request)
        try:
            target = await self._read(rows.find_target_of, way.link_id)
        except (StorageError, TimeoutError):
            return self._page(self._again, 503)
        if target is None or target.retired:
            return self._page(self._gone, 410)
        if is_opened(request) and abs(self.context.clock.now() - way.begun_at) <= STATE_LIFE:
            try:
                if not await self._count(way, request.query.get("code", "")):
                    self._note_miss(request)
            except Exception as error:
                # Whatever it is: the customer goes on.
                log.exception("lost", link=way.link_id, cause=type(error).__name__)
                self.context.metrics.link_clicks.labels("lost").inc()
        return self._go(target.url)

    async def _count(self, way: Way, code: str) -> bool:
        """Write down who it was; False: the code is none."""
        told = await self._ask(code)
        if told is None:
            return False
        kind, external_userid = told
        now = self.context.clock.now()
        async with asyncio.timeout(STORE_SECONDS):
            if kind is Visitor.CUSTOMER:
                await self.context.db.write(link_clicks.record_click, way.link_id, external_userid, way.via, now)
            else:
                await self.context.db.write(link_clicks.record_other, way.link_id, kind, way.via, now)
        self.context.metrics.link_clicks.labels(kind.value).inc()
        return True

    async def _ask(self, code: str) -> tuple[Visitor, str] | None:
        """Who it is, as WeCom says; None: nobody who has not come before."""
        if self._asking >= AT_ONCE:
            return Visitor.UNKNOWN, ""
        self._asking += 1
        try:
            answer = await ask_who(self.context.wecom, code)
        except WeComError as error:
            log.warning("unknown", cause=str(error))
            return Visitor.UNKNOWN, ""
        finally:
            self._asking -= 1
        return None if answer is None else visitor_of(answer)

    async def _read(self, query: Any, value: Any) -> Target | None:
        async with asyncio.timeout(STORE_SECONDS):
            found: Target | None = await self.context.db.read(query, value)
        return found

    def _missed(self, request: web.Request) -> web.Response:
        self._note_miss(request)
        return self._page(self._gone, 404)

    def _note_miss(self, request: web.Request) -> None:
        address = self._address(request)
        if self._throttle.miss(address):
            log.warning("refusing", address=address, cause="many tracked links that there are not")

    def _held_up(self, request: web.Request) -> web.Response | None:
        """The page for whoever has tried too many links that there are not."""
        seconds = self._throttle.wait_seconds(self._address(request))
        return self._page(self._wait, 429, {"Retry-After": str(ceil(seconds))}) if seconds else None

    def _address(self, request: web.Request) -> str:
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", ()))
        return visitor_address(request.remote, forwarded, self._proxies)

    def _go(self, address: str) -> web.Response:
        return web.Response(status=302, headers={**_HEADERS, "Location": address})

    def _page(self, page: str, status: int, headers: Mapping[str, str] | None = None) -> web.Response:
        return web.Response(
            text=page, status=status, content_type="text/html", headers={**_PAGE_HEADERS, **(headers or {})}
        )


def is_opened(request: web.Request) -> bool:
    """Whether it is opened as a page, as far as that can be told: not ahead of time, not inside of another page."""
    ahead = any("prefetch" in request.headers.get(name, "").lower() for name in ("Sec-Purpose", "Purpose", "X-Moz"))
    is_page = request.headers.get("Sec-Fetch-Dest", "document") == "document"
    return request.method == "GET" and is_page and not ahead


def is_read_in_wechat(request: web.Request) -> bool:
    """Whether a person opens it in WeChat or WeCom, where WeCom can tell who they are; others would see an error."""
    return is_opened(request) and "micromessenger" in request.headers.get("User-Agent", "").lower()
