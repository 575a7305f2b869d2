"""Channels: who is on their codes is worked out and brought to WeCom, files are worked off, days are counted."""

from __future__ import annotations

from bot.channel_calls import DUE_AT_ONCE, bring_due, fetch_images, work_out_duties
from bot.channel_files import work_on_imports
from bot.context import Context
from bot.refresh import refresh_directory
from data.queries import channel_days as day_rows
from data.queries import channel_plans as rows
from data.queries import staff as staff_rows


async def tend_channels(ctx: Context) -> int:
    """See to it that every code leads to whom it should lead now. How many calls of WeCom were due.

    What is to be is worked out of rows each time: a restart, or another replica, goes on where this one stopped.
    """
    made = await work_on_imports(ctx)
    if not made and not await ctx.db.read(rows.has_plans):
        return 0
    done = 0
    while True:
        await work_out_duties(ctx)
        if ctx.observes:
            return 0
        due = await bring_due(ctx)
        await fetch_images(ctx)
        done += due
        if due < DUE_AT_ONCE:
            return done


async def watch_seats(ctx: Context) -> bool:
    """Whether somebody has gained or lost the feature, or gone: then the whole company is read again.

    That is done every hour anyway. A code that leads to somebody who may have no customers any more is dead until then,
    so this one call asks more often.
    """
    if not await ctx.db.read(rows.has_plans):
        return False
    answer = await ctx.wecom.external_contact.get_follow_user_list()
    seats = {str(userid) for userid in answer.get("follow_user") or []}
    if seats == set(await ctx.db.read(staff_rows.list_followers)):
        return False
    await refresh_directory(ctx)
    return True


async def count_channel_days(ctx: Context) -> int:
    """Count the days whose numbers may have changed; how many."""
    days = await ctx.db.read(day_rows.list_due_days, ctx.clock.now(), ctx.settings.zone)
    for day in days:
        await ctx.db.write_many(day_rows.count_day, day, ctx.clock.now(), ctx.settings.zone)
    return len(days)
