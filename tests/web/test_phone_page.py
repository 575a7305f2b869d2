"""The phone page in a real browser, against a real local WeCom, with a bot that the test plays."""

from __future__ import annotations

import struct
import zlib

import pytest
from playwright.async_api import expect

from bot.sandbox.server import Sandbox
from tests.sandbox.conftest import Client, Receiver
from tests.web.conftest import OpenPhone, PlayedBot

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

HOSTILE = "<img src=x onerror=alert(1)>\u202eevil\u202c \u0645\u0631\u062d\u0628\u0627 👨‍👩‍👧 {{7*7}}"


def png(width: int = 24, height: int = 18) -> bytes:
    """A small picture that a browser can show."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\x4c\x8a\x6a" * width for _ in range(height))
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def tag_ids(sandbox: Sandbox, *names: str) -> list[str]:
    return [tag.id for tag in sandbox.world.tags if tag.name in names]


async def test_scanning_a_code_shows_the_welcome_its_cards_and_the_tags(
    sandbox: Sandbox, bot: PlayedBot, open_phone: OpenPhone
) -> None:
    picture, cover = await bot.upload("image", "海报.png", png()), await bot.upload("image", "cover.png", png())
    file = await bot.upload("file", "目录 2026.pdf", b"%PDF-1.4 " + b"x" * 2048)
    video = await bot.upload("video", "门店.mp4", b"\0\0\0\x18ftypmp42" + b"x" * 99)
    bot.attachments = [
        {"msgtype": "link", "link": {"title": "春季新品", "desc": "老客专享", "url": "https://shop.example/new"}},
        {
            "msgtype": "miniprogram",
            "miniprogram": {"title": "会员中心", "pic_media_id": cover, "appid": "wx1", "page": "/member"},
        },
        {"msgtype": "image", "image": {"media_id": picture}},
        {"msgtype": "file", "file": {"media_id": file}},
        {"msgtype": "video", "video": {"media_id": video}},
    ]
    bot.tags = tag_ids(sandbox, "门店", "初次咨询")
    phone = await open_phone(sandbox)
    await phone.open()

    await phone.scan("store_poster", "小鹿")
    page = phone.page
    await page.wait_for_selector('#customer .message[data-type="video"]')
    chat = page.locator("#customer .messages")
    assert "您好，欢迎来到云杉生活！" in await chat.inner_text()
    link = page.locator("#customer .card-link")
    assert await link.get_attribute("href") == "https://shop.example/new"
    assert await link.get_attribute("rel") == "noopener noreferrer"
    assert "会员中心" in await page.locator("#customer .card-mini").inner_text()
    assert "目录 2026.pdf" in await page.locator("#customer .card-file").inner_text()
    assert "2.0 KB" in await page.locator("#customer .card-file").inner_text()
    for picture in await page.locator("#customer .picture img, .card-mini img").all():
        await expect(picture).to_have_js_property("complete", True)
        await expect(picture).to_have_js_property("naturalWidth", 24)
    await expect(page.locator("#customer .message-took")).to_have_count(1)

    # The staff member's phone came along: the customer's card with the tags that the bot put on.
    await page.wait_for_selector("#staff .tag-bot")
    assert await phone.texts("#staff .tag-group-name") == ["购买阶段", "来源渠道"]
    await page.locator("#staff .facts", has_text="门店海报").wait_for()
    await page.locator("#timeline", has_text="发送欢迎语").wait_for()
    assert all(answer["errcode"] == 0 for answer in bot.answers)
    phone.check()


async def test_tags_put_on_by_the_bot_appear_without_a_reload(
    sandbox: Sandbox, client: Client, bot: PlayedBot, open_phone: OpenPhone
) -> None:
    phone = await open_phone(sandbox)
    await phone.open()
    await phone.scan("website", "晚风")
    await phone.page.wait_for_selector('#customer .message[data-type="text"]')
    await phone.page.wait_for_selector("#staff .profile-name")
    await phone.page.evaluate("window.sameDocument = true")
    follow = next(follow for follow in sandbox.world.customers.changed_follows() if follow.remark == "晚风")

    pair = {"userid": follow.userid, "external_userid": follow.external_userid}
    await client.post("externalcontact/mark_tag", {**pair, "add_tag": tag_ids(sandbox, "核心")})
    await phone.page.wait_for_selector('#staff [data-tag="核心"].tag-bot')
    await client.post("externalcontact/remark", {**pair, "remark": "晚风-已回访"})
    await phone.page.wait_for_selector("#staff .profile-name >> text=晚风-已回访")
    assert await phone.page.evaluate("window.sameDocument")
    phone.check()


async def test_a_request_waits_for_the_staff_member_to_accept(
    sandbox: Sandbox, bot: PlayedBot, open_phone: OpenPhone
) -> None:
    phone = await open_phone(sandbox)
    await phone.open()
    await phone.scan("expo", "青柠")
    await phone.page.wait_for_selector("#customer .message-standing")
    await expect(phone.page.locator("#customer .composer-input")).to_be_disabled()
    await phone.page.click("#staff .confirm")
    await phone.page.wait_for_selector('#customer .message[data-type="text"]')
    await expect(phone.page.locator("#customer .composer-input")).to_be_enabled()
    phone.check()


async def test_a_half_added_customer_is_welcomed_and_confirmed_once(
    sandbox: Sandbox, bot: PlayedBot, open_phone: OpenPhone
) -> None:
    phone = await open_phone(sandbox)
    page = phone.page
    await phone.open()
    await page.click("#customer summary")
    await page.select_option("#scan-flow", "half")
    await page.fill("#scan-name", "豆豆妈妈")
    await page.click('.code[data-state="website"]')
    await page.wait_for_selector('#customer .message[data-type="text"]')
    await page.click("#staff .confirm")
    await page.wait_for_selector("#staff .profile-name")
    await sandbox.machine.callbacks.idle()
    assert bot.receiver.named("ChangeType") == ["add_half_external_contact", "add_external_contact"]
    await page.wait_for_selector("#customer .message-standing", state="detached")
    await expect(page.locator('#customer .message[data-type="text"]')).to_have_count(1)
    phone.check()


async def test_a_customer_scans_again_joins_a_group_and_becomes_somebody_else(
    sandbox: Sandbox, bot: PlayedBot, open_phone: OpenPhone
) -> None:
    phone = await open_phone(sandbox)
    page = phone.page
    await phone.open()
    await phone.scan("store_poster", "小鹿")
    await page.wait_for_selector('#customer .message[data-type="text"]')
    await page.click("#customer .nav-button")
    await page.click('#customer [data-phone-tab="scan"]')
    await page.check("#scan-same")
    await page.click('.code[data-state="referral"]')
    await page.wait_for_selector('#customer .message[data-type="text"]')
    await page.click("#customer .nav-button")
    await page.click('#customer [data-phone-tab="scan"]')
    await page.click("#customer .scan .rows .row >> nth=0")
    await page.wait_for_selector("#customer .group-members bdi >> text=小鹿")
    await page.click("#customer .nav-button")
    await page.wait_for_selector("#customer .row[data-chat]")
    await expect(page.locator("#customer .row[data-userid]")).to_have_count(2)
    await page.click('#customer [data-phone-tab="people"]')
    await page.click('#customer .row[aria-pressed="false"] >> nth=0')
    await page.wait_for_selector("#customer .row[data-userid]")
    await expect(page.locator("#customer-name")).not_to_have_text("小鹿")
    phone.check()


async def test_a_welcome_that_does_not_come_is_mentioned(sandbox: Sandbox, open_phone: OpenPhone) -> None:
    phone = await open_phone(sandbox)
    await phone.page.clock.install()
    await phone.open()
    await phone.scan("store_poster", "小鹿")
    await phone.page.wait_for_selector("#customer .message-line")
    assert await phone.page.locator("#customer .message-standing").count() == 0
    await phone.page.clock.run_for(7000)
    await phone.page.wait_for_selector("#customer .message-standing")
    phone.check()


async def test_staff_edit_remark_and_tags_and_delete(
    sandbox: Sandbox, bot: PlayedBot, receiver: Receiver, open_phone: OpenPhone
) -> None:
    phone = await open_phone(sandbox)
    page = phone.page
    await phone.open()
    await phone.scan("store_poster", "阿杰")
    await page.wait_for_selector("#staff .profile-name")
    await page.fill("#profile-remark", "阿杰-餐厅")
    await page.press("#profile-remark", "Enter")
    await page.wait_for_selector("#staff .profile-name >> text=阿杰-餐厅")
    await page.click("#staff .block-head .small")
    await page.click("#staff .tag-toggle >> text=重要")
    await page.wait_for_selector('#staff .tag-toggle[aria-pressed="true"]')
    await page.click("#staff .nav-text")
    await page.wait_for_selector('#staff [data-tag="重要"]')
    assert await page.locator("#staff .tag-bot").count() == 0  # put on by hand
    await page.click("#staff .profile-buttons .danger")
    await page.click("#staff .sheet-danger")
    await page.wait_for_selector("#customer .message-standing")
    await sandbox.machine.callbacks.idle()
    assert receiver.named("ChangeType")[-1] == "del_external_contact"
    phone.check()


async def test_a_lost_customer_and_the_alert_to_the_staff_member(
    sandbox: Sandbox, client: Client, bot: PlayedBot, open_phone: OpenPhone
) -> None:
    phone = await open_phone(sandbox)
    page = phone.page
    await phone.open()
    await phone.scan("mp_menu", "溪山")
    await page.wait_for_selector('#customer .message[data-type="text"]')
    await page.fill("#customer .composer-input", "在吗")
    await page.press("#customer .composer-input", "Enter")
    await page.wait_for_selector("#customer .message.mine")
    await page.click("#customer .nav-actions button")
    await page.click("#customer .sheet-danger")
    await page.wait_for_selector("#customer .message-standing")
    follow = next(follow for follow in sandbox.world.customers.changed_follows() if follow.friendship == "left")

    alert = {"msgtype": "text", "text": {"content": "客户流失提醒：<b>溪山</b>"}, "agentid": sandbox.world.app.agentid}
    await client.post("message/send", {**alert, "touser": follow.userid})
    await page.wait_for_selector("#toast button")
    await page.click("#staff .nav-button")
    await page.wait_for_selector('#staff [data-phone-tab="inbox"][data-new]')
    await page.click('#staff [data-phone-tab="inbox"]')
    await page.wait_for_selector("#staff .message >> text=客户流失提醒：<b>溪山</b>")

    # An alert for somebody else offers to pick up that phone.
    other = next(member for member in sandbox.world.directory if member.userid != follow.userid)
    await client.post("message/send", {**alert, "touser": other.userid})
    await page.click(f"#toast:has-text({other.name!r}) button")
    await page.wait_for_selector(f"#staff-name >> text={other.name}")
    await page.wait_for_selector("#staff .message >> text=客户流失提醒")
    phone.check()


async def test_hostile_names_are_text(sandbox: Sandbox, bot: PlayedBot, open_phone: OpenPhone) -> None:
    bot.text = f"你好 {HOSTILE} <script>alert(2)</script>"
    phone = await open_phone(sandbox)
    page = phone.page
    asked: list[str] = []
    page.on("dialog", lambda dialog: asked.append(dialog.message))
    await phone.open()
    await phone.scan("live_room", HOSTILE)
    await page.wait_for_selector('#customer .message[data-type="text"]')
    await expect(page.locator("#customer .messages")).to_contain_text("<script>alert(2)</script>")
    await page.wait_for_selector("#staff .profile-name")
    await expect(page.locator("#staff .profile-name bdi").first).to_have_text(HOSTILE)
    await page.click("#staff .nav-button")
    await expect(page.locator("#staff .rows .row-name", has_text=HOSTILE)).to_have_count(1)
    await page.click("#customer .nav-button")
    await page.wait_for_selector("#customer .row")
    assert await page.locator("img[onerror], body script, iframe").count() == 0
    assert asked == []
    phone.check()
