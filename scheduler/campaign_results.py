"""Results of campaigns: read until they are final, at a rhythm that slows with age; withdrawn when the time is over.

No callback tells that staff confirmed, so each batch is asked about: first its tasks, one call, and only where
somebody has confirmed the results of each recipient.
"""

from __future__ import annotations

import asyncio
import contextlib
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
from data.rules.waves import GROUPS
from scheduler.campaign_lookups import id_of
from scheduler.leases import LeaseHeldError, alone
from scheduler.unknown_batches import read_all

log = get_logger("campaigns")

LEASE = "campaign_results"
CHUNK = 100
IN_FLIGHT = 8
#: Results that are written in one go: some tens of milliseconds.
WRITTEN_ROWS = 1500
#: So long after an owner has confirmed, groups of which WeCom tells nothing may still have been sent to.
GROUPS_LAG = timedelta(hours=1)
#: WeCom says in this number that a task is confirmed.
CONFIRMED = 2


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
    all_confirmed = bool(tasks) and len(confirmed) == len(tasks)
    at = max((each for each in map(_sent_at, confirmed) if each is not None), default=None)
    members = [str(each["userid"]) for each in tasks] or [batch.userid]
    confirmed_at = at if all_confirmed else None
    if members != (batch.members or [batch.userid]) or confirmed_at != batch.confirmed_at:
        await ctx.db.write(rows.note_members, batch.id, members, confirmed_at)
    waiting = 0
    for each in confirmed:
        waiting += await _pull_results(ctx, batch, str(each["userid"]))
    if all_confirmed and batch.kind == GROUPS:
        # Only groups that were sent to are told: whether that is all of them shows only in time.
        lately = at is None or ctx.clock.now() - at < GROUPS_LAG
        waiting = await ctx.db.read(rows.count_waiting, batch.id) if lately else 0
    if all_confirmed and not waiting:
        rest = RecipientState.STOPPED if batch.kind == GROUPS else RecipientState.REFUSED
        await ctx.db.write(rows.end_batch, batch.id, rest, ctx.clock.now())
    elif withdraw:
        with contextlib.suppress(AlreadyDoneError):
            await wecom.cancel_groupmsg_send(msgid)
        await ctx.db.write(rows.note_withdrawn, batch.id, ctx.clock.now())
    else:
        now = ctx.clock.now()
        pause = pull_pause((now - (batch.made_at or now)).total_seconds())
        await ctx.db.write(batch_rows.put_off, batch.id, now + timedelta(seconds=pause))


async def _pull_last(ctx: Context, batch: Batch) -> None:
    """Who confirmed before it was withdrawn has sent it."""
    assert batch.id is not None
    for userid in batch.members or [batch.userid]:
        await _pull_results(ctx, batch, userid)
    await ctx.db.write(rows.end_batch, batch.id, RecipientState.STOPPED, ctx.clock.now())


async def _pull_results(ctx: Context, batch: Batch, userid: str) -> int:
    """Read and write one member's results, some pages at a time; how many of them wait still."""
    assert batch.id is not None
    wecom, waiting, cursor = ctx.wecom.external_contact, 0, ""
    read: list[Result] = []
    while True:
        answer = await wecom.get_groupmsg_send_result(batch.msgid or "", userid, cursor)
        read += _results(answer.get("send_list") or ())
        following = str(answer.get("next_cursor") or "")
        ended = not following or following == cursor
        if len(read) >= WRITTEN_ROWS or ended:
            waiting += await ctx.db.write(rows.write_results, batch.id, read)
            read = []
        if ended:
            return waiting
        cursor = following


def _results(listed: Sequence[Mapping[str, Any]]) -> list[Result]:
    return [
        Result(id_of(row), str(row.get("userid") or ""), RecipientState(state), _sent_at(row))
        for row in listed
        if 0 <= (state := int(row.get("status") or 0)) <= RecipientState.OVER_CAP
    ]


def _sent_at(row: Mapping[str, Any]) -> datetime | None:
    seconds = int(row.get("send_time") or 0)
    return datetime.fromtimestamp(seconds, UTC) if seconds else None
