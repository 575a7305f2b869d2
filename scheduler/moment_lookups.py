"""Moments posts whose answer never came, or whose job was lost: looked for among what WeCom lists of the company.

Nothing is concluded from a list that is not complete, or from one that was read before a job must have ended. While
another job of ours is under way nothing that it may be making is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from bot.context import Context
from bot.logs import get_logger
from bot.wecom.errors import WeComError
from data.models import Batch, BatchStatus
from data.queries import batch_lookups as lookup_rows
from data.queries import moments as rows
from data.rules import moments as rules
from data.rules.batches import STRAY_SECONDS
from data.rules.moments import Asked, Found, content_asked, content_told, match, may_be
from scheduler.unknown_batches import leave_forgotten, put_off, read_all, settle

log = get_logger("campaigns")

CHUNK = 50
PER_PAGE = 20


async def look_up_posts(ctx: Context) -> None:
    """Look up every post that is due for it."""
    while due := await ctx.db.read(lookup_rows.list_unknown, ctx.clock.now(), CHUNK, moments=True):
        for batch in due:
            await _look_up(ctx, batch)


async def _look_up(ctx: Context, batch: Batch) -> None:
    assert batch.id is not None
    began = ctx.clock.now()
    if await leave_forgotten(ctx, batch):
        return
    unanswered = await ctx.db.read(rows.list_unanswered)
    asked = {each.id or 0: _asked(each, members) for each, members in unanswered if each.called_at is not None}
    if batch.id not in asked:
        await put_off(ctx, batch, batch.error)
        return
    try:
        found = await _read_found(ctx, asked[batch.id], began)
    except WeComError as error:
        await put_off(ctx, batch, str(error), error.after_seconds)
        return
    making = any(each.status == BatchStatus.MAKING for each, _ in unanswered)
    verdict = match(list(asked.values()), found)[batch.id]
    await settle(ctx, batch, verdict, began, rules.SETTLE_SECONDS, making=making)


def _asked(batch: Batch, members: frozenset[str]) -> Asked:
    assert batch.id is not None
    assert batch.called_at is not None
    since = batch.first_called_at or batch.called_at
    content = content_asked(batch.body or {})
    return Asked(batch.id, content, members, since.timestamp(), batch.called_at.timestamp())


async def _read_found(ctx: Context, asked: Asked, now: datetime) -> Sequence[Found]:
    """What WeCom has of the company's posts with these words from the time of this call, and no row of ours owns.

    Raises WeComError where it cannot all be read.
    """
    wecom = ctx.wecom.external_contact
    # Both ends are excluded.
    start = int(asked.since - STRAY_SECONDS) - 1
    end = min(int(now.timestamp()) + 1, start + 30 * 86_400)
    listed = await read_all(
        lambda cursor: wecom.get_moment_list(start, end, filter_type=0, cursor=cursor, limit=PER_PAGE), "moment_list"
    )
    made = {str(each["moment_id"]): each for each in listed if not each.get("creator")}
    owned = await ctx.db.read(lookup_rows.list_owned, list(made))
    found: list[Found] = []
    for moment_id, row in made.items():
        at, content = float(row.get("create_time") or 0), content_told(row)
        if moment_id in owned or not may_be(asked, at, content):
            continue
        tasks = await read_all(
            lambda cursor, moment_id=moment_id: wecom.get_moment_task(moment_id, cursor),  # type: ignore[misc]
            "task_list",
        )
        found.append(Found(moment_id, at, content, frozenset(str(each["userid"]) for each in tasks)))
    # What was answered while we read has an owner now.
    owned = await ctx.db.read(lookup_rows.list_owned, [each.msgid for each in found])
    return [each for each in found if each.msgid not in owned]
