"""Steps of the ledger that come too late, or twice, change nothing."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import delete, select
from sqlmodel import Session, col

from bot.context import Context
from bot.wecom.errors import BusyError
from data.db import Database
from data.errors import ConflictError
from data.models import Batch, Customer, Follow, Leave, PauseRule, Recipient, RecipientState, Run, RunStatus, Wave
from data.queries import batch_lookups as lookup_rows
from data.queries import batch_results as result_rows
from data.queries import batches as rows
from data.queries import erasures, follow_facts
from data.queries import recipients as recipient_rows
from data.queries.batch_results import Look, Result
from data.queries.caps import Limits
from data.rules.batches import RESULTS_LAG
from data.rules.campaigns import Assigned, Filled, Tally
from scheduler.campaign_lookups import _look_up
from scheduler.unknown_batches import read_all
from tests.queries.test_campaign_rows import ctx

__all__ = ["ctx"]

ZONE = ZoneInfo("Asia/Shanghai")
WHOM = ["wm1", "wm2"]


def fill(session: Session, now: datetime, status: RunStatus) -> tuple[int, int]:
    """A run with one batch of two recipients; the numbers of both."""
    wave = Wave(campaign_id=5, kind="customers", content={}, audience={}, sender_policy="all", valid_hours=1)
    session.add(wave)
    session.flush()
    run = Run(
        wave_id=wave.id or 0,
        campaign_id=5,
        status=status,
        due_at=now,
        valid_until=now + timedelta(hours=1),
        recipients=2,
    )
    session.add(run)
    session.flush()
    assert run.id is not None
    batch = Batch(run_id=run.id, batch_no=1, userid="ann", recipients=2, status="planned")
    session.add(batch)
    for whom in WHOM:
        session.add(Customer(external_userid=whom, first_seen_at=now))
        follow = Follow(userid="ann", external_userid=whom, status="present", changed_at=now)
        session.add(follow)
        session.flush()
        session.add(Recipient(run_id=run.id, follow_id=follow.id or 0, batch_no=1, state=RecipientState.WAITING))
    session.flush()
    assert batch.id is not None
    return run.id, batch.id


async def test_a_span_that_was_planned_is_not_planned_again(db: Database, now: datetime) -> None:
    run_id, _ = await db.write(fill, now, RunStatus.PLANNING)
    mark = await db.read(erasures.read_mark)
    piece = ([Assigned(2, RecipientState.WAITING, "100")], {2: Filled("ann", "", 1)}, Tally(matched=1), 0, 100, mark)
    first = await db.write(recipient_rows.write_span, run_id, *piece)
    late = await db.write(recipient_rows.write_span, run_id, *piece)
    assert (first.matched, late.matched, late.planned_until) == (1, 1, 100)


async def test_only_a_run_that_is_being_sent_is_asked_for(db: Database, now: datetime) -> None:
    for status in RunStatus:

        def claim(session: Session, status: RunStatus = status) -> list[str] | None:
            _, batch_id = fill(session, now, status)
            found = rows.claim_batch(session, batch_id, {}, now, ZONE, Limits())
            session.rollback()
            return found

        found = await db.read(claim)  # it writes, and takes it back
        assert found == (WHOM if status == RunStatus.SENDING else None), status


async def test_a_run_whose_time_is_over_and_a_batch_that_was_claimed_are_not_asked_for(
    db: Database, now: datetime
) -> None:
    _, batch_id = await db.write(fill, now, RunStatus.SENDING)
    assert await db.write(rows.claim_batch, batch_id, {}, now + timedelta(hours=1), ZONE, Limits()) is None
    assert await db.write(rows.claim_batch, batch_id, {}, now, ZONE, Limits()) == WHOM
    assert await db.write(rows.claim_batch, batch_id, {}, now, ZONE, Limits()) is None


async def test_the_same_page_of_results_twice_is_counted_once(db: Database, now: datetime) -> None:
    _, batch_id = await db.write(fill, now, RunStatus.AWAITING)
    page = [
        Result("wm1", "ann", RecipientState.SENT, now),
        Result("wm2", "ann", RecipientState.NOT_FRIEND, None),
        Result("wmStranger", "ann", RecipientState.SENT, now),
    ]
    for _ in range(2):
        assert await db.write(result_rows.write_results, batch_id, page) == 0
        batch = await db.read(rows.get_batch, batch_id)
        assert (batch.sent, batch.not_friend) == (1, 1)


async def test_all_follows_of_a_customer_know_of_a_message_through_one(db: Database, now: datetime) -> None:
    _, batch_id = await db.write(fill, now, RunStatus.AWAITING)

    def share(session: Session) -> None:
        session.add(Follow(userid="bo", external_userid="wm1", status="present", changed_at=now))
        session.flush()
        follow_facts.note_facts(session, WHOM)

    await db.write(share)
    page = [Result(whom, "ann", RecipientState.SENT, now) for whom in WHOM]
    await db.write(result_rows.write_results, batch_id, page)
    touched = await db.read(lambda session: session.execute(select(col(Follow.touched_at))).scalars().all())
    assert touched == [now] * 3
    assert (await db.read(follow_facts.list_wrong, 0, 10))[0] == []


async def test_a_batch_ends_with_the_look_that_tells_of_everybody(db: Database, now: datetime) -> None:
    _, batch_id = await db.write(fill, now, RunStatus.AWAITING)
    await db.write(lambda session: setattr(session.get_one(Batch, batch_id), "next_at", now))
    soon = now + timedelta(minutes=1)
    first = [Result("wm1", "ann", RecipientState.SENT, now), Result("wm2", "ann", RecipientState.WAITING, None)]
    told = Look(members=["ann"], all_confirmed=False, confirmed_at=None, results=[], waiting=0)
    assert not await db.write(result_rows.note_look, batch_id, told, now, soon)
    assert not await db.write(result_rows.note_look, batch_id, told, now, None)
    half = told._replace(all_confirmed=True, confirmed_at=now, results=first)
    assert not await db.write(result_rows.note_look, batch_id, half, now, soon)
    batch = await db.read(rows.get_batch, batch_id)
    assert (batch.sent, batch.next_at, batch.confirmed_at, batch.final_at) == (1, soon, now, None)
    # Of the second WeCom tells nothing at all now, nor later: it has made no task for them.
    less, later = half._replace(results=first[:1]), now + RESULTS_LAG
    assert not await db.write(result_rows.note_look, batch_id, less, soon, later)
    for _ in range(2):
        assert await db.write(result_rows.note_look, batch_id, less, later, later)
        batch = await db.read(rows.get_batch, batch_id)
        assert (batch.sent, batch.refused, batch.next_at, batch.final_at) == (1, 1, None, later)
    # A process that stood still since its look writes what it saw then.
    assert await db.write(result_rows.note_look, batch_id, told, later, later)
    await db.write(result_rows.note_withdrawn, batch_id, later)
    batch = await db.read(rows.get_batch, batch_id)
    assert (batch.confirmed_at, batch.withdrawn_at, batch.next_at) == (now, None, None)


async def test_pages_that_do_not_end_are_no_end() -> None:
    async def ask(cursor: str) -> dict[str, Any]:
        return {"rows": [cursor], "next_cursor": "again"}

    with pytest.raises(BusyError):
        await read_all(ask, "rows")


@pytest.mark.parametrize("urls", ["sqlite"], indirect=True)
async def test_what_was_answered_meanwhile_is_not_looked_up(ctx: Context, now: datetime) -> None:
    _, batch_id = await ctx.db.write(fill, now, RunStatus.SENDING)
    await ctx.db.write(rows.claim_batch, batch_id, {}, now, ZONE, Limits())
    await ctx.db.write(rows.note_unknown, batch_id, now, "lost", now)
    due = await ctx.db.read(lookup_rows.list_unknown, now + timedelta(minutes=1), 1)
    assert await ctx.db.write(rows.note_made, batch_id, now, "msg", [], now)
    await _look_up(ctx, due)


async def test_nothing_is_asked_of_a_sender_who_has_gone_on_leave_since(db: Database, now: datetime) -> None:
    run_id, batch_id = await db.write(fill, now, RunStatus.SENDING)
    day = now.astimezone(ZONE).date()
    leave = Leave(userid="ann", first_day=day, last_day=day, made_by="test", made_at=now)
    await db.write(lambda session: session.add(leave))
    assert await db.write(rows.claim_batch, batch_id, {}, now, ZONE, Limits()) == []
    batch = await db.read(rows.get_batch, batch_id)
    assert (batch.status, batch.recipients) == ("cancelled", 0)
    run = await db.read(lambda session: session.get_one(Run, run_id))
    assert (run.recipients, run.left_out) == (0, {"sender_on_leave": 2})
    told = await db.read(recipient_rows.list_recipients, run_id, 10)
    assert {each["state"] for each in told} == {"sender_on_leave"}

    run_id, batch_id = await db.write(lambda session: fill_anew(session, now))
    assert await db.write(rows.claim_batch, batch_id, {}, now + timedelta(days=1), ZONE, Limits()) == WHOM


def fill_anew(session: Session, now: datetime) -> tuple[int, int]:
    for model in (Recipient, Batch, Run, Wave, Follow, Customer):
        session.execute(delete(model))
    run_id, batch_id = fill(session, now, RunStatus.SENDING)
    session.get_one(Run, run_id).valid_until = now + timedelta(days=2)
    return run_id, batch_id


async def test_what_comes_late_of_one_call_changes_nothing_of_the_next(db: Database, now: datetime) -> None:
    _, batch_id = await db.write(fill, now, RunStatus.SENDING)
    later = now + timedelta(minutes=11)
    await db.write(rows.claim_batch, batch_id, {}, now, ZONE, Limits())
    await db.write(rows.note_interrupted, now)
    await db.write(lookup_rows.ask_again, batch_id, later, absent=now)
    await db.write(rows.claim_batch, batch_id, {}, later, ZONE, Limits())
    await db.write(rows.note_again, batch_id, now, "late", later, 0)
    await db.write(rows.note_unknown, batch_id, now, "late", later)
    await db.write(rows.note_refused, batch_id, now, 41048, "late", later)
    assert not await db.write(rows.note_made, batch_id, now, "msg1", [], later)
    await db.write(rows.pause_run, batch_id, now, "late", PauseRule.WECOM, later)
    batch = await db.read(rows.get_batch, batch_id)
    assert (batch.status, batch.called_at, batch.error) == ("sending", later, "")
    await db.write(rows.note_unknown, batch_id, later, "lost", later)
    with pytest.raises(ConflictError):
        await db.write(lookup_rows.ask_again, batch_id, later, absent=now)
    assert await db.write(rows.note_made, batch_id, later, "msg2", ["wm2"], later), "it came after all"
    batch = await db.read(rows.get_batch, batch_id)
    assert (batch.status, batch.msgid, batch.refused) == ("created", "msg2", 1)
