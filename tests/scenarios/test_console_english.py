"""The console in English: every page, forms with faults, and what the layers below say, without a word of Chinese but
what people have written."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Collection
from functools import partial
from html.parser import HTMLParser

import aiohttp
import pytest
from sqlmodel import Session, select

from bot.app import Bot
from bot.catalogs import folder, read_catalog
from bot.clock import Clock
from bot.console.routes import ROUTES
from bot.logs import RECENT
from bot.phrases import Phrase
from bot.sandbox.server import Sandbox
from bot.saying import told
from bot.webhooks import WebhookError
from data.errors import ConflictError
from data.models import Account, Channel, Department, KfAccount, Role, Staff, Tag, TagGroup
from data.queries.accounts import set_preferences
from data.rules.problems import InvalidRuleError, Problem, parse
from data.rules.segments import Segment
from tests.conftest import Urls
from tests.console import Browser, fields_of, sign_in
from tests.console_rows import furnish
from tests.scenarios.conftest import read_company_of, settings_for

CHINESE = re.compile(r"[\u3001-\u303f\u4e00-\u9fff\uff01-\uff5e]+")
#: What stands in them was written by people (names, words to customers, what was typed) or to the log, which names
#: pages of WeCom's admin console as they are called there.
THEIRS = {"bdi", "option", "textarea", "pre", "code", "samp", "script", "style", "optgroup"}
#: The program's own name, and the other language's.
OURS = re.compile(r"私域 Siyu|中文")
VOID = {"input", "br", "meta", "link", "hr", "img", "use"}


class Words(HTMLParser):
    """The words of a page that are the console's own."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._open: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = dict(attrs)
        if not self._is_theirs:
            self.found += [has[name] or "" for name in ("aria-label", "placeholder", "data-confirm") if name in has]
        if tag not in VOID:
            self._open.append(
                (
                    tag,
                    tag in THEIRS or (has.get("lang") or "").startswith("zh"),
                )
            )

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not self._is_theirs:
            self.found.append(data)

    @property
    def _is_theirs(self) -> bool:
        return any(theirs for _, theirs in self._open)


def chinese_in(page: str, names: Collection[str] = ()) -> list[str]:
    """What of a page is Chinese, apart from the names of people and things."""
    words = Words()
    words.feed(page)
    known = re.compile("|".join([OURS.pattern, *map(re.escape, sorted(filter(None, names), key=len, reverse=True))]))
    return [each.strip() for each in words.found if CHINESE.search(known.sub("", each))]


def list_names(session: Session) -> list[str]:
    """How the company and what it has are called."""
    called = (
        Staff.name,
        Staff.alias,
        Department.name,
        Tag.name,
        TagGroup.name,
        Channel.name,
        Account.name,
        KfAccount.name,
    )
    return ["云杉生活", *(name for column in called for name in session.exec(select(column)))]


@pytest.fixture
async def bot(sandbox: Sandbox, urls: Urls, clock: Clock) -> AsyncIterator[Bot]:
    async with Bot(settings_for(sandbox, urls), clock, bell=False) as bot:
        await read_company_of(bot)
        yield bot


async def test_every_page_is_english_to_whoever_wants_that(bot: Bot) -> None:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        admin = await sign_in(bot, http, Role.ADMIN)
        await bot.db.write(partial(set_preferences, account_id=admin.account_id, language="en", theme=""))
        # What the doctor finds names pages of WeCom's admin console, which is Chinese.
        plain = [each.path for each in ROUTES if each.method == "GET" and not set("{.") & set(each.path)]
        plain.remove("/console/check/findings")
        found: dict[str, list[str]] = {}
        names = await bot.db.read(list_names)
        # The log is the process's: what any test before this one wrote stands in it as well.
        RECENT(None, "warning", {"area": "wecom", "event": "refused", "error": "Tick it under 客户联系 → 客户 → API"})
        for path in [*plain, *await furnish(bot, "Tea & <b>Co")]:
            answer = await admin.get(path)
            if answer.status != 200 or chinese_in(answer.page, names):
                found[path] = [str(answer.status), *chinese_in(answer.page, names)]
        assert not found, "\n".join(f"{path}: {words}" for path, words in found.items())
        await check_faults(admin, names)


