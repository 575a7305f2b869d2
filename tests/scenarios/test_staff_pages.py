"""A staff member's list over HTTP: by way of WeCom, theirs alone, answered from their own forms only."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from html import escape
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import pytest
from sqlmodel import Session

from bot import visitors
from bot.app import Bot
from bot.clock import Clock
from bot.config import ServerSettings
from bot.sandbox.server import Sandbox
from data.models import EndReason, Staff, StaffTask
from data.queries import enrolments, touches
from data.queries import staff_tasks as rows
from tests.conftest import Urls
from tests.scenarios.conftest import Company, read_company_of, settings_for
from tests.staff_tasks import add_contact, add_journey, add_task

PUBLIC = "https://bot.example.com"
HOSTILE = "<script>alert('x')</script>\u202e"
WORDS = "早上好 </div><b>小鱼</b>"


@dataclass
class Browser:
    """A browser with cookies of its own. Where it is led is told, not followed."""

    company: Company
    http: aiohttp.ClientSession
    cookies: dict[str, str] = field(default_factory=dict)
    set_cookies: list[str] = field(default_factory=list)

    async def ask(self, method: str, path: str, form: dict[str, str] | None = None, **headers: str) -> tuple[int, str]:
        """(status, where to or the page)."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        url = f"{self.company.bot.url}{path}"
        async with self.http.request(method, url, data=form, headers=sent, allow_redirects=False) as answer:
            self.set_cookies = answer.headers.getall("Set-Cookie", [])
            for each in self.set_cookies:
                for name, morsel in SimpleCookie(each).items():
                    self.cookies[name] = morsel.value
            page = await answer.text()
            assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
            assert "unsafe" not in answer.headers["Content-Security-Policy"]
            return answer.status, answer.headers.get("Location", page)

    async def get(self, path: str, language: str = "zh-CN") -> tuple[int, str]:
        return await self.ask("GET", path, Accept_Language=language)

    async def press(self, task_id: int, act: str, **form: str) -> str:
        """A button of the page; what the page says then."""
        status, page = await self.get("/staff/today")
        (csrf, *_) = re.findall(r'name="csrf" value="([0-9a-f]{64})"', page)
        status, location = await self.ask("POST", f"/staff/tasks/{task_id}/{act}", {"csrf": csrf, **form})
        assert status == 303
        status, page = await self.get(location)
        assert status == 200
        (said,) = re.findall(r'class="said.*?>(.*?)</p>', page, re.S)
        return re.sub(r"<.*?>", "", said)

    async def enter(self, **who: str) -> tuple[int, str]:
        """By way of WeCom, as somebody."""
        _, location = await self.get("/staff/enter")
        return await self.back(parse_qs(urlsplit(location).query)["state"][0], **who)

    async def back(self, state: str, **who: str) -> tuple[int, str]:
        machine = self.company.sandbox.machine
        code = machine.logins.issue(machine.world.clock.timestamp(), **who)
        return await self.get(f"/staff/back?{urlencode({'code': code, 'state': state})}")


