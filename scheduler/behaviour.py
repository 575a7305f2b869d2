"""WeCom's own figures (聊天数据统计, 群统计), read every morning member by member, and resumed where it stopped."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

from bot.context import Context
from bot.logs import get_logger
from bot.wecom.errors import GoneError, InvalidRequestError, NotAFollowerError
from data.queries import behaviour as rows
from data.rules.behaviour import OWNERS, Days, member_spans, owner_days, read_member, read_owners, reading_day

log = get_logger("behaviour")

#: Members who are read at once.
AT_ONCE = 8
#: Longer than three years nobody compares.
KEPT = timedelta(days=1_100)


async def pull_behaviour(ctx: Context) -> int:
    """Read what was not read today yet; how many days of members and owners were new or changed.

    Raises NotPermittedError (48002) while the app is not among those that 客户联系 lets call.
    """
    today = reading_day(ctx.clock.now()) if ctx.settings.reports.pull else None
    if today is None:
        return 0
    changed = 0
    due = await ctx.db.read(rows.list_due_members, today)
    for start in range(0, len(due), AT_ONCE):
        some = due[start : start + AT_ONCE]
        # All end before this does, so that none goes on beside the job.
        ended = await asyncio.gather(*(_pull_member(ctx, *each, today) for each in some), return_exceptions=True)
        for result in ended:
            if isinstance(result, BaseException):
                raise result
            changed += result
    owners = await ctx.db.read(rows.list_owners)
    pulled = await ctx.db.read(rows.map_days)
    days = owner_days(pulled, today, ctx.settings.reports.days_back) if owners else []
    for day in days:
        changed += await _pull_owners(ctx, owners, day, today)
    if due or days:
        await ctx.db.write(rows.forget_days, today - KEPT)
        log.info("pulled", members=len(due), days=len(days), changed=changed)
    return changed


async def _pull_member(ctx: Context, userid: str, pulled_on: date | None, today: date) -> int:
    spans = member_spans(pulled_on, today, ctx.settings.reports.days_back)
    changed = 0
    for number, span in enumerate(spans, 1):
        try:
            answer = await ctx.wecom.external_contact.get_user_behavior_data([userid], span.begin, span.end)
            told = read_member(answer, span)
        except (InvalidRequestError, GoneError, NotAFollowerError) as error:
            # Who has left since the directory was read, or is in nobody's sight: the others still count.
            log.warning("not_read", userid=userid, cause=str(error))
            told = []
        is_last = number == len(spans)
        changed += await ctx.db.write(
            rows.save_member, userid, told, today, ctx.clock.now(), is_last=is_last
        )  # fmt: skip
    return changed


async def _pull_owners(ctx: Context, owners: list[str], day: date, today: date) -> int:
    at = Days(day, day).begin
    told: dict[str, dict[str, int]] = {}
    for start in range(0, len(owners), OWNERS):
        some = owners[start : start + OWNERS]
        answer = await ctx.wecom.external_contact_group_chat.statistic(at, at, owner_userid_list=some, limit=OWNERS)
        told |= read_owners(answer, set(some))
    return await ctx.db.write(rows.save_owners, day, told, today, ctx.clock.now())
