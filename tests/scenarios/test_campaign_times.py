"""When campaigns are sent, on both databases: again and again, in the hours that are allowed, late or not at all."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import Session

from bot import campaigns, customer_waves
from bot.config import CampaignsSettings
from data.errors import ConflictError
from data.models import Order, Run
from data.queries import campaigns as rows
from data.rules.campaigns import Act, CampaignDraft, CustomerWave
from data.rules.messages import MessageContent
from data.rules.problems import InvalidRuleError
from scheduler.reminders import remind_and_tell
from tests.facts import settle
from tests.scenarios.campaign_ledger import ADD, agree, has_status, ready, runs_and_batches, until, wave, work
from tests.scenarios.conftest import Company, Start
from tests.scenarios.test_reminders import alerts

ZONE = ZoneInfo("Asia/Shanghai")
DAILY = {"cron": "0 10 * * *"}


async def make(company: Company, **timing: Any) -> int:
    """A campaign to one customer that is started; its number."""
    userid = company.followers[0]
    whom = next(iter(company.world.customers.listed_by(userid)))
    audience = {"pairs": [{"userid": userid, "external_userid": whom}]}
    draft = CampaignDraft.model_validate(
        {"name": "x", "owner": userid, "waves": [wave(audience=audience, timing=timing, valid_hours=5)]}
    )
    made = await campaigns.make_campaign(company.bot.context, draft, "test")
    await campaigns.start_campaign(company.bot.context, made.id or 0, None)
    return made.id or 0


def buy(session: Session, external_userid: str, at: datetime) -> None:
    session.add(
        Order(source="shop", number="1", external_userid=external_userid, status="paid", amount_fen=100, placed_at=at,
              received_at=at, changed_at=at)
    )  # fmt: skip
    settle(session)


def go_to(company: Company, at: datetime) -> None:
    company.bot.clock.advance(at - company.bot.clock.now())


def ten_on(company: Company, days: int) -> datetime:
    """10:00 so many days from today."""
    today = company.bot.clock.now().astimezone(ZONE).date() + timedelta(days=days)
    return datetime(today.year, today.month, today.day, 10, tzinfo=ZONE)


async def runs_of(company: Company, campaign_id: int) -> list[Run]:
    runs, _ = await company.read(runs_and_batches, campaign_id)
    return sorted(runs, key=lambda run: run.due_at)


async def test_a_campaign_repeats_each_time_once(company: Company) -> None:
    await ready(company)
    campaign_id = await make(company, **DAILY)
    (first,) = await runs_of(company, campaign_id)
    for number in range(3):
        runs = await runs_of(company, campaign_id)
        assert len(runs) == number + 1
        assert runs[-1].due_at.astimezone(ZONE).time().hour == 10
        go_to(company, runs[-1].due_at - timedelta(minutes=1))
        await work(company)
        assert company.calls(ADD) == number
        go_to(company, runs[-1].due_at)
        await work(company)
        assert company.calls(ADD) == number + 1
    runs = await runs_of(company, campaign_id)
    assert [run.due_at - first.due_at for run in runs] == [timedelta(days=number) for number in range(4)]
    await campaigns.act_on(company.bot.context, campaign_id, Act.CANCEL)
    go_to(company, runs[-1].due_at + timedelta(days=3))
    await work(company)
    assert company.calls(ADD) == 3
    assert len(await runs_of(company, campaign_id)) == 4


async def test_of_what_was_missed_only_the_last_is_sent_if_it_is_not_too_late(company: Company) -> None:
    await ready(company)
    campaign_id = await make(company, **DAILY)
    (first,) = await runs_of(company, campaign_id)
    go_to(company, first.due_at + timedelta(days=3, hours=1))
    await work(company)
    runs = await runs_of(company, campaign_id)
    assert [run.status for run in runs] == ["skipped", "awaiting", "due"]
    assert [run.due_at - first.due_at for run in runs] == [timedelta(days=number) for number in (0, 3, 4)]
    assert f"up to {runs[1].due_at:%Y-%m-%d %H:%M} UTC" in runs[0].error
    assert company.calls(ADD) == 1


@pytest.mark.parametrize(("then", "status"), [("send", "awaiting"), ("skip", "skipped"), ("wait", "paused")])
async def test_what_is_late_is_sent_skipped_or_waits(company: Company, then: str, status: str) -> None:
    await ready(company)
    at = ten_on(company, 1)
    campaign_id = await make(company, at=at, late={"within_minutes": 30, "then": then})
    go_to(company, at + timedelta(minutes=31))
    await work(company)
    (run,) = await runs_of(company, campaign_id)
    assert run.status == status
    assert company.calls(ADD) == (then == "send")
    if then == "wait":
        assert "late" in run.error
        await campaigns.act_on(company.bot.context, campaign_id, Act.RESUME)
        await work(company)
        (run,) = await runs_of(company, campaign_id)
        assert (run.status, run.error) == ("awaiting", "")
    await agree(company)


async def test_a_person_who_pauses_a_day_and_resumes_has_the_next_one_sent(company: Company) -> None:
    await ready(company)
    campaign_id = await make(company, **DAILY)
    (first,) = await runs_of(company, campaign_id)
    await campaigns.act_on(company.bot.context, campaign_id, Act.PAUSE)
    go_to(company, first.due_at + timedelta(hours=6))  # its time is over
    await work(company)
    runs = await runs_of(company, campaign_id)
    assert [run.status for run in runs] == ["skipped", "due"]
    go_to(company, runs[1].due_at)
    await work(company)
    assert company.calls(ADD) == 1


async def test_words_are_written_anew_for_each_time_or_it_is_skipped(company: Company) -> None:
    await ready(company)
    campaign_id = await make(company, fresh_words=True, **DAILY)
    (first,) = await runs_of(company, campaign_id)
    go_to(company, first.due_at)
    await work(company)
    _, second = await runs_of(company, campaign_id)
    assert (second.status, second.content) == ("words_due", {})
    ctx = company.bot.context
    await remind_and_tell(ctx)
    assert f"siyu campaigns words {second.id} " in (await company.read(alerts))[-1][2]
    with pytest.raises(InvalidRuleError):
        await campaigns.write_words(ctx, second.id or 0, MessageContent(text="{{ customer_name }}"))
    await campaigns.write_words(ctx, second.id or 0, MessageContent(text="第二次"))
    go_to(company, second.due_at)
    await work(company)
    texts = [str(send.content[0][1]["content"]) for send in company.world.group_sends]
    assert texts[-1] == "第二次"
    with pytest.raises(ConflictError):
        await campaigns.write_words(ctx, second.id or 0, MessageContent(text="太晚"))
    *_, third = await runs_of(company, campaign_id)
    go_to(company, third.due_at + timedelta(hours=3))
    await work(company)
    runs = await runs_of(company, campaign_id)
    assert [run.status for run in runs[2:]] == ["skipped", "words_due"]
    assert company.calls(ADD) == 2


async def test_a_paused_sending_without_words_still_wants_them(company: Company) -> None:
    await ready(company)
    campaign_id = await make(company, fresh_words=True, **DAILY)
    (first,) = await runs_of(company, campaign_id)
    go_to(company, first.due_at)
    await work(company)
    for act in (Act.PAUSE, Act.RESUME):
        await campaigns.act_on(company.bot.context, campaign_id, act)
    assert (await runs_of(company, campaign_id))[-1].status == "words_due"


async def test_at_night_staff_are_not_asked(start: Start) -> None:
    company = await start(campaigns=CampaignsSettings(hours="09:00-18:00"))
    await ready(company)
    go_to(company, ten_on(company, 1) + timedelta(hours=10))
    with pytest.raises(ConflictError, match="09:00"):
        await make(company)
    go_to(company, ten_on(company, 2) + timedelta(hours=7, minutes=59))
    campaign_id = await make(company)
    company.bot.clock.advance(timedelta(minutes=2))
    await work(company)
    (run,) = await runs_of(company, campaign_id)
    assert (run.status, company.calls(ADD)) == ("sending", 0)
    assert run.rest_until is not None
    assert run.rest_until.astimezone(ZONE).strftime("%R") == "09:00"
    assert run.error
    company.bot.clock.advance(timedelta(hours=5))
    await work(company)
    assert company.calls(ADD) == 0, "its five hours are over before the morning"
    await remind_and_tell(company.bot.context)
    ((kind, told_to, words),) = await company.read(alerts)
    assert (kind, told_to) == ("campaign_failed", company.followers[0])
    assert "at this time of day" in words
    with pytest.raises(InvalidRuleError) as refused:
        await make(company, at=ten_on(company, 3) + timedelta(hours=9))
    assert [each.path for each in refused.value.problems] == ["waves[0].timing.at"]


async def test_who_has_bought_since_is_left_out(company: Company) -> None:
    await ready(company)
    userid = company.followers[0]
    one, other = list(company.world.customers.listed_by(userid))[:2]
    audience = {"pairs": [{"userid": userid, "external_userid": each} for each in (one, other)]}
    draft = CampaignDraft.model_validate({"name": "x", "waves": [wave(audience=audience, not_bought_hours=48)]})
    made = await campaigns.make_campaign(company.bot.context, draft, "test")
    await company.bot.db.write(buy, one, company.bot.clock.now() - timedelta(hours=47))
    (mine,) = draft.waves
    assert isinstance(mine, CustomerWave)
    preview = await customer_waves.preview_draft(company.bot.context, mine)
    assert (preview.tally.recipients, dict(preview.tally.left_out)) == (1, {"bought": 1})
    await campaigns.start_campaign(company.bot.context, made.id or 0, None)
    await until(company, made.id or 0, has_status("awaiting"))
    (run,) = await runs_of(company, made.id or 0)
    assert (run.recipients, run.left_out) == (1, {"bought": 1})
    assert [each.recipients for each in (await company.read(runs_and_batches, made.id))[1]] == [1]
    assert await company.read(rows.list_runs, [made.id]) == [run]
