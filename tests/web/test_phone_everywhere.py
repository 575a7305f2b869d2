"""The phone page on every screen, in both languages, by keyboard, with a huge company, and over a restart."""

from __future__ import annotations

import asyncio

import pytest
from playwright.async_api import Request, Route, expect

from bot.sandbox.phone import phone_routes
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from tests.sandbox.conftest import Client
from tests.web.conftest import BOT_URL, OpenPhone, PlayedBot

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest.mark.parametrize("dark", [False, True])
async def test_a_narrow_screen_never_scrolls_sideways(
    sandbox: Sandbox, bot: PlayedBot, open_phone: OpenPhone, dark: bool
) -> None:
    bot.text = "很长" * 60 + "x" * 300
    phone = await open_phone(sandbox, width=375, height=812, dark=dark)
    page = phone.page

    for language in ("zh", "en"):
        await phone.open(f"?lang={language}")
        await page.wait_for_selector('#customer [data-phone-tab="scan"]')
        await phone.check_width(".timeline", ".bar")
        await phone.scan("store_poster", "W" * 64)
        await page.wait_for_selector('#customer .message[data-type="text"]')
        await phone.check_width(".timeline", ".bar")
        await page.click('.tabs [data-tab="staff"]')
        await page.wait_for_selector("#staff .profile-name", state="visible")
        await phone.check_width(".timeline", ".bar")
        await page.click("#staff .nav-button")
        await page.wait_for_selector("#staff .row")
        await phone.check_width(".timeline", ".bar")
        await page.click('.tabs [data-tab="timeline"]')
        await page.wait_for_selector("#timeline .happening")
        await phone.check_width(".timeline", ".bar")
        await page.click('.tabs [data-tab="customer"]')
        await page.click("#customer .nav-button")
    phone.check()


async def test_the_language_is_switched_and_remembered(sandbox: Sandbox, bot: PlayedBot, open_phone: OpenPhone) -> None:
    phone = await open_phone(sandbox)
    page = phone.page
    await phone.open()
    assert await page.title() == "企业微信演练场"
    assert await page.locator("html").get_attribute("lang") == "zh-CN"
    await page.click("#language")
    await page.wait_for_selector("#customer .nav-title >> text=Scan")
    assert await page.locator("html").get_attribute("lang") == "en"
    await phone.open()
    assert await page.locator("#timeline-title").inner_text() == "What happened"
    link = page.locator("#bot a")
    await expect(link).to_have_text("Bot connected")
    assert await link.get_attribute("href") == BOT_URL
    phone.check()


async def test_the_keyboard_alone_is_enough(sandbox: Sandbox, bot: PlayedBot, open_phone: OpenPhone) -> None:
    phone = await open_phone(sandbox)
    page = phone.page
    await phone.open()
    await page.wait_for_selector(".code")
    for _ in range(30):
        await page.keyboard.press("Tab")
        if await page.evaluate("document.activeElement.dataset.state === 'store_poster'"):
            break
    await page.keyboard.press("Enter")
    await page.wait_for_selector('#customer .message[data-type="text"]')
    await page.focus("#customer .nav-actions button")
    await page.keyboard.press("Enter")
    await expect(page.locator(".sheet-cancel")).to_be_focused()
    await page.keyboard.press("Escape")
    await expect(page.locator(".sheet")).to_have_count(0)
    await expect(page.locator(".nav-actions :focus")).to_have_count(1)
    await page.keyboard.press("Escape")
    await page.wait_for_selector("#customer .tab-bar")
    unnamed = await page.evaluate(
        "[...document.querySelectorAll('button, a, input, select')].filter((one) => one.offsetParent &&"
        " !(one.textContent.trim() || one.getAttribute('aria-label') || one.labels?.length))"
        ".map((one) => one.outerHTML)"
    )
    assert unnamed == []
    phone.check()


async def test_the_clock_moves_the_world(sandbox: Sandbox, open_phone: OpenPhone) -> None:
    phone = await open_phone(sandbox)
    await phone.open()
    before = await phone.page.inner_text("#clock")
    await phone.act("#day")
    await expect(phone.page.locator("#clock")).not_to_have_text(before, use_inner_text=True)
    assert sandbox.clock.offset.days == 1
    phone.check()


