"""A template card on the phone page: a member presses a button, the app changes the card."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from bot.sandbox.server import Sandbox
from tests.sandbox.conftest import Client, Receiver
from tests.sandbox.test_cards import CARD, UPDATE, update
from tests.web.conftest import OpenPhone
from tests.web.test_phone_page import HOSTILE

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("width", [1280, 375])
async def test_a_card_is_clicked_and_changes_in_place(
    width: int, sandbox: Sandbox, client: Client, receiver: Receiver, open_phone: OpenPhone
) -> None:
    userid = next(iter(sandbox.world.directory)).userid
    card = {**CARD, "main_title": {"title": HOSTILE}}
    body = {"msgtype": "template_card", "agentid": 1000002, "touser": userid, "template_card": card}
    assert await client.code("message/send", body) == 0
    phone = await open_phone(sandbox, width=width)
    page = phone.page
    await phone.open()
    if width < 720:
        await page.click('.tabs [data-tab="staff"]')
    await page.click('#staff [data-phone-tab="inbox"]')
    await expect(page.locator("#staff .card-action")).to_have_text(["批准", "驳回"])
    await phone.act('#staff .card-action:has-text("驳回")')
    await client.control("callbacks/wait")
    assert receiver.named("EventKey") == ["no"]
    (code,) = receiver.named("ResponseCode")
    assert await client.code(UPDATE, update(code, userid, button={"replace_name": "已驳回"})) == 0
    await expect(page.locator("#staff .card-action")).to_have_text(["已驳回"])
    await expect(page.locator("#staff .card-action")).to_be_disabled()

    # The app's menu stands below its chat; a tap tells the app.
    entries = [{"type": "click", "name": HOSTILE[:10], "key": "siyu.today"}]
    menu = {"button": [{"name": "今天", "sub_button": entries}, {"type": "click", "name": "帮助", "key": "siyu.help"}]}
    assert await client.code("menu/create", menu, agentid=1000002) == 0
    await page.click("#staff .app-menu summary")
    await phone.act("#staff .app-menu-list .app-menu-entry")
    await client.control("callbacks/wait")
    assert receiver.named("EventKey")[-1] == "siyu.today"
    await phone.check_width()
    phone.check()
