"""A form in a real browser at the size of a phone, opened by a customer from a message on the phone page."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.app import Bot
from bot.forms import define_fields, make_form, tell_forms
from bot.sandbox.phone import phone_routes
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from bot.shipped import read_shipped
from data.queries import fields, form_answers
from tests.staff_tasks import add_contact
from tests.web.conftest import OpenPhone, check_width, shoot
from tests.web.test_phone_group_sends import be_customer, pair

pytestmark = [
    pytest.mark.browser,
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("urls", ["sqlite"], indirect=True),
]


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(World(), more_routes=phone_routes()) as sandbox:
        yield sandbox


async def test_a_customer_opens_a_form_from_a_message_fills_it_in_and_corrects_it(
    sandbox: Sandbox, real_bot: Bot, open_phone: OpenPhone
) -> None:
    sender, mine = pair(sandbox)
    now, source = real_bot.clock.now(), read_shipped("forms", "birthday")
    await real_bot.db.write(add_contact, now, mine[0], sender, name="小鱼")
    await real_bot.db.write(define_fields, source, now)
    form = await real_bot.db.write(make_form, source, "test", now)
    (told,) = await real_bot.db.read(tell_forms, [form], real_bot.settings.server.public_url)
    sandbox.machine.people.write(sender, mine[0], "staff", f"方便的话请填一下 {told['address']}")
    phone = await open_phone(sandbox, width=390, height=844)
    await phone.open("?lang=zh")
    await be_customer(phone, sandbox, mine[0])
    await phone.page.click(f'#customer [data-userid="{sender}"]')
    async with phone.page.expect_popup() as opened:
        await phone.page.locator("#customer .bubble .text-link").first.click()
    page = await opened.value
    await page.wait_for_url(lambda url: url.partition("#")[0] == f"{real_bot.url}/f/birthday?known=1")
    await check_width(page)
    await shoot(page, "form")

    await page.check("text=农历（阴历）")
    await page.select_option('select[name="a.birthday.month"]', "8")
    await page.check("text=会员优惠")
    await page.check("text=线下活动")
    await page.fill("#q-said", "谢谢你们的茶")
    # A browser that does not look at what is required.
    await page.evaluate("document.querySelector('main form').noValidate = true")
    await page.click("text=提交")
    await page.wait_for_selector("#wrong-birthday")
    await check_width(page)
    await shoot(page, "form-wrong")
    await page.select_option('select[name="a.birthday.day"]', "15")
    await page.click("text=提交")
    await page.wait_for_url(lambda url: "sent=1" in url)
    await shoot(page, "form-sent")
    born = {"calendar": "lunar", "month": 8, "day": 15, "leap_month": False, "year": None}
    assert await real_bot.db.read(fields.get_values, mine[0]) == {"birthday": born, "likes": "会员优惠、线下活动"}

    await page.click("text=查看或修改")
    await page.wait_for_selector("text=可以修改后重新提交")
    assert await page.is_checked('input[value="lunar"]')
    await page.uncheck("text=线下活动")
    await page.click("text=更正并重新提交")
    await page.wait_for_url(lambda url: "sent=1" in url)
    assert await real_bot.db.read(fields.get_values, mine[0]) == {"birthday": born, "likes": "会员优惠"}
    first, _ = reversed(await real_bot.db.read(form_answers.list_of_customer, mine[0], 9))
    assert first["answers"][-1]["value"] == "谢谢你们的茶"
    assert phone.console == []

    dark = await open_phone(sandbox, width=390, height=844, dark=True)
    await dark.page.goto(f"{sandbox.url}/sandbox/phone/open?external_userid={mine[0]}&url={told['address']}")
    assert dark.page.url.partition("#")[0] == f"{real_bot.url}/f/birthday?known=1"
    await check_width(dark.page)
    await shoot(dark.page, "form-dark")
