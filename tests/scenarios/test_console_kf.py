"""Customer service in the console: rules written and tried, conversations seen by whom they concern and handed over."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest

from bot import kf
from bot.media_files import add_media
from bot.sandbox.kf import OWN
from data.models import Role
from data.queries import kf_rules as rule_rows
from data.queries import kf_sessions as rows
from data.queries import knowledge as pair_rows
from data.rules.kf import KfRule
from data.rules.kf_answers import KfImage
from data.rules.knowledge import KnowledgePair
from data.rules.problems import parse
from tests.console import Browser, fields_of, sign_in
from tests.sandbox.test_media import PNG
from tests.scenarios.conftest import Company

HOSTILE = "<script>alert(1)</script>{{7*7}}\u202e🙂" + "长" * 100
RULES, SESSIONS = "/console/kf/rules", "/console/kf/sessions"


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        yield http


async def test_rules_are_written_tried_and_answer_and_conversations_are_handed_over(
    company: Company, http: aiohttp.ClientSession
) -> None:
    await kf.read_accounts(company.bot.context)
    acts, account = company.sandbox.machine.kf_acts, company.world.kf.accounts()[0]
    owner, other = company.followers[:2]
    whom = company.scan(userid=owner).follow.external_userid
    await company.settle()
    admin = await sign_in(company.bot, http, Role.ADMIN)
    staff = await sign_in(company.bot, http, Role.STAFF, userid=owner)
    assert account.open_kfid in (await admin.get("/console/kf/accounts")).page
    await write_rules(company, admin, account.open_kfid)
    await answer_by_an_old_rule(company, admin, account.open_kfid, whom)

    # The customer writes hostile words; who sees the conversation, and what of it.
    acts.write(account.open_kfid, whom, "text", {"content": HOSTILE})
    acts.write(account.open_kfid, whom, "text", {"content": "多少钱"})
    await company.settle()
    (session,) = await company.read(lambda s: rows.list_sessions(s, now=company.bot.clock.now()))
    one = f"{SESSIONS}/{session.id}"
    shown = await staff.get(one)
    assert shown.status == 200
    assert "<script>alert" not in shown.page
    assert "199 元起" in shown.text
    assert "按规则“问价”回复" in shown.text
    assert "没有规则符合" in shown.text
    assert one in (await staff.get(SESSIONS)).page
    stranger = await sign_in(company.bot, http, Role.STAFF, userid=other)
    assert (await stranger.get(one)).status == 404
    assert one not in (await stranger.get(SESSIONS)).page
    assert (await staff.post(f"{one}/say", {"text": "你好"})).status == 403
    outside = await sign_in(company.bot, http, Role.MANAGER, department_ids=[999])
    assert (await outside.get(SESSIONS)).status == 200
    assert (await outside.post(f"{one}/state", {"to": "queue"})).status == 404

    said = await admin.post(f"{one}/say", {"text": "我是店长"})
    assert said.location == f"{one}?said=kf_said"
    assert (await admin.post(f"{one}/say", {"text": " "})).status == 400
    servicer = next(iter(acts.servicers(account)))
    refused = await admin.post(f"{one}/state", {"to": "person", "userid": "nobody"})
    assert refused.status == 400
    handed = await admin.post(f"{one}/state", {"to": "person", "userid": servicer, "notice": "请稍候"})
    assert handed.location == f"{one}?said=kf_changed"
    page = await admin.get(one)
    assert "人工接待" in page.text
    assert "请稍候" in page.text
    assert "机器人不能发消息" in page.text
    assert (await admin.post(f"{one}/say", {"text": "还在吗"})).status == 400
    assert (await admin.get(f"{one}?language=en")).status == 200
    assert "客服消息" in (await admin.get(f"/console/customers/{whom}")).text
    for path in (f"{SESSIONS}?state=person", f"{SESSIONS}?state=nonsense&before=9", "/console/kf/accounts"):
        assert (await admin.get(path)).status == 200


async def write_rules(company: Company, admin: Browser, open_kfid: str) -> None:
    """By the forms, with what is wrong told beside its field."""
    new = fields_of((await admin.get(f"{RULES}/new")).page)

    def filled(**more: str) -> list[tuple[str, str]]:
        kept = [each for each in new if each[0] not in more]
        return [*kept, *more.items()]

    typed = {"name": "问价", "conditions.words": "多少钱\n价格", "answers[0].msgtype": "text"}
    broken = await admin.post(RULES, filled(**typed, **{"answers[0].text": "字" * 700}))
    assert broken.status == 400
    assert "2048" in broken.text
    assert "价格" in broken.page
    assert (await admin.post(RULES, filled(**typed, **{"answers[0].text": "199 元起"}))).location.startswith(RULES)
    bad = {"name": "坏", "conditions.words": "(?=a)", "conditions.how": "pattern", "answers[0].msgtype": "text"}
    refused = await admin.post(RULES, filled(**bad, **{"answers[0].text": "x"}))
    assert refused.status == 400
    assert "RE2" in refused.text
    menu = {
        "answers[0].msgtype": "msgmenu",
        "answers[0].text": "请选",
        "answers[0].items": "查快递 | #p\n官网 | https://a.cn",
    }
    assert (await admin.post(RULES, filled(name="欢迎", on="enter", **menu))).location.startswith(RULES)
    rules = await company.read(rule_rows.list_rules)
    assert [each.name for each in rules] == ["问价", "欢迎"]
    again = fields_of((await admin.get(f"{RULES}/{rules[1].id}")).page)
    assert dict(again)["answers[0].items"] == "查快递 | #p\n官网 | https://a.cn"
    assert (await admin.post(f"{RULES}/{rules[1].id}", again)).location.startswith(RULES)
    told = await admin.get(f"{RULES}/try?account={open_kfid}&text=多少钱")
    assert told.status == 200
    assert "199 元起" in told.text
    assert "问价" in told.text
    nothing = await admin.get(f"{RULES}/try?text=退货")
    assert "没有规则符合" in nothing.text
    assert "关键词：要求" in nothing.text
    choices = fields_of((await admin.get(f"/console/kf/accounts/{open_kfid}")).page)
    saved = await admin.post(
        f"/console/kf/accounts/{open_kfid}",
        [*(each for each in choices if each[0] != "ended_text"), ("ended_text", "再见")],
    )
    assert saved.location == "/console/kf/accounts?said=saved"
    counted = (await admin.get(f"/console/kf/accounts/{open_kfid}")).page
    assert counted.count('data-bytes="2048"') == 2
    manager = await sign_in(company.bot, admin.http, Role.MANAGER)
    assert (await manager.get(RULES)).status == 403


async def answer_by_an_old_rule(company: Company, admin: Browser, open_kfid: str, whom: str) -> None:
    """A rule that says more than WeCom takes, from before that was counted, goes on answering; what was left out is
    told, and so is what to do."""
    now = company.bot.clock.now()
    picture = (await company.bot.db.write(add_media, "a.png", PNG, None, now))["media"]
    pair = KnowledgePair(phrasings=("多久发货",), text="48 小时内", attachment=KfImage(media=picture))
    await company.bot.db.write(pair_rows.add_pair, pair, "ann", now)
    answers = tuple({"msgtype": "text", "text": str(number)} for number in range(4))
    old = parse(KfRule, {"name": "从前的", "knowledge": True, "priority": 9, "answers": answers})
    old = await company.bot.db.write(rule_rows.save_rule, old, now)
    listed = (await admin.get(RULES)).text
    assert "其余最多 3 条" in listed
    assert "现在照常回复" in listed
    assert "最后 1 条不会发" in (await admin.get(f"{RULES}/try?text=多久发货")).text
    assert "最后 1 条不会发" not in (await admin.get(f"{RULES}/try?text=多少钱")).text
    company.sandbox.machine.kf_acts.write(open_kfid, whom, "text", {"content": "多久发货"})
    await company.settle()
    chat = company.world.kf.chat(open_kfid, whom)
    assert [line.content.get("content") for line in chat if line.origin == OWN][-5:] == [
        "48 小时内",
        None,
        "0",
        "1",
        "2",
    ]
    (session,) = await company.read(lambda s: rows.list_sessions(s, now=now))
    assert "最后 1 条没有发" in (await admin.get(f"{SESSIONS}/{session.id}")).text
    assert (await admin.post(f"{RULES}/{old.id}/switch", {"enabled": "no"})).status == 303
