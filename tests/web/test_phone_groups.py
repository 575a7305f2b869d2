"""Customer groups on the phone page: their owner chooses what they greet with, and who joins is greeted."""

from __future__ import annotations

import pytest

from bot.sandbox.server import Sandbox
from tests.sandbox.conftest import Client
from tests.sandbox.test_group_sends import LINK
from tests.web.conftest import OpenPhone
from tests.web.test_phone_page import HOSTILE

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
ADD = "externalcontact/group_welcome_template/add"


@pytest.mark.parametrize(("width", "language"), [(1440, "zh"), (390, "en")])
async def test_an_owner_chooses_and_a_newcomer_is_greeted(
    width: int, language: str, sandbox: Sandbox, client: Client, open_phone: OpenPhone
) -> None:
    group = next(iter(sandbox.world.groups))
    template = {"text": {"content": f"欢迎 %NICKNAME%！{HOSTILE}"}, "link": LINK["link"]}
    made = (await client.post(ADD, template))["template_id"]
    phone = await open_phone(sandbox, width=width)
    page = phone.page
    await phone.open()
    owner = {"userid": group.owner, "staffName": sandbox.world.directory.get(group.owner).name}
    await page.evaluate("(players) => sessionStorage.setItem('players', JSON.stringify(players))", owner)
    await phone.open(f"?lang={language}")
    if width < 720:
        await page.click('.tabs [data-tab="staff"]')
    await page.click("#staff .nav-text:not(.nav-today)")
    await page.click(f'#staff .row[data-chat="{group.chat_id}"]')
    await page.click("#staff .block .small")
    await phone.check_width()
    await page.click(f'#staff [data-template="{made}"] .primary')
    await page.wait_for_selector('#staff .group .block [data-type="link"]')
    await phone.check_width()

    if width < 720:
        await page.click('.tabs [data-tab="customer"]')
    joined = await client.control("scan", userid=group.owner, name="小满")
    customer = {**owner, "customer": joined["external_userid"], "customerName": "小满"}
    await page.evaluate("(players) => sessionStorage.setItem('players', JSON.stringify(players))", customer)
    await phone.open(f"?lang={language}")
    await client.control("groups/join", chat_id=group.chat_id, people=[joined["external_userid"]])
    await page.click(f'#customer .row[data-chat="{group.chat_id}"]')
    await page.wait_for_selector('#customer .group .message[data-type="link"]')
    assert "欢迎 小满！" in await page.locator('#customer .group .message[data-type="text"]').inner_text()
    assert await page.locator("img[onerror]").count() == 0
    await phone.check_width()
    phone.check()