async def test_a_code_on_paper_and_a_link_lead_back_to_their_channel(
    sandbox: Sandbox, client: Client, bot: PlayedBot, open_phone: OpenPhone
) -> None:
    way = sandbox.world.ways.by_state("referral")
    assert way is not None
    phone = await open_phone(sandbox)
    page = phone.page
    await phone.open(f"#scan={way.config_id}")
    first = page.locator(".code").first
    await expect(first).to_have_attribute("data-state", "referral")

    # A customer-acquisition link is opened at its address: what stands behind it goes on as the customer's state.
    member = sandbox.world.population.service[0].userid
    asked = {"link_name": "朋友圈广告", "range": {"user_list": [member]}, "skip_verify": True}
    link = (await client.post("externalcontact/customer_acquisition/create_link", asked))["link"]
    await page.goto(f"{link['url']}?customer_channel=ads")
    await expect(first).to_have_attribute("data-config", link["link_id"])
    await expect(page.locator(".codes li").first.locator("input")).to_have_value("ads")
    await page.fill("#scan-name", "看广告来的")
    await first.click()
    await expect(page.locator('#customer .message[data-type="text"]')).to_contain_text("欢迎来到云杉生活")
    (came,) = sandbox.world.links.get(link["link_id"]).customers
    assert (came.userid, came.state) == (member, "ads")
    follow = sandbox.world.customers.find_follow(member, came.external_userid)
    assert follow is not None
    assert (follow.add_way, follow.state) == (16, "ads")
    phone.check()


async def test_what_happens_while_the_page_opens_is_shown(
    sandbox: Sandbox, bot: PlayedBot, open_phone: OpenPhone
) -> None:
    """Between what it reads at first and the beginning of the stream of changes."""
    phone, may_stream = await open_phone(sandbox), asyncio.Event()

    async def hold(route: Route) -> None:
        await may_stream.wait()
        await route.continue_()

    await phone.page.route("**/sandbox/events*", hold)
    await phone.open()
    await phone.page.wait_for_selector("#staff .row")
    member = next(iter(sandbox.world.directory)).userid
    added = sandbox.machine.people.scan(userid=member, name="小鹿")
    may_stream.set()
    await phone.page.wait_for_selector(f'#staff .row[data-external="{added.follow.external_userid}"]')
    phone.check()


async def test_a_restarted_wecom_is_found_again(sandbox: Sandbox, bot: PlayedBot, open_phone: OpenPhone) -> None:
    """Whoever stops the demo and starts it again finds the page alive, with the company as it now is."""
    first = Sandbox(World(), more_routes=phone_routes())
    await first.start()
    phone = await open_phone(first)
    await phone.open()
    await phone.scan("store_poster", "小鹿")
    await phone.page.wait_for_selector("#customer .message-line")
    port = int(first.url.rsplit(":", 1)[1])
    await first.stop()
    await phone.page.wait_for_selector("#bot.bot-offline")
    second = Sandbox(World(), more_routes=phone_routes())
    await second.start(port=port)
    try:
        await phone.page.wait_for_selector("#bot:not(.bot-offline)")
        await phone.page.wait_for_selector("#customer .empty")  # that customer is not known any more
        assert [line for line in phone.console if "thrown" in line] == []
    finally:
        await phone.page.close()
        await second.stop()


@pytest.mark.slow
async def test_a_million_customers_are_shown_a_page_at_a_time(open_phone: OpenPhone) -> None:
    async with Sandbox(World(staff=8, customers=1_000_000), more_routes=phone_routes()) as sandbox:
        phone = await open_phone(sandbox)
        page = phone.page
        asked: list[Request] = []
        page.on("requestfinished", lambda request: asked.append(request))
        await phone.open()
        await expect(page.locator("#staff .rows .row")).to_have_count(30)
        await page.click("#staff .more-button")
        await expect(page.locator("#staff .rows .row")).to_have_count(60)
        await phone.scan("store_poster", "小鹿")
        await page.wait_for_selector("#customer .message-line")
        answers = [each for each in asked if "/sandbox/" in each.url and "/events" not in each.url]
        sizes = [(await each.sizes())["responseBodySize"] for each in answers]
        assert 0 < max(sizes) < 60_000
        phone.check()


async def test_nothing_jumps_while_it_loads(sandbox: Sandbox, bot: PlayedBot, open_phone: OpenPhone) -> None:
    phone = await open_phone(sandbox)
    await phone.page.add_init_script(
        "window.jumps = 0; new PerformanceObserver((list) => { for (const one of list.getEntries())"
        " if (!one.hadRecentInput) window.jumps += one.value; }).observe({type: 'layout-shift', buffered: true});"
    )
    await phone.open()
    await phone.page.wait_for_selector(".code")
    await phone.page.wait_for_selector("#staff .row")
    assert await phone.page.evaluate("window.jumps") < 0.05
