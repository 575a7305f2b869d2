"""A local WeCom with its phone page, a bot that the test plays, and a real browser."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from bot.app import Bot
from bot.clock import Clock
from bot.config import ServerSettings, WecomSettings
from bot.sandbox.events import value_of
from bot.sandbox.phone import phone_routes
from bot.sandbox.server import Sandbox
from bot.sandbox.world import World
from tests.conftest import Urls
from tests.console import cheap_console  # noqa: F401 - for all tests here
from tests.sandbox.conftest import Client, Receiver
from tests.scenarios.conftest import read_company_of, settings_for

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BOT_URL = "http://127.0.0.1:8080/"
#: How long a page may take on a busy machine.
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)


def find_chromium() -> str | None:
    """The system's Chromium, if there is one."""
    return next((path for name in CHROMIUM_NAMES if (path := shutil.which(name))), None)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """One browser for all tests of a process. Skips where there is none; with SIYU_REQUIRE_BROWSER=1 it fails."""
    path = find_chromium()
    if path is None:
        words = f"no Chromium on the PATH ({', '.join(CHROMIUM_NAMES)})"
        if os.environ.get("SIYU_REQUIRE_BROWSER") == "1":
            pytest.fail(f"SIYU_REQUIRE_BROWSER=1, but {words}")
        pytest.skip(words)
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        await browser.close()


#: Chromium says so of what a page preloads where the machine is busy for seconds.
LATE = "was preloaded using link preload but not used within a few seconds"


@dataclass
class Phone:
    """The page in a fresh browser profile, and everything that must not happen on it."""

    page: Page
    url: str
    console: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    async def open(self, query: str = "") -> None:
        await self.page.goto(f"{self.url}/{query}")
        await self.page.wait_for_selector("html[data-ready]")

    async def scan(self, state: str, name: str) -> None:
        """Somebody new scans the channel code."""
        await self.page.click('#customer [data-phone-tab="scan"]')
        await self.page.fill("#scan-name", name)
        await self.page.click(f'.code[data-state="{state}"]')

    async def act(self, selector: str) -> None:
        """A button is pressed by which somebody does something, and WeCom knows of it."""
        async with self.page.expect_response(lambda answer: answer.request.method == "POST"):
            await self.page.click(selector)

    async def check_width(self, *more: str) -> None:
        """Nothing that is shown scrolls sideways."""
        selectors = ", ".join(("html", "body", ".screen", ".nav", *more))
        wide = await self.page.evaluate(
            "(selectors) => [...document.querySelectorAll(selectors)]"
            ".filter((one) => one.clientWidth && one.scrollWidth > one.clientWidth).map((one) => one.className)",
            selectors,
        )
        assert wide == []

    async def texts(self, selector: str) -> list[str]:
        found: list[str] = await self.page.locator(selector).all_text_contents()
        return found

    def check(self) -> None:
        """Nothing was complained about and nothing was asked of anybody else."""
        assert [each for each in self.console if LATE not in each] == []
        assert [url for url in self.requests if not url.startswith((f"{self.url}/", "data:"))] == []


@pytest_asyncio.fixture(loop_scope="session")
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(World(), more_routes=phone_routes(bot_url=BOT_URL)) as sandbox:
        yield sandbox


@pytest_asyncio.fixture(loop_scope="session")
async def client(sandbox: Sandbox) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as http:
        yield Client(sandbox, http)


