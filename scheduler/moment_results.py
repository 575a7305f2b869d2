"""Moments posts followed: who has published, who can see it, who liked it or commented; withdrawn when time is over.

No callback tells any of it. Each post is asked about at a rhythm that slows with age: its tasks first, then each
member who has published. After `valid_until` or a cancellation all of it is read a last time.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.context import Context
from bot.logs import get_logger
from bot.wecom.errors import AlreadyDoneError, GoneError, InvalidRequestError, NotReadyError, WeComError
from data.models import Batch, BatchStatus, ReactionKind
from data.queries import batch_results as result_rows
from data.queries import batches as batch_rows
from data.queries import moments as moment_rows
from data.queries import publishers as rows
from data.queries.batch_results import Due
from data.queries.publishers import Published, Reaction
from data.rules.batches import pull_pause
from data.rules.moments import GIVE_UP_SECONDS
from scheduler.leases import LeaseHeldError, alone
from scheduler.moment_lookups import look_up_posts
from scheduler.moments import read_job
from scheduler.unknown_batches import read_all

log = get_logger("campaigns")

LEASE = "moments"
CHUNK = 50
#: Members and customers that are written at a time.
ROWS = 1000
IN_FLIGHT = 8


async def follow_moments(ctx: Context) -> bool:
    """Look up, and follow, what is due. False: nothing was, or another process does it."""
    if ctx.observes or not await ctx.db.read(moment_rows.has_work, ctx.clock.now()):
        return False
    with contextlib.suppress(LeaseHeldError):
        await alone(ctx, LEASE, lambda: _follow(ctx))
        return True
    return False


async def _follow(ctx: Context) -> None:
    await look_up_posts(ctx)
    while due := await ctx.db.read(result_rows.list_due, ctx.clock.now(), CHUNK, moments=True):
        for each in due:
            await _pull(ctx, each)


async def _pull(ctx: Context, due: Due) -> None:
    batch = due.batch
    assert batch.id is not None
    try:
        if batch.status == BatchStatus.MAKING:
            await read_job(ctx, batch)
        elif batch.withdrawn_at is not None:
            await _pull_last(ctx, batch, batch.withdrawn_at)
        else:
            await _pull_post(ctx, batch, withdraw=due.withdraw)
    except GoneError as error:
        # WeCom knows the post no more: nothing else can be learnt.
        log.warning("batch_gone", batch=batch.id, cause=str(error))
        await ctx.db.write(rows.end_post, batch.id, ctx.clock.now(), str(error))
    except WeComError as error:
        pause = max(error.after_seconds or 0, 15.0 if error.retryable else 300.0)
        await ctx.db.write(batch_rows.put_off, batch.id, ctx.clock.now() + timedelta(seconds=pause), str(error))


async def _pull_post(ctx: Context, batch: Batch, *, withdraw: bool) -> None:
    assert batch.id is not None
    all_published = await _pull_tasks(ctx, batch)
    if withdraw:
        if not all_published:
            with contextlib.suppress(AlreadyDoneError):
                await ctx.wecom.external_contact.cancel_moment_task(batch.msgid or "")
        await ctx.db.write(result_rows.note_withdrawn, batch.id, ctx.clock.now())
        return
    await _pull_members(ctx, batch)
    now = ctx.clock.now()
    pause = pull_pause((now - (batch.made_at or now)).total_seconds())
    await ctx.db.write(batch_rows.put_off, batch.id, now + timedelta(seconds=pause))


async def _pull_last(ctx: Context, batch: Batch, withdrawn_at: datetime) -> None:
    """Who published before it was withdrawn has done so; then nothing more is read of anybody."""
    assert batch.id is not None
    await _pull_tasks(ctx, batch)
    give_up = ctx.clock.now() - withdrawn_at > timedelta(seconds=GIVE_UP_SECONDS)
    await _pull_members(ctx, batch, last=True, give_up=give_up)
    await ctx.db.write(rows.end_post, batch.id, ctx.clock.now())


async def _pull_tasks(ctx: Context, batch: Batch) -> bool:
    """Read and write who has published; whether all have."""
    assert batch.id is not None
    wecom, moment_id = ctx.wecom.external_contact, batch.msgid or ""
    tasks = await read_all(lambda cursor: wecom.get_moment_task(moment_id, cursor), "task_list")
    told = sorted((str(each["userid"]), int(each.get("publish_status") or 0) == 1) for each in tasks)
    parts = [dict(told[start : start + ROWS]) for start in range(0, len(told), ROWS)] or [{}]
    for number, part in enumerate(parts, 1):
        everybody = {userid for userid, _ in told} if told and number == len(parts) else None
        await ctx.db.write(rows.write_tasks, batch.id, part, ctx.clock.now(), everybody)
    return bool(told) and all(published for _, published in told)


async def _pull_members(ctx: Context, batch: Batch, *, last: bool = False, give_up: bool = False) -> None:
    """Read who can see what each member published, once, and who reacted to it."""
    turn = asyncio.Semaphore(IN_FLIGHT)

    async def one(member: Published) -> None:
        async with turn:
            try:
                await _pull_member(ctx, batch, member)
            except (NotReadyError, InvalidRequestError, GoneError) as error:
                # Of one member nothing can be read, now or for ever: the others' results do not wait for it.
                log.info("publisher_unreadable", run=batch.run_id, cause=str(error))
                if last and not give_up and isinstance(error, NotReadyError):
                    raise
            if last:
                await ctx.db.write(rows.end_publisher, batch.run_id, member.userid, ctx.clock.now())

    after = ""
    while members := await ctx.db.read(rows.list_published, batch.run_id, after, CHUNK):
        # All end before this does, whatever happens to one of them.
        for result in await asyncio.gather(*(one(each) for each in members), return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
        after = members[-1].userid


async def _pull_member(ctx: Context, batch: Batch, member: Published) -> None:
    wecom, moment_id, userid = ctx.wecom.external_contact, batch.msgid or "", member.userid
    if member.audience_at is None:
        listed = await read_all(lambda cursor: wecom.get_moment_send_result(moment_id, userid, cursor), "customer_list")
        whom = sorted({str(each["external_userid"]) for each in listed})
        for start in range(0, len(whom), ROWS):
            await ctx.db.write_many(rows.write_audience, batch.run_id, member, whom[start : start + ROWS])
        await ctx.db.write(rows.note_audience, batch.run_id, userid, len(whom), ctx.clock.now())
    answer = await wecom.get_moment_comments(moment_id, userid)
    reactions = [
        *_reactions(answer.get("like_list") or (), ReactionKind.LIKE),
        *_reactions(answer.get("comment_list") or (), ReactionKind.COMMENT),
    ]
    if await ctx.db.read(rows.has_news, batch.run_id, userid, reactions):
        await ctx.db.write(rows.write_reactions, batch.run_id, userid, reactions)


def _reactions(listed: Sequence[Mapping[str, Any]], kind: ReactionKind) -> list[Reaction]:
    """Those of customers: members react too, and that says nothing of a customer."""
    return [
        Reaction(whom, kind, datetime.fromtimestamp(int(each.get("create_time") or 0), UTC))
        for each in listed
        if (whom := str(each.get("external_userid") or ""))
    ]
