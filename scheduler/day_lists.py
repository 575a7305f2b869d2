"""Lists of the day: each member is told once a day, when there is something on theirs, in one message; in their digest
where that comes at about the same time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import time

from sqlmodel import Session

from bot.campaign_plans import calendar_of
from bot.context import Context
from bot.day_lists import SLUG, key_of, words_for
from bot.delivery import add_words
from bot.digests import days_told
from bot.logs import get_logger
from bot.staff_tasks import read_day
from bot.staff_words import language_of
from data.queries import alerts as alert_rows
from data.queries import digests as digest_rows
from data.queries import staff_tasks as rows
from data.queries.staff_tasks import Day
from data.rules.digests import comes, is_together
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
    day, waiting = await ctx.db.read(_list_waiting, ctx)
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


def list_untold(session: Session, ctx: Context) -> tuple[Day, list[str]]:
    """The day, and those who may have something on their list of it and were not told."""
    day = read_day(session, ctx.settings, ctx.clock.now())
    holders = [each for each in rows.list_holders(session, day) if each not in day.on_leave]
    told = alert_rows.list_told(session, SLUG, key_of(day.date), holders)
    return day, [each for each in holders if each not in told]


def is_in_digest(ctx: Context, digest_at: str) -> bool:
    """Whether somebody whose digest comes at this time (empty: never) is told of their list in it."""
    at = ctx.settings.journeys.day_at
    return bool(at and digest_at) and is_together(time.fromisoformat(at), time.fromisoformat(digest_at))


def _list_waiting(session: Session, ctx: Context) -> tuple[Day, list[str]]:
    """The same without those whose digest is still to come and will say it."""
    day, untold = list_untold(session, ctx)
    choices, noted = digest_rows.map_choices(session), digest_rows.list_noted(session, day.date)
    days, companys = days_told(ctx.settings), ctx.settings.digest.at

    def waits(userid: str) -> bool:
        at = choices.get(userid, companys)
        was = userid in noted or (userid not in choices and "" in noted)
        return not was and is_in_digest(ctx, at) and comes(time.fromisoformat(at), days, day.now)

    return day, [each for each in untold if not waits(each)]


def _tell(session: Session, ctx: Context, userids: Sequence[str], day: Day) -> int:
    sent = 0
    for userid in userids:
        if names := rows.list_names(session, userid, day):
            words = words_for(ctx, names, language_of(session, ctx, userid))
            sent += add_words(session, ctx, SLUG, userid, words, dedupe_key=key_of(day.date))
    return sent
