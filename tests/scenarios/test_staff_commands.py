"""Staff write to the app, over real callbacks: answered once, by what they may know and do."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from sqlmodel import Session, select

from bot import campaigns
from bot.config import CampaignsSettings
from bot.delivery import send_due_alerts
from data.models import Alert, Run
from data.queries import events as event_rows
from data.rules.campaigns import CampaignDraft
from scheduler.moment_results import follow_moments
from tests.scenarios.approval_acts import told
from tests.scenarios.campaign_ledger import has_status, ready, until, wave
from tests.scenarios.conftest import Company, Start
from tests.scenarios.test_assistant import make_manager
from tests.scenarios.test_once_and_told import handle_all_again

ASKED_AT = re.compile(r"\n（\d\d:\d\d:\d\d）$", re.ASCII)
MOMENT: dict[str, object] = {"kind": "moments", "content": {"text": "到店有礼"}}


@pytest.fixture
async def company(start: Start) -> Company:
    company = await start(campaigns=CampaignsSettings(hours="00:00-00:00"), app={"answer_unknown": False})
    await ready(company)
    return company


async def launch(company: Company, owner: str | None, *more: dict[str, object]) -> int:
    draft = CampaignDraft.model_validate({"name": "周末 {{ 7 * 7 }}", "owner": owner, "waves": [wave(), *more]})
    made = await campaigns.make_campaign(company.bot.context, draft, "test")
    await campaigns.start_campaign(company.bot.context, made.id or 0, None)
    return made.id or 0


async def write(company: Company, userid: str, text: str) -> list[str]:
    """A member writes to the app, a second after the last time; what is answered to that."""
    company.bot.clock.advance(timedelta(seconds=1))
    before = len(told(company, userid))
    company.sandbox.machine.staff_acts.write(userid, text)
    await company.settle()
    await send_due_alerts(company.bot.context)
    # What came too late for the callback's own answer, as on a busy machine, is a message that says when it was asked.
    return [ASKED_AT.sub("", each) for each in told(company, userid)[before:] if each != text]


def replies(session: Session) -> int:
    return len([each for each in session.exec(select(Alert)) if each.kind == "reply"])


async def statuses(company: Company) -> set[str]:
    def read(session: Session) -> set[str]:
        return {run.status for run in session.exec(select(Run))}

    return await company.bot.db.read(read)


async def test_an_owner_asks_pauses_resumes_and_cancels(company: Company) -> None:
    owner, other = company.followers[0], company.followers[1]
    number = await launch(company, owner, MOMENT)
    (words,) = await write(company, owner, f"暂停 {number}")
    assert "已暂停" in words
    assert "周末 {{ 7 * 7 }}" in words
    assert await statuses(company) == {"paused"}
    for text in (f"暂停 {number}", f"恢复 {number}", f"结果 {number}", f"暂停 {number + 9}", f"确认取消{number}"):
        (words,) = await write(company, other, text)
        assert "不是它的负责人" in words
        assert "周末" not in words
    assert await statuses(company) == {"paused"}
    (words,) = await write(company, owner, f"结果 {number}")
    assert "已暂停" in words
    await company.bot.db.write(make_manager, company.followers[2], company.bot.clock.now())
    assert "已暂停" in (await write(company, company.followers[2], f"結果 {number}"))[0], "as in the console"

    (words,) = await write(company, owner, f"恢复#{number}。")
    assert "已恢复" in words
    await until(company, number, has_status("awaiting"))
    await follow_moments(company.bot.context)
    (words,) = await write(company, other, "待办")
    assert "1 个群发任务" in words
    assert "1 条朋友圈" in words
    assert await write(company, other, "任务") == [words]
    (words,) = await write(company, other, "朋友圈")
    assert "1 条朋友圈等待发表" in words
    assert (await write(company, owner, f"结果 {number}"))[0].count("/") == 2
    assert "现在的状态不能这样做" in (await write(company, owner, f"暂停 {number}"))[0]
    assert "写上计划编号" in (await write(company, owner, "结果"))[0]
    assert "确认取消" in (await write(company, owner, f"取消 {number}"))[0]
    assert await statuses(company) == {"awaiting"}
    assert "已取消" in (await write(company, owner, f"确认取消 {number}"))[0]
    assert await statuses(company) == {"cancelled"}

    count = await company.read(replies)
    await handle_all_again(company)
    assert await company.read(replies) == count, "an event that is handled again is answered once"
    assert await statuses(company) == {"cancelled"}


async def test_who_only_chats_is_left_in_peace(company: Company) -> None:
    userid = company.followers[0]
    for text in ("你好", "{{ 7 * 7 }}", "暂停" * 900, "<a href=x>待办</a>"):
        assert await write(company, userid, text) == []
    company.sandbox.machine.staff_acts.message(userid, "image", (("PicUrl", "http://x/y.png"), ("MediaId", "m1")))
    await company.settle()
    stored = await company.bot.inbox.db.read(event_rows.list_events, limit=100)
    mine = [event for event in stored if event["kind"].startswith("message.")]
    assert {each["status"] for event in mine for each in event["outcomes"]} == {"skipped"}
    assert await company.read(replies) == 0
    assert "待办" in (await write(company, userid, "help"))[0]


async def test_a_command_that_waited_for_hours_is_not_done(company: Company) -> None:
    owner = company.followers[0]
    number = await launch(company, owner)
    async with company.nobody_works():
        company.sandbox.machine.staff_acts.write(owner, f"暂停 {number}")
        await company.sandbox.machine.callbacks.idle()
        company.bot.clock.advance(timedelta(hours=2))
    await company.settle()
    await send_due_alerts(company.bot.context)
    assert "没有执行" in told(company, owner)[-1]
    assert "paused" not in await statuses(company)


async def test_an_app_may_answer_every_text_and_an_observing_bot_answers_none(start: Start) -> None:
    observing = await start("observe")
    assert await write(observing, observing.followers[0], "待办") == []
    assert await observing.read(replies) == 0
    await observing.bot.__aexit__(None, None, None)
    answering = await start()
    assert "没有看懂" in (await write(answering, answering.followers[0], "在吗"))[0]
