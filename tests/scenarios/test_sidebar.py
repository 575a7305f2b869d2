"""Beside a chat, over HTTP on the running bot: by way of WeCom, one's own customers alone, everything written down."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, quote, urlencode, urlsplit

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from sqlmodel import Session

from bot import visitors
from bot.app import Bot
from bot.clock import Clock
from bot.config import JourneysSettings, ServerSettings
from bot.console import jssdk
from bot.console.sidebar_web import ROUTES
from bot.picture_addresses import _fetch
from bot.sandbox.jssdk import signature
from bot.sandbox.server import Sandbox
from data.models import CustomerGroup, FieldDefinition, GroupMember, Media, Order, Role, Touch
from data.queries import audit, preferences, scripts
from data.queries import notes as note_rows
from data.queries import staff_tasks as task_rows
from data.queries.staff import get_card
from data.rules.messages import MessageContent, MissingMediaError
from data.rules.scripts import Script
from tests.conftest import Urls
from tests.console import Browser, fields_of, sign_in
from tests.facts import settle
from tests.scenarios.conftest import Company, read_company_of, settings_for
from tests.staff_tasks import add_contact, add_journey, add_task

PUBLIC = "http://bot.example.com"
HOSTILE = "<script>alert('x')</script>{{7*7}}\u202e" + "长" * 60
FRAMES = "https://desk.example.com"


@pytest.fixture
async def company(
    sandbox: Sandbox, urls: Urls, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Company]:
    monkeypatch.setattr(visitors, "ASK_SECONDS", 30.0)
    monkeypatch.setattr(jssdk, "ASK_SECONDS", 30.0)
    server = ServerSettings(port=0, public_url=PUBLIC, link_misses_per_minute=0)
    settings = settings_for(sandbox, urls)
    wecom = settings.wecom.model_copy(update={"frame_origins": (FRAMES,)})
    journeys = JourneysSettings(webhook_private=True)
    async with Bot(
        settings.model_copy(update={"server": server, "wecom": wecom, "journeys": journeys}), clock, bell=False
    ) as bot:
        await read_company_of(bot, "poll_directory", "poll_tags", "poll_channels")
        yield Company(sandbox, bot)


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield http


def fill(session: Session, company: Company) -> None:
    """A customer of the first member with all that a sidebar shows, and one of the second's."""
    now = company.bot.clock.now()
    mine, other, *_ = company.followers
    add_journey(session, now)
    add_contact(session, now, "wm_mine", mine, name=HOSTILE, state="store_poster")
    add_contact(session, now, "wm_other", other, name="王芳")
    link = {"msgtype": "link", "link": {"title": "春茶", "url": "https://shop.example/?a=1&b=2"}}
    content = {"text": "早上好 <b>小鱼</b>", "attachments": [link]}
    add_task(session, now, mine, "wm_mine", id=1, content=content, hint="<i>")
    add_task(session, now, mine, "wm_mine", id=2)
    add_task(session, now, other, "wm_other", id=3)
    session.add(FieldDefinition(name="score", title="积分", kind="number", created_at=now))
    before = now - timedelta(days=40)
    session.add(Touch(origin="x:1", kind="broadcast", external_userid="wm_mine", userid=mine, touched_at=before))
    waiting: dict[str, Any] = {
        "status": "paid",
        "amount_fen": 12_345,
        "placed_at": now,
        "received_at": now,
        "changed_at": now,
    }
    for source, number in (("shop", "A1"), ("shop", "A2"), ("store", "A2")):
        session.add(Order(source=source, number=number, waits_because="no_clue", **waiting))
    session.add(Order(source="shop", number="A3", external_userid="wm_other", matched_by="claim", **waiting))
    words = MessageContent.model_validate({"text": "{{ customer_name }}，不贵的 <b>（{{ department_name }}）"})
    for title, category in (("嫌贵", "异议"), ("发货", "物流")):
        scripts.save_script(session, Script(title=title, category=category, content=words), now)
    for chat_id, members in (("wr_mine", (mine, "wm_mine", "wm_other")), ("wr_other", (other, "wm_other"))):
        session.add(CustomerGroup(chat_id=chat_id, name=f"{HOSTILE}{chat_id}", owner=other, created_at=now))
        for each in members:
            session.add(
                GroupMember(chat_id=chat_id, userid=each, type=2 if each.startswith("wm") else 1, joined_at=now)
            )
    settle(session)


