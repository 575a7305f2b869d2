"""Tasks of the staff: those of customers who were handed over change lists (as does whom somebody meant to contact),
those whose time is over lapse, and it is written down which were on a list."""

from __future__ import annotations

from bot.context import Context
from bot.logs import get_logger
from bot.staff_tasks import read_day
from bot.task_moves import move_stranded
from data.queries import notes as note_rows
from data.queries import staff_tasks as rows

log = get_logger("staff")

#: Members whose lists are gone through in one transaction.
MEMBERS = 20


async def tend_tasks(ctx: Context) -> int:
    """Do what time brings; how many tasks lapsed."""
    await move_stranded(ctx)
    if stranded := await ctx.db.read(note_rows.list_stranded):
        await ctx.db.write(note_rows.move_contacts, stranded, ctx.clock.now())
    day = await ctx.db.read(read_day, ctx.settings, ctx.clock.now())
    # First, so that what was on a list until its last minute does not count as never listed.
    holders = await ctx.db.read(rows.list_holders, day, unlisted=True)
    for start in range(0, len(holders), MEMBERS):
        await ctx.db.write(rows.note_listed, holders[start : start + MEMBERS], day)
    lapsed = 0
    while count := await ctx.db.write(rows.lapse, day.now):
        lapsed += count
    if lapsed:
        log.info("tasks_lapsed", tasks=lapsed)
    return lapsed
