"""Getting into the console: by password, by a link that works once, by WeCom, and out again."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import cache, partial
from typing import Any

from aiohttp import web
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from multidict import MultiDict
from sqlmodel import Session

from bot.console.asks import Parts
from bot.console.frame import FORM_MAX_BYTES, SIGN_IN
from bot.console.pages import LANGUAGES
from bot.console.painting import LANGUAGE_COOKIE, THEME_COOKIE, THEMES
from bot.logs import get_logger
from data.errors import ConflictError, NotFoundError, StorageError
from data.models import Account
from data.queries import accounts as rows
from data.queries import audit
from data.queries.audit import Actor
from data.rules.accounts import check_login, check_password, login_of
from data.rules.problems import InvalidRuleError

log = get_logger("console")

HOME = "/console"
BACK = "/console/back"
YEAR = 365 * 24 * 3600
#: Where somebody may be led after they have signed in: a page of the console, whatever the address says.
_OURS = re.compile(r"/console(/[A-Za-z0-9_.~%-]+)*(\?[A-Za-z0-9_.~%=&,:+-]*)?", re.ASCII)


@cache
def hasher() -> PasswordHasher:
    return PasswordHasher()


@cache
def _nobodys_hash() -> str:
    return hasher().hash("nobody's password")


def is_right(password_hash: str | None, password: str) -> bool:
    """Whether a password is the one; for whoever has none it takes as long. Takes some tens of milliseconds of CPU."""
    try:
        return hasher().verify(password_hash or _nobodys_hash(), password) and password_hash is not None
    except (Argon2Error, InvalidHashError):
        return False


def safe_path(asked: str) -> str:
    """Where to go on to: a path of the console, or its first page."""
    return asked if _OURS.fullmatch(asked) and ".." not in asked else HOME


class SigningIn:
    """Pages for whoever is not signed in yet."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._db = parts.context.db

    def add_routes(self, app: web.Application) -> None:
        """The way in, and out."""
        router = app.router
        router.add_get(SIGN_IN, self._framed(self.ask))
        router.add_post(SIGN_IN, self._framed(self.sign_in))
        router.add_post("/console/sign-out", self._framed(self.sign_out))
        router.add_get("/console/join", self._framed(self.ask_to_join))
        router.add_post("/console/join", self._framed(self.join))
        router.add_get("/console/enter", self._framed(self.enter))
        router.add_get(BACK, self._framed(self._parts.logins.come_back))
        router.add_post("/console/look", self._framed(self.set_look))

    async def ask(self, request: web.Request) -> web.Response:
        """The page with name and password."""
        if await self._parts.logins.find_reader(request) is not None:
            return _led(safe_path(request.query.get("next", "")))
        return self._page(request, going=safe_path(request.query.get("next", "")))

    async def sign_in(self, request: web.Request) -> web.Response:
        """A name and a password were given."""
        form = await self._form(request)
        going, login = safe_path(str(form.get("next", ""))), login_of(str(form.get("login", "")))
        if waits := self._parts.logins.ways.hold_up(request):
            return waits
        now = self._parts.context.clock.now()
        account = await self._db.read(rows.find_by_login, login) if login else None
        if account is not None and account.blocked_until is not None and account.blocked_until > now:
            seconds = int((account.blocked_until - now).total_seconds()) + 1
            return self._page(request, 429, going=going, login=login, fault="blocked", seconds=seconds)
        password = str(form.get("password", ""))[:1000]
        right = await asyncio.to_thread(is_right, account.password_hash if account else None, password)
        begun = None
        if account is not None and account.id is not None and right:
            await self._db.write(rows.note_success, account.id)
            begun = await self._parts.logins.begin(request, account.id, going)
        if begun is None:
            self._parts.logins.ways.note_miss(request)
            if account is not None and account.id is not None and not right:
                await self._db.write(rows.note_failure, account.id, now)
            log.warning("refused", account=account.id if account else None)
            return self._page(request, 403, going=going, login=str(form.get("login", ""))[:64], fault="wrong")
        return begun

    async def sign_out(self, request: web.Request) -> web.Response:
        """The browser is nobody's any more."""
        form, reader = await self._form(request), await self._parts.logins.find_reader(request)
        if reader is not None and not self._parts.logins.is_theirs(reader, request, form):
            return self._notice(request, "again", 403)
        await self._parts.logins.forget(request)
        answer = _led(SIGN_IN, 303)
        self._parts.logins.drop_cookie(answer)
        return answer

    async def enter(self, request: web.Request) -> web.Response:
        """By WeCom: inside of its browser at once, elsewhere by a code that is scanned."""
        inside = "wxwork" in request.headers.get("User-Agent", "").lower()
        return await self._parts.logins.enter(request, scan=not inside)

    # -- links that work once

    async def ask_to_join(self, request: web.Request) -> web.Response:
        """The page on which whoever has the link chooses a password."""
        token = request.query.get("token", "")[:100]
        if waits := self._parts.logins.ways.hold_up(request):
            return waits
        found = await self._db.read(self._read_invitation, token)
        if found is None:
            self._parts.logins.ways.note_miss(request)
            return self._notice(request, "link_over", 404)
        return self._join_page(request, token, found)

    async def join(self, request: web.Request) -> web.Response:
        """A password was chosen."""
        form = await self._form(request)
        token, password = str(form.get("token", ""))[:100], str(form.get("password", ""))[:1000]
        if waits := self._parts.logins.ways.hold_up(request):
            return waits
        found = await self._db.read(self._read_invitation, token)
        if found is None:
            self._parts.logins.ways.note_miss(request)
            return self._notice(request, "link_over", 404)
        typed = str(form.get("login", ""))[:64]
        try:
            login = found["login"] or check_login(typed)
            check_password(password, login)
            if password != form.get("again"):
                return self._join_page(request, token, found, 400, login=typed, fault="different")
            kept = await asyncio.to_thread(hasher().hash, password)
            account = await self._db.write(
                self._accept, token, login, kept, self._parts.logins.ways.address_of(request)
            )
        except InvalidRuleError as error:
            return self._join_page(request, token, found, 400, login=typed, words=error)
        except ConflictError as error:
            return self._join_page(request, token, found, 409, login=typed, words=error)
        except NotFoundError:
            return self._notice(request, "link_over", 404)
        assert account.id is not None
        return await self._parts.logins.begin(request, account.id, HOME) or _led(SIGN_IN, 303)

    def _read_invitation(self, session: Session, token: str) -> dict[str, str] | None:
        found = rows.find_invitation(session, token, self._parts.context.clock.now()) if token else None
        if found is None:
            return None
        account = rows.find_account(session, found.account_id) if found.account_id is not None else None
        return {"role": found.role, "login": (account.login or "") if account else "", "name": found.name}

    def _accept(self, session: Session, token: str, login: str, kept: str, address: str) -> Account:
        now = self._parts.context.clock.now()
        account = rows.accept_invitation(session, token, login, kept, now)
        actor = Actor(account.id, account.name or login, address)
        after = {"login": account.login, "role": account.role}
        audit.add_entry(session, actor, "accounts.join", f"account {account.id}", None, after, now)
        return account

    # -- how pages look

    async def set_look(self, request: web.Request) -> web.Response:
        """Language and theme: kept with the account, or in the browser where nobody is signed in."""
        form = await self._form(request)
        reader = await self._parts.logins.find_reader(request)
        if reader is not None and not self._parts.logins.is_theirs(reader, request, form):
            return self._notice(request, "again", 403)
        language, theme = str(form.get("language", "")), str(form.get("theme", ""))
        answer = _led(safe_path(str(form.get("next", ""))), 303)
        if reader is not None and reader.account.id is not None:
            keep = partial(
                rows.set_preferences,
                language=language if language in LANGUAGES else reader.account.language,
                theme=theme if theme in THEMES else "" if theme == "auto" else reader.account.theme,
            )
            await self._db.write(keep, reader.account.id)
        for cookie, value, allowed in ((LANGUAGE_COOKIE, language, LANGUAGES), (THEME_COOKIE, theme, THEMES)):
            if value in allowed:
                answer.set_cookie(cookie, value, max_age=YEAR, path="/", httponly=True, samesite="Lax")
            elif value == "auto":
                answer.del_cookie(cookie, path="/")
        return answer

    # -- what all have

    def _page(self, request: web.Request, status: int = 200, *, going: str, **values: Any) -> web.Response:
        shown = {"login": "", "fault": "", "seconds": 0, **values}
        by_wecom = bool(self._parts.context.settings.server.public_url)
        return self._paint(request, "sign_in", status, going=going, by_wecom=by_wecom, **shown)

    def _join_page(
        self, request: web.Request, token: str, found: dict[str, str], status: int = 200, **values: Any
    ) -> web.Response:
        shown = {"login": "", "fault": "", "words": "", **values}
        return self._paint(request, "join", status, token=token, found=found, **shown)

    def _notice(self, request: web.Request, about: str, status: int) -> web.Response:
        return self._paint(request, "notice_page", status, about=about, words="", remedy="")

    def _paint(self, request: web.Request, template: str, status: int, **values: Any) -> web.Response:
        painter = self._parts.painter
        return painter.paint(request, template, status, language=painter.language_of(request), **values)

    async def _form(self, request: web.Request) -> MultiDict[Any]:
        """What was sent, from a page of ours: browsers say where a form comes from."""
        request._client_max_size = FORM_MAX_BYTES  # noqa: SLF001 - aiohttp has no other way to bound one route
        if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
            return MultiDict()
        return MultiDict(await request.post())

    def _framed(self, handle: Callable[[web.Request], Awaitable[web.Response]]) -> Any:
        async def framed(request: web.Request) -> web.StreamResponse:
            try:
                return await handle(request)
            except (StorageError, TimeoutError) as error:
                log.error("unavailable", cause=str(error))
                return self._notice(request, "away", 503)

        return framed


def _led(location: str, status: int = 302) -> web.Response:
    return web.Response(status=status, headers={"Location": location, "Cache-Control": "no-store"})
