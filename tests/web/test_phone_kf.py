"""Customer service on the phone page: the customer asks and taps a menu, a servicer picks up, writes and ends."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from bot.sandbox.server import Sandbox
from tests.sandbox.conftest import Client
from tests.web.conftest import OpenPhone
from tests.web.test_phone_group_sends import be_customer, pair
from tests.web.test_phone_page import HOSTILE

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


async def test_a_customer_asks_and_a_servicer_answers(sandbox: Sandbox, client: Client, open_phone: OpenPhone) -> None:
    servicer, mine = pair(sandbox)
    kf = sandbox.world.kf
    open_kfid = kf.accounts()[0].open_kfid
    assert servicer in kf.accounts()[0].servicers
    phone = await open_phone(sandbox, width=375)
    page = phone.page
    await phone.open()
    await be_customer(phone, sandbox, mine[0])
    await page.click("#customer [data-kf]")
    await page.fill("#customer .composer-input", HOSTILE)
    await page.press("#customer .composer-input", "Enter")
    await expect(page.locator('#customer .message.mine[data-type="text"]')).to_have_count(1)
    session = kf.session(open_kfid, mine[0])
    assert session.entered_at
    menu = {"head_content": "想问什么？", "list": [{"type": "click", "click": {"id": "7", "content": "找人工"}}]}
    chat = {"open_kfid": open_kfid, "external_userid": mine[0]}
    sent = {"touser": mine[0], "open_kfid": open_kfid, "msgtype": "msgmenu", "msgmenu": menu}
    assert await client.code("kf/send_msg", sent) == 0
    await page.click("#customer .menu-item")
    await expect(page.locator("#customer .message.mine")).to_have_count(2)
    assert kf.chat(open_kfid, mine[0])[-1].content == {"content": "找人工", "menu_id": "7"}
    await phone.check_width()
    assert await client.code("kf/service_state/trans", {**chat, "service_state": 2}) == 0
    await page.wait_for_selector("#customer .message-standing")

    await page.click('.tabs [data-tab="staff"]')
    await page.click('#staff [data-phone-tab="kf"]')
    await page.click('#staff [data-list="pool"] .row')
    await expect(page.locator("#staff .composer-input")).to_be_disabled()
    await page.click("#staff .kf-bar .small")
    await expect(page.locator("#staff .composer-input")).to_be_enabled()
    await page.fill("#staff .composer-input", "在的，马上看")
    await page.press("#staff .composer-input", "Enter")
    await expect(page.locator("#staff .message.mine").last).to_contain_text("在的")
    assert kf.chat(open_kfid, mine[0])[-1].servicer_userid == servicer
    await phone.check_width()
    await page.click("#staff .kf-bar .small >> nth=-1")
    await expect(page.locator("#staff .kf-bar")).to_be_hidden()
    assert kf.state_of(kf.session(open_kfid, mine[0]), sandbox.world.now) == 4
    assert await page.locator("img[onerror]").count() == 0
    phone.check()