async def enter(company: Company, browser: Browser, path: str, **who: str) -> str:
    """By way of WeCom, as somebody; where they arrive."""
    if not path.startswith("/sidebar/enter"):
        asked = await browser.get(path)
        assert (asked.status, urlsplit(asked.location).path) == (302, "/sidebar/enter")
        path = asked.location
    away = await browser.get(path)
    query = parse_qs(urlsplit(away.location).query)
    assert query["redirect_uri"] == [f"{PUBLIC}/sidebar/back"]
    machine = company.sandbox.machine
    code = machine.logins.issue(machine.world.clock.timestamp(), **who)
    back = await browser.get(f"/sidebar/back?{urlencode({'code': code, 'state': query['state'][0]})}")
    return back.location or str(back.status)


async def test_a_member_works_beside_the_chats_of_their_own_customers(
    company: Company, http: aiohttp.ClientSession
) -> None:
    bot, (mine, other, *_) = company.bot, company.followers
    await bot.db.write(fill, company)
    base = "/sidebar/customers/wm_mine"

    # The way in is WeCom's; it leads to whom one was going to.
    browser = Browser(bot, http)
    assert await enter(company, browser, f"{base}/orders?lang=en", userid=mine) == f"{base}?lang=en"
    for going in ("https://evil.example/sidebar/customers/x", "/sidebar/customers/a@b", "//evil.example", "/sidebarx"):
        way = f"/sidebar/enter?next={quote(going, safe='')}"
        assert await enter(company, Browser(bot, http), way, userid=mine) == "/sidebar"
    assert await enter(company, Browser(bot, http), base, external_userid="wm_mine") == "403"
    assert (await browser.get("/sidebar?external_userid=wm_mine")).location == base
    boss = await sign_in(bot, http, Role.ADMIN)
    assert (await boss.get(base)).status == 302, "an account without a member has nobody's chats"

    # Nothing of it may be framed by others, and one script alone comes from elsewhere.
    page = await browser.get(base)
    policy = page.headers["Content-Security-Policy"]
    assert f"script-src 'self' {bot.settings.wecom.jssdk_url};" in policy
    assert f"frame-ancestors 'self' https://work.weixin.qq.com https://*.work.weixin.qq.com {FRAMES}" in policy
    assert "unsafe" not in policy
    assert "X-Frame-Options" not in page.headers
    assert page.status == 200
    for words in ("早上好 <b>小鱼</b>", "您好，wm_mine", "新客 7 天", "门店海报", "还没有跟进记录", "群发"):
        assert words in page.text, words
    for path in ("", "/scripts", "/orders", "/timeline", "/profile"):
        shown = await browser.get(base + path)
        assert (shown.status, "<script>alert" in shown.page, "{{7*7}}" in shown.page) == (200, False, True), path
        part = await browser.get(base + path, HX_Request="true")
        assert part.page.strip() in shown.page or len(part.page) < len(shown.page)
        assert "<html" not in part.page
    assert HOSTILE[:20] in (await browser.get("/sidebar")).text

    # Of other members' customers there is nothing, whatever is asked or sent.
    for route in ROUTES:
        if "{external_userid" in route.path:
            path = route.path.replace("{external_userid:[^/]{1,64}}", "wm_other").replace("{id:[0-9]{1,18}}", "1")
            path = path.replace("{act:done|later|refuse}", "done")
            assert "{" not in path
            form = {"userid": other, "tag": "x", "words": "x", "number": "A1", "why": "x"}
            answer = await (browser.get(path) if route.method == "GET" else browser.post(path, form))
            assert (answer.status, "王芳" in answer.text) == (404, False), path
    for more in ({}, {"HX_Request": "true"}):
        unknown = await browser.get("/sidebar/customers/wm_nobody", **more)
        assert (unknown.status, "要等几秒" in unknown.text, "请从客户列表" in unknown.text) == (404, True, False)
    assert (await Browser(bot, http, dict(browser.cookies)).post(f"{base}/notes", {"words": "x"})).status == 403

    await check_words(bot, browser, base, mine)
    await check_work(company, browser, base, mine)
    await check_signatures(company, browser)
    await check_group(browser)
    await check_pictures(bot, http)
    await check_addresses(company, browser, base)


