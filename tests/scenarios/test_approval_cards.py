"""Cards of approvals, on both databases: whatever WeCom does, each comes once and shows in the end what was decided."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot import approvals, campaign_edits
from bot.sandbox.faults import Fault
from bot.sandbox.server import Sandbox
from data.models import Card, CardChange
from data.queries import cards as card_rows
from data.queries.accounts import account_of_member
from scheduler.approvals import work_on_approvals
from tests.scenarios.approval_acts import (
    SEND,
    UPDATE,
    begin,
    cards,
    click,
    handled,
    make,
    managers,
    newest,
    shown,
    submit,
    told,
)
from tests.scenarios.conftest import Company, Start


@pytest.fixture
async def company(start: Start, sandbox: Sandbox) -> Company:
    return await begin(start, sandbox)


async def test_a_click_that_is_handled_twice_changes_nothing(company: Company) -> None:
    campaign_id, (first, _) = await make(company), managers(company)
    await submit(company, campaign_id)
    await click(company, first)
    before = company.calls(UPDATE)
    code = (await company.read(card_rows.find_card, cards(company, first)[0].content["task_id"])).response_code
    again = approvals.Click(first, cards(company, first)[0].content["task_id"], "reject", code)
    assert await approvals.decide_by_click(company.bot.context, again) == ""
    await handled(company)
    assert (company.calls(UPDATE), told(company, first)) == (before, [])


@pytest.mark.drawn
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "errcode", "errcode": -1, "count": 5},
        {"kind": "throttle", "seconds": 30, "count": 1},
        {"kind": "lose_answer", "count": 5},
        {"kind": "lose_answer", "count": 1},
        {"kind": "drop", "count": 5},
        {"kind": "http", "status": 502, "count": 5},
        {"kind": "errcode", "errcode": 60020, "count": 2},
    ],
    ids=lambda fault: "-".join(str(each) for each in fault.values()),
)
async def test_a_card_that_could_not_be_sent_comes_later_and_once(company: Company, fault: dict[str, Any]) -> None:
    campaign_id, (first, second) = await make(company), managers(company)
    company.sandbox.machine.faults.add(Fault(0, "api", on=SEND, **fault))
    await submit(company, campaign_id)
    for _ in range(6):
        company.bot.clock.advance(timedelta(seconds=90))
        await work_on_approvals(company.bot.context)
    (card,) = (await company.read(card_rows.find_cards, [(await newest(company, campaign_id)).id])).values()
    assert card.status == "sent"
    assert [len(cards(company, each)) for each in (first, second)] == [1, 1]
    await click(company, first)
    assert "已批准" in shown(company, first)
    lost = fault["kind"] == "lose_answer"
    assert (shown(company, second) == "") == lost, "without the answer's code only a click's own can change a card"
    if lost:
        await click(company, second)
        assert "已批准" in shown(company, second)


async def test_a_change_whose_answer_was_lost_is_made_once(company: Company) -> None:
    campaign_id, (first, second) = await make(company), managers(company)
    await submit(company, campaign_id)
    company.sandbox.machine.faults.add(Fault(0, "api", "lose_answer", on=UPDATE, count=2))
    await click(company, first)
    for _ in range(3):
        company.bot.clock.advance(timedelta(seconds=90))
        await work_on_approvals(company.bot.context)
    assert "已批准" in shown(company, first)
    assert "已批准" in shown(company, second)
    calls = company.calls(UPDATE)
    company.bot.clock.advance(timedelta(hours=3))
    await work_on_approvals(company.bot.context)
    assert company.calls(UPDATE) == calls == 4
    changes = await company.read(lambda session: session.exec(select(CardChange)).all())
    assert [change.status for change in changes] == ["sent", "sent"]


async def test_a_card_that_never_left_is_dropped_with_its_request(company: Company) -> None:
    campaign_id, (first, second) = await make(company), managers(company)
    await company.bot.db.write(choose_english, first, company.bot.clock.now())
    await approvals.submit(company.bot.context, campaign_id, "shop")
    asked = await company.read(lambda session: session.exec(select(Card).order_by(col(Card.id))).all())
    assert [(card.userids, card.language) for card in asked] == [([first], "en"), ([second], "zh")]
    assert [each["text"] for card in asked for each in card.body["button_list"]] == [
        "Approve",
        "Reject",
        "批准",
        "驳回",
    ]
    told = {each["keyname"]: each["value"] for each in asked[0].body["horizontal_content_list"]}
    assert told["Sent"] == "by requester once approved"
    await campaign_edits.change_campaign(company.bot.context, campaign_id, {"version": 1, "name": "改了"})
    await work_on_approvals(company.bot.context)
    assert cards(company, first) == cards(company, second) == []


def choose_english(session: Session, userid: str, now: datetime) -> None:
    account = account_of_member(session, userid, now)
    assert account is not None
    account.language = "en"
