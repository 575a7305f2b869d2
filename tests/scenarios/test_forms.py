"""A form over HTTP: by way of WeCom, for customers, sent from its own page, and what follows from it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from html import escape
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import pytest

from bot import visitors
from bot.app import Bot
from bot.clock import Clock
from bot.config import ServerSettings
from bot.console import forms as form_pages
from bot.console.visits import VISIT_LIFE
from bot.forms import change_form, make_form
from bot.sandbox.server import Sandbox
from data.queries import fields, form_answers, preferences
from data.queries import forms as rows
from data.rules.fields import FieldDefinition, FieldKind
from scheduler.forms import follow_up_answers
from tests.conftest import Urls
from tests.scenarios.conftest import Company, read_company_of, settings_for
from tests.staff_tasks import add_contact

PUBLIC = "https://bot.example.com"
HOSTILE = "<script>alert('x')</script>"
QUESTIONS: list[dict[str, Any]] = [
    {"key": "birthday", "ask": "birthday", "title": "生日", "required": True},
    {"key": "tea", "ask": "choices", "title": "口味", "choices": [{"text": "绿茶"}, {"text": HOSTILE}], "field": "tea"},
    {"key": "said", "ask": "text", "title": "留言", "max_length": 100},
    {"key": "agree", "ask": "consent", "title": "消息", "text": "不再接收消息。", "wish": "opt_out"},
]
FORM = {"name": "tea", "title": f"喜好 {HOSTILE}", "introduction": "一行\n两行", "questions": QUESTIONS}
ANSWERS = {"a.birthday.calendar": "lunar", "a.birthday.month": "8", "a.birthday.day": "15", "a.tea": HOSTILE}


@dataclass
class Phone:
    """A browser with cookies of its own. Where it is led is told, not followed."""

    company: Company
    http: aiohttp.ClientSession
    cookies: dict[str, str] = field(default_factory=dict)

    async def ask(self, method: str, path: str, form: Any = None, **headers: str) -> tuple[int, str]:
        """(status, where to or the page)."""
        sent = {"Accept-Language": "zh-CN", **{name.replace("_", "-"): value for name, value in headers.items()}}
        sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        url = f"{self.company.bot.url}{path}"
        async with self.http.request(method, url, data=form, headers=sent, allow_redirects=False) as answer:
            for each in answer.headers.getall("Set-Cookie", []):
                assert all(word in each for word in ("HttpOnly", "Secure", "SameSite=Lax", "__Host-"))
                for name, morsel in SimpleCookie(each).items():
                    self.cookies[name] = morsel.value
            page = await answer.text()
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "<script" not in page
            return answer.status, answer.headers.get("Location", page)

    async def get(self, path: str, **headers: str) -> tuple[int, str]:
        return await self.ask("GET", path, **headers)

    async def come(self, path: str = "/f/tea", **who: str) -> tuple[int, str]:
        """By way of WeCom, as somebody; where that leads."""
        status, location = await self.get(path)
        asked = parse_qs(urlsplit(location).query)
        assert (status, asked["redirect_uri"]) == (302, [f"{PUBLIC}/f/way/back"])
        return await self.back(asked["state"][0], **who)

    async def back(self, state: str, **who: str) -> tuple[int, str]:
        machine = self.company.sandbox.machine
        code = machine.logins.issue(machine.world.clock.timestamp(), **who)
        return await self.get(f"/f/way/back?{urlencode({'code': code, 'state': state})}")

    async def open(self, path: str = "/f/tea", **who: str) -> str:
        """The form's page."""
        status, location = await self.come(path, **who)
        assert (status, "known=1" in location) == (302, True), location
        status, page = await self.get(location)
        assert status == 200
        return page

    async def send(self, page: str, answers: dict[str, str], **headers: str) -> tuple[int, str]:
        (action,) = re.findall(r'action="([^"]+)"', page)
        return await self.ask("POST", action, {**hidden(page), **answers}, **headers)


def hidden(page: str) -> dict[str, str]:
    return dict(re.findall(r'type="hidden" name="(\w+)" value="([0-9a-f]+)"', page))


