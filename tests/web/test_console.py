"""The console in a real Chromium, on a phone and on a desk: nothing for axe to find, nothing from elsewhere, nothing
that moves while it loads, nothing that sticks out."""

from __future__ import annotations

import os
import re
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser as Chromium
from playwright.async_api import ConsoleMessage, Page, Request, expect

from bot.app import Bot
from bot.commands.accounts import first_link
from bot.console.routes import ROUTES
from data.queries.accounts import set_preferences
from tests.console_rows import furnish
from tests.drawing import draw
from tests.web.conftest import PATIENCE_MS, check_width, shoot

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
DESK, PHONE = {"width": 1440, "height": 900}, {"width": 390, "height": 844}
PASSWORD = "correct horse 9"
#: Pages that need nothing but an admin.
PAGES = sorted(
    {route.path for route in ROUTES if route.method == "GET" and "{" not in route.path and "." not in route.path}
)
MOST_USED = ("/console", "/console/campaigns", "/console/campaigns/new", "/console/welcome-rules", "/console/events")
FIRST_LOAD_MAX = 400_000
#: Forms that are refused as they are.
FORMS = ("/console/welcome-rules/new", "/console/tag-rules/new", "/console/journeys/new", "/console/segments/new")
HOSTILE = "<script>alert(1)</script>{{7*7}}\u202e🙂" + "长" * 40
VIOLATIONS = (
    "axe.run().then((found) => found.violations.map((each) =>"
    " `${each.id}: ${each.nodes.map((node) => node.html.slice(0, 120)).join(' | ')}`))"
)
_SHIFTS = (
    "new Promise((resolve) => { const found = []; new PerformanceObserver((list) => {"
    " for (const entry of list.getEntries()) if (!entry.hadRecentInput && entry.value > 0.005)"
    " found.push(entry.sources.map((each) => (each.node?.outerHTML ?? '').slice(0, 80)).join(' | ') || 'something');"
    " }).observe({type: 'layout-shift', buffered: true}); setTimeout(() => resolve(found), 50); })"
)


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Chromium, real_bot: Bot) -> AsyncIterator[Page]:
    """A page in which the first admin has signed in, by the link."""
    context = await browser.new_context(viewport=PHONE, locale="zh-CN")  # type: ignore[arg-type]
    page = await context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    wrong: list[str] = []

    def heard(message: ConsoleMessage) -> None:
        # A form that was refused is a page with the status 400.
        if message.type in ("error", "warning") and "status of 400" not in message.text:
            wrong.append(f"{message.type}: {message.text}")

    def asked(url: str) -> None:
        if not url.startswith((f"{real_bot.url}/", "data:")):
            wrong.append(f"from elsewhere: {url}")

    page.on("console", heard)
    page.on("pageerror", lambda error: wrong.append(f"thrown: {error}"))
    page.on("request", lambda request: asked(request.url))
    await page.goto(await first_link(real_bot.settings, real_bot.db, real_bot.clock.now()))
    await look(page, "join")
    await page.get_by_label("登录名").fill("boss")
    await page.get_by_label("密码（至少 10 个字）").fill(PASSWORD)
    await page.get_by_label("再输入一次").fill(PASSWORD)
    await page.get_by_role("button", name="保存并登录").click()
    await page.wait_for_url("**/console")
    yield page
    await context.close()
    assert wrong == []


async def look(page: Page, name: str, *, axe: bool = True) -> None:
    """What must hold for every page."""
    await check_width(page)
    if await page.evaluate(_SHIFTS):
        # A busy machine may lay a page out before its fonts are there; what is the page's own fault happens again.
        await page.reload()
        assert await page.evaluate(_SHIFTS) == [], name
    if axe:
        await page.evaluate(AXE.read_text("utf-8"))
        assert await page.evaluate(VIOLATIONS) == [], name
    await shoot(page, f"console_{name}")


async def walk(page: Page, url: str, paths: Sequence[str], kind: str, *, axe: bool = True) -> None:
    """Look at one page after the other."""
    for path in paths:
        answer = await page.goto(f"{url}{path}")
        assert answer is not None
        assert answer.status == 200, path
        await look(page, f"{re.sub(r'[^a-z0-9]+', '_', path)}_{kind}", axe=axe)