async def check_faults(admin: Browser, names: Collection[str]) -> None:
    """What is wrong with forms, which is found by the layers below."""
    for path, form, words in (
        ("/console/welcome-rules", {"name": "x"}, "Text and attachments cannot both be empty"),
        (
            "/console/welcome-rules",
            {"name": "x", "content.text": "{{ nobody }}"},
            "Line 1: There is no variable nobody",
        ),
        ("/console/welcome-rules", {"name": "x", "content.text": "长" * 2000}, "4000 bytes"),
        ("/console/tag-rules", {"name": "x", "put_on": "etnone"}, "Choose at least one occasion"),
        ("/console/segments", {"name": ""}, "At least 1 characters"),
        ("/console/accounts/invite", {"role": "manager", "login": "!"}, ""),
        ("/console/runs/999999/move", {"at": "2026-01-01T10:00"}, "There is no sending 999999."),
        ("/console/tags/edit/tag/none", {"name": ""}, "There is no tag none."),
        ("/console/templates/staff_alert/link_clicked", {"source": "{{ x.y }}", "act": "publish"}, "attributes (.)"),
    ):
        answer = await admin.post(path, form)
        assert answer.status in (400, 404, 409), path
        assert chinese_in(answer.page, names) == [], path
        assert words in answer.text, (path, answer.text)
    new = "/console/journeys/new"
    page = await admin.get(new)
    refused = await admin.post(new, [*fields_of(page.page), ("do", "save")])
    assert (refused.status, chinese_in(refused.page, names)) == (400, [])
    assert "Is missing" in refused.text or "At least" in refused.text
    lost = await admin.get("/console/customers/nobody")
    assert (lost.status, chinese_in(lost.page, names)) == (404, [])
    assert "There is no such customer, or none that you see. Come from the list" in lost.text


def test_what_is_said_below_is_said_in_the_readers_language() -> None:
    nested = Phrase(
        "自定义字段 %(name)s 是%(kind)s，这个条件要用%(words)s字段", name="x", kind=Phrase("文字"), words=["a"]
    )
    assert nested == "自定义字段 x 是文字，这个条件要用a字段"
    assert told("zh", nested) == nested
    assert told("en", nested) == "Custom field x is a Text; this condition is for a fields"
    assert told("en", [Problem("", Phrase("必填")), Phrase("最多 %(most)s 天", most=3), "ready"]) == (
        "Must be filled in; At most 3 days; ready"
    )
    assert told("en", ValueError(Phrase("没有这一天")).args[0]) == told("en", str(ValueError(Phrase("没有这一天"))))
    with pytest.raises(InvalidRuleError) as wrong:
        parse(Segment, {"name": "x", "definition": {"silent": {"for_days": 3}, "tags": {"tag_ids": ["x"]}}})
    assert "只能有一个键" in str(wrong.value)
    assert told("en", wrong.value).startswith("There can be one key only: all, any, not")
    # What was kept as it was said is found again, with what it names.
    for kept, said in (
        ("让位给优先的旅程：生日", "Another journey goes first: 生日"),
        ("客户希望 5月20日 之前不收到消息", "The customer wants no messages before 5/20"),
        ("触达已达上限", "Cap of touches reached"),
        ("从 anna 转给 bert：客户已交接", "From anna to bert: The customer was handed over"),
        ("谁也没有说过的话", "谁也没有说过的话"),
        ("第 3 行已经有订单 D1：一个订单写一行", "Row 3 has order D1 already: write one row for an order"),
        ("几个标签组里都有「金」：请写成 标签组:金", "Several tag groups have “金”: write it as group:金"),
        ("最多 64 个字", "At most 64 characters"),
    ):
        assert told("en", kept) == said
    # What the layers below say in English to whoever reads the API is met in pages, too.
    error = ConflictError("Campaign 7 was started before.", "Make another one to send it again.")
    assert told("zh", error) == "这个计划已经开始过了。 要再发一次，请复制一份。"
    assert told("en", error) == "Campaign 7 was started before. Make another one to send it again."
    assert told("zh", "There is no customer 'x'.") == "没有这位客户：'x'。"
    assert told("zh", "备注没有写成：There is no customer 'x'.") == "备注没有写成：没有这位客户：'x'。"
    assert told("zh", "It cannot be reached (Connection refused).") == "连不上对方（对方没有在这个端口上接收）。"
    refused = "It cannot be reached (Connect call failed ('127.0.0.1', 9))."
    assert told("zh", refused) == "连不上对方（对方没有接收：('127.0.0.1', 9)）。"
    assert told("zh", WebhookError("It answered HTTP 500.")) == "对方回答了 HTTP 500。"
    for each in read_catalog(folder() / "locales" / "zh" / "errors.po"):
        assert set(re.findall(r"%\(\w+\)s", str(each.string))) <= set(re.findall(r"%\(\w+\)s", str(each.id))), each.id
