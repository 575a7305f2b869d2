"""Customer service: what events did not tell is read all the same, and what was left behind is answered."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot import kf
from bot.context import Context
from bot.kf_work import work_on_due
from bot.logs import get_logger
from bot.wecom.errors import GoneError, NotPermittedError, WeComError
from data.queries import kf_accounts as rows

log = get_logger("kf")


async def answer_left(ctx: Context) -> int:
    """Work on conversations that were left: by a process that died, by WeCom's busy minutes, by a slow call. They are
    claimed one by one, so replicas share the work."""
    return await work_on_due(ctx)


async def catch_up(ctx: Context) -> int:
    """Read accounts of which no event was heard for some minutes: callbacks get lost. How many had something new."""
    minutes = ctx.settings.kf.pull_minutes
    if not minutes:
        return 0
    return await _pull_all(ctx, ctx.clock.now() - timedelta(minutes=minutes))


async def _pull_all(ctx: Context, before: datetime) -> int:
    found = 0
    for open_kfid in await ctx.db.read(rows.list_unread, before):
        try:
            pulled = await kf.pull(ctx, open_kfid)
        except (GoneError, NotPermittedError) as error:
            # It is not the app's any more, whatever events were missed.
            log.warning("kf_not_granted", open_kfid=open_kfid, cause=str(error))
            await ctx.db.write(rows.grant, (), (open_kfid,), ctx.clock.now())
        except WeComError as error:
            log.warning("kf_unread", open_kfid=open_kfid, cause=str(error))
        else:
            found += bool(pulled.messages)
    return found


async def read_people(ctx: Context) -> int:
    """Read the names of those who came lately. Nobody waits for them."""
    try:
        return await kf.read_people(ctx)
    except NotPermittedError as error:
        log.warning("kf_people_unread", cause=str(error))
        return 0


async def poll_accounts(ctx: Context) -> int:
    """Read which accounts there are, and what nobody has told of while the bot was not running. An app that may not use
    customer service is left alone."""
    try:
        count = await kf.read_accounts(ctx)
    except NotPermittedError as error:
        log.info("kf_unused", cause=str(error))
        return 0
    await _pull_all(ctx, ctx.clock.now())
    return count
