"""Group welcomes: what waits is brought into WeCom's stock, and what is there is read now and then."""

from __future__ import annotations

from bot.context import Context
from bot.group_welcomes import bring, check
from bot.wecom.errors import WeComError
from data.queries import group_welcomes as rows


async def write_group_welcomes(ctx: Context) -> int:
    """Go on with those whose call is due: a try after a pause, or one that a process left behind. How many."""
    if ctx.observes:
        return 0
    due = await ctx.db.read(rows.list_due, ctx.clock.now())
    for id_ in due:
        await bring(ctx, id_)
    return len(due)


async def check_group_welcomes(ctx: Context) -> int:
    """Read each from WeCom, which calls nothing back when somebody changes or deletes one there. How many were read."""
    failure: WeComError | None = None
    read = 0
    for id_, template_id, version in await ctx.db.read(rows.list_checkable):
        try:
            await check(ctx, id_, template_id, version)
            read += 1
        except WeComError as error:
            failure = failure or error
    if failure is not None:
        raise failure
    return read
