"""The message editor of the console: what was typed, how it will look, and what is wrong with it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from multidict import MultiDict

from bot.app import Bot
from bot.clock import Clock
from bot.console.asks import Ask
from bot.console.message_forms import make_editor, read_message
from bot.console.painting import Painter, _environment
from bot.sandbox.server import Sandbox
from data.models import Account, Customer, Department, Follow, FollowStatus, Role, Staff
from data.queries.media import add_media
from data.rules.messages import MessageContent
from data.rules.problems import Problem
from tests.conftest import Urls
from tests.console import Answer, sign_in
from tests.scenarios.conftest import read_company_of, settings_for

HOSTILE = "<script>alert(1)</script>{{7*7}}\u202e🙂"
PNG = b"\x89PNG\r\n\x1a\n" + b"0" * 20


@pytest.fixture
async def bot(sandbox: Sandbox, urls: Urls, clock: Clock) -> AsyncIterator[Bot]:
    async with Bot(settings_for(sandbox, urls), clock, bell=False) as bot:
        await read_company_of(bot, "poll_directory")
        yield bot


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield http


def problems_in(answer: Answer) -> dict[str, str]:
    found = re.findall(
        r'<div id="([^"]*)-problem" class="message-problem" hx-swap-oob="true">([^<]*)</div>', answer.page
    )
    return {place: unescape(words) for place, words in found if words}


async def test_a_message_is_looked_at_while_it_is_written(bot: Bot, http: aiohttp.ClientSession) -> None:
    now = bot.clock.now()

    def prepare(session: Any) -> tuple[str, int, int]:
        session.add(Department(id=77, name="二店"))
        session.add(Staff(userid="anna", name="安娜", department_ids=[77], main_department_id=77, seen_at=now))
        session.add(Staff(userid="bert", name="贝特", seen_at=now))
        follows = []
        for userid, name in (("anna", HOSTILE), ("bert", "隔壁客户")):
            session.add(Customer(external_userid=f"wm{userid}", name=name, first_seen_at=now))
            follows.append(Follow(userid=userid, external_userid=f"wm{userid}", status=FollowStatus.PRESENT,
                                  added_at=now, changed_at=now))  # fmt: skip
        session.add_all(follows)
        session.flush()
        assert follows[0].id is not None
        assert follows[1].id is not None
        return add_media(session, "image", f"{HOSTILE}.png", PNG, now), follows[0].id, follows[1].id

    picture, of_anna, of_bert = await bot.db.write(prepare)
    manager = await sign_in(bot, http, Role.MANAGER, department_ids=[77])

    async def look(kind: str, fields: dict[str, str], /, **more: str) -> Answer:
        form = {"editor": "content", "kind": kind, **{f"content.{name}": value for name, value in fields.items()}}
        return await manager.post("/console/messages/preview", {**form, **more}, HX_Request="true")

    # With sample values, and as a real customer would see it: only one that the reader may see.
    sample = await look("welcome", {"text": "{{ customer_name }}，{{ time_of_day }}"})
    assert (sample.status, "小鱼，下午好" in sample.text, problems_in(sample)) == (200, True, {})
    assert re.search(r"文字 18 / 4,000 字节，最长时 [0-9,]+", sample.text)
    real = await look("welcome", {"text": "{{ customer_name }}！", "preview_as": str(of_anna)})
    assert HOSTILE + "！" in unescape(real.page)
    assert "<script>alert" not in real.page
    assert "隔壁客户" not in (await look("welcome", {"text": "{{ customer_name }}", "preview_as": str(of_bert)})).page

    # What saving would say, beside the field as it stands in the form: an empty place before it moves nothing.
    wrong = await look("welcome", {
        "text": "{{ nobody }}", "attachments[0].msgtype": "", "attachments[3].msgtype": "link",
        "attachments[3].link.title": "长" * 50, "attachments[3].link.url": "javascript:alert(1)",
        "attachments[4].msgtype": "video", "attachments[4].video.media": picture,
    })  # fmt: skip
    told = problems_in(wrong)
    assert told.keys() == {
        "content-text", "content-attachments-3-link-title", "content-attachments-3-link-url",
        "content-attachments-4-video-media",
    }  # fmt: skip
    assert "150 字节" in told["content-attachments-3-link-title"]
    assert problems_in(await look("welcome", {"text": " "})).keys() == {"content"}
    assert "群发时" in problems_in(await look("broadcast", {"text": "{{ customer_name }}"}))["content-text"]
    assert problems_in(await look("personal", {"text": "{{ time_of_day }}"})).keys() == {"content-text"}
    mixed = {"attachments[0].msgtype": "image", "attachments[1].msgtype": "link"}
    assert problems_in(await look("moment", mixed)).keys() >= {"content-attachments-0-image-media"}
    nickname = await look("group_welcome", {"text": "欢迎 %NICKNAME%"})
    assert ("欢迎 小鱼" in nickname.text, problems_in(nickname)) == (True, {})
    assert problems_in(await look("group_welcome", {"text": "欢迎 %姓名%"})).keys() == {"content-text"}
    one = {"attachments[0].msgtype": "image", "attachments[1].msgtype": "", "text": "x"}
    assert problems_in(await look("group_welcome", one)).keys() == {"content-attachments-0"}
    for form in ({"kind": "nothing"}, {"editor": "<b>"}):
        assert (await look("welcome", {}, **form)).status == 404

    # Pictures of the library are shown, and nothing of it runs as a page of ours.
    shown = await look("welcome", {"attachments[0].msgtype": "image", "attachments[0].image.media": picture})
    assert f"/console/media/{picture}/file" in shown.page
    cookies = {"Cookie": "; ".join(f"{name}={value}" for name, value in manager.cookies.items())}
    async with http.get(f"{bot.url}/console/media/{picture}/file", headers=cookies) as file:
        assert (file.content_type, await file.read()) == ("image/png", PNG)
        assert "sandbox" in file.headers["Content-Security-Policy"]
    assert (await manager.get("/console/media/nothing/file")).status == 404


async def test_the_editor_shows_what_is_kept_and_what_was_typed(bot: Bot, http: aiohttp.ClientSession) -> None:
    browser = await sign_in(bot, http, Role.MANAGER)
    content = MessageContent.model_validate({
        "text": f"a\nb {HOSTILE}",
        "attachments": [
            {"msgtype": "link", "link": {"title": HOSTILE, "url": "https://x.example/?a=1&b=2", "desc": "a\nb"}},
            {"msgtype": "image", "image": {"pic_url": "https://wework.qpic.cn/1"}},
            {"msgtype": "miniprogram",
             "miniprogram": {"title": "t", "pic_media": "gone", "appid": "wx1", "page": "p/q"}},
        ],
    })  # fmt: skip
    painter = Painter(bot.settings)
    parts = SimpleNamespace(context=bot.context, painter=painter, logins=None)
    reader = SimpleNamespace(account=Account(id=browser.account_id, role=Role.ADMIN, made_at=bot.clock.now()), csrf="")
    request = SimpleNamespace(query={}, cookies={}, headers={}, path="/")
    ask = Ask(cast(Any, request), cast(Any, parts), cast(Any, reader), MultiDict())
    editor = await make_editor(
        ask, "welcome", content, [Problem("waves[1].content.text", "<wrong>"), Problem("name", "other")],
        prefix="waves[1].content",
    )  # fmt: skip
    macro = "{% from 'message_fields.html' import message_fields with context %}{{ message_fields(editor) }}"
    page = _environment("en").from_string(macro).render(editor=editor, ask=ask)
    assert "&lt;wrong&gt;" in page
    assert "other" not in page
    assert "<script>" not in page
    # A browser sends these fields back, and they are the same message.
    fields: list[tuple[str, str]] = []
    shown = re.sub(r"<template.*?</template>", "", page, flags=re.S)
    fields += re.findall(r'<input [^>]*?name="([^"]*)" value="([^"]*)"', shown)
    fields += re.findall(r'<textarea [^>]*?name="([^"]*)"[^>]*>(.*?)</textarea>', shown, flags=re.S)
    for name, options in re.findall(r'<select [^>]*?name="([^"]*)"[^>]*>(.*?)</select>', shown, flags=re.S):
        fields += [(name, value) for value in re.findall(r'<option value="([^"]*)" selected', options)]
    typed = {name: unescape(value) for name, value in fields}
    assert MessageContent.model_validate(read_message(typed, "waves[1].content")) == content
