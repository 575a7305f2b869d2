"""Who looks at a page for staff: found out by WeCom, then known by a cookie of this browser's.

The state that goes to WeCom and back is bound to the browser by a cookie: nobody can be logged in as somebody else by a
link. A session's token is in its cookie alone, the database has its hash; it lives for a working day, because WeCom
finds out anew without asking. Forms carry a token that is made of the session's.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import string
from datetime import timedelta
from math import ceil
from typing import Any, NamedTuple

from aiohttp import web

from bot.console.pages import FRESH, HEADERS, Pages, asked_language
from bot.context import Context
from bot.logs import get_logger
from bot.throttling import Throttle, networks_of, visitor_address
from bot.visitors import ask_who, authorize_url, member_of
from bot.wecom.errors import WeComError
from data.queries import staff as staff_rows
from data.queries import staff_sessions as rows

log = get_logger("staff")

BACK = "/staff/back"
SESSION_LIFE = timedelta(hours=12)
STATE_LIFE = timedelta(minutes=10)
_STATE_LENGTH = 32
_ALPHABET = string.ascii_letters + string.digits


class Reader(NamedTuple):
    """Who looks at a page. `csrf`: what their forms carry."""

    userid: str
    csrf: str


class Logins:
    """Sessions of the staff in their browsers."""

    def __init__(self, context: Context, pages: Pages) -> None:
        self.context = context
        self._pages = pages
        server = context.settings.server
        self._secure = server.public_url.startswith("https://")
        # Such a cookie is taken from this very host alone, and over TLS.
        prefix = "__Host-" if self._secure else ""
        self._session_cookie, self._state_cookie = f"{prefix}siyu_staff", f"{prefix}siyu_login"
        self._throttle = Throttle(server.link_misses_per_minute)
        self._proxies = networks_of(server.trusted_proxies)

    async def find_reader(self, request: web.Request) -> Reader | None:
        """Whose browser it is, if that is known."""
        token = request.cookies.get(self._session_cookie, "")
        if not token:
            return None
        userid = await self.context.db.read(rows.find_member, token, self.context.clock.now())
        return None if userid is None else Reader(userid, _csrf_of(token))

    def is_theirs(self, reader: Reader, request: web.Request, form: Any) -> bool:
        """Whether a form was sent from a page of ours that this reader looked at."""
        site = request.headers.get("Sec-Fetch-Site", "same-origin")
        token = form.get("csrf", "")
        return site == "same-origin" and isinstance(token, str) and _are_equal(token, reader.csrf)

    async def enter(self, request: web.Request) -> web.Response:
        """To WeCom, which finds out who it is."""
        settings = self.context.settings
        if not settings.server.public_url:
            return self._pages.show(request, "notice", 503, about="no_address")
        old = request.cookies.get(self._session_cookie, "")
        if old:
            await self.context.db.write(rows.end_session, old)
        state = "".join(secrets.choice(_ALPHABET) for _ in range(_STATE_LENGTH))
        answer = self._go(authorize_url(settings, BACK, state))
        self._set(answer, self._state_cookie, state + asked_language(request), STATE_LIFE)
        return answer

    async def come_back(self, request: web.Request) -> web.Response:
        """Back from WeCom: who it is is asked, and their session begins."""
        address = visitor_address(
            request.remote, ",".join(request.headers.getall("X-Forwarded-For", ())), self._proxies
        )
        if seconds := self._throttle.wait_seconds(address):
            return self._leave(request, "wait", 429, {"Retry-After": str(ceil(seconds))})
        kept = request.cookies.get(self._state_cookie, "")
        state, language = kept[:_STATE_LENGTH], kept[_STATE_LENGTH:]
        if len(state) < _STATE_LENGTH or not _are_equal(request.query.get("state", ""), state):
            self._throttle.miss(address)
            return self._leave(request, "again", 400)
        try:
            told = await ask_who(self.context.wecom, request.query.get("code", ""))
        except WeComError as error:
            log.warning("unknown", cause=str(error))
            return self._leave(request, "away", 503)
        if told is None:
            self._throttle.miss(address)
            return self._leave(request, "again", 400)
        return await self._begin(request, member_of(told), language)

    async def _begin(self, request: web.Request, told: str, language: str) -> web.Response:
        db, now = self.context.db, self.context.clock.now()
        members = await db.read(staff_rows.map_members, [told]) if told else {}
        userid = members.get(told.casefold(), "")
        token = secrets.token_urlsafe(32)
        if not userid or not await db.write(rows.add_session, token, userid, now, now + SESSION_LIFE):
            return self._leave(request, "nobody", 403)
        answer = self._go("/staff/today" + (f"?lang={language}" if language in ("zh", "en") else ""))
        self._set(answer, self._session_cookie, token, SESSION_LIFE)
        self._drop_state(answer)
        return answer

    def _leave(
        self, request: web.Request, about: str, status: int, headers: dict[str, str] | None = None
    ) -> web.Response:
        answer = self._pages.show(request, "notice", status, about=about)
        answer.headers.update(headers or {})
        self._drop_state(answer)
        return answer

    def _go(self, address: str) -> web.Response:
        return web.Response(status=302, headers={**HEADERS, **FRESH, "Location": address})

    def _set(self, answer: web.Response, name: str, value: str, life: timedelta) -> None:
        answer.set_cookie(
            name, value, max_age=int(life.total_seconds()), path="/", secure=self._secure, httponly=True, samesite="Lax"
        )

    def _drop_state(self, answer: web.Response) -> None:
        answer.del_cookie(self._state_cookie, path="/", secure=self._secure, httponly=True, samesite="Lax")


def _csrf_of(token: str) -> str:
    return hmac.new(token.encode(), b"forms", hashlib.sha256).hexdigest()


def _are_equal(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode("utf-8", "replace"))
