"""Staff who let a campaign's tasks lie are reminded, their leaders and the campaign's owner are told."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session, col, select

from bot import campaigns
from bot.sandbox.faults import Fault
from data.models import Alert, Department, Staff
from data.queries import boards as board_rows
from data.rules.campaigns import Act, CampaignDraft
from data.rules.problems import InvalidRuleError
from scheduler.reminders import remind_and_tell
from tests.scenarios.campaign_ledger import ADD, begin, confirm, has_status, ready, until, wave, work
from tests.scenarios.conftest import Company, Start

REMIND = "externalcontact/remind_groupmsg_send"


def alerts(session: Session) -> list[tuple[str, str, str]]:
    query = select(Alert).where(col(Alert.kind).like("campaign_%")).order_by(col(Alert.id))
    return [(each.kind, each.userid, each.words) for each in session.exec(query)]


async def test_who_has_not_confirmed_is_reminded_once_a_day_and_when_somebody_asks(company: Company) -> None:
    await ready(company)
    campaign_id = await begin(company)
    await until(company, campaign_id, has_status("awaiting"))
    assert confirm(company.world, company.sandbox.machine, share=2)
    for _ in range(3):
        company.bot.clock.advance(timedelta(minutes=2))
        await work(company)
    board = await company.read(board_rows.read_board, campaign_id)
    waiting = [row for row in board if row.confirmed < row.tasks]
    assert waiting
    assert len(waiting) < len(board)
    assert sum(row.sent for row in board) > 0
    ctx = company.bot.context
    assert await remind_and_tell(ctx) == 0, "it is too early"
    company.bot.clock.advance(timedelta(hours=4))
    assert await remind_and_tell(ctx) == sum(row.tasks - row.confirmed for row in waiting)
    assert await remind_and_tell(ctx) == 0
    assert await company.bot.db.write(board_rows.ask_to_remind, campaign_id) == len(waiting)
    assert await remind_and_tell(ctx) == len(waiting)
    company.bot.clock.advance(timedelta(hours=24))
    assert await remind_and_tell(ctx) == len(waiting)
    confirm(company.world, company.sandbox.machine)
    await until(company, campaign_id, has_status("finished"), minutes=30)
    company.bot.clock.advance(timedelta(hours=24))
    assert await remind_and_tell(ctx) == 0
    assert all(row.confirmed == row.tasks for row in await company.read(board_rows.read_board, campaign_id))


async def test_a_reminder_that_wecom_refuses_stops_nothing(company: Company) -> None:
    await ready(company)
    campaign_id = await begin(company)
    await until(company, campaign_id, has_status("awaiting"))
    company.bot.clock.advance(timedelta(hours=5))
    company.sandbox.machine.faults.add(Fault(id=0, target="api", on=REMIND, kind="errcode", errcode=41094, count=1))
    board = await company.read(board_rows.read_board, campaign_id)
    assert await remind_and_tell(company.bot.context) == sum(row.tasks for row in board) - 1


async def test_leaders_hear_of_it_once_a_day(company: Company) -> None:
    await ready(company)
    campaign_id = await begin(company)
    await until(company, campaign_id, has_status("awaiting"))
    late = company.followers[0]

    def lead(session: Session) -> None:
        member = session.get_one(Staff, late)
        session.get_one(Department, member.main_department_id or 1).leader_userids = ["boss", late]

    await company.bot.db.write(lead)
    company.bot.clock.advance(timedelta(hours=25))
    for _ in range(2):
        await remind_and_tell(company.bot.context)
    told = [each for each in await company.read(alerts) if each[1] == "boss"]
    assert [each[0] for each in told] == ["campaign_unconfirmed"]
    assert "周末" in told[0][2]


async def test_the_owner_hears_what_needs_them_and_how_it_ended(company: Company) -> None:
    await ready(company)
    owner = company.followers[0]
    draft = CampaignDraft.model_validate({"name": "周末", "owner": owner, "waves": [wave()]})
    made = await campaigns.make_campaign(company.bot.context, draft, "test")
    faults = company.sandbox.machine.faults
    fault = faults.add(Fault(id=0, target="api", on=ADD, kind="errcode", errcode=48002))
    await campaigns.start_campaign(company.bot.context, made.id or 0, None)
    await until(company, made.id or 0, has_status("paused"))
    for _ in range(2):
        await remind_and_tell(company.bot.context)
    faults.clear(fault.id)
    await campaigns.act_on(company.bot.context, made.id or 0, Act.RESUME)
    await until(company, made.id or 0, has_status("awaiting"))
    confirm(company.world, company.sandbox.machine)
    await until(company, made.id or 0, has_status("finished"), minutes=10)
    await remind_and_tell(company.bot.context)
    told = await company.read(alerts)
    assert [(kind, userid) for kind, userid, _ in told] == [("campaign_paused", owner), ("campaign_finished", owner)]
    assert "48002" in told[0][2]


async def test_an_owner_whom_nobody_knows_is_refused(company: Company) -> None:
    draft = CampaignDraft.model_validate({"name": "x", "owner": "nobody", "waves": [wave()]})
    with pytest.raises(InvalidRuleError) as refused:
        await campaigns.make_campaign(company.bot.context, draft, "test")
    assert [each.path for each in refused.value.problems] == ["owner"]


async def test_observing_nobody_is_reminded(start: Start) -> None:
    company = await start("observe")
    assert await remind_and_tell(company.bot.context) == 0
    assert company.calls(REMIND) == 0
