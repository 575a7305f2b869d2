"""The console in tests: browsers over HTTP, signed in as whoever a test needs."""

from __future__ import annotations

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from html import unescape
from http.cookies import SimpleCookie

import aiohttp
from sqlmodel import Session

from bot.app import Bot
from bot.console.logins import COOKIE
from data.models import Account, Role
from data.queries import account_sessions

Form = Mapping[str, str] | Sequence[tuple[str, str]]


@dataclass
class Answer:
    """What came back. `text`: the page as a reader sees it, without markup."""

    status: int
    location: str
    page: str
    headers: Mapping[str, str]

    @property
    def text(self) -> str:
        return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", self.page)))


@dataclass
class Browser:
    """A browser with cookies of its own. Where it is led is told, not followed."""

    bot: Bot
    http: aiohttp.ClientSession
    cookies: dict[str, str] = field(default_factory=dict)
    account_id: int = 0
    csrf: str = ""

    async def get(self, path: str, **headers: str) -> Answer:
        return await self.ask("GET", path, None, **headers)

    async def post(self, path: str, form: Form = (), **headers: str) -> Answer:
        """A form of one of the pages is sent, with its token."""
        fields = [*(form.items() if isinstance(form, Mapping) else form), ("csrf", self.csrf)]
        return await self.ask("POST", path, fields, **headers)

    async def ask(self, method: str, path: str, fields: Sequence[tuple[str, str]] | None, **headers: str) -> Answer:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        data = aiohttp.FormData(fields) if fields is not None else None
        async with self.http.request(
            method, f"{self.bot.url}{path}", data=data, headers=sent, allow_redirects=False
        ) as answer:
            for each in answer.headers.getall("Set-Cookie", []):
                for name, morsel in SimpleCookie(each).items():
                    self.cookies[name] = morsel.value
            page = await answer.text()
            if found := re.search(r'name="csrf" value="([0-9a-f]{64})"', page):
                self.csrf = found[1]
            return Answer(answer.status, answer.headers.get("Location", ""), page, answer.headers)


async def sign_in(
    bot: Bot, http: aiohttp.ClientSession, role: Role, *, userid: str | None = None, department_ids: Sequence[int] = ()
) -> Browser:
    """A browser in which an account of this role is signed in."""
    token, now = secrets.token_urlsafe(32), bot.clock.now()

    def begin(session: Session) -> int:
        account = Account(
            login=f"{role}-{token[:8].casefold()}", userid=userid, name=f"试用{role}", role=role, made_at=now,
            department_ids=list(department_ids),
        )  # fmt: skip
        session.add(account)
        session.flush()
        assert account.id is not None
        assert account_sessions.begin_session(session, token, account.id, now)
        return account.id

    browser = Browser(bot, http, {COOKIE: token}, await bot.db.write(partial(begin)))
    assert (await browser.get("/console/me")).status == 200
    return browser
