"""Welcome rules and auto-tagging rules in the console: written, tried, switched, copied, removed, by two at once."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from html import unescape
from typing import Any

import aiohttp
import pytest

from data.models import Role
from data.queries import audit
from data.queries import rules as rows
from tests.console import sign_in
from tests.scenarios.conftest import Company
from tests.scenarios.test_markings import MARK, finish

HOSTILE = "<script>alert(1)</script>{{7*7}}\u202e🙂"


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield http


async def last_entry(company: Company) -> Any:
    return (await company.bot.db.read(audit.list_entries, limit=1))[0]


async def test_welcome_rules(company: Company, http: aiohttp.ClientSession) -> None:
    browser, db = await sign_in(company.bot, http, Role.ADMIN), company.bot.db
    other = await sign_in(company.bot, http, Role.ADMIN)
    path, userid = "/console/welcome-rules", company.followers[0]
    before = {rule.id for rule in await db.read(rows.list_welcome_rules)}

    # What is wrong is said beside its field, and what was typed stays.
    typed = [
        ("name", HOSTILE), ("priority", "many"), ("conditions.userids.more", f"{userid}\n"),
        ("content.text", "{{ x }}"),
        ("conditions.windows[0].start", "22:00"), ("content.attachments[1].msgtype", "link"),
        ("content.attachments[1].link.url", "https://x.example/?a=1&b=2"),
    ]  # fmt: skip
    wrong = await browser.post(path, typed)
    assert wrong.status == 400
    assert "<script>alert" not in wrong.page
    assert "应为整数" in wrong.text
    assert 'value="many"' in wrong.page
    assert re.search(r'type="time" name="conditions.windows\[0\].start" value="22:00"', wrong.page)
    assert 'name="content.attachments[0].link.url" value="https://x.example/?a=1&amp;b=2"' in wrong.page
    wrong = await browser.post(path, [("priority", "5"), *typed[:1], *typed[2:]])
    assert wrong.status == 400
    for words in ("至少选一天", "没有变量 x", "必填"):
        assert words in wrong.text
    form = {
        "name": HOSTILE, "priority": "5", "enabled": "yes", "conditions.userids": userid, "conditions.customer": "new",
        "conditions.windows[0].start": "", "content.text": "你好 {{ customer_name }}\r\n再见",
        "content.attachments[0].msgtype": "link", "content.attachments[0].link.title": "新品",
        "content.attachments[0].link.url": "https://x.example/", "fallback_text": "你好",
    }  # fmt: skip
    looked_at = await browser.post(path, {**form, "preview": "yes"})
    assert (looked_at.status, "你好 小鱼" in looked_at.text) == (200, True)
    made = await browser.post(path, form)
    assert (made.status, made.location) == (303, f"{path}?said=made")
    assert (await browser.post(path, form)).status == 409, "the name is taken"
    rule = next(rule for rule in await db.read(rows.list_welcome_rules) if rule.id not in before)
    assert (rule.content.text, rule.conditions.customer) == ("你好 {{ customer_name }}\n再见", "new")
    assert "你好 〔客户昵称〕" in (await browser.get(path)).text, "whoever looks through them reads no code"
    entry = await last_entry(company)
    assert (entry.action, entry.after["fallback_text"]) == ("welcome_rules.make", "你好")

    # Two at once: the second is told, loses nothing, and has theirs by saving again.
    first, second = await browser.get(f"{path}/{rule.id}"), await other.get(f"{path}/{rule.id}")
    version = re.search(r'name="version" value="([0-9]+)"', second.page)
    assert version is not None
    assert f'name="version" value="{version[1]}"' in first.page
    changed = await browser.post(f"{path}/{rule.id}", {**form, "version": version[1], "priority": "6"})
    assert changed.location == f"{path}?said=saved"
    mine = {**form, "version": version[1], "content.text": "我的"}
    late = await other.post(f"{path}/{rule.id}", mine)
    assert late.status == 409
    entry = await last_entry(company)
    assert entry.who in late.text
    for words in ("还没有保存", "priority, content", "我的"):
        assert words in late.text, words
    assert (await db.read(rows.get_welcome_rule, rule.id)).priority == 6
    newer = re.search(r'name="version" value="([0-9]+)"', late.page)
    assert newer is not None
    saved = await other.post(f"{path}/{rule.id}", {**mine, "version": newer[1]})
    assert saved.location == f"{path}?said=saved"
    assert (await db.read(rows.get_welcome_rule, rule.id)).content.text == "我的"

    # Which would match? With reasons, and in the words of the page's language.
    tried = await browser.get(f"{path}/try?userid={userid}&customer=new&customer_name=%3Cb%3E&at=2026-05-01T09:00")
    assert tried.status == 200
    assert re.search(rf'会发送：<a href="{path}/{rule.id}"><bdi>&lt;script&gt;', tried.page)
    tried = await browser.get(f"{path}/try?userid=nobody&customer=followed")
    assert f"员工：要求 {company.world.directory.get(userid).name}，实际 nobody" in tried.text
    assert "客户：要求 新客户，实际 同事已有的客户" in tried.text
    assert (await browser.get(f"{path}/try?userid={userid}&customer=odd")).status == 400
    assert (await browser.get(f"{path}/try?userid={userid}&at=yesterday")).status == 400

    # Switched off and on, copied, removed.
    assert (await browser.post(f"{path}/{rule.id}/switch", {"enabled": "no"})).location == f"{path}?said=switched_off"
    assert not (await db.read(rows.get_welcome_rule, rule.id)).enabled
    assert (await browser.post(f"{path}/{rule.id}/switch", {"enabled": "yes"})).location == f"{path}?said=switched_on"
    copied = await browser.get(f"{path}/new?copy={rule.id}")
    assert "我的" in copied.text
    assert "副本" in unescape(copied.page)
    listed = await browser.get(path)
    assert HOSTILE in unescape(listed.page)
    assert "<script>alert" not in listed.page
    assert (await browser.post(f"{path}/{rule.id}/remove")).location == f"{path}?said=removed"
    assert (await browser.get(f"{path}/{rule.id}")).status == 404
    assert (await browser.post(f"{path}/{rule.id}", form)).status == 404
    assert (await last_entry(company)).before["name"] == HOSTILE
    manager = await sign_in(company.bot, http, Role.MANAGER, department_ids=[1])
    assert (await manager.get(path)).status == 403


async def test_tag_rules_and_those_who_came_before(company: Company, http: aiohttp.ClientSession) -> None:
    browser, db, tags = await sign_in(company.bot, http, Role.ADMIN), company.bot.db, company.tag_ids
    path, userid = "/console/tag-rules", company.followers[0]
    form = [
        ("name", HOSTILE), ("enabled", "yes"), ("triggers", "order"), ("put_on", tags[0]), ("put_on", tags[1]),
        ("conditions.words", "vip\n 老客户 "), ("conditions.search_in", "name"), ("conditions.add_ways", "1"),
        ("conditions.order_amount_fen_min", "99.9"), ("conditions.order_sources", "shop"),
    ]  # fmt: skip
    wrong = await browser.post(path, [*form[:3], ("take_off", "gone"), ("conditions.order_amount_fen_min", "a lot")])
    assert (wrong.status, 'value="a lot"' in wrong.page) == (400, True)
    made = await browser.post(path, form)
    assert made.location == f"{path}?said=made", made.text
    rule = (await db.read(rows.list_tag_rules))[-1]
    assert (rule.put_on, rule.conditions.words) == (frozenset(tags[:2]), frozenset({"vip", "老客户"}))
    assert (rule.conditions.order_amount_fen_min, rule.conditions.add_ways) == (9990, frozenset({1}))
    shown = await browser.get(f"{path}/{rule.id}")
    assert 'value="99.90"' in shown.page
    assert "至少 99.90 元" in (await browser.get(path)).text
    asked = f"{path}/try?userid={userid}&trigger=order&name=VIP&add_way=1&order_source=shop"
    tried = await browser.get(f"{asked}&order_amount=99.89")
    assert "订单金额：要求 99.90 元，实际 99.89 元" in tried.text
    assert "会修改这些标签" in (await browser.get(f"{asked}&order_amount=99.90")).text
    assert (await browser.get(f"{asked}&order_amount=x")).status == 400

    # A second admin is told here too.
    version = re.search(r'name="version" value="([0-9]+)"', shown.page)
    assert version is not None
    both = [await browser.post(f"{path}/{rule.id}", [*form, ("version", version[1])]) for _ in range(2)]
    assert [each.status for each in both] == [303, 409]

    # Applied to those who are here: first only counted, then done, and shown as far as it is.
    company.scan("live_room", name="小王")
    await company.settle()
    form = [("name", "直播"), ("enabled", "yes"), ("triggers", "add"), ("put_on", tags[2])]
    assert (await browser.post(path, [*form, ("conditions.states.more", "live_room")])).status == 303
    live = (await db.read(rows.list_tag_rules))[-1]
    calls = company.calls(MARK)
    assert (await browser.post(f"{path}/apply", {"rule": "99999999", "act": "count"})).status == 404
    counted = await browser.post(f"{path}/apply", {"rule": str(live.id), "act": "count"})
    assert (counted.status, company.calls(MARK)) == (200, calls)
    assert re.search(r"其中 [1-9][0-9]* 位会改标签", counted.text)
    begun = await browser.post(f"{path}/apply", {"rule": str(live.id), "act": "apply"})
    found = re.fullmatch(r"/console/markings/([0-9]+)\?said=started", begun.location)
    assert found is not None
    assert (await last_entry(company)).action == "tag_rules.apply"
    await finish(company, int(found[1]))
    progress = await browser.get(begun.location, HX_Request="true")
    assert "已完成" in progress.text
    assert "<html" not in progress.page
    assert "every 2s" not in progress.page
    assert f'href="/console/markings/{found[1]}"' in (await browser.get("/console/markings")).page
    assert (await browser.post(f"/console/markings/{found[1]}/pause")).status == 409
    assert (await browser.post(f"/console/markings/{found[1]}/eat")).status == 404
