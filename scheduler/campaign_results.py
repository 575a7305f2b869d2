"""Results of campaigns: read until they are final, at a rhythm that slows with age; withdrawn when the time is over.

No callback tells that staff confirmed, so each batch is asked about: first its tasks, one call, and only where
somebody has confirmed the results of each recipient.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.campaign_plans import calendar_of
from bot.context import Context
from bot.logs import get_logger
from bot.wecom.errors import AlreadyDoneError, GoneError, WeComError
from data.models import Batch, RecipientState
from data.queries import batch_results as rows
from data.queries import batches as batch_rows
from data.queries import runs as run_rows
from data.queries.batch_results import Due, Result
from data.rules.batches import pull_pause
from scheduler.campaign_lookups import id_of
from scheduler.leases import LeaseHeldError, alone
from scheduler.unknown_batches import read_all, read_pages

log = get_logger("campaigns")

LEASE = "campaign_results"
CHUNK = 100
IN_FLIGHT = 8
#: Results that are written in one go: some tens of milliseconds.
WRITTEN_ROWS = 1500
#: WeCom says in this number that a task is confirmed.
CONFIRMED = 2
#: What WeCom says of a recipient, by its numbers.
_TOLD = {int(state): state for state in RecipientState if state <= RecipientState.OVER_CAP}


async def follow_results(ctx: Context) -> bool:
    """Read what is due, withdraw what is over, and let runs move on. False: another process does it."""
    if ctx.observes:
        return False
    with contextlib.suppress(LeaseHeldError):
        await alone(ctx, LEASE, lambda: _follow(ctx))
        return True
    return False


async def _follow(ctx: Context) -> None:
    while await ctx.db.write(batch_rows.stop_one, ctx.clock.now()):
        pass
    await ctx.db.write(batch_rows.hasten_withdrawals, ctx.clock.now())
    turn = asyncio.Semaphore(IN_FLIGHT)

    async def one(due: Due) -> None:
        async with turn:
            await _pull(ctx, due)

    while due := await ctx.db.read(rows.list_due, ctx.clock.now(), CHUNK):
        # All end before this does, whatever happens to one of them.
        for result in await asyncio.gather(*(one(each) for each in due), return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
    await ctx.db.write(run_rows.move_runs, ctx.clock.now(), calendar_of(ctx.settings))


async def _pull(ctx: Context, due: Due) -> None:
    batch = due.batch
    assert batch.id is not None
    try:
        if batch.withdrawn_at is not None:
            await _pull_last(ctx, batch)
        else:
            await _pull_tasks(ctx, batch, withdraw=due.withdraw)
    except GoneError as error:
        # WeCom knows it no more: nothing else can be learnt.
        log.warning("batch_gone", batch=batch.id, cause=str(error))
        await ctx.db.write(rows.end_batch, batch.id, RecipientState.STOPPED, ctx.clock.now(), str(error))
    except WeComError as error:
        pause = max(error.after_seconds or 0, 15.0 if error.retryable else 300.0)
        await ctx.db.write(batch_rows.put_off, batch.id, ctx.clock.now() + timedelta(seconds=pause), str(error))


async def _pull_tasks(ctx: Context, batch: Batch, *, withdraw: bool) -> None:
    assert batch.id is not None
    wecom, msgid = ctx.wecom.external_contact, batch.msgid or ""
    try:
        tasks = await read_all(lambda cursor: wecom.get_groupmsg_task(msgid, cursor), "task_list")
    except AlreadyDoneError:  # somebody else has withdrawn it
        await ctx.db.write(rows.note_withdrawn, batch.id, ctx.clock.now())
        return
    confirmed = [each for each in tasks if int(each.get("status") or 0) == CONFIRMED]
    results, waiting = await _read_results(ctx, batch, [str(each["userid"]) for each in confirmed])
    look = rows.Look(
        members=[str(each["userid"]) for each in tasks] or [batch.userid],
        all_confirmed=bool(tasks) and len(confirmed) == len(tasks),
        confirmed_at=max((each for each in map(_sent_at, confirmed) if each is not None), default=None),
        results=results,
        waiting=waiting,
    )
    now = ctx.clock.now()
    pause = timedelta(seconds=pull_pause((now - (batch.made_at or now)).total_seconds()))
    if not await ctx.db.write_many(rows.note_look, batch.id, look, now, None if withdraw else now + pause) and withdraw:
        with contextlib.suppress(AlreadyDoneError):
            await wecom.cancel_groupmsg_send(msgid)
        await ctx.db.write(rows.note_withdrawn, batch.id, ctx.clock.now())


async def _pull_last(ctx: Context, batch: Batch) -> None:
    """Who confirmed before it was withdrawn has sent it."""
    assert batch.id is not None
    results, _ = await _read_results(ctx, batch, batch.members or [batch.userid])
    await ctx.db.write_many(rows.write_results, batch.id, results)
    await ctx.db.write(rows.end_batch, batch.id, RecipientState.STOPPED, ctx.clock.now())


async def _read_results(ctx: Context, batch: Batch, userids: Sequence[str]) -> tuple[list[Result], int]:
    """Read the results of members. Where they are many, all but the last are written: what is left to write, and how
    many of those that are written wait still."""
    assert batch.id is not None
    wecom, msgid = ctx.wecom.external_contact, batch.msgid or ""
    left: list[Result] = []
    waiting = 0
    for userid in userids:
        ask = functools.partial(wecom.get_groupmsg_send_result, msgid, userid)
        async for page in read_pages(ask, "send_list"):
            left += _results(page)
            if len(left) >= WRITTEN_ROWS:
                waiting += await ctx.db.write_many(rows.write_results, batch.id, left)
                left = []
    return left, waiting


def _results(listed: Sequence[Mapping[str, Any]]) -> list[Result]:
    # In a page nearly all say the same, and there are a million rows: an enumeration and an instant are looked up.
    sent_at: dict[object, datetime | None] = {}
    found: list[Result] = []
    for row in listed:
        state = _TOLD.get(int(row.get("status") or 0))
        if state is None:
            continue
        seconds = row.get("send_time")
        if seconds not in sent_at:
            sent_at[seconds] = _sent_at(row)
        found.append(Result(id_of(row), str(row.get("userid") or ""), state, sent_at[seconds]))
    return found


def _sent_at(row: Mapping[str, Any]) -> datetime | None:
    seconds = int(row.get("send_time") or 0)
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
