"""The media library in the console: uploads of every kind, what uses a file, and its removal."""

from __future__ import annotations

from collections.abc import AsyncIterator
from html import unescape
from io import BytesIO

import aiohttp
import pytest

from bot.app import Bot
from bot.clock import Clock
from bot.media_files import MEGABYTE
from bot.sandbox.server import Sandbox
from data.models import Role
from data.queries import media as rows
from data.queries import rules as rule_rows
from data.rules.welcome import WelcomeRule
from tests.conftest import Urls
from tests.console import Browser, sign_in
from tests.scenarios.conftest import settings_for

HOSTILE = "<img src=x onerror=alert(1)>{{7*7}}\u202e🙂.png"
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20
PATH = "/console/media"


@pytest.fixture
async def bot(sandbox: Sandbox, urls: Urls, clock: Clock) -> AsyncIterator[Bot]:
    async with Bot(settings_for(sandbox, urls), clock, bell=False) as bot:
        yield bot


async def upload(browser: Browser, name: str, content: bytes, kind: str = "") -> tuple[int, str]:
    """Choose a file and send it: the status, and where it led or what the page said."""
    form = aiohttp.FormData({"csrf": browser.csrf, "kind": kind}, quote_fields=False)
    form.add_field("file", BytesIO(content), filename=name, content_type="text/html")
    cookies = {"Cookie": "; ".join(f"{key}={value}" for key, value in browser.cookies.items())}
    url = f"{browser.bot.url}{PATH}"
    async with browser.http.post(url, data=form, headers=cookies, allow_redirects=False) as answer:
        return answer.status, answer.headers.get("Location", "") or unescape(await answer.text())


async def test_the_library(bot: Bot) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        admin = await sign_in(bot, http, Role.ADMIN)
        manager = await sign_in(bot, http, Role.MANAGER, department_ids=[1])
        staff = await sign_in(bot, http, Role.STAFF)
        assert "素材库还是空的" in (await admin.get(PATH)).text
        assert (await staff.get(PATH)).status == 403

        # What WeCom would not take is refused with what to do.
        for name, content, kind, words in (
            ("a.png", b"", "", "是空的"),
            ("a.png", b"not a picture", "image", "不是图片（JPG 或 PNG，最大 10 MB）"),
            ("a.png", PNG + b"0" * 10 * MEGABYTE, "", "企业微信的图片最大 10 MB"),
        ):
            status, page = await upload(manager, name, content, kind)
            assert (status, words in page) == (400, True), words
        status, page = await upload(manager, "a.bin", b"0" * 21 * MEGABYTE)
        assert (status, "内容太大" in page) == (413, True)
        assert (await upload(manager, "", PNG))[0] == 403, "it is a broken form"
        assert "请先选择一个文件" in (await manager.post(PATH)).text
        assert await bot.db.read(rows.list_media) == []

        # Kept under its name, whatever that is; the same bytes once, and as one kind.
        assert await upload(manager, HOSTILE, PNG) == (303, f"{PATH}?said=uploaded")
        assert (await upload(manager, "b.txt", PNG, "file"))[0] == 409
        assert await upload(manager, "page.html", b"<script>alert(1)</script>") == (303, f"{PATH}?said=uploaded")
        of_kind = {each.kind: each.sha256 for each in await bot.db.read(rows.list_page, 10)}
        pictured, page_file = of_kind["image"], of_kind["file"]
        listed = await manager.get(PATH)
        assert HOSTILE in unescape(listed.page)
        assert "<img src=x" not in listed.page
        shown = await manager.get(f"{PATH}/{page_file}/file")
        assert shown.headers["Content-Disposition"].startswith("attachment")
        assert shown.headers["Content-Type"] == "application/octet-stream"

        # Pages go by key.
        first, *rest = await bot.db.read(rows.list_page, 1)
        assert rest == []
        assert [each.sha256 for each in await bot.db.read(rows.list_page, 10, first.sha256)] == [
            each for each in (pictured, page_file) if each != first.sha256
        ]

        # Who uses it is told, and it stays as long.
        said = {"attachments": [{"msgtype": "image", "image": {"media": pictured}}], "text": "x"}
        rule = WelcomeRule.model_validate({"name": "<b>用", "content": said})
        saved = await bot.db.write(rule_rows.save_welcome_rule, rule, bot.clock.now())
        await bot.db.write(rows.record_upload, pictured, "upload", "id", bot.clock.now())
        listed = await admin.get(PATH)
        assert f'href="/console/welcome-rules/{saved.id}"' in listed.page
        assert "企业微信（消息）：2026-03-04" in listed.text
        assert f"{PATH}/{pictured}/remove" not in listed.page
        assert (await admin.post(f"{PATH}/{pictured}/remove")).status == 409
        assert (await manager.post(f"{PATH}/{page_file}/remove")).status == 403
        assert (await admin.post(f"{PATH}/{page_file}/remove")).location == f"{PATH}?said=removed"
        assert (await admin.post(f"{PATH}/{page_file}/remove")).status == 404
        assert [each[0] for each in await bot.db.read(rows.list_media)] == [pictured]
