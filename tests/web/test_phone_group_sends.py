"""Group-sends on the phone page: the member sees and sends them, customers and groups receive them."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from bot.sandbox.server import Sandbox
from tests.sandbox.conftest import Client
from tests.sandbox.test_group_sends import LINK
from tests.web.conftest import OpenPhone, Phone
from tests.web.test_phone_page import HOSTILE

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]
ADD = "externalcontact/add_msg_template"


def pair(sandbox: Sandbox) -> tuple[str, list[str]]:
    """The member whose phone the page opens with, and that member's customers."""
    member = next(iter(sandbox.world.directory))
    return member.userid, list(sandbox.world.customers.listed_by(member.userid))


async def be_customer(phone: Phone, sandbox: Sandbox, external_userid: str) -> None:
    """Open the page as somebody who played that customer before."""
    players = {"customer": external_userid, "customerName": sandbox.world.customers.get(external_userid).name}
    await phone.page.evaluate("(players) => sessionStorage.setItem('players', JSON.stringify(players))", players)
    await phone.open()


@pytest.mark.parametrize(("width", "language"), [(1280, "zh"), (375, "en")])
async def test_a_task_is_seen_sent_and_received(
    width: int, language: str, sandbox: Sandbox, client: Client, open_phone: OpenPhone
) -> None:
    sandbox.machine.settings.group_send_settle_seconds = 0
    sender, mine = pair(sandbox)
    phone = await open_phone(sandbox, width=width)
    page = phone.page

    await phone.open(f"?lang={language}")
    body = {"sender": sender, "external_userid": mine[:2], "text": {"content": HOSTILE * 3}, "attachments": [LINK]}
    assert await client.code(ADD, {**body, "allow_select": True}) == 0
    if width < 720:
        await page.click('.tabs [data-tab="staff"]')
    await page.wait_for_selector('#staff [data-phone-tab="group_sends"]')
    await page.click('#staff [data-phone-tab="group_sends"]')
    await page.wait_for_selector('#staff .row[data-state="waiting"]')
    await phone.check_width()
    await page.click("#staff .row[data-msgid]")
    await page.wait_for_selector('#staff .task-content [data-type="link"]')
    await expect(page.locator("#staff .task-people li")).to_have_count(2)
    await phone.check_width()
    await page.uncheck(f'#staff .task-people input[value="{mine[1]}"]')
    await page.click("#staff .profile-buttons .primary")
    await page.click("#staff .sheet-danger")
    await page.wait_for_selector("#staff .profile-buttons", state="detached")
    await phone.check_width()
    assert [message.msgtype for message in sandbox.world.chats.of(sender, mine[0])] == ["text", "link"]
    assert sandbox.world.chats.of(sender, mine[1]) == []
    await page.click("#staff .nav-button")
    await page.wait_for_selector('#staff .row[data-state="sent"]')

    await be_customer(phone, sandbox, mine[0])
    await page.click(f'#customer .row[data-userid="{sender}"]')
    await page.wait_for_selector('#customer .message[data-type="link"]')
    await expect(page.locator('#customer .message[data-type="text"]')).to_contain_text(HOSTILE)
    assert await page.locator("img[onerror]").count() == 0
    phone.check()


async def test_a_new_task_marks_the_members_phone_and_a_message_the_customers(
    sandbox: Sandbox, client: Client, open_phone: OpenPhone
) -> None:
    sender, mine = pair(sandbox)
    phone = await open_phone(sandbox)
    page = phone.page
    await phone.open()
    await be_customer(phone, sandbox, mine[0])
    await page.click('#customer [data-phone-tab="people"]')
    answer = await client.post(ADD, {"sender": sender, "text": {"content": "早"}})
    await client.control("clock", advance_seconds=3)
    await page.wait_for_selector('#staff [data-phone-tab="group_sends"][data-new]')
    await client.control("staff/confirm_group_send", userid=sender, msgid=answer["msgid"])
    await page.wait_for_selector('#customer [data-phone-tab="chats"][data-new]')
    phone.check()


async def test_a_group_shows_what_its_owner_sent(sandbox: Sandbox, client: Client, open_phone: OpenPhone) -> None:
    group = next(iter(sandbox.world.groups))
    inside = next(member.userid for member in group.members if member.type == 2)
    phone = await open_phone(sandbox, width=375)
    page = phone.page
    await phone.open()
    await be_customer(phone, sandbox, inside)
    await page.click(f'#customer .row[data-chat="{group.chat_id}"]')
    await page.wait_for_selector("#customer .group-members li")
    await client.control("staff/group_send", userid=group.owner, text=HOSTILE, ids=[group.chat_id], to_groups=True)
    await page.wait_for_selector('#customer .group .message[data-type="text"]')
    assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    phone.check()
