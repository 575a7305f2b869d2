"""Campaigns whose process stood still, or whose clock was put right, in the middle of a call: nothing is sent twice."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest
from sqlmodel import Session, col, select

from bot.campaign_plans import plan_run
from bot.sandbox.faults import Fault
from data.models import Batch, Run, Wave
from data.queries import batch_lookups as lookup_rows
from data.queries import batches as rows
from data.queries import campaigns as campaign_rows
from data.queries.batches import Waiting
from data.queries.caps import Limits
from scheduler.campaigns import Sender, send_when_due
from tests.scenarios.campaign_ledger import (
    ADD,
    agree,
    begin,
    has_status,
    is_ended,
    ready,
    runs_and_batches,
    until,
    work,
)
from tests.scenarios.conftest import Company

pytestmark = pytest.mark.parametrize("urls", ["sqlite"], indirect=True)


async def begin_small(company: Company, sender: int = 0) -> int:
    """A campaign of one call."""
    userid = company.followers[sender]
    listed = list(company.world.customers.listed_by(userid))[:3]
    return await begin(company, audience={"pairs": [{"userid": userid, "external_userid": each} for each in listed]})


async def plan(company: Company, campaign_id: int) -> tuple[Run, Waiting]:
    """The run of a campaign, planned; and its batch."""
    (run,), _ = await company.read(runs_and_batches, campaign_id)
    run_id, now = run.id or 0, company.bot.clock.now()
    await company.bot.db.write(
        lambda session: campaign_rows.begin(session, campaign_rows.lock_run(session, run_id), now)
    )
    await plan_run(company.bot.context, run_id)
    (waiting,) = await company.read(rows.list_planned, run_id, 0, 10)
    return run, waiting


async def claim(company: Company, waiting: Waiting) -> datetime:
    """Write that a batch is being asked for; since when."""
    now, zone = company.bot.clock.now(), company.bot.context.settings.zone
    assert await company.bot.db.write(rows.claim_batch, waiting.batch_id, {}, now, zone, Limits())
    return now


@pytest.mark.parametrize("minutes", [20, -20])
async def test_what_was_made_by_another_clock_is_not_asked_for_again(company: Company, minutes: int) -> None:
    await ready(company)
    company.sandbox.machine.faults.add(Fault(id=0, target="api", on=ADD, kind="lose_answer", count=1))
    campaign_id = await begin_small(company)
    await send_when_due(company.bot.context)

    def put_right(session: Session) -> None:
        batch = session.exec(select(Batch).where(col(Batch.status) == "unknown")).one()
        assert batch.called_at is not None
        batch.called_at = batch.first_called_at = batch.called_at + timedelta(minutes=minutes)

    await company.bot.db.write(put_right)
    await until(company, campaign_id, lambda _, batches: all(each.next_at is None for each in batches), minutes=5)
    _, (batch,) = await company.read(runs_and_batches, campaign_id)
    assert (batch.status, company.calls(ADD)) == ("unknown", 1)
    (made,) = company.world.group_sends
    assert batch.candidates == [made.msgid]
    await company.bot.db.write(lookup_rows.adopt, batch.id, made.msgid, company.bot.clock.now())
    await agree(company)


async def test_a_call_that_was_claimed_too_long_ago_is_not_begun_and_another_that_was_left_is_looked_up(
    company: Company,
) -> None:
    await ready(company)
    ctx = company.bot.context
    run, waiting = await plan(company, await begin_small(company))
    called_at = await claim(company, waiting)
    ctx.clock.advance(timedelta(minutes=11))
    await Sender(ctx, run)._call(waiting, called_at, {}, 3)
    assert company.calls(ADD) == 0
    assert (await company.read(rows.get_batch, waiting.batch_id)).status == "planned"
    ctx.clock.advance(timedelta(minutes=1))

    # While one run is sent, somebody who has lost the lease claims the batch of another run, and is gone.
    campaign_id = await begin_small(company, sender=1)
    _, other = await plan(company, campaign_id)
    slow = company.sandbox.machine.faults.add(Fault(id=0, target="api", on=ADD, kind="latency", seconds=2, count=1))
    sending = asyncio.create_task(send_when_due(ctx))
    async with asyncio.timeout(30):
        while not slow.struck:
            await asyncio.sleep(0.01)
        await claim(company, other)
        await sending
    assert (await company.read(rows.get_batch, other.batch_id)).status == "unknown"
    await until(company, campaign_id, has_status("awaiting"), minutes=5)
    await until(company, campaign_id, lambda _, batches: all(each.msgid for each in batches), minutes=5)
    await agree(company)
    await until(company, campaign_id, is_ended, hours=5)


async def test_what_is_wrong_with_one_campaign_does_not_keep_the_others_waiting(company: Company) -> None:
    await ready(company)
    broken, other = await begin_small(company), await begin_small(company, sender=1)

    def spoil(session: Session) -> None:
        session.exec(select(Wave).where(col(Wave.campaign_id) == broken)).one().content = {"text": 5}

    await company.bot.db.write(spoil)
    await work(company)
    (run,), _ = await company.read(runs_and_batches, other)
    assert run.status == "awaiting"
    (run,), _ = await company.read(runs_and_batches, broken)
    assert run.status == "sending"
    assert run.error
    assert run.rest_until is not None
