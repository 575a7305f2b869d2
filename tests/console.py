"""The console in tests: browsers over HTTP, signed in as whoever a test needs."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from html import unescape
from html.parser import HTMLParser
from http.cookies import SimpleCookie

import aiohttp
import pytest
from argon2 import PasswordHasher
from jinja2 import Environment, FileSystemBytecodeCache
from sqlmodel import Session

from bot.app import Bot
from bot.console import painting, signing_in
from bot.console.logins import COOKIE
from data.models import Account, Role
from data.queries import account_sessions

Form = Mapping[str, str] | Sequence[tuple[str, str]]


@pytest.fixture(scope="session", autouse=True)
def cheap_console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Templates are compiled once for all workers; a password does not take tens of milliseconds and 64 MB to guess."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "pages"
    folder.mkdir(exist_ok=True)
    compiled = FileSystemBytecodeCache(str(folder))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(painting, "Environment", partial(Environment, bytecode_cache=compiled))
        patch.setattr(signing_in, "PasswordHasher", partial(PasswordHasher, time_cost=1, memory_cost=64, parallelism=1))
        yield


@dataclass
class Answer:
    """What came back. `text`: the page as a reader sees it, without markup."""

    status: int
    location: str
    page: str
    headers: Mapping[str, str]
    body: bytes = b""

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
            page = await answer.text(errors="replace")
            if found := re.search(r'name="csrf" value="([0-9a-f]{64})"', page):
                self.csrf = found[1]
            return Answer(answer.status, answer.headers.get("Location", ""), page, answer.headers, await answer.read())


class _Fields(HTMLParser):
    """What a browser would send of the forms in a page, if nobody changed anything and pressed no button."""

    def __init__(self) -> None:
        super().__init__()
        self.fields: list[tuple[str, str]] = []
        self._select = self._area = ""
        self._options: list[tuple[str, bool]] = []
        self._text = ""
        self._several = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = dict(attrs)
        name, value = has.get("name") or "", has.get("value") or ""
        if tag == "input" and name and (has.get("type") not in ("checkbox", "radio") or "checked" in has):
            self.fields.append((name, value))
        elif tag == "select":
            self._select, self._options, self._several = name, [], "multiple" in has
        elif tag == "option" and self._select:
            self._options.append((value, "selected" in has))
        elif tag == "textarea":
            self._area, self._text = name, ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "select" and self._select:
            chosen = [value for value, is_chosen in self._options if is_chosen]
            if not chosen and not self._several:
                chosen = [value for value, _ in self._options[:1]]
            self.fields += [(self._select, value) for value in chosen]
            self._select = ""
        elif tag == "textarea" and self._area:
            self.fields.append((self._area, self._text.removeprefix("\n")))
            self._area = ""


def fields_of(page: str) -> list[tuple[str, str]]:
    """The fields of a page's forms as they stand."""
    parser = _Fields()
    parser.feed(page)
    return [each for each in parser.fields if each[0] != "csrf"]


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