async def check_words(bot: Bot, browser: Browser, base: str, mine: str) -> None:
    """Notes, the next contact, fields and wishes: kept, shown, and written down."""
    today = bot.clock.now().astimezone(bot.settings.zone).date()
    noted = {"userid": mine, "words": "想看春茶\n" + HOSTILE[:40], "on": today.isoformat()}
    assert (await browser.post(f"{base}/notes", noted)).location == f"{base}?said=saved"
    page = await browser.get(base)
    assert "想看春茶" in page.text
    assert f"下次联系：{today}" in page.text
    wrong = await browser.post(f"{base}/notes", {**noted, "on": (today - timedelta(days=1)).isoformat()})
    assert (wrong.status, "已经过去" in wrong.text, "想看春茶" in wrong.page) == (400, True, True)
    assert len(await bot.db.read(note_rows.list_notes, "wm_mine")) == 1, "both are kept, or none"
    listed = await browser.get("/staff/today")
    assert ("约好今天联系" in listed.text, f"约在 {today}" in listed.text) == (True, True)
    assert "到了约好联系的日子" in (await browser.get("/console")).text
    assert "想看春茶" in (await browser.get("/console/customers/wm_mine")).text
    form = {"csrf": browser.csrf, "userid": mine}
    later = await browser.ask("POST", "/staff/contacts/wm_mine/later", list(form.items()))
    assert "已改到明天" in (await browser.get(later.location)).text
    assert (await browser.post(f"{base}/contacted", {"userid": mine})).status == 303
    assert "有和" not in (await browser.get(base)).text
    gone = await browser.ask("POST", "/staff/contacts/wm_mine/done", list(form.items()))
    assert "它不是您的" in (await browser.get(gone.location)).text
    kinds = (await browser.get(f"{base}/timeline")).text
    for words in ("跟进记录", "已按约联系", "成为好友", "为什么收到"):
        assert words in kinds, words
    assert (await browser.post(f"{base}/notes/1/remove")).location == f"{base}?said=saved"

    faulty = await browser.post(f"{base}/fields", {"field.score": "x", "birthday.month": "2", "tab": "profile"})
    assert (faulty.status, "生日和自定义字段" in faulty.text, 'value="x"' in faulty.page) == (400, True, True)
    kept = {"field.score": "7.5", "birthday.month": "2", "birthday.day": "3", "tab": "profile"}
    assert (await browser.post(f"{base}/fields", kept)).location == f"{base}/profile?said=saved"
    assert dict(fields_of((await browser.get(f"{base}/profile")).page))["field.score"] == "7.5"
    assert (await browser.post(f"{base}/preference", {"opted_out": "yes", "tab": "profile"})).status == 303
    wish = await bot.db.read(preferences.find_rule, "wm_mine")
    assert wish is not None
    assert wish.opted_out
    assert "客户不希望再收到消息" in (await browser.get(f"{base}/orders")).text
    assert (await browser.post(f"{base}/preference", {"tab": "profile"})).status == 303


async def check_work(company: Company, browser: Browser, base: str, mine: str) -> None:
    """Today's words, scripts, an order: done once, by whose they are."""
    bot = company.bot
    assert (await browser.post(f"{base}/tasks/1/refuse", {"why": " "})).status == 400
    assert (await browser.post(f"{base}/tasks/1/later", {"until": "tomorrow"})).location == f"{base}?said=saved"
    assert "再提醒" in (await browser.get(base)).text
    assert (await browser.post(f"{base}/tasks/1/done")).status == 303
    assert (await browser.post(f"{base}/tasks/2/refuse", {"why": "刚买过"})).status == 303
    assert (await browser.post(f"{base}/tasks/2/done")).status == 400
    assert (await browser.post(f"{base}/tasks/3/done")).status == 404
    assert {each.id: each.status for each in await bot.db.read(task_rows.list_tasks)} == {
        1: "done", 2: "refused", 3: "open",
    }  # fmt: skip

    found = await browser.get(f"{base}/scripts?q={quote('嫌贵')}")
    assert ("嫌贵" in found.text, "发货" in found.text) == (True, False)
    assert f"{HOSTILE[:10]}" in found.text
    card = await bot.db.read(get_card, mine)
    assert card.department_name
    assert f"，不贵的 <b>（{card.department_name}）" in found.text
    assert "发货" in (await browser.get(f"{base}/scripts?category={quote('物流')}")).text
    for _ in range(2):
        assert (await browser.post(f"{base}/scripts/1/used")).status == 204
    assert (await browser.post(f"{base}/scripts/99/used")).status == 404
    today = bot.clock.now().astimezone(bot.settings.zone).date()
    uses = await bot.db.read(lambda session: scripts.list_uses(session, today))
    assert [(each.title, each.userid, each.uses) for each in uses] == [("嫌贵", mine, 2)]
    assert (await browser.post(f"{base}/scripts/2/favourite", {"wanted": "yes"})).location == f"{base}/scripts"
    assert "已收藏" in (await browser.get(f"{base}/scripts")).text

    for number, words in (("", "请填订单号"), ("A3", "没有等待认领"), ("A9", "没有等待认领"), ("A2", "shop、store")):
        refused = await browser.post(f"{base}/orders", {"number": number})
        assert (refused.status, words in refused.text) == (400, True), number
    assert (await browser.post(f"{base}/orders", {"number": "A2", "source": "store"})).location == (
        f"{base}/orders?said=saved"
    )
    assert "¥123.45" in (await browser.get(f"{base}/orders")).text

    happened = (await browser.get(f"{base}/timeline")).text
    assert ("改了愿意收到什么" in happened, "customers." in happened, "tasks." in happened) == (True, False, False)
    entries = await bot.db.read(lambda session: audit.list_entries(session, limit=20))
    assert [each.action for each in entries] == [
        "customers.claim_order", "scripts.favourite", "tasks.refuse", "tasks.done", "tasks.later",
        "customers.preference", "customers.preference", "customers.fields", "customers.note_remove",
        "customers.contacted", "customers.next_contact", "customers.note",
    ]  # fmt: skip
    before, after = [each.before or {} for each in entries], [each.after or {} for each in entries]
    assert (before[0], after[0]["number"]) == ({"external_userid": None}, "A2")
    assert (before[2]["status"], after[2]["status"], after[2]["why"]) == (
        "open", "refused", "刚买过",
    )  # fmt: skip
    assert (before[8]["words"][:4], entries[8].after) == ("想看春茶", None)
    assert {each.external_userid for each in entries if each.action != "scripts.favourite"} == {"wm_mine"}
    assert all(each.account_id is not None for each in entries)


