"""Who has left: WeCom's list of customers that wait for somebody to take them over."""

from __future__ import annotations

from bot.context import Context
from bot.logs import get_logger
from data.queries import leavers as rows
from data.queries.leavers import Waiting

log = get_logger("leavers")


async def read_unassigned(ctx: Context) -> int:
    """Read the whole list from WeCom, 1,000 a page; how many customers are on it. Raises WeComError."""
    read_no = await ctx.db.read(rows.begin_reading)
    count, cursor = 0, ""
    while True:
        answer = await ctx.wecom.external_contact.get_unassigned_list(cursor=cursor or None)
        page = [
            Waiting(str(each["handover_userid"]), str(each["external_userid"]), int(each.get("dimission_time") or 0))
            for each in answer.get("info") or []
        ]
        if page:
            await ctx.db.write(rows.note_page, read_no, page)
        count += len(page)
        cursor = str(answer.get("next_cursor") or "")
        if answer.get("is_last", True) or not cursor:
            break
    await ctx.db.write(rows.end_reading, read_no)
    log.info("unassigned_read", customers=count)
    return count
