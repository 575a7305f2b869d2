"""Group-sends that staff made themselves: they use up WeCom's cap, and they reach the same customers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from bot.context import Context
from bot.logs import get_logger
from bot.wecom.errors import GoneError, NotReadyError
from data.queries import own_sends as rows
from data.rules.caps import wecom_cap

log = get_logger("own_sends")

#: What was made so lately is read once more: its results may not have been there.
OVERLAP = timedelta(hours=6)
#: WeCom lists what was made in at most a month.
SPAN = timedelta(days=30)
PERSONAL: Literal[1] = 1
SENT = 1


async def pull_own_sends(ctx: Context) -> int:
    """Read what staff have sent since the last time; how many group-sends were read."""
    now = ctx.clock.now()
    until = await ctx.db.read(rows.find_read_until)
    begin = (until or wecom_cap("month", now, ctx.settings.zone).since) - OVERLAP
    read = 0
    while begin < now:
        end = min(begin + SPAN, now)
        read += await _read_span(ctx, begin, end)
        await ctx.db.write(rows.note_read_until, end)
        begin = end
    return read


async def _read_span(ctx: Context, begin: datetime, end: datetime) -> int:
    read = 0
    listed = ctx.wecom.external_contact.gen_groupmsg_list(
        "single", int(begin.timestamp()), int(end.timestamp()), filter_type=PERSONAL
    )
    async for row in listed:
        msgid, creator = str(row.get("msgid") or ""), str(row.get("creator") or "")
        if not (msgid and creator):
            continue
        try:
            results = [each async for each in ctx.wecom.external_contact.gen_groupmsg_send_results(msgid, creator)]
        except (NotReadyError, GoneError) as error:
            # Read with the next overlap, or taken back.
            log.info("own_send_unread", msgid=msgid, cause=str(error))
            continue
        await ctx.db.write(rows.write_reached, msgid, list(_reached(results, creator)))
        read += 1
    return read


def _reached(results: Iterable[Mapping[str, Any]], creator: str) -> Iterable[tuple[str, str, datetime]]:
    for row in results:
        whom, at = str(row.get("external_userid") or ""), int(row.get("send_time") or 0)
        if whom and at and int(row.get("status") or 0) == SENT:
            yield whom, str(row.get("userid") or creator), datetime.fromtimestamp(at, UTC)
