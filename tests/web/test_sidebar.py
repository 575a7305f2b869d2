"""Beside a chat in a real Chromium at the size of a phone: WeCom's part is played by the phone page of the local WeCom,
which checks the page's signature, knows the chat and puts into it what is sent."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser as Chromium
from playwright.async_api import Page, Request, expect
from sqlmodel import Session

from bot.app import Bot
from bot.console.sidebar import TABS
from bot.sandbox.phone import phone_routes
from bot.sandbox.records import Member
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from data.models import Media
from data.queries import notes as note_rows
from data.queries import scripts
from data.queries import staff_tasks as task_rows
from data.rules.messages import MessageContent
from data.rules.scripts import Script
from tests.sandbox.test_jssdk import mutual
from tests.staff_tasks import add_contact, add_journey, add_task
from tests.web.conftest import OpenPhone, Phone, check_width, shoot
from tests.web.test_console import AXE, VIOLATIONS

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("urls", ["sqlite"], indirect=True),
]
NAME = "小鱼<img src=x onerror=alert(1)>{{7*7}}\u202e" + "长" * 60
MINI = {"appid": "wx0123456789abcdef", "title": "春茶上新", "page": "pages/spring?from=chat"}
PICTURE = b"\x89PNG\r\n\x1a\n"
COVER = hashlib.sha256(PICTURE).hexdigest()
WORDS = "早上好 <b>小鱼</b>，\n上次您看的春茶到货了。"
#: Compressed, all files beside the page with it.
WEIGHT_MAX = 100_000


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(World(), more_routes=phone_routes()) as sandbox:
        yield sandbox


def fill(session: Session, bot: Bot, userid: str, *whom: str) -> None:
    now = bot.clock.now()
    add_journey(session, now)
    for external_userid in whom:
        add_contact(session, now, external_userid, userid, name=NAME)
    add_task(session, now, userid, whom[0], id=1, content={"text": WORDS})
    content = MessageContent.model_validate(
        {
            "text": "您好 {{ customer_name }}，不贵",
            "attachments": [
                {"msgtype": "link", "link": {"title": "春茶", "url": f"https://shop.example.com/{'spring' * 20}"}},
                {"msgtype": "miniprogram", "miniprogram": {**MINI, "pic_media": COVER}},
                {"msgtype": "image", "image": {"pic_url": "http://10.0.0.1/x.png"}},
            ],
        }
    )
    session.add(Media(sha256=COVER, kind="image", filename="c.png", content=PICTURE, size_bytes=8, added_at=now))
    scripts.save_script(session, Script(title="嫌贵" + "长" * 50, category="异议", content=content), now)
    note_rows.add_note(session, userid, whom[0], "x" * 300 + "\n" + NAME, now)
    note_rows.set_next_contact(session, userid, whom[0], bot.clock.now().date(), now)
    note_rows.set_next_contact(session, userid, whom[1], date(2020, 1, 1), now)


async def open_chat(phone: Phone, member: Member, whom: str) -> Page:
    """The member's phone, with the chat of a customer open."""
    page = phone.page
    players = json.dumps({"userid": member.userid, "staffName": member.name})
    await page.add_init_script(f"sessionStorage.setItem('players', {json.dumps(players)})")
    await phone.open()
    await page.click('[data-tab="staff"]')
    await page.click(f'#staff .row[data-external="{whom}"]')
    await page.click("#staff .profile-buttons >> text=发消息")
    return page


