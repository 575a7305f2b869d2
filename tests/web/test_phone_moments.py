"""Moments on the phone page: the member publishes, the customer sees and likes."""

from __future__ import annotations

import aiohttp
import pytest

from bot.sandbox.server import Sandbox
from tests.sandbox.conftest import Client
from tests.web.conftest import OpenPhone
from tests.web.test_phone_group_sends import be_customer, pair
from tests.web.test_phone_page import HOSTILE, png

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize(("width", "language"), [(1280, "en"), (375, "zh")])
async def test_a_post_is_published_seen_and_liked(
    width: int, language: str, sandbox: Sandbox, client: Client, open_phone: OpenPhone
) -> None:
    sandbox.machine.settings.moment_job_seconds = 0
    sender, mine = pair(sandbox)
    form = aiohttp.FormData(quote_fields=False)
    form.add_field("media", png(), filename="a.png")
    media = await client.post("media/upload_attachment", form, media_type="image", attachment_type="1")
    image = {"msgtype": "image", "image": {"media_id": media["media_id"]}}
    visible = {"sender_list": {"user_list": [sender]}}
    body = {"text": {"content": HOSTILE * 3}, "attachments": [image] * 9, "visible_range": visible}
    assert await client.code("externalcontact/add_moment_task", body) == 0
    phone = await open_phone(sandbox, width=width)
    page = phone.page

    await phone.open(f"?lang={language}")
    if width < 720:
        await page.click('.tabs [data-tab="staff"]')
    await page.click('#staff [data-phone-tab="group_sends"]')
    await page.click('#staff .row[data-state="waiting"][data-moment]')
    await page.wait_for_selector('#staff .task-content [data-type="image"] img')
    await phone.check_width()
    await page.click("#staff .profile-buttons .primary")
    await page.click("#staff .sheet-danger")
    await page.wait_for_selector("#staff .profile-buttons", state="detached")
    await be_customer(phone, sandbox, mine[0])
    await page.click('#customer [data-phone-tab="moments"]')
    await page.wait_for_selector('#customer .post [data-type="image"] img')
    assert HOSTILE in await page.locator("#customer .post-text").inner_text()
    await page.click("#customer .post .small")
    await page.wait_for_selector("#customer .post-likes")
    await phone.check_width()
    ((_, task),) = sandbox.machine.moment_acts.feed(mine[0])
    assert [one.external_userid for one in task.reactions] == mine[:1]
    assert await page.locator("img[onerror]").count() == 0
    phone.check()
