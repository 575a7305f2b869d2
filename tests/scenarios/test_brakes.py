"""Campaigns that pause by themselves, and what happens then."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot import campaigns
from bot.config import CampaignsSettings
from bot.sandbox.faults import Fault
from data.models import Alert, Follow, PauseRule, Run, Touch
from data.queries import boards as board_rows
from data.queries import brakes as rows
from data.queries.campaigns import pause
from data.rules import campaigns as rules
from data.rules.campaigns import Act, CampaignDraft
from scheduler import campaigns as sending
from scheduler.brakes import watch_campaigns
from scheduler.reminders import remind_and_tell
from tests.scenarios.campaign_ledger import ADD, confirm, has_status, ready, runs_and_batches, until, wave, work
from tests.scenarios.conftest import Company, Start

BRAKES: dict[str, Any] = {"hours": "00:00-00:00", "brake_refused_least": 2, "brake_leaving_least": 3}


async def begin(start: Start, **more: Any) -> Company:
    company = await start(campaigns=CampaignsSettings(**{**BRAKES, **more}))
    await ready(company)
    return company


async def launch(company: Company, *waves: dict[str, Any], owner: str | None = None) -> int:
    draft = CampaignDraft.model_validate({"name": "周末 {{ x }}", "owner": owner, "waves": waves or [wave()]})
    made = await campaigns.make_campaign(company.bot.context, draft, "test")
    await campaigns.start_campaign(company.bot.context, made.id or 0, None)
    return made.id or 0


def told(session: Session) -> list[tuple[str, str, str]]:
    query = select(Alert).where(col(Alert.kind).like("campaign_%")).order_by(col(Alert.id))
    return [(each.kind, each.userid, each.words) for each in session.exec(query)]


async def standing(company: Company, campaign_id: int) -> list[tuple[str, str, str]]:
    runs, _ = await company.read(runs_and_batches, campaign_id)
    return sorted((run.status, run.pause_rule, run.paused_by) for run in runs)


@pytest.mark.slow
async def test_a_campaign_of_which_much_is_refused_pauses_and_goes_on_when_somebody_says_so(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = await begin(start)
    ctx, owner = company.bot.context, company.followers[0]
    # More calls than are under way at once: some are still to be made when it pauses.
    monkeypatch.setattr(rules, "BATCH_RECIPIENTS", 5)
    monkeypatch.setattr(sending, "IN_FLIGHT", 3)
    faults = company.sandbox.machine.faults
    fault = faults.add(Fault(id=0, target="api", on=ADD, kind="errcode", errcode=40058))
    later = wave(timing={"at": (ctx.clock.now() + timedelta(days=1)).isoformat()})
    campaign_id = await launch(company, wave(), later, owner=owner)
    await until(company, campaign_id, has_status("paused"))
    assert await standing(company, campaign_id) == [("paused", "refusals", "")] * 2
    (run, _), batches = await company.read(runs_and_batches, campaign_id)
    assert "40058" in run.error
    for _ in range(2):
        await watch_campaigns(ctx)
        await remind_and_tell(ctx)
    ((kind, userid, words),) = await company.read(told)
    assert (kind, userid) == ("campaign_refusals", owner)
    assert "周末 {{ x }}" in words
    assert "40058" in words
    refused = [batch for batch in batches if batch.status == "refused"]
    assert 2 <= len(refused) < len(batches)

    faults.clear(fault.id)
    await campaigns.act_on(ctx, campaign_id, Act.RESUME, "shop")
    assert await watch_campaigns(ctx) == 0, "what was accepted does not pause it again"
    await work(company)
    assert [status for status, _, _ in await standing(company, campaign_id)] == ["awaiting", "due"]
    assert await watch_campaigns(ctx) == 0
    await campaigns.act_on(ctx, campaign_id, Act.PAUSE, "shop")
    assert ("paused", "", "shop") in await standing(company, campaign_id)


async def leave(company: Company, number: int) -> None:
    """So many customers who received something delete the staff member."""

    def find(session: Session) -> list[tuple[str, str]]:
        query = (
            select(Follow.userid, Follow.external_userid)
            .join(Touch, (col(Touch.external_userid) == Follow.external_userid) & (col(Touch.userid) == Follow.userid))
            .where(col(Touch.campaign_id).is_not(None), col(Follow.status) == "present")
            .distinct()
            .limit(number)
        )
        return [(userid, whom) for userid, whom in session.exec(query)]

    found = await company.read(find)
    assert len(found) == number
    for userid, external_userid in found:
        company.people.delete_by_customer(userid, external_userid)
    await company.settle()


async def test_a_surge_of_customers_who_leave_pauses_a_campaign_that_staff_confirm(start: Start) -> None:
    company = await begin(start)
    ctx = company.bot.context
    campaign_id = await launch(company)
    await until(company, campaign_id, has_status("awaiting"))
    assert confirm(company.world, company.sandbox.machine, share=2)
    for _ in range(3):
        company.bot.clock.advance(timedelta(minutes=2))
        await work(company)
    await leave(company, 2)
    assert await watch_campaigns(ctx) == 0, "two are fewer than three"
    await leave(company, 1)
    assert await watch_campaigns(ctx) == 1
    assert await standing(company, campaign_id) == [("paused", "leaving", "")]
    assert await watch_campaigns(ctx) == 0
    company.bot.clock.advance(timedelta(hours=5))
    assert await remind_and_tell(ctx) == 0, "nobody is to hurry with it"
    assert await company.read(told) == [], "it has no owner, and there are no managers"

    await campaigns.act_on(ctx, campaign_id, Act.RESUME, "shop")
    assert await watch_campaigns(ctx) == 0
    await work(company)
    assert await standing(company, campaign_id) == [("awaiting", "", "")]
    assert await remind_and_tell(ctx) > 0
    company.bot.clock.advance(timedelta(minutes=1))
    await leave(company, 3)
    assert await watch_campaigns(ctx) == 1, "three more have left since"
    confirm(company.world, company.sandbox.machine)
    company.bot.clock.advance(timedelta(hours=3))
    await until(company, campaign_id, has_status("finished"), minutes=30)
    assert await standing(company, campaign_id) == [("finished", "", "")]


async def test_what_a_person_has_accepted_meanwhile_is_not_paused(start: Start) -> None:
    company = await begin(start, managers=("boss",))
    ctx = company.bot.context
    campaign_id = await launch(company)
    await until(company, campaign_id, has_status("awaiting"))
    (running,) = await company.read(rows.list_running)
    stale = running._replace(accepted_at=ctx.clock.now())
    now = ctx.clock.now()
    assert await company.bot.db.write(rows.pause_campaign, stale, PauseRule.LEAVING, "x", now) is False
    assert await company.bot.db.write(rows.pause_campaign, running, PauseRule.LEAVING, "x", now) is True
    assert await company.bot.db.write(rows.pause_campaign, running, PauseRule.LEAVING, "x", now) is False
    await campaigns.act_on(ctx, campaign_id, Act.CANCEL)
    assert await standing(company, campaign_id) == [("cancelled", "", "")]
    assert await company.read(rows.list_running) == []


async def test_a_repeated_campaign_that_was_stopped_stays_so_the_next_time(start: Start) -> None:
    company = await begin(start)
    ctx = company.bot.context
    daily = wave(timing={"cron": "0 10 * * *", "late": {"then": "skip"}}, valid_hours=6)
    campaign_id = await launch(company, daily)
    (run,), _ = await company.read(runs_and_batches, campaign_id)

    def stop(session: Session) -> None:
        pause(session.get_one(Run, run.id), ctx.clock.now(), "many left", rule=PauseRule.LEAVING)

    await company.bot.db.write(stop)
    company.bot.clock.advance(timedelta(days=2))
    await work(company)
    await work(company)
    runs = (await company.read(runs_and_batches, campaign_id))[0]
    assert {run.status for run in runs} == {"paused", "skipped"}
    assert [run.error for run in runs if run.status == "paused"] == ["many left"]
    assert await company.read(board_rows.list_happened, ctx.clock.now() - timedelta(days=1)) == []