@pytest.mark.slow
async def test_every_page_is_sound_on_a_phone(page: Page, real_bot: Bot) -> None:
    await walk(page, real_bot.url, draw(PAGES, 3, "pages"), "phone")
    await walk(page, real_bot.url, draw(await furnish(real_bot, HOSTILE), 3, "pages of one"), "phone")
    for path in draw(FORMS, 3, "forms"):
        await check_faulty(page, f"{real_bot.url}{path}")


async def check_faulty(page: Page, url: str) -> None:
    """A form that is sent as it is comes back with what is wrong with it, said beside the fields."""
    await page.goto(url)
    # What the browser itself refuses to send is refused by the server, too.
    await page.evaluate("for (const form of document.forms) form.noValidate = true")
    await page.locator("main form[method=post] [data-save], main form[method=post] .btn-primary").last.click()
    await page.locator("[role=alert]").first.wait_for()
    await look(page, f"{re.sub(r'[^a-z0-9]+', '_', url.partition('/console')[2])}_faulty")


@pytest.mark.slow
async def test_every_page_fits_a_desk_and_the_most_used_are_sound_in_english_and_dark(
    page: Page, real_bot: Bot
) -> None:
    await page.set_viewport_size(DESK)  # type: ignore[arg-type]
    one = await furnish(real_bot, HOSTILE)
    await walk(page, real_bot.url, one[:1], "desk")
    # What fits a phone seldom sticks out of a desk: all of it is looked at with `make everywhere`.
    wide = [*PAGES, *one[1:]] if "SIYU_EVERYWHERE" in os.environ else MOST_USED
    await walk(page, real_bot.url, wide, "desk", axe=False)
    await real_bot.db.write(partial(set_preferences, account_id=1, language="en", theme="dark"))
    for path in MOST_USED:
        await page.goto(f"{real_bot.url}{path}")
        assert await page.evaluate("document.documentElement.dataset.bsTheme") == "dark"
        assert await page.evaluate("document.documentElement.lang") == "en"
        await look(page, f"{path.replace('/', '_')}_en_dark")
    await real_bot.db.write(partial(set_preferences, account_id=1, language="zh", theme=""))
    await check_editor(page, real_bot.url)
    await check_first_load(page, real_bot.url)


async def check_editor(page: Page, url: str) -> None:
    """While a message is written, its preview and what is wrong with it keep up, and there is room for one more."""
    await page.goto(f"{url}/console/welcome-rules/new")
    await page.get_by_label("文字", exact=True).fill("你好 ")
    await page.get_by_role("button", name="客户昵称").click()
    await expect(page.locator("#content-text")).to_have_value("你好 {{ customer_name }}")
    await page.locator(".message-bubble", has_text="你好 小鱼").wait_for()
    await page.locator("#content-text").fill("{{ nobody }}")
    await page.locator("#content-text-problem", has_text="没有变量 nobody").wait_for()
    for number in range(3):
        await page.locator(f"[name='content.attachments[{number}].msgtype']").select_option("link")
    await page.locator("#content-attachments-2-link-url").fill("ftp://x")
    await page.locator("#content-attachments-2-link-url-problem", has_text="http://").wait_for()
    await look(page, "editor")


async def check_first_load(page: Page, url: str) -> None:
    """It is small, and the menu works by keyboard."""
    chromium = page.context.browser
    assert chromium is not None
    fresh = await chromium.new_context(viewport=PHONE, storage_state=await page.context.storage_state())  # type: ignore[arg-type]
    first = await fresh.new_page()
    asked: list[Request] = []
    first.on("requestfinished", lambda request: asked.append(request))
    await first.goto(f"{url}/console")
    await first.wait_for_load_state("networkidle")
    sizes = [(await request.sizes())["responseBodySize"] for request in asked if "echarts" not in request.url]
    assert 50_000 < sum(sizes) < FIRST_LOAD_MAX
    await first.keyboard.press("Tab")
    await expect(first.locator(".skip-link")).to_be_focused()
    await first.keyboard.press("Tab")
    await first.keyboard.press("Enter")
    await first.get_by_role("link", name="账号", exact=True).first.click()
    await first.wait_for_url("**/console/accounts")
    await first.get_by_role("navigation").first.wait_for(state="hidden")
    await fresh.close()
