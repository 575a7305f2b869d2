"""Lists of the day: each member is told once a day, when there is something on theirs, in one message."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time

from sqlmodel import Session

from bot.campaign_plans import calendar_of
from bot.context import Context
from bot.day_lists import SLUG, words_for
from bot.delivery import add_words
from bot.logs import get_logger
from bot.staff_tasks import read_day
from bot.staff_words import language_of
from data.queries import alerts as alert_rows
from data.queries import staff_tasks as rows
from data.queries.staff_tasks import Day
from data.rules.schedule import local_datetime

log = get_logger("staff")

#: Members who are told in one transaction.
MEMBERS = 20


async def tell_lists(ctx: Context) -> int:
    """Tell whoever has something to do and was not told today; how many.

    That they were told is the message's own row, so that replicas and crashes tell nobody twice.
    """
    if not _is_time(ctx):
        return 0
    day = await ctx.db.read(read_day, ctx.settings, ctx.clock.now())
    holders = [each for each in await ctx.db.read(rows.list_holders, day) if each not in day.on_leave]
    told = await ctx.db.read(alert_rows.list_told, SLUG, _key(day.date), holders)
    waiting = [each for each in holders if each not in told]
    sent = 0
    for start in range(0, len(waiting), MEMBERS):
        sent += await ctx.db.write(_tell, ctx, waiting[start : start + MEMBERS], day)
    if sent:
        log.info("lists_told", members=sent)
    return sent


def _is_time(ctx: Context) -> bool:
    """Whether it is late enough in the day, and not outside of the hours in which staff are asked for something."""
    at, now, zone = ctx.settings.journeys.day_at, ctx.clock.now(), ctx.settings.zone
    if not at or ctx.observes or not calendar_of(ctx.settings).hours.holds(now, zone):
        return False
    return local_datetime(now, zone).time() >= time.fromisoformat(at)


def _key(day: date) -> str:
    return f"day:{day}"


def _tell(session: Session, ctx: Context, userids: Sequence[str], day: Day) -> int:
    sent = 0
    for userid in userids:
        if names := rows.list_names(session, userid, day):
            words = words_for(ctx, names, language_of(session, ctx, userid))
            sent += add_words(session, ctx, SLUG, userid, words, dedupe_key=_key(day.date))
    return sent