@pytest.fixture
async def browser(
    sandbox: Sandbox, urls: Urls, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Browser]:
    monkeypatch.setattr(visitors, "ASK_SECONDS", 30.0)
    server = ServerSettings(port=0, public_url=PUBLIC, link_misses_per_minute=0)
    settings = settings_for(sandbox, urls).model_copy(update={"server": server})
    async with (
        Bot(settings, clock, bell=False) as bot,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        await read_company_of(bot, "poll_directory")
        yield Browser(Company(sandbox, bot), http)


def fill(session: Session, company: Company) -> None:
    """Six tasks of the first member, and one of the second."""
    now = company.bot.clock.now()
    mine, other, *_ = company.followers
    add_journey(session, now)
    content = {
        "text": WORDS,
        "attachments": [
            {"msgtype": "link", "link": {"title": "春茶 & 新品", "url": "https://shop.example/?a=1&b=2"}},
            {"msgtype": "image", "image": {"media": "0" * 64}},
        ],
    }
    for number in range(1, 8):
        whom, userid = f"wm{number}", other if number == 7 else mine
        add_contact(session, now, whom, userid, name=HOSTILE if number == 1 else f"客户{number}")
        add_task(session, now, userid, whom, id=number, worth=10 - number, content=content, hint="<i>先看订单</i>")


async def test_a_list_is_its_members_alone_and_answered_from_their_own_page(browser: Browser) -> None:
    company = browser.company
    bot, (mine, other, *_) = company.bot, company.followers
    await bot.db.write(fill, company)

    # Nobody is let in but by WeCom, in the browser that asked it.
    status, location = await browser.get("/staff/today")
    asked = parse_qs(urlsplit(location).query)
    assert (status, urlsplit(location).hostname) == (302, "open.weixin.qq.com")
    assert (asked["redirect_uri"], asked["scope"]) == ([f"{PUBLIC}/staff/back"], ["snsapi_base"])
    (cookie,) = browser.set_cookies
    assert all(each in cookie for each in ("__Host-siyu_login_staff=", "HttpOnly", "Secure", "SameSite=Lax"))
    state = asked["state"][0]
    assert (await Browser(company, browser.http).back(state, userid=mine))[0] == 400, "a link logs nobody in"
    assert (await browser.back("x" * 32, userid=mine))[0] == 400
    assert (await browser.enter(external_userid="wm1"))[0] == 403
    assert (await browser.enter(userid="a_stranger"))[0] == 403
    assert (await browser.get("/staff/back?state=&code=x"))[0] == 400
    assert await browser.enter(userid=mine.upper()) == (302, "/staff/today")
    assert any(each.startswith("__Host-siyu_session=") and "HttpOnly" in each for each in browser.set_cookies)

    status, page = await browser.get("/staff/today")
    assert status == 200
    assert re.findall(r'id="task-(\d)"', page) == ["1", "2", "3", "4", "5", "6"]
    assert escape(HOSTILE) in page.replace("&#39;", "&#x27;")
    assert "alert('x')" not in page
    for words in (WORDS, "<i>先看订单</i>", "春茶 & 新品", "https://shop.example/?a=1&b=2", "新客 7 天"):
        assert escape(words) in page
    assert "<b>小鱼" not in page
    assert "客户7" not in page
    assert 'lang="en"' in (await browser.get("/staff/today", "en-US,en;q=0.9"))[1]

    # Only from a page of ours, and only what is theirs.
    (csrf, *_) = re.findall(r'name="csrf" value="([0-9a-f]{64})"', page)
    for form, headers in (
        ({}, {}), ({"csrf": "0" * 64}, {}), ({"csrf": "令牌"}, {}), ({"csrf": csrf}, {"Sec_Fetch_Site": "cross-site"}),
    ):  # fmt: skip
        assert (await browser.ask("POST", "/staff/tasks/1/done", form, **headers))[0] == 403
    assert (await Browser(company, browser.http).ask("POST", "/staff/tasks/1/done", {"csrf": csrf}))[0] == 403
    assert "没有这项待办" in await browser.press(7, "done")
    assert {each.status for each in await bot.db.read(rows.list_tasks)} == {"open"}

    assert "已完成" in await browser.press(1, "done")
    assert "已完成" in await browser.press(1, "done")
    assert [each.touch.origin for each in await bot.db.read(touches.list_explained, "wm1")] == ["task:1"]
    assert "再提醒" in await browser.press(2, "later", until="today")
    assert "原因" in await browser.press(3, "refuse", why="   ")
    assert "不再联系" in await browser.press(3, "refuse", why=HOSTILE)
    tasks = {each.id: each for each in await bot.db.read(rows.list_tasks)}
    assert (tasks[3].status, tasks[3].why) == ("refused", "<script>alert('x')</script>")
    assert tasks[2].later_until is not None

    def change(session: Session) -> None:
        enrolments.withdraw_tasks(session, [tasks[4].enrolment_id], EndReason.GOAL, bot.clock.now())
        task = session.get_one(StaffTask, 5)
        task.status, task.answered_by = "done", other
        session.get_one(StaffTask, 6).valid_until = bot.clock.now() + timedelta(minutes=30)

    await bot.db.write(change)
    assert "旅程的目标已经达到" in await browser.press(4, "done")
    assert f"已由 {other} 联系" in await browser.press(5, "refuse", why="晚了")
    assert "有效期" in await browser.press(6, "later", until="tomorrow")

    # A session ends by itself, and with the member.
    bot.clock.advance(timedelta(hours=12))
    assert (await browser.get("/staff/today"))[0] == 302
    await browser.enter(userid=mine)
    assert (await browser.get("/staff/today"))[0] == 200

    def leave(session: Session) -> None:
        session.get_one(Staff, mine).gone_at = bot.clock.now()

    await bot.db.write(leave)
    assert (await browser.get("/staff/today"))[0] == 302
    assert (await browser.get("/staff/files/copy.js"))[0] == 200
    assert (await browser.get("/staff/files/..%2Flayout.html"))[0] == 404
