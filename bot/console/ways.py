"""The way of a browser to WeCom, which says who holds the phone, and back to one of our pages.

The state that goes along is bound to the browser by a cookie: nobody can be taken for somebody else by a link.
"""

from __future__ import annotations

import hmac
import secrets
import string
from collections.abc import Callable, Mapping
from datetime import timedelta
from math import ceil
from typing import Any

from aiohttp import web

from bot.console.pages import FRESH, HEADERS
from bot.context import Context
from bot.logs import get_logger
from bot.throttling import Throttle, networks_of, visitor_address
from bot.visitors import ask_who, authorize_url, scan_url
from bot.wecom.errors import WeComError

log = get_logger("pages")

STATE_LIFE = timedelta(minutes=10)
_STATE_LENGTH = 32
_ALPHABET = string.ascii_letters + string.digits

#: (request, what about, status, what went along) to a page.
Notice = Callable[[web.Request, str, int, str], web.Response]


class Ways:
    """Leads to WeCom and reads who comes back to our path `back`; `cookie` keeps the state meanwhile."""

    def __init__(self, context: Context, back: str, cookie: str, notice: Notice) -> None:
        self._context = context
        self._back = back
        self._notice = notice
        server = context.settings.server
        #: Whether cookies go over TLS alone.
        self.is_secure = server.public_url.startswith("https://")
        self._cookie = self.name_of(cookie)
        self._throttle = Throttle(server.link_misses_per_minute)
        self._proxies = networks_of(server.trusted_proxies)

    def name_of(self, cookie: str) -> str:
        """What a cookie is called: such a one is taken from this very host alone, and over TLS."""
        return f"{'__Host-' if self.is_secure else ''}{cookie}"

    def go(self, along: str, *, scan: bool = False) -> web.Response:
        """To WeCom; `along` (letters, digits, `_-.`) is there again when they come back. `scan`: by a code on a
        computer's screen, which a member scans with their phone."""
        state = "".join(secrets.choice(_ALPHABET) for _ in range(_STATE_LENGTH))
        address = scan_url if scan else authorize_url
        answer = redirect(address(self._context.settings, self._back, state))
        self.set_cookie(answer, self._cookie, state + along, STATE_LIFE)
        return answer

    async def read(self, request: web.Request) -> tuple[dict[str, Any], str] | web.Response:
        """WeCom's answer about who has come back, and what went along; or the page for whom that cannot be told."""
        if waits := self.hold_up(request):
            return self._left(waits)
        kept = request.cookies.get(self._cookie, "")
        state, along = kept[:_STATE_LENGTH], kept[_STATE_LENGTH:]
        if len(state) < _STATE_LENGTH or not are_equal(request.query.get("state", ""), state):
            self.note_miss(request)
            return self.leave(request, "again", 400)
        try:
            told = await ask_who(self._context.wecom, request.query.get("code", ""))
        except WeComError as error:
            log.warning("unknown", cause=str(error))
            return self.leave(request, "away", 503, along)
        if told is None:
            self.note_miss(request)
            return self.leave(request, "again", 400, along)
        return told, along

    def leave(self, request: web.Request, about: str, status: int, along: str = "") -> web.Response:
        """A page that says why not; the way is over."""
        return self._left(self._notice(request, about, status, along))

    def _left(self, answer: web.Response) -> web.Response:
        self.arrive(answer)
        return answer

    def arrive(self, answer: web.Response) -> None:
        """The way is over."""
        answer.del_cookie(self._cookie, path="/", secure=self.is_secure, httponly=True, samesite="Lax")

    def set_cookie(self, answer: web.Response, name: str, value: str, life: timedelta) -> None:
        """Keep something in the browser, which no script reads and no other site sends."""
        seconds = int(life.total_seconds())
        answer.set_cookie(
            name, value, max_age=seconds, path="/", secure=self.is_secure, httponly=True, samesite="Lax"
        )  # fmt: skip

    # -- strangers

    def note_miss(self, request: web.Request) -> None:
        """Somebody has asked for what is not there."""
        self._throttle.miss(self.address_of(request))

    def hold_up(self, request: web.Request) -> web.Response | None:
        """The page for whoever has done so too often."""
        seconds = self._throttle.wait_seconds(self.address_of(request))
        if not seconds:
            return None
        answer = self._notice(request, "wait", 429, "")
        answer.headers["Retry-After"] = str(ceil(seconds))
        return answer

    def address_of(self, request: web.Request) -> str:
        """Where a request comes from."""
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", ()))
        return visitor_address(request.remote, forwarded, self._proxies)


def redirect(address: str, status: int = 302) -> web.Response:
    """Where a browser is led, by no page that it keeps."""
    return web.Response(status=status, headers={**HEADERS, **FRESH, "Location": address})


def is_from_here(request: web.Request, form: Mapping[str, Any], csrf: str) -> bool:
    """Whether a form was sent from a page of ours that was given this token."""
    site = request.headers.get("Sec-Fetch-Site", "same-origin")
    token = form.get("csrf", "")
    return site == "same-origin" and isinstance(token, str) and are_equal(token, csrf)


def are_equal(one: str, other: str) -> bool:
    """Whether two texts are equal; how long it takes tells nothing of them."""
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))
