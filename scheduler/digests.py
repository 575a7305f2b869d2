"""Digests: once a day each member is told in one message what waits for them, exactly once whatever happens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time

from sqlmodel import Session

from bot.context import Context
from bot.delivery import add_words
from bot.digests import days_told, people, words_for
from bot.logs import get_logger
from data.queries import digests as rows
from data.queries import staff as staff_rows
from data.rules.digests import due_day

log = get_logger("digests")

CHUNK = 50


async def send_digests(ctx: Context) -> int:
    """Tell everybody whom there is something to tell, when it is time and was not done; how many.

    Who is told is a row, written with the message: one that was interrupted goes on with the others.
    """
    at, now = ctx.settings.digest.at, ctx.clock.now()
    day = due_day(time.fromisoformat(at), days_told(ctx.settings), now) if at and not ctx.observes else None
    if day is None or await ctx.db.read(rows.is_written, day):
        return 0
    overview = await ctx.db.read(rows.read_overview, now)
    known = await ctx.db.read(staff_rows.map_members, people(ctx.settings, overview))
    told = [(userid, words) for userid in sorted(known.values()) if (words := words_for(ctx, userid, overview, now))]
    sent = 0
    for start in range(0, len(told), CHUNK):
        sent += await ctx.db.write(_tell, ctx, day, told[start : start + CHUNK], now)
    await ctx.db.write(_end, day, now)
    log.info("digests_sent", members=sent)
    return sent


def _tell(session: Session, ctx: Context, day: date, told: Sequence[tuple[str, str]], now: datetime) -> int:
    sent = 0
    for userid, words in told:
        if rows.note_digest(session, day, userid, now):
            sent += add_words(session, ctx, "digest", userid, words, dedupe_key=f"digest:{day}")
    return sent


def _end(session: Session, day: date, now: datetime) -> None:
    rows.note_digest(session, day, "", now)
    rows.forget_digests(session, day)