@pytest_asyncio.fixture(loop_scope="session")
async def receiver(sandbox: Sandbox) -> AsyncIterator[Receiver]:
    """Where the sample company's callbacks go."""
    receiver = Receiver(sandbox.world)
    app = web.Application()
    app.router.add_route("*", "/callback", receiver.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    sandbox.world.app.callback_url = f"http://127.0.0.1:{runner.addresses[0][1]}/callback"
    yield receiver
    await runner.cleanup()


OpenPhone = Callable[..., Any]


@pytest_asyncio.fixture(loop_scope="session")
async def open_phone(browser: Browser) -> AsyncIterator[OpenPhone]:
    """Opens the page of a sandbox in a profile of its own: `await open_phone(sandbox, width=…, height=…, dark=…)`."""
    contexts = []

    async def open_(sandbox: Sandbox, *, width: int = 1280, height: int = 800, dark: bool = False) -> Phone:
        context = await browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light", locale="zh-CN"
        )
        contexts.append(context)
        page = await context.new_page()
        page.set_default_timeout(PATIENCE_MS)
        phone = Phone(page, sandbox.url)

        def heard(message: ConsoleMessage) -> None:
            if message.type in ("error", "warning"):
                phone.console.append(f"{message.type}: {message.text}")

        page.on("console", heard)
        page.on("pageerror", lambda error: phone.console.append(f"thrown: {error}"))
        page.on("request", lambda request: phone.requests.append(request.url))
        return phone

    yield open_
    for context in contexts:
        await context.close()


class PlayedBot:
    """What a bot does when somebody is added: it sends a welcome and puts on tags."""

    def __init__(self, client: Client, receiver: Receiver) -> None:
        self.client, self.receiver = client, receiver
        self.tags: list[str] = []
        self.attachments: list[dict[str, Any]] = []
        self.text = "您好，欢迎来到云杉生活！"
        self.answers: list[dict[str, Any]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        receiver.answer = self._answer

    async def _answer(self) -> web.Response:
        task = asyncio.create_task(self._work(self.receiver.plaintexts[-1]))
        self._tasks.add(task)
        return web.Response()

    async def _work(self, plaintext: str) -> None:
        code = value_of(plaintext, "WelcomeCode")
        if code:
            body = {"welcome_code": code, "text": {"content": self.text}, "attachments": self.attachments}
            self.answers.append(await self.client.post("externalcontact/send_welcome_msg", body))
        if value_of(plaintext, "ChangeType") == "add_external_contact" and self.tags:
            pair = {name: value_of(plaintext, element) for name, element in _PAIR}
            self.answers.append(await self.client.post("externalcontact/mark_tag", {**pair, "add_tag": self.tags}))

    async def upload(self, type_: str, filename: str, data: bytes) -> str:
        form = aiohttp.FormData(quote_fields=False)
        form.add_field("media", data, filename=filename)
        answer = await self.client.post("media/upload", form, type=type_)
        media_id: str = answer["media_id"]
        return media_id


_PAIR = (("userid", "UserID"), ("external_userid", "ExternalUserID"))


@pytest.fixture
def bot(client: Client, receiver: Receiver) -> PlayedBot:
    return PlayedBot(client, receiver)


@pytest_asyncio.fixture(loop_scope="session")
async def real_bot(sandbox: Sandbox, urls: Urls) -> AsyncIterator[Bot]:
    """The bot itself, whose pages send people to the local WeCom."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    changes = {
        "server": ServerSettings(port=port, public_url=f"http://127.0.0.1:{port}"),
        "wecom": WecomSettings(
            api_base_url=sandbox.api_base_url,
            authorize_url=f"{sandbox.url}/connect/oauth2/authorize",
            scan_url=f"{sandbox.url}/wwlogin/sso/login",
            jssdk_url=f"{sandbox.url}/sandbox/jssdk.js",
            frame_origins=(sandbox.url,),
        ),
    }
    async with Bot(settings_for(sandbox, urls).model_copy(update=changes), Clock(), bell=False) as bot:
        sandbox.world.app.callback_url = f"{bot.url}/callback"
        await read_company_of(bot, "poll_directory")
        yield bot


async def shoot(page: Page, name: str) -> None:
    """A picture for whoever wants to look: in the folder of SIYU_SCREENSHOTS."""
    if folder := os.environ.get("SIYU_SCREENSHOTS"):
        await page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)


async def check_width(page: Page) -> None:
    """Nothing sticks out to the right."""
    assert await page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