async def check_signatures(company: Company, browser: Browser) -> None:
    """Pages of ours are signed with WeCom's own tickets, and no others."""
    url = f"{PUBLIC}/sidebar/customers/wm_mine?said=saved"
    signed = await browser.get(f"/sidebar/signature?url={quote(url + '#orders', safe='')}")
    assert signed.status == 200, signed.text
    told, machine = json.loads(signed.page), company.sandbox.machine
    now = machine.world.clock.timestamp()
    for name, holder in (("corp", "corp"), ("app", f"agent:{machine.world.app.agentid}")):
        ticket, _ = machine.logins.ticket(holder, now, 7200)
        assert told[name]["signature"] == signature(ticket, told[name], url), name
    asked = company.calls("ticket/get") + company.calls("get_jsapi_ticket")
    assert (await browser.get(f"/sidebar/signature?url={quote(f'{PUBLIC}/staff/today', safe='')}")).status == 200
    assert company.calls("ticket/get") + company.calls("get_jsapi_ticket") == asked, "tickets are kept"
    for other in (
        "", "https://evil.example/sidebar", f"{PUBLIC}.evil.example/sidebar", f"{PUBLIC}/console", f"{PUBLIC}/sidebars",
        f"{PUBLIC}/sidebar/../console", f"{PUBLIC}/sidebar\\..", "https://bot.example.com/sidebar", "/sidebar",
        f"{PUBLIC}/sidebar?{'x' * 3000}",
    ):  # fmt: skip
        refused = await browser.get(f"/sidebar/signature?url={quote(other, safe='')}")
        assert (refused.status, "signature" in refused.page) == (400, False), other
    assert (await Browser(company.bot, browser.http).get("/sidebar/signature?url=x")).status == 302


async def check_group(browser: Browser) -> None:
    """A group that one is in is shown, with one's own customers alone; another's is not."""
    page = await browser.get("/sidebar/groups/wr_mine")
    assert (page.status, "<script>alert" in page.page, "{{7*7}}" in page.page) == (200, False, True)
    assert "/sidebar/customers/wm_mine" in page.page
    assert ("王芳" in page.text, "wm_other" in page.page) == (False, False)
    for chat_id in ("wr_other", "wr_nothing"):
        assert (await browser.get(f"/sidebar/groups/{chat_id}")).status == 404
    assert (await browser.get("/sidebar?chat_id=wr_x")).location == "/sidebar/groups/wr_x"


