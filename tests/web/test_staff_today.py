"""The list of the day in a real browser, opened from the local WeCom's phone page, at the size of a phone."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import expect
from sqlmodel import Session

from bot.app import Bot
from bot.sandbox.phone import phone_routes
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from data.queries import staff_tasks as rows
from tests.staff_tasks import add_contact, add_journey, add_task
from tests.web.conftest import OpenPhone, Phone, check_width, shoot

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("urls", ["sqlite"], indirect=True),
]
NAME = "小鱼<img src=x onerror=alert(1)>"
WORDS = "早上好，我是李婷。\n上次您看的春茶到货了，要给您留一份吗？"


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(World(), more_routes=phone_routes()) as sandbox:
        yield sandbox


def fill(session: Session, bot: Bot, userid: str) -> None:
    now = bot.clock.now()
    add_journey(session, now)
    card = {"msgtype": "link", "link": {"title": "春茶上新", "url": f"https://shop.example.com/{'spring' * 20}"}}
    for number, name, attachments in ((1, NAME, [card]), (2, "阿茶", []), (3, "大山" * 30, [])):
        add_contact(session, now, f"wm{number}", userid, name=name, remark="老客户" if number == 2 else "")
        content = {"text": WORDS, "attachments": attachments}
        hint = "先看看订单是否已经签收。" if number == 1 else ""
        add_task(session, now, userid, f"wm{number}", id=number, worth=9 - number, content=content, hint=hint)


async def test_a_member_opens_their_list_copies_the_words_and_answers_also_without_scripts(
    sandbox: Sandbox, real_bot: Bot, open_phone: OpenPhone
) -> None:
    member = sandbox.world.population.service[0]
    await real_bot.db.write(fill, real_bot, member.userid)
    phone: Phone = await open_phone(sandbox, width=390, height=844)
    page = phone.page
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.goto(f"{sandbox.url}/sandbox/phone/today?userid={member.userid}")
    assert page.url.partition("#")[0] == f"{real_bot.url}/staff/today", await page.inner_text("body")
    assert await page.locator("h2").all_inner_texts() == [NAME, "老客户 昵称：阿茶", "大山" * 30]
    await check_width(page)
    await shoot(page, "staff-today")

    await page.click("#task-1 [data-copy]")
    await expect(page.locator("#task-1 [data-copy]")).to_have_text("已复制")
    assert await page.evaluate("navigator.clipboard.readText()") == WORDS
    await page.click("#task-1 >> text=已联系")
    await page.wait_for_selector(".said")
    await expect(page.locator("article")).to_have_count(2)
    await page.click("#task-2 summary")
    await shoot(page, "staff-today-refuse")
    await page.fill("#why-2", "刚刚买过")
    await page.click("#task-2 >> text=确定不联系")
    await expect(page.locator("article")).to_have_count(1)
    await page.click("#task-3 >> text=明天")
    await page.wait_for_selector(".later")
    await check_width(page)
    await shoot(page, "staff-today-later")
    tasks = {each.id: each for each in await real_bot.db.read(rows.list_tasks)}
    assert [(tasks[each].status, tasks[each].why) for each in (1, 2, 3)] == [
        ("done", ""), ("refused", "刚刚买过"), ("open", ""),
    ]  # fmt: skip
    assert tasks[3].later_until is not None
    assert phone.console == []
    assert all(url.startswith((real_bot.url, sandbox.url, "data:")) for url in phone.requests)

    dark: Phone = await open_phone(sandbox, width=390, height=844, dark=True)
    await dark.page.goto(f"{sandbox.url}/sandbox/phone/today?userid={member.userid}")
    await dark.page.goto(f"{real_bot.url}/staff/today?lang=en")
    await dark.page.click(".later > summary")
    assert await dark.page.locator("h1").inner_text() == "Today"
    await check_width(dark.page)
    await shoot(dark.page, "staff-today-dark")

    plain = await dark.page.context.browser.new_context(java_script_enabled=False, locale="zh-CN")  # type: ignore[union-attr]
    page = await plain.new_page()
    await page.goto(f"{sandbox.url}/sandbox/phone/today?userid={member.userid}")
    await page.click(".later > summary")
    assert await page.locator("#task-3 [data-copy]").is_hidden()
    await page.click("#task-3 >> text=已联系")
    await page.wait_for_selector(".said")
    assert {each.id: each.status for each in await real_bot.db.read(rows.list_tasks)}[3] == "done"
    await plain.close()
