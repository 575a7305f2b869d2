"""Customer groups, group welcomes and join codes in the console: seen by whom they concern, made by admins."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest
from sqlmodel import Session

from bot.sandbox.faults import Fault
from data.models import Customer, CustomerGroup, Role
from data.queries import audit
from data.queries import group_welcomes as welcome_rows
from data.queries import join_ways as join_rows
from scheduler.behaviour import pull_behaviour
from tests.console import Browser, sign_in
from tests.facts import settle
from tests.scenarios.conftest import Company

HOSTILE = "<script>alert(1)</script>{{7*7}}\u202e🙂" + "长" * 200
ADD = "externalcontact/groupchat/add_join_way"


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield http


async def test_groups_and_who_sees_them(company: Company, http: aiohttp.ClientSession) -> None:
    owner, other = company.followers[:2]
    customer = company.scan(userid=owner).follow.external_userid
    foreign = company.scan(userid=other).follow.external_userid
    acts = company.sandbox.machine.group_acts
    group, theirs = acts.create(owner, "会员群", [customer, foreign]), acts.create(other, "别家群", [foreign])
    await company.settle()
    acts.leave(group.chat_id, [foreign])
    await company.settle()

    def make_hostile(session: Session) -> None:
        session.get_one(CustomerGroup, group.chat_id).name = HOSTILE
        session.get_one(Customer, customer).name = HOSTILE
        settle(session)

    await company.bot.db.write(make_hostile)
    one = f"/console/groups/{group.chat_id}"
    admin = await sign_in(company.bot, http, Role.ADMIN)
    staff = await sign_in(company.bot, http, Role.STAFF, userid=owner)
    for browser, sees_both in ((admin, True), (staff, False)):
        listed = await browser.get("/console/groups")
        assert "<script>alert" not in listed.page
        assert one in listed.page
        assert (theirs.chat_id in listed.page) == sees_both
    assert theirs.chat_id in (await admin.get("/console/groups?q=别家")).page
    assert one not in (await admin.get("/console/groups?q=别家")).page
    assert "没有这样的客户群" in (await admin.get("/console/groups?state=dismissed&q=nothing")).text
    assert (await admin.get("/console/groups?before=nonsense")).status == 200

    shown = await staff.get(one)
    assert "<script>alert" not in shown.page
    assert f"/console/customers/{customer}" in shown.page
    gone = await staff.get(f"{one}?members=gone")
    assert foreign not in re.findall(r"/console/customers/([^\"]+)", gone.page), "nobody whom staff do not see"
    assert f"/console/customers/{foreign}" in (await admin.get(f"{one}?members=gone")).page
    assert (await staff.get(f"/console/groups/{theirs.chat_id}")).status == 404
    assert (await staff.post(f"/console/groups/{theirs.chat_id}/fetch")).status == 404
    assert (await staff.post(f"{one}/fetch")).location == f"{one}?said=saved"
    assert "会员群" in (await staff.get(one)).text, "as WeCom has it"
    assert "没有数字" in (await admin.get("/console/groups/statistics")).text
    company.bot.clock.advance(timedelta(days=1, hours=8))
    await pull_behaviour(company.bot.context)
    admin = await sign_in(company.bot, http, Role.ADMIN)
    kept = await admin.get(f"/console/groups/statistics?owner={owner}&days=90")
    assert (kept.status, "新增人数" in kept.text) == (200, True)
    nobody = await sign_in(company.bot, http, Role.MANAGER, department_ids=[99])
    assert one not in (await nobody.get("/console/groups")).page
    assert (await nobody.get("/console/groups/statistics")).status == 200


async def last_action(company: Company) -> str:
    found: str = (await company.bot.db.read(audit.list_entries, limit=1))[0].action
    return found


async def test_group_welcomes_and_join_codes(company: Company, http: aiohttp.ClientSession) -> None:
    browser, faults = await sign_in(company.bot, http, Role.ADMIN), company.sandbox.machine.faults
    await welcomes(company, browser)
    path, group = "/console/join-ways", company.sandbox.machine.group_acts.create(company.followers[0], "会员群", [])
    await company.settle()
    typed = {"name": HOSTILE[:30], "chat_id": group.chat_id, "auto_create": "yes", "base_id": "3"}
    wrong = await browser.post(path, typed)
    assert (wrong.status, "自动建群时请写新群的名字" in wrong.text, "<script>alert" in wrong.page) == (400, True, False)
    assert (await browser.post(path, {**typed, "base_name": "会员群", "chat_id": "wrNone"})).status == 400
    assert company.calls(ADD) == 0

    faults.add(Fault(0, "api", "lose_answer", on=ADD, count=1))
    made = await browser.post(path, {**typed, "base_name": "会员群"})
    found = re.fullmatch(rf"{path}/([0-9]+)", made.location)
    assert found is not None, made.text
    one = f"{path}/{found[1]}"
    assert "不知道企业微信有没有创建" in (await browser.get(one)).text
    assert (await browser.post(f"{one}/again")).location == f"{one}?said=saved"
    assert (await browser.post(f"{one}/again")).status == 409
    row = await company.read(join_rows.get_join_way, int(found[1]))
    assert row.qr_code not in (await browser.get(one)).page, "ours is shown, not WeCom's address"
    picture = await browser.get(f"{one}/code.png")
    assert (picture.status, picture.headers["Content-Type"]) == (200, "image/png")
    company.world.ways.join[f"{row.config_id}-elsewhere"] = company.world.ways.join.pop(row.config_id or "")
    svg = await browser.get(f"{one}/code.svg?save=yes")
    assert (svg.status, "data:image/png;base64," in svg.page) == (200, True), "it is kept"
    company.world.ways.join[row.config_id or ""] = company.world.ways.join.pop(f"{row.config_id}-elsewhere")
    assert (await browser.get(f"{one}/code.gif")).status == 404

    # Who comes by it is counted, and what WeCom has added to it is read.
    company.sandbox.machine.group_acts.join(group.chat_id, [], config_id=row.config_id or "")
    await company.settle()
    assert "1 位客户由此入群" in (await browser.get(path)).text
    acts = company.sandbox.machine.group_acts
    acts.members_max = 2
    opened = acts.join("", [], config_id=row.config_id or "")
    await company.settle()
    assert opened.name == "会员群3"
    await browser.post(f"{one}/read")
    assert (await company.read(join_rows.get_join_way, row.id)).chat_ids == [group.chat_id, opened.chat_id]
    # The next group that WeCom opens has the next number, also after a change by whoever still saw the first one.
    assert (await browser.post(one, {**typed, "base_name": "会员群", "name": "门店"})).location == f"{one}?said=saved"
    assert acts.join("", [], config_id=row.config_id or "").name == "会员群4"
    changed = await browser.post(one, {**typed, "base_name": "老客户群", "name": "门店"})
    assert (changed.location, await last_action(company)) == (f"{one}?said=saved", "join_ways.change")
    assert company.world.ways.join[row.config_id or ""].room_base_name == "老客户群"
    assert (await browser.post(f"{one}/remove")).location == f"{path}?said=removed"
    assert row.config_id not in company.world.ways.join
    assert (await browser.get(one)).status == 404
    manager = await sign_in(company.bot, http, Role.MANAGER, department_ids=[1])
    for each in (path, "/console/group-welcomes"):
        assert (await manager.get(each)).status == 403


async def welcomes(company: Company, browser: Browser) -> None:
    """A group welcome is written, changed, retired."""
    path = "/console/group-welcomes"
    typed = {"name": HOSTILE[:64], "content.text": "欢迎 {{ x }}", "notify": "yes"}
    wrong = await browser.post(path, typed)
    assert (wrong.status, "这里没有模板变量" in wrong.text, "<script>alert" in wrong.page) == (400, True, False)
    made = await browser.post(path, {**typed, "content.text": "欢迎 %NICKNAME%！"})
    found = re.fullmatch(rf"{path}/([0-9]+)\?said=made", made.location)
    assert found is not None, made.text
    one = f"{path}/{found[1]}"
    assert "可以选用" in (await browser.get(one)).text
    [kept] = company.world.group_welcomes.listed()
    assert kept.content[0][1]["content"] == "欢迎 %NICKNAME%！"
    link = {
        "content.attachments[0].msgtype": "link", "content.attachments[0].link.title": "群规",
        "content.attachments[0].link.url": "https://x.example/",
    }  # fmt: skip
    assert (await browser.post(one, {**typed, "content.text": "欢迎", **link})).location == f"{one}?said=saved"
    assert [kind for kind, _ in company.world.group_welcomes.listed()[0].content] == ["text", "link"]
    assert (await browser.post(f"{one}/eat")).status == 404
    assert (await browser.post(f"{one}/retire")).location == f"{one}?said=saved"
    assert company.world.group_welcomes.listed() == []
    assert "停用了" in (await browser.get(f"{path}?state=retired")).text
    assert (await company.read(welcome_rows.get_group_welcome, int(found[1]))).status == "retired"