async def check_pictures(bot: Bot, http: aiohttp.ClientSession) -> None:
    """WeCom, which signs in nowhere, is given pictures by their keys, and nothing else of the library."""

    def fill(session: Session) -> None:
        for key, kind, content in (
            ("a", "image", b"\x89PNG\r\n\x1a\n1"),
            ("b", "image", b"<svg>"),
            ("c", "file", b"\x89PNG\r\n\x1a\n2"),
        ):
            session.add(Media(sha256=key * 64, kind=kind, filename=kind, content=content, size_bytes=5,
                              added_at=bot.clock.now()))  # fmt: skip

    await bot.db.write(fill)
    for key, status in (("a" * 64, 200), ("b" * 64, 404), ("c" * 64, 404), ("d" * 64, 404), ("a" * 63, 404)):
        async with http.get(f"{bot.url}/sidebar/pictures/{key}", allow_redirects=False) as answer:
            assert answer.status == status, key
            if status == 200:
                assert (answer.content_type, await answer.read()) == ("image/png", b"\x89PNG\r\n\x1a\n1")
                assert answer.headers["X-Content-Type-Options"] == "nosniff"


async def check_addresses(company: Company, browser: Browser, base: str) -> None:
    """A picture that a script names by an address goes into the chat; what does not says why, and what to do."""
    bot, picture, asked = company.bot, b"\x89PNG\r\n\x1a\n" + b"0" * 20, list[str]()

    async def give(request: web.Request) -> web.Response:
        asked.append(request.path)
        if request.path == "/moved":
            raise web.HTTPFound("/picture")
        if request.path == "/gone":
            raise web.HTTPNotFound
        if request.path == "/round":
            raise web.HTTPFound("/round")
        return web.Response(body=picture if request.path == "/picture" else b"GIF89a" + b"0" * 20)

    app = web.Application()
    app.router.add_get("/{name}", give)
    async with TestServer(app) as server:
        addresses = [str(server.make_url(path)) for path in ("/moved", "/gone", "/round", "/gif")]
        shown = [{"msgtype": "image", "image": {"pic_url": each}} for each in [*addresses, "http://127.0.0.1:1/x"]]
        content = MessageContent.model_validate({"text": "看图", "attachments": shown})
        await bot.db.write(
            lambda session: scripts.save_script(session, Script(title="图", content=content), bot.clock.now())
        )
        page = await browser.get(f"{base}/scripts?q={quote('图')}")
        assert page.page.count('data-of="script-3"') == len(shown)

        async def take(address: str, of: str = "script-3") -> tuple[int, dict[str, str]]:
            answer = await browser.post("/sidebar/media", {"kind": "image", "media": address, "of": of})
            return answer.status, json.loads(answer.page)

        status, told = await take(addresses[0])
        assert (status, (await take(addresses[0]))[1], asked) == (200, told, ["/moved", "/picture"])
        kept = company.sandbox.world.media.find(told["media_id"])
        assert kept is not None
        assert company.sandbox.world.media.data(told["media_id"]) == picture
        for address, why in (
            (addresses[1], "HTTP 404"), (addresses[2], "转到别处"), (addresses[3], "JPG 或 PNG"),
            ("http://127.0.0.1:1/x", "打不开"),
        ):  # fmt: skip
            status, told = await take(address)
            assert (status, why in told["error"], "素材库" in told["error"]) == (409, True, True), told
        # nobody has the bot open what no script names, nor what only its own machine reaches
        for of in ("script-1", "script-99", "task-1", "x"):
            assert (await take(addresses[0], of))[0] == 409
        assert (await take(str(server.make_url("/other"))))[0] == 409
        with pytest.raises(MissingMediaError, match="公网"):
            await _fetch(addresses[0], private=False)
        with pytest.raises(MissingMediaError, match="打不开"):
            await _fetch(addresses[0].replace("127.0.0.1", "siyu.invalid"), private=False)
    assert asked == ["/moved", "/picture", "/gone", "/round", "/round", "/round", "/round", "/gif"]


def test_a_page_is_signed_as_wecom_says() -> None:
    """The vector of WeCom's own page (doc 90506)."""
    from bot.wecom.jsapi import JsApi

    ticket = "sM4AOVdWfPE4DxkXGEs8VMCPGGVi4C3VM0P37wVUCFvkVAy_90u5h9nbSlYy3-Sl-HhTdfl2fzFy1AOcHKP7qg"
    nonce, at, url = "Wm3WZYTPz0wzccnW", "1414587457", "http://mp.weixin.qq.com?params=value"
    wanted = "0f9de62fce790f9a083d5c99e95740ceb90c27ed"
    assert JsApi().get_jsapi_signature(nonce, ticket, at, url) == wanted
    assert signature(ticket, {"nonceStr": nonce, "timestamp": at}, url) == wanted
