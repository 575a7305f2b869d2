"""Who looks at a page: found out by WeCom or by a password, then known by a cookie of this browser's.

A session's token is in its cookie alone, the database has its hash; it lives for a working day. Forms carry a token
that is made of the session's.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from aiohttp import web

from bot.console.pages import asked_language
from bot.console.ways import Notice, Ways, is_from_here, redirect
from bot.context import Context
from bot.visitors import member_of
from data.models import Account
from data.queries import account_sessions as rows
from data.queries import staff as staff_rows
from data.rules.accounts import SESSION_LIFE

COOKIE = "siyu_session"


class Reader(NamedTuple):
    """Who looks at a page. `digest`: of their session; `csrf`: what their forms carry."""

    account: Account
    digest: str
    csrf: str

    @property
    def userid(self) -> str:
        """The member whom WeCom takes them for; empty: none."""
        return self.account.userid or ""


class Logins:
    """Sessions in browsers. `back`: our path to which WeCom sends people back, `arrives`: where they go from there;
    `where`: the same by what went along, where that is not the language alone."""

    def __init__(
        self, context: Context, back: str, arrives: str, notice: Notice, where: Callable[[str], str] | None = None
    ) -> None:
        self.context = context
        self.ways = Ways(context, back, f"siyu_login_{arrives.split('/')[1]}", notice)
        self._arrives = arrives
        self._where = where or self._in_language
        self._cookie = self.ways.name_of(COOKIE)

    async def find_reader(self, request: web.Request) -> Reader | None:
        """Whose browser it is, if that is known."""
        token = request.cookies.get(self._cookie, "")
        if not token:
            return None
        now = self.context.clock.now()
        found = await self.context.db.read_here(rows.find_session, token, now)
        if found is None:
            return None
        account, kept = found
        if now - kept.seen_at > rows.SEEN_EVERY:
            await self.context.db.write(rows.note_seen, kept.digest, now)
        return Reader(account, kept.digest, _csrf_of(token))

    def is_theirs(self, reader: Reader, request: web.Request, form: Mapping[str, Any]) -> bool:
        """Whether a form was sent from a page of ours that this reader looked at."""
        return is_from_here(request, form, reader.csrf)

    async def enter(self, request: web.Request, *, scan: bool = False, along: str | None = None) -> web.Response:
        """To WeCom, which finds out who it is; `scan`: by a code that they scan with their phone; `along`: what goes
        along (the language)."""
        if not self.context.settings.server.public_url:
            return self.ways.leave(request, "no_address", 503)
        await self.forget(request)
        return self.ways.go(asked_language(request) if along is None else along, scan=scan)

    async def come_back(self, request: web.Request) -> web.Response:
        """Back from WeCom: who it is is asked, and their session begins."""
        came = await self.ways.read(request)
        if isinstance(came, web.Response):
            return came
        told = member_of(came[0])
        members = await self.context.db.read(staff_rows.map_members, [told]) if told else {}
        userid, token = members.get(told.casefold(), ""), secrets.token_urlsafe(32)
        if not userid or not await self.context.db.write(
            rows.begin_for_member, token, userid, self.context.clock.now(), **self._whence(request)
        ):
            return self.ways.leave(request, "nobody", 403)
        answer = self._begun(redirect(self._where(came[1])), token)
        self.ways.arrive(answer)
        return answer

    async def begin(self, request: web.Request, account_id: int, where: str) -> web.Response | None:
        """Begin the session of somebody who has given the right password; None: the account is closed."""
        await self.forget(request)
        token, now = secrets.token_urlsafe(32), self.context.clock.now()
        begun = await self.context.db.write(rows.begin_session, token, account_id, now, **self._whence(request))
        return self._begun(redirect(where, 303), token) if begun else None

    async def forget(self, request: web.Request) -> None:
        """End the browser's session, if it has one."""
        if token := request.cookies.get(self._cookie, ""):
            await self.context.db.write(rows.end_session, token)

    def drop_cookie(self, answer: web.Response) -> None:
        """The browser need not keep what opens nothing any more."""
        answer.del_cookie(self._cookie, path="/", secure=self.ways.is_secure, httponly=True, samesite="Lax")

    def _in_language(self, language: str) -> str:
        return self._arrives + (f"?lang={language}" if language in ("zh", "en") else "")

    def _whence(self, request: web.Request) -> dict[str, str]:
        return {"address": self.ways.address_of(request), "browser": request.headers.get("User-Agent", "")}

    def _begun(self, answer: web.Response, token: str) -> web.Response:
        self.ways.set_cookie(answer, self._cookie, token, SESSION_LIFE)
        return answer


def _csrf_of(token: str) -> str:
    return hmac.new(token.encode(), b"forms", hashlib.sha256).hexdigest()
