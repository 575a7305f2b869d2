"""Web authorisation (WeCom doc 91022): a page asks who has opened it. And the browser in WeChat that opens pages.

Who holds the phone is known to WeChat by itself; here a cookie says it, which the phone page's browser sends.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from pydantic import Field
from yarl import URL

from bot.sandbox.control import Body, Route, handler_of, refuse_strangers
from bot.sandbox.errors import WorldError
from bot.sandbox.machine import MACHINE, Machine

PATH = "/connect/oauth2/authorize"
#: Where WeCom shows a code on a computer's screen. Here one picks who scans it.
SCAN_PATH = "/wwlogin/sso/login"
COOKIE = "sandbox_person"
#: What WeChat's browser says it is.
WECHAT_AGENT = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 MicroMessenger/8.0.49"
#: Where the bot shows a member's list of the day, to whoever opens it now.
STAFF_LIST = "/staff/enter"
#: And its sidebar, whoever is looked at.
SIDEBAR = "/sidebar/enter"
#: Pages of the bot that keep in the browser who opens them.
BROWSERS_OWN = ("/f/", "/staff/", "/sidebar", "/console")
HOPS_MAX = 10
PAGE_SECONDS = 10.0

_STATE = re.compile(r"[a-zA-Z0-9]{0,128}", re.ASCII)
_SCOPES = ("snsapi_base", "snsapi_privateinfo")


class RefusedError(WorldError):
    """WeChat shows a page with this instead."""


def authorize(machine: Machine, query: dict[str, str], userid: str = "", external_userid: str = "") -> str:
    """Where WeCom leads the person who has opened this address. Raises RefusedError."""
    if not userid and not external_userid:
        raise RefusedError("请在微信客户端打开链接", "Open it from the phone page.")
    redirect = urlsplit(query.get("redirect_uri", ""))
    app = next((each for each in machine.world.apps.values() if str(each.agentid) == query.get("agentid")), None)
    app = app or machine.world.app
    if query.get("appid") != machine.world.company.corpid or query.get("response_type") != "code":
        raise RefusedError("appid or response_type is wrong (40013).")
    if query.get("scope") not in _SCOPES or not _STATE.fullmatch(query.get("state", "")):
        raise RefusedError("scope or state is wrong (40029).")
    # Only where the app names a trusted domain: the made-up company of a test has none.
    if redirect.scheme not in ("http", "https") or (app.redirect_domain and redirect.netloc != app.redirect_domain):
        raise RefusedError("redirect_uri unauthorized (50001).", "Set the app's trusted domain.")
    if external_userid and not _is_customer(machine, external_userid):
        # WeCom tells of outsiders who are nobody's contact no more than an openid.
        external_userid = ""
    code = machine.logins.issue(machine.world.clock.timestamp(), userid, external_userid)
    return str(URL(query["redirect_uri"]).update_query(code=code, state=query.get("state", "")))


def _is_customer(machine: Machine, external_userid: str) -> bool:
    follows = machine.world.customers.follows_of(external_userid)
    return any(follow.friendship in ("mutual", "left") for follow in follows)


async def _authorize(request: web.Request) -> web.StreamResponse:
    refused = refuse_strangers(request)
    if refused is not None:
        return refused
    kind, _, who = request.cookies.get(COOKIE, "").partition(":")
    try:
        location = authorize(request.app[MACHINE], dict(request.query), **({kind: who} if kind in _PERSONS else {}))
    except RefusedError as error:
        return web.Response(text=f"{error.message} {error.remedy}\n", status=400)
    return web.Response(status=302, headers={"Location": location, "Cache-Control": "no-store"})


_PERSONS = ("userid", "external_userid")


async def _scan(request: web.Request) -> web.StreamResponse:
    """The page with the code: who scans it is picked, and led back as WeCom does."""
    refused = refuse_strangers(request)
    if refused is not None:
        return refused
    machine, query = request.app[MACHINE], dict(request.query)
    userid = query.pop("userid", "")
    if not userid:
        members = [(request.rel_url.update_query(userid=each.userid), each.name) for each in machine.world.directory]
        links = "".join(f'<li><a href="{escape(str(url))}">{escape(name)}</a></li>' for url, name in members)
        page = (
            f"<!doctype html><meta charset=utf-8><title>企业微信</title><h1>谁来扫码？ Who scans?</h1><ul>{links}</ul>"
        )
        return web.Response(text=page, content_type="text/html", headers={"Cache-Control": "no-store"})
    try:
        machine.world.directory.get(userid)
        location = authorize(machine, {**query, "response_type": "code", "scope": "snsapi_base"}, userid)
    except WorldError as error:
        return web.Response(text=f"{error.message} {error.remedy}\n", status=400)
    return web.Response(status=302, headers={"Location": location, "Cache-Control": "no-store"})


class OpenPage(Body):
    """Who opens which address in WeChat: a customer, or a member."""

    external_userid: str = ""
    userid: str = ""
    url: str = Field(max_length=4096)


async def open_page(machine: Machine, body: OpenPage) -> dict[str, str]:
    """Open an address as WeChat's browser does; where one ends.

    Only pages of the bot and of this server are asked for: what lies elsewhere is where one ends, and so is a page
    that keeps in the browser who it is.
    """
    if body.external_userid:
        machine.world.customers.get(body.external_userid)
    if body.userid:
        machine.world.directory.get(body.userid)
    url = URL(body.url)
    if url.scheme not in ("http", "https") or not url.host:
        raise RefusedError("It is no address on the web.")
    async with aiohttp.ClientSession(headers={"User-Agent": WECHAT_AGENT}) as http:
        for _ in range(HOPS_MAX):
            following = await _step(machine, http, url, body)
            if following is None:
                return {"url": str(url)}
            url = following
    raise RefusedError(f"It leads on more than {HOPS_MAX} times.")


async def _step(machine: Machine, http: aiohttp.ClientSession, url: URL, who: OpenPage) -> URL | None:
    if url.path == PATH:
        return URL(authorize(machine, dict(url.query), who.userid, who.external_userid), encoded=True)
    if not _is_of_bot(machine, url) or url.path.startswith(BROWSERS_OWN):
        return None
    timeout = aiohttp.ClientTimeout(total=PAGE_SECONDS)
    try:
        async with http.get(url, allow_redirects=False, timeout=timeout) as answer:
            location = answer.headers.get("Location", "")
            return url.join(URL(location, encoded=True)) if 300 <= answer.status < 400 and location else None
    except (aiohttp.ClientError, TimeoutError) as error:
        raise RefusedError(f"The page does not open ({type(error).__name__}).", "Is the bot running?") from error


def _is_of_bot(machine: Machine, url: URL) -> bool:
    bot = urlsplit(machine.world.app.callback_url)
    return bool(bot.netloc) and url.scheme in ("http", "https") and f"{url.host}:{url.port}" == bot.netloc


ROUTES = (Route("POST", "/open_page", OpenPage, open_page),)


def add_authorize(app: web.Application) -> None:
    """The address to which pages send people to be known."""
    app.router.add_get(PATH, _authorize)
    app.router.add_get(SCAN_PATH, _scan)


async def show_page(request: web.Request) -> web.StreamResponse:
    """`open_page` for a tab of a real browser, which then shows the page."""
    return await (_SHOW(request) if _is_ours(request) else _refuse())


async def _show(machine: Machine, body: OpenPage) -> web.StreamResponse:
    try:
        url = (
            body.url if body.userid and _is_of_bot(machine, URL(body.url)) else (await open_page(machine, body))["url"]
        )
    except RefusedError as error:
        return web.Response(text=f"{error.message} {error.remedy}\n", status=400)
    return _led(url, body)


def _led(url: str, who: OpenPage | OpenToday) -> web.Response:
    """The browser itself goes there, for the bot keeps in it who it is; when it comes to be asked, a cookie tells."""
    person = f"userid:{who.userid}" if who.userid else f"external_userid:{who.external_userid}"
    answer = web.Response(status=302, headers={"Location": url, "Cache-Control": "no-store"})
    answer.set_cookie(COOKIE, person, path=PATH, httponly=True, samesite="Lax")
    return answer


class OpenToday(Body):
    """Whose list of the day, or sidebar, is opened."""

    userid: str
    external_userid: str = ""


def _shows(path: str) -> Callable[[Machine, OpenToday], web.StreamResponse]:
    def show(machine: Machine, body: OpenToday) -> web.StreamResponse:
        bot = urlsplit(machine.world.app.callback_url)
        if not bot.netloc:
            return web.Response(text="There is no bot: its callback URL is not set.\n", status=400)
        machine.world.directory.get(body.userid)
        return _led(f"{bot.scheme}://{bot.netloc}{path}", body)

    return show


_SHOW = handler_of(Route("GET", "/phone/open", OpenPage, _show))
_SHOW_TODAY = handler_of(Route("GET", "/phone/today", OpenToday, _shows(STAFF_LIST)))
_SHOW_SIDEBAR = handler_of(Route("GET", "/phone/sidebar", OpenToday, _shows(SIDEBAR)))


async def show_today(request: web.Request) -> web.StreamResponse:
    """A member's list of the day, in a tab of a real browser."""
    return await (_SHOW_TODAY(request) if _is_ours(request) else _refuse())


async def show_sidebar(request: web.Request) -> web.StreamResponse:
    """What WeCom opens beside a member's chats, for a frame of the phone page."""
    return await (_SHOW_SIDEBAR(request) if _is_ours(request) else _refuse())


def _is_ours(request: web.Request) -> bool:
    """Whether the phone page asks: a page from elsewhere could send people on through us."""
    return request.headers.get("Sec-Fetch-Site", "same-origin") in ("same-origin", "none")


async def _refuse() -> web.StreamResponse:
    return web.Response(status=403)
