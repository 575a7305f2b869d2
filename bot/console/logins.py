"""Who looks at a page for staff: found out by WeCom, then known by a cookie of this browser's.

A session's token is in its cookie alone, the database has its hash; it lives for a working day, because WeCom
finds out anew without asking. Forms carry a token that is made of the session's.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NamedTuple

from aiohttp import web

from bot.console.pages import Pages, asked_language
from bot.console.ways import Ways, is_from_here, redirect
from bot.context import Context
from bot.visitors import member_of
from data.queries import staff as staff_rows
from data.queries import staff_sessions as rows

BACK = "/staff/back"
SESSION_LIFE = timedelta(hours=12)


class Reader(NamedTuple):
    """Who looks at a page. `csrf`: what their forms carry."""

    userid: str
    csrf: str


class Logins:
    """Sessions of the staff in their browsers."""

    def __init__(self, context: Context, pages: Pages) -> None:
        self.context = context
        self._pages = pages
        self._ways = Ways(context, BACK, "siyu_login", self._show_notice)
        self._cookie = self._ways.name_of("siyu_staff")

    def _show_notice(self, request: web.Request, about: str, status: int, _along: str) -> web.Response:
        return self._pages.show(request, "notice", status, about=about)

    async def find_reader(self, request: web.Request) -> Reader | None:
        """Whose browser it is, if that is known."""
        token = request.cookies.get(self._cookie, "")
        if not token:
            return None
        userid = await self.context.db.read(rows.find_member, token, self.context.clock.now())
        return None if userid is None else Reader(userid, _csrf_of(token))

    def is_theirs(self, reader: Reader, request: web.Request, form: Mapping[str, Any]) -> bool:
        """Whether a form was sent from a page of ours that this reader looked at."""
        return is_from_here(request, form, reader.csrf)

    async def enter(self, request: web.Request) -> web.Response:
        """To WeCom, which finds out who it is."""
        if not self.context.settings.server.public_url:
            return self._pages.show(request, "notice", 503, about="no_address")
        old = request.cookies.get(self._cookie, "")
        if old:
            await self.context.db.write(rows.end_session, old)
        return self._ways.go(asked_language(request))

    async def come_back(self, request: web.Request) -> web.Response:
        """Back from WeCom: who it is is asked, and their session begins."""
        came = await self._ways.read(request)
        return came if isinstance(came, web.Response) else await self._begin(request, member_of(came[0]), came[1])

    async def _begin(self, request: web.Request, told: str, language: str) -> web.Response:
        db, now = self.context.db, self.context.clock.now()
        members = await db.read(staff_rows.map_members, [told]) if told else {}
        userid = members.get(told.casefold(), "")
        token = secrets.token_urlsafe(32)
        if not userid or not await db.write(rows.add_session, token, userid, now, now + SESSION_LIFE):
            return self._ways.leave(request, "nobody", 403)
        answer = redirect("/staff/today" + (f"?lang={language}" if language in ("zh", "en") else ""))
        self._ways.set_cookie(answer, self._cookie, token, SESSION_LIFE)
        self._ways.arrive(answer)
        return answer


def _csrf_of(token: str) -> str:
    return hmac.new(token.encode(), b"forms", hashlib.sha256).hexdigest()
