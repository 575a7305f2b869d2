"""Customer service whose answers a person sends: nothing of the knowledge goes out by itself, nothing is lost."""

from __future__ import annotations

import asyncio

import aiohttp
from sqlmodel import col, select

from bot import kf
from bot.config_drafts import DraftsSettings
from bot.kf_edits import KfTry, save_rule, try_rules
from bot.media_files import add_media
from data.models import KfMessage, Role
from data.queries import knowledge as pair_rows
from data.rules.kf import KfRule
from data.rules.kf_answers import KfImage
from data.rules.knowledge import KnowledgePair
from data.rules.problems import parse
from tests.console import sign_in
from tests.sandbox.test_media import PNG
from tests.scenarios.conftest import Company, Start

#: Nobody answers there: the knowledge's own words take the place of the draft.
NOBODY = "http://127.0.0.1:9/v1"


async def ask(company: Company, whom: str, words: str) -> list[str]:
    account = company.world.kf.accounts()[0].open_kfid
    company.sandbox.machine.kf_acts.write(account, whom, "text", {"content": words})
    await company.settle()
    return sent_to(company, whom)


def sent_to(company: Company, whom: str) -> list[str]:
    chat = company.world.kf.chat(company.world.kf.accounts()[0].open_kfid, whom)
    return [str(line.content.get("content") or line.msgtype) for line in chat if line.origin == 0]


async def test_an_answer_that_a_person_sends_waits_for_them_is_told_and_sent_once_with_its_card(start: Start) -> None:
    drafts = DraftsSettings(mode="draft", url=NOBODY, model="tiny", budget_seconds=5)
    company = await start(drafts=drafts)
    ctx, db, now = company.bot.context, company.bot.db, company.bot.clock.now()
    await kf.read_accounts(ctx)
    picture = (await db.write(add_media, "a.png", PNG, None, now))["media"]
    pair = KnowledgePair(phrasings=("多久发货",), text="48 小时内发货", attachment=KfImage(media=picture))
    await db.write(pair_rows.add_pair, pair, "ann", now)
    looking = [{"msgtype": "text", "text": "正在为您查"}]
    rule = parse(KfRule, {"name": "知识", "knowledge": True, "answers": looking, "priority": 5})
    await db.write(save_rule, rule, now)
    await db.write(save_rule, parse(KfRule, {"name": "兜底", "answers": [{"msgtype": "text", "text": "没听懂"}]}), now)
    trial = await try_rules(ctx, KfTry(text="多久发货"))
    assert (trial["rule_name"], [each["said"] for each in trial["answers"]]) == ("知识", ["正在为您查"])
    assert trial["knowledge"]["held"]

    whom = company.scan().follow.external_userid
    await company.settle()
    assert await ask(company, whom, "多久发货？") == ["正在为您查"]
    assert {each.kind for each in await company.alerts() if each.kind.startswith("kf_")} == {"kf_draft"}
    asked: KfMessage = await company.read(
        lambda session: session.execute(select(KfMessage).where(col(KfMessage.words) == "多久发货？")).scalar_one()
    )
    page = f"/console/kf/sessions/{asked.session_id}"
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
        admin = await sign_in(company.bot, http, Role.ADMIN)
        assert "知识库里的答案" in (await admin.get(page)).text
        said = {"text": "48 小时内发货", "draft": "", "asked": str(asked.id)}
        both = await asyncio.gather(admin.post(f"{page}/say", said), admin.post(f"{page}/say", said))
        assert sorted(each.status for each in both) == [303, 400]
        assert sent_to(company, whom) == ["正在为您查", "48 小时内发货", "image"]
        assert "发送这个答案" not in (await admin.get(page)).text
    assert await ask(company, whom, "你好吗朋友") == ["正在为您查", "48 小时内发货", "image", "没听懂"]
