"""Follows come and go while a run is planned and asked for: nobody is asked for twice, and the counts agree."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot import campaign_plans
from bot.config import CampaignsSettings
from bot.context import Context
from data.models import Batch, Follow, Recipient, RecipientState, Run, RunStatus
from data.queries import batches, erasures, follow_facts, follow_tags
from data.queries.caps import Limits
from tests.queries.test_campaign_rows import CHOICES, STAFF, ctx, fill, start_run, wave

__all__ = ["ctx"]


def change(session: Session, rng: random.Random, now: datetime) -> None:
    """Some contacts are lost, others regained, and somebody finds another member."""
    follows = list(session.execute(select(Follow)).scalars())
    for each in rng.sample(follows, len(follows) // 3):
        each.status = "deleted_by_customer" if each.status == "present" else "present"
        each.added_at = rng.choice([now, each.added_at])
        follow_tags.note_status(session, [each.id or 0], each.status)
    whom = rng.choice(follows).external_userid
    others = [each for each in STAFF if each not in {row.userid for row in follows if row.external_userid == whom}]
    for userid in others[:1]:
        session.add(Follow(userid=userid, external_userid=whom, changed_at=now, status="present", added_at=now))
    follow_facts.note_facts(session, {each.external_userid for each in follows})


@pytest.mark.parametrize("seed", range(len(CHOICES)))
@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_nobody_is_asked_for_twice_whoever_comes_and_goes_meanwhile(
    ctx: Context, now: datetime, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    settings = ctx.settings.model_copy(update={"campaigns": CampaignsSettings(cap_count=1, cap_days=1)})
    ctx = replace(ctx, settings=settings)
    await ctx.db.write(fill, now, seed)
    monkeypatch.setattr(campaign_plans, "SPAN", 7)
    run_id = await start_run(ctx, wave({"everyone": True}, **CHOICES[seed]))
    write = campaign_plans._write

    async def meanwhile(*args: Any) -> Run:
        if rng.random() < 0.3:
            await ctx.db.write(change, rng, now)
        if rng.random() < 0.1:
            raise ConnectionError
        return await write(*args)

    monkeypatch.setattr(campaign_plans, "_write", meanwhile)
    status = RunStatus.PLANNING
    while status != RunStatus.SENDING:
        try:
            status = await campaign_plans.plan_run(ctx, run_id)
        except ConnectionError:
            await ctx.db.write(change, rng, now)
    asked = Counter[str]()
    for waiting in await ctx.db.read(batches.list_planned, run_id, 0, 100):
        await ctx.db.write(change, rng, now)
        zone = ctx.settings.zone
        asked.update(await ctx.db.write(batches.claim_batch, waiting.batch_id, {}, now, zone, Limits()) or ())
    assert asked
    assert max(asked.values()) == 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_counts_agree_whoever_is_erased_meanwhile(
    ctx: Context, now: datetime, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = random.Random(seed)
    await ctx.db.write(fill, now, seed)
    monkeypatch.setattr(campaign_plans, "SPAN", 7)
    run_id = await start_run(ctx, wave({"everyone": True}))
    write = campaign_plans._write

    async def erase() -> None:
        whom = rng.choice(await ctx.db.read(lambda session: session.scalars(select(Follow.external_userid)).all()))
        await ctx.db.write(erasures.begin_erasure, whom, "test", now)

    async def meanwhile(*args: Any) -> Run:
        if rng.random() < 0.3:
            await erase()
        return await write(*args)

    monkeypatch.setattr(campaign_plans, "_write", meanwhile)
    while await campaign_plans.plan_run(ctx, run_id) != RunStatus.SENDING:
        pass
    for waiting in await ctx.db.read(batches.list_planned, run_id, 0, 100):
        await erase()
        await ctx.db.write(batches.claim_batch, waiting.batch_id, {}, now, ctx.settings.zone, Limits())
    await ctx.db.read(counts_agree, run_id)


def counts_agree(session: Session, run_id: int) -> None:
    """A run and its batches count the recipients that there are, and each of these is somebody's contact."""
    waiting = Counter(
        session.scalars(
            select(Recipient.batch_no)
            .join(Follow, col(Follow.id) == Recipient.follow_id)
            .where(Recipient.run_id == run_id, col(Recipient.state) == RecipientState.WAITING)
        )
    )
    counted = dict(session.execute(select(Batch.batch_no, Batch.recipients).where(Batch.run_id == run_id)).all())
    assert counted == {batch_no: waiting[batch_no] for batch_no in counted}
    assert session.get_one(Run, run_id).recipients == waiting.total() > 0
    written = session.scalars(select(Recipient.follow_id).where(Recipient.run_id == run_id)).all()
    assert set(written) <= set(session.scalars(select(Follow.id)).all())
