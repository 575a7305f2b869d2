"""How many relations of each week and month are still there, counted once a day."""

from __future__ import annotations

from bot.context import Context
from bot.logs import get_logger
from data.queries import cohorts as rows
from data.rules.schedule import local_datetime

log = get_logger("cohorts")


async def count_cohorts(ctx: Context) -> int:
    """Count what was not counted today yet; how many weeks and months."""
    today = local_datetime(ctx.clock.now(), ctx.settings.zone).date()
    due = await ctx.db.read(rows.list_due, today)
    for period in due:
        counted = await ctx.db.read(rows.count, period, ctx.settings.zone)
        await ctx.db.write(rows.save, period, counted, today)
    if due:
        log.info("counted", periods=len(due))
    return len(due)