def words(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<.*?>", "", page.partition("<body>")[2]))


@pytest.fixture
async def phone(sandbox: Sandbox, urls: Urls, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Phone]:
    monkeypatch.setattr(visitors, "ASK_SECONDS", 30.0)
    monkeypatch.setattr(form_pages, "SENT_PER_MINUTE", 0)
    server = ServerSettings(port=0, public_url=PUBLIC, link_misses_per_minute=5)
    settings = settings_for(sandbox, urls).model_copy(update={"server": server})
    async with (
        Bot(settings, clock, bell=False) as bot,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http,
    ):
        app = sandbox.world.app
        app.callback_url = f"{bot.url}/callback"
        sandbox.world.put_app(app)
        await read_company_of(bot, "poll_directory")
        yield Phone(Company(sandbox, bot), http)


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_a_customer_fills_in_a_form_corrects_it_and_nobody_else_can(phone: Phone) -> None:
    company, bot = phone.company, phone.company.bot
    now = bot.clock.now()
    mine = company.followers[0]
    await bot.db.write(add_contact, now, "wm1", mine, name="小鱼")
    await bot.db.write(fields.add_definition, FieldDefinition(name="tea", kind=FieldKind.TEXT), now)
    form = await bot.db.write(make_form, FORM, "test", now)

    page = await phone.open(external_userid="wm1")
    assert escape(HOSTILE) in page.replace("&#39;", "&#x27;")
    assert "公历（阳历）" in page
    assert "Solar calendar" in await phone.open("/f/tea?lang=en", external_userid="wm1")
    # What is wrong is told beside it, and nothing that was filled in is lost.
    status, again = await phone.send(page, {"a.said": "好茶", "a.birthday.month": "2", "a.birthday.day": "30"})
    assert status == 422
    assert 'id="wrong-birthday"' in again
    assert "好茶" in again
    assert await company.read(form_answers.list_of_customer, "wm1", 9) == []

    for _ in range(2):
        status, location = await phone.send(again, ANSWERS)
        assert (status, location) == (303, "/f/tea?known=1&sent=1")
    assert "谢谢您！" in words((await phone.get(location))[1])
    assert await company.read(fields.get_values, "wm1") == {
        "birthday": {"calendar": "lunar", "month": 8, "day": 15, "leap_month": False, "year": None}, "tea": HOSTILE,
    }  # fmt: skip
    page = await phone.open(external_userid="wm1")
    assert "填写过，可以修改后重新提交" in words(page)
    assert '<option value="8" selected>' in page
    assert (await phone.send(page, {**ANSWERS, "a.tea": "绿茶"}))[0] == 303
    assert len(await company.read(form_answers.list_answers, form.id or 0, 9)) == 2

    # Only from the page itself, and only by who has opened it.
    assert (await phone.send(page, ANSWERS, Sec_Fetch_Site="cross-site"))[0] == 403
    assert (await phone.send(page.replace(hidden(page)["csrf"], "0" * 64), ANSWERS))[0] == 403
    other = Phone(company, phone.http)
    assert (await other.send(page, ANSWERS))[0] == 403
    _, location = await phone.get("/f/tea")
    assert (await other.back(parse_qs(urlsplit(location).query)["state"][0], external_userid="wm1"))[0] == 400
    signed = phone.cookies["__Host-siyu_visit"]
    phone.cookies["__Host-siyu_visit"] = signed[:-1] + ("0" if signed[-1] != "0" else "1")
    assert (await phone.get("/f/tea?known=1"))[0] == 302
    phone.cookies["__Host-siyu_visit"] = signed
    bot.clock.advance(VISIT_LIFE + timedelta(minutes=1))
    assert (await phone.send(page, ANSWERS))[0] == 403, "its time is over"

    # Who is no customer, or not known yet; a member sees it and cannot send it.
    assert "只给我们的客户" in words((await other.come())[1])
    status, location = await other.come(external_userid="wmNew")
    assert (status, "一分钟后再打开" in words((await other.get(location))[1])) == (302, True)
    page = await other.open(userid=mine)
    assert "您是公司成员" in words(page)
    assert (await other.send(page, ANSWERS))[0] == 400

    page = await phone.open(external_userid="wm1")
    await bot.db.write(change_form, form.id or 0, {"version": 1, "title": "新"})
    status, changed = await phone.send(page, {**ANSWERS, "a.said": "没丢"})
    assert (status, "刚刚更新过" in words(changed), "没丢" in changed) == (409, True, True)
    assert (await phone.send(changed, {**ANSWERS, "a.agree": "yes"}))[0] == 303
    wanted = await company.read(preferences.find_rule, "wm1")
    assert wanted is not None
    assert wanted.opted_out
    await bot.db.write(rows.close_form, form.id or 0, now)
    status, closed = await phone.send(page, ANSWERS)
    assert (status, "表单已关闭" in words(closed)) == (410, True)
    # Strangers who try what there is not have to wait.
    names = ("none", "None", "n%00", *"abcdefgh")
    found = [(await other.get(f"/f/{name}", X_Forwarded_For="203.0.113.7"))[0] for name in names]
    assert (found[:3], found[-1]) == ([404] * 3, 429)


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_an_answer_puts_tags_on_tells_the_staff_and_a_correction_takes_tags_off(phone: Phone) -> None:
    company, bot = phone.company, phone.company.bot
    await read_company_of(bot, "poll_tags", "poll_channels")
    green, black, *_ = company.tag_ids
    choices = [{"text": "绿茶", "tag_ids": [green]}, {"text": "红茶", "tag_ids": [black]}]
    asked = {**FORM, "questions": [{"key": "tea", "ask": "choice", "title": "口味", "choices": choices}]}
    form = await bot.db.write(make_form, {**asked, "tells_staff": True}, "test", bot.clock.now())
    added = company.scan()
    await company.settle()
    userid, whom = added.follow.userid, added.follow.external_userid

    async def answer(tea: str) -> None:
        page = await phone.open(external_userid=whom)
        assert (await phone.send(page, {"a.tea": tea}))[0] == 303

    def on() -> set[str]:
        follow = company.world.customers.find_follow(userid, whom)
        assert follow is not None
        return {green, black} & set(follow.tag_ids)

    await answer("绿茶")
    assert await follow_up_answers(bot.context) == 1
    assert on() == {green}
    # Corrected twice before anything follows: what comes last holds, and is told once.
    await answer("红茶")
    await answer("绿茶")
    await answer("红茶")
    assert await follow_up_answers(bot.context) == 1
    assert await follow_up_answers(bot.context) == 0
    assert on() == {black}
    rows_found = await company.read(form_answers.list_answers, form.id or 0, 9)
    assert [each["outcome"] for each in rows_found] == [
        {"put_on": {userid: [black]}, "taken_off": {userid: [green]}, "told": [userid], "error": ""}, None, None,
        {"put_on": {userid: [green]}, "told": [userid], "error": ""},
    ]  # fmt: skip
    alerts = [each for each in await company.alerts() if each.kind == "form_answered"]
    assert [(each.userid, each.external_userid) for each in alerts] == [(userid, whom)] * 2
    assert "口味：红茶" in alerts[-1].words + alerts[0].words