@pytest.mark.slow
async def test_words_go_into_the_chat_with_one_tap_and_to_nobody_else(
    sandbox: Sandbox, real_bot: Bot, open_phone: OpenPhone
) -> None:
    member = sandbox.world.population.service[0]
    mine, other, *_ = mutual(sandbox.world, member.userid)
    await real_bot.db.write(fill, real_bot, member.userid, mine, other)
    written = len(sandbox.world.chats.written(member.userid, mine))
    phone: Phone = await open_phone(sandbox, width=390, height=844)
    page = await open_chat(phone, member, mine)
    await page.click("#staff .nav-sidebar")
    beside = page.frame_locator("#staff iframe.panel")
    await expect(beside.locator("h1")).to_have_text(NAME)
    await shoot(page, "sidebar-panel")

    # Today's words: sent and done with one tap.
    await beside.locator("[data-send='words-1']").click()
    await expect(beside.locator("#said")).to_have_text("已保存。")
    assert {each.id: each.status for each in await real_bot.db.read(task_rows.list_tasks)} == {1: "done"}

    # A script is found while one types, sent with its link, and counted.
    await beside.get_by_role("link", name="话术").click()
    await beside.locator("#q").press_sequentially("退款")
    await expect(beside.locator("#scripts article")).to_have_count(0)
    await beside.locator("#q").fill("嫌贵")
    await expect(beside.locator("#scripts article")).to_have_count(1)
    await beside.locator("[data-send='text-1']").click()
    await expect(beside.locator("#state")).to_have_text("已发送")
    for kind in ("link", "mini"):
        await beside.locator(f"[data-send-{kind}]").click()
        await expect(beside.locator(f"[data-send-{kind}]")).to_be_enabled()
    # What cannot be sent says why, and what to do.
    await beside.locator("[data-send-media]").click()
    await expect(beside.locator("#state")).to_contain_text("不是公网地址")
    await expect(beside.locator("#state")).to_contain_text("素材库")
    await page.click("#staff .nav-button")
    await expect(page.locator("#staff .message.mine[data-type=link]")).to_have_count(1)
    await expect(page.locator("#staff .message.mine[data-type=miniprogram]")).to_have_count(1)
    sent = sandbox.world.chats.written(member.userid, mine)[-1].content
    assert (sent["page"], sent["picurl"]) == ("pages/spring.html?from=chat", f"{real_bot.url}/sidebar/pictures/{COVER}")
    cover = await page.context.request.get(sent["picurl"])
    assert (cover.status, cover.headers["content-type"], await cover.body()) == (200, "image/png", PICTURE)
    assert (await page.context.request.get(f"{real_bot.url}/sidebar/pictures/{'0' * 64}")).status == 404
    said = [await each.inner_text() for each in await page.locator("#staff .message.mine .bubble").all()]
    assert said[-2] == WORDS
    assert said[-1].startswith(f"您好 {NAME[:40]}")
    uses = await real_bot.db.read(lambda session: scripts.list_uses(session, date(2020, 1, 1)))
    assert [(each.userid, each.uses) for each in uses] == [(member.userid, 1)]

    # The page of another customer sends nothing into this chat, also when the chat was changed behind its back.
    await page.click("#staff .nav-sidebar")
    await expect(beside.locator("h1")).to_have_text(NAME)
    frame = next(each for each in page.frames if "/sidebar" in each.url)
    await beside.get_by_role("link", name="话术").click()
    await expect(beside.locator("[data-send='text-1']")).to_be_visible()
    await frame.evaluate("document.querySelector('[data-customer]').dataset.customer = 'wm_another'")
    await beside.locator("[data-send='text-1']").click()
    await expect(beside.locator("#state")).to_have_text("聊天已换成另一位客户，没有发送。")
    await expect(beside.locator("[data-send='text-1']")).to_be_hidden()
    assert len(sandbox.world.chats.written(member.userid, mine)) == written + 4
    await frame.goto(f"{real_bot.url}/sidebar/customers/{other}/scripts")
    await expect(beside.locator(".other")).to_be_visible()
    await expect(beside.locator("[data-send='text-1']")).to_be_hidden()
    await beside.locator(".other a").click()
    await expect(beside.locator("[data-customer]")).to_have_attribute("data-customer", mine)

    # From the list of the day the chat is one tap away.
    await page.click("#staff .nav-button")
    await page.click("#staff .nav-button")
    await page.click("#staff .nav-button")
    await page.click("#staff .nav-today")
    await beside.locator(f"#due [data-chat='{other}']").click()
    await page.wait_for_selector("#staff .composer")
    assert [each for each in phone.console if "favicon" not in each and "409" not in each] == []
    assert all(url.startswith((real_bot.url, sandbox.url, "data:")) for url in phone.requests)

    await check_pages(page, real_bot, mine)
    await check_without_scripts(page, real_bot, mine, other)


async def check_pages(page: Page, bot: Bot, whom: str) -> None:
    """Each page by itself, where no WeCom answers: nothing for axe to find, nothing sticks out, all of it is light."""
    chromium = page.context.browser
    assert chromium is not None
    for scheme, language in (("light", "zh"), ("dark", "en")):
        context = await chromium.new_context(
            viewport={"width": 390, "height": 844}, color_scheme=scheme,  # type: ignore[arg-type]
            storage_state=await page.context.storage_state(), locale="zh-CN",
        )  # fmt: skip
        fresh, base = await context.new_page(), f"{bot.url}/sidebar/customers/{whom}"
        if language == "zh":
            assert 10_000 < await weigh(fresh, base) < WEIGHT_MAX
        paths = [base, *(f"{base}/{tab}" for tab in TABS), f"{bot.url}/sidebar"]
        for path in paths if language == "zh" else paths[:2]:
            answer = await fresh.goto(f"{path}?lang={language}")
            assert answer is not None
            assert answer.status == 200, path
            await fresh.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
            await check_width(fresh)
            await fresh.evaluate(AXE.read_text("utf-8"))
            assert await fresh.evaluate(VIOLATIONS) == [], path
            await shoot(fresh, f"sidebar_{Path(path).name[:12]}_{language}")
        await context.close()


async def weigh(page: Page, address: str) -> int:
    """How many bytes come of a page with everything beside it, WeCom's script excepted."""
    asked: list[Request] = []
    page.on("requestfinished", lambda request: asked.append(request))
    await page.goto(address)
    await page.wait_for_load_state("networkidle")
    return sum([(await each.sizes())["responseBodySize"] for each in asked if "/sandbox/" not in each.url])


async def check_without_scripts(page: Page, bot: Bot, mine: str, other: str) -> None:
    """By links and forms alone."""
    chromium: Chromium | None = page.context.browser
    assert chromium is not None
    plain = await chromium.new_context(
        java_script_enabled=False, storage_state=await page.context.storage_state(), locale="zh-CN"
    )
    page = await plain.new_page()
    await page.goto(f"{bot.url}/sidebar?external_userid={other}")
    await expect(page.locator("[data-send]")).to_have_count(0)
    await page.fill("#words", "没有脚本也能记")
    await page.click("text=记下")
    await expect(page.locator("#said")).to_have_text("已保存。")
    assert [each.words for each in await bot.db.read(note_rows.list_notes, other)] == ["没有脚本也能记"]
    await page.click(".beside-tabs >> text=话术")
    await page.fill("#q", "嫌贵")
    await page.click("text=搜索")
    await page.wait_for_url(lambda url: "q=" in url)
    await expect(page.locator("#scripts article")).to_have_count(1)
    await expect(page.locator("[data-send='text-1']")).to_be_hidden()
    assert mine not in page.url
    await plain.close()
