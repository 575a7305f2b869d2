"""Who gets into the console, and what each may do there: over HTTP, on the running bot."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from sqlmodel import Session

from bot.app import Bot
from bot.catalogs import list_problems
from bot.clock import Clock
from bot.commands.accounts import first_link
from bot.config import ServerSettings
from bot.console.asks import RANKS
from bot.console.routes import ROUTES
from bot.console.token_words import WORDS
from bot.sandbox.server import Sandbox
from bot.scopes import SCOPES
from data.models import Role, Staff
from data.queries import accounts as rows
from data.queries import audit
from tests.conftest import Urls
from tests.console import Browser, sign_in
from tests.scenarios.conftest import read_company_of, settings_for

#: A part of a route's path that stands for a value.
PART = re.compile(r"\{\w+(:([^{}]|\{[^{}]*\})*)?\}")
PASSWORD = "correct horse 9"
HOSTILE = "<script>alert(1)</script>{{7*7}}\u202e🙂" + "长" * 30


@pytest.fixture
async def bot(sandbox: Sandbox, urls: Urls, clock: Clock) -> AsyncIterator[Bot]:
    server = ServerSettings(port=0, public_url="http://127.0.0.1:1", link_misses_per_minute=0)
    settings = settings_for(sandbox, urls).model_copy(update={"server": server})
    async with Bot(settings, clock, bell=False) as bot:
        await read_company_of(bot, "poll_directory")
        yield bot


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield http


def test_every_text_of_the_console_is_there_in_english() -> None:
    assert list_problems() == [], "translate them in templates/console/locales/en"
    assert WORDS.keys() == SCOPES.keys(), "say in bot/console/token_words.py what a token may do"


async def test_every_route_as_every_role_and_as_nobody(bot: Bot, http: aiohttp.ClientSession) -> None:
    browsers = {role: await sign_in(bot, http, role) for role in RANKS}
    for route in ROUTES:
        path = re.sub(PART, lambda part: "999999" if "[0-9]" in part[0] else "nothing", route.path)
        nobody = await Browser(bot, http).ask(route.method, path, [] if route.method == "POST" else None)
        assert (nobody.status, "登录" in nobody.text or "sign-in" in nobody.location) in ((302, True), (403, True)), (
            path
        )
        # Roles come one above the other: who may just do it, and who just may not.
        lowest = RANKS.index(Role(route.role))
        for rank in range(max(lowest - 1, 0), lowest + 1):
            role, allowed = RANKS[rank], rank >= lowest
            browser = browsers[role]
            if route.method == "GET":
                answer = await browser.get(path)
                assert (answer.status != 403) == allowed, (path, role)
                assert answer.status < 500, (path, role)
            else:
                bare = await browser.ask("POST", path, [])
                assert bare.status == 403, (path, role)
                if not allowed:
                    assert "没有权限" in (await browser.post(path)).text, (path, role)
                elsewhere = await browser.post(path, Sec_Fetch_Site="cross-site")
                assert elsewhere.status == 403, (path, role)
    assert (await browsers[Role.STAFF].get("/console/nothing/here")).status == 404
    for method in ("PUT", "DELETE", "TRACE"):
        assert (await browsers[Role.ADMIN].ask(method, "/console/accounts", [])).status in (404, 405)


async def test_the_first_admin_comes_by_a_link_that_works_once(bot: Bot, http: aiohttp.ClientSession) -> None:
    link = await first_link(bot.settings, bot.db, bot.clock.now())
    path = link.removeprefix("http://127.0.0.1:1")
    token = parse_qs(urlsplit(link).query)["token"][0]
    browser = Browser(bot, http)
    assert "管理员" in (await browser.get(path)).text
    wrong = [
        {"login": "a", "password": PASSWORD, "again": PASSWORD},
        {"login": "boss", "password": "short", "again": "short"},
        {"login": "boss", "password": "boss boss boss", "again": "boss boss boss"},
        {"login": "boss", "password": PASSWORD, "again": PASSWORD + "x"},
    ]
    for form in wrong:
        answer = await browser.post("/console/join", {"token": token, **form})
        assert answer.status == 400
        assert PASSWORD not in answer.page
    made = await browser.post(
        "/console/join", {"token": token, "login": " ＢＯＳＳ ", "password": PASSWORD, "again": PASSWORD}
    )
    assert (made.status, made.location) == (303, "/console")
    assert (await browser.get("/console/accounts")).status == 200
    assert (await Browser(bot, http).get(path)).status == 404
    form = {"token": token, "login": "eve", "password": PASSWORD, "again": PASSWORD}
    assert (await Browser(bot, http).post("/console/join", form)).status == 404
    assert await first_link(bot.settings, bot.db, bot.clock.now()) == ""

    # By password: the same for a wrong name and a wrong password, and after some of them one has to wait.
    for name, password in (("nobody", PASSWORD), ("boss", "wrong wrong")):
        refused = await Browser(bot, http).post("/console/sign-in", {"login": name, "password": password})
        assert (refused.status, "登录名或密码不对" in refused.text) == (403, True)
    entered = await browser.post(
        "/console/sign-in", {"login": "Boss", "password": PASSWORD, "next": "/console/audit?what=account+1"}
    )
    assert (entered.status, entered.location) == (303, "/console/audit?what=account+1")
    for elsewhere in ("//evil.example", "https://evil.example", "/console/../x", "/console\\evil", "/consolevil"):
        entered = await browser.post("/console/sign-in", {"login": "boss", "password": PASSWORD, "next": elsewhere})
        assert entered.location == "/console", elsewhere
    for _ in range(5):
        await Browser(bot, http).post("/console/sign-in", {"login": "boss", "password": "wrong wrong"})
    waiting = await Browser(bot, http).post("/console/sign-in", {"login": "boss", "password": PASSWORD})
    assert (waiting.status, "秒后再试" in waiting.text) == (429, True)
    bot.clock.advance(timedelta(minutes=1))
    assert (await browser.post("/console/sign-in", {"login": "boss", "password": PASSWORD})).status == 303

    # A new password signs out whoever is signed in elsewhere; a session can be ended; signing out ends it for good.
    other = Browser(bot, http)
    await other.post("/console/sign-in", {"login": "boss", "password": PASSWORD})
    await browser.get("/console/me")
    new = {"old": PASSWORD, "password": PASSWORD + " new", "again": PASSWORD + " new"}
    assert "原密码不对" in (await browser.post("/console/me/password", {**new, "old": "x"})).text
    assert (await browser.post("/console/me/password", new)).status == 303
    assert (await other.get("/console/me")).status == 302
    assert (await browser.get("/console/me")).status == 200
    stolen = Browser(bot, http, dict(browser.cookies))
    assert (await browser.post("/console/sign-out")).status == 303
    assert (await stolen.get("/console")).status == 302
    said = [(each.action, each.what) for each in await bot.db.read(lambda s: audit.list_entries(s, limit=9))]
    assert said == [("accounts.password", "account 1"), ("accounts.join", "account 1")]


async def test_roles_are_given_taken_and_written_down(bot: Bot, http: aiohttp.ClientSession) -> None:
    admin = await sign_in(bot, http, Role.ADMIN)
    invited = await admin.post("/console/accounts/invite", {"name": HOSTILE, "role": "manager", "department": "2"})
    assert invited.status == 200
    assert "<script>alert" not in invited.page
    path = re.search(r"/console/join\?token=[\w-]+", invited.page)
    assert path is not None
    manager = Browser(bot, http)
    await manager.get(path[0])
    token = path[0].partition("=")[2]
    form = {"token": token, "login": "经理.一", "password": PASSWORD, "again": PASSWORD}
    assert (await manager.post("/console/join", form)).location == "/console"
    assert (await manager.get("/console/accounts")).status == 403
    account = await bot.db.read(rows.find_by_login, "经理.一")
    assert account is not None
    assert (account.role, account.department_ids) == ("manager", [2])
    page = (await admin.get("/console/accounts")).page
    assert "<script>alert" not in page
    assert "{{7*7}}" in page

    one = f"/console/accounts/{account.id}"
    faulty = await admin.post(one, {"name": "", "role": "manager"})
    assert (faulty.status, "1 到 64" in faulty.text) == (400, True)
    assert (await admin.post(one, {"name": "王", "role": "boss"})).status == 400
    changed = await admin.post(one, {"name": "王", "role": "staff", "userid": "", "disabled": "yes"})
    assert (changed.status, changed.location) == (303, "/console/accounts?said=saved")
    assert (await manager.get("/console")).status == 302, "whoever is disabled is signed out"
    last = await admin.post(f"/console/accounts/{admin.account_id}", {"name": "我", "role": "staff"})
    assert (last.status, "至少要保留一个" in last.text) == (409, True)
    (entry, *_) = await bot.db.read(lambda session: audit.list_entries(session, limit=9))
    assert (entry.action, entry.what, entry.account_id) == (
        "accounts.change",
        f"account {account.id}",
        admin.account_id,
    )
    assert entry.before is not None
    assert entry.after == {"name": "王", "role": "staff", "department_ids": [], "disabled": True}
    log = await admin.get("/console/audit")
    assert "<script>alert" not in log.page
    assert "accounts.change" in log.text

    # In English, dark, as the account likes it: on every page from then on.
    await admin.post("/console/look", {"language": "en", "theme": "dark", "next": "/console/audit"})
    english = await admin.get("/console/accounts")
    assert 'lang="en" data-bs-theme="dark"' in english.page
    assert not re.search(
        r"[一-鿿]", re.sub(r"私域|中文|试用\w+|王|经理\.一|云\w+|[^\x00-\x7f]*[部组活][^\x00-\x7f]*", "", english.text)
    )


async def test_members_come_by_way_of_wecom(bot: Bot, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
    member = next(each for each in sandbox.world.directory if each.status == 1)

    async def enter(agent: str) -> tuple[Browser, str]:
        browser = Browser(bot, http)
        led = await browser.get("/console/enter", User_Agent=agent)
        state = parse_qs(urlsplit(led.location).query)["state"][0]
        code = sandbox.machine.logins.issue(sandbox.world.clock.timestamp(), member.userid)
        back = await browser.get(f"/console/back?code={code}&state={state}")
        assert (back.status, back.location) == (302, "/console")
        return browser, led.location

    browser, location = await enter("Mozilla/5.0 wxwork/4.1 MicroMessenger/7")
    assert "/connect/oauth2/authorize?" in location
    assert (await browser.get("/console")).status == 200
    assert (await browser.get("/console/audit")).status == 403, "a member is staff at first"
    _, location = await enter("Mozilla/5.0 (X11)")
    assert "/wwlogin/sso/login?" in location
    assert "login_type=CorpApp" in location
    accounts = await bot.db.read(rows.list_accounts)
    assert [(each.userid, each.role, each.login) for each in accounts] == [(member.userid, "staff", None)]

    # The code on the screen of the local WeCom leads back to us with a code that it knows.
    scan = f"{sandbox.url}/wwlogin/sso/login{urlsplit(location)._replace(scheme='', netloc='', path='').geturl()}"
    async with http.get(scan) as page:
        assert member.name in await page.text()
    async with http.get(f"{scan}&userid={member.userid}", allow_redirects=False) as led:
        assert led.headers["Location"].startswith("http://127.0.0.1:1/console/back?code=")

    # Who has left is out.
    def leave(session: Session) -> None:
        session.get_one(Staff, member.userid).gone_at = bot.clock.now()

    await bot.db.write(leave)
    assert (await browser.get("/console")).status == 302
