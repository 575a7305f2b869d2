"""Digests: once a day each member is told in one message what waits for them, exactly once whatever happens.

At the company's time, or at the one that they have chosen. It says what is on their list of the day, too, which
`scheduler/day_lists.py` tells of alone where no digest comes at about that time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from sqlmodel import Session

from bot import day_lists
from bot.context import Context
from bot.delivery import add_words
from bot.digests import Brief, brief_words, days_told, extra_words, people, words_for
from bot.logs import get_logger
from data.queries import accounts as account_rows
from data.queries import assistant as assistant_rows
from data.queries import digests as rows
from data.queries import staff as staff_rows
from data.queries import staff_tasks as task_rows
from data.queries.assistant import DayCounts
from data.queries.digests import Mine, Overview
from data.queries.numbers import list_days
from data.rules.digests import due_day
from data.rules.schedule import day_began
from scheduler.day_lists import is_in_digest, list_untold

log = get_logger("digests")

CHUNK = 50
#: New customers of so many days are to have a remark.
NEW_DAYS = 7


@dataclass(frozen=True, slots=True)
class _News:
    """What everybody is told of one day."""

    overview: Overview
    counts: Mapping[str, DayCounts]
    contacts: Mapping[str, int]
    briefs: Mapping[str, Brief]
    lists: Mapping[str, Sequence[str]]
    languages: Mapping[str, str]
    known: Mapping[str, str]


class _Told(NamedTuple):
    """What a member is told; `without`: the same without their list of the day, where that is in it."""

    userid: str
    words: str
    without: str | None


async def send_digests(ctx: Context) -> int:
    """Tell everybody whom there is something to tell, when it is time and was not done; how many.

    Who is told is a row, written with the message: one that was interrupted goes on with the others.
    """
    now = ctx.clock.now()
    if ctx.observes:
        return 0
    choices = await ctx.db.read(rows.map_choices)
    day, is_companys, chosen = _who_is_due(ctx, choices, now)
    if day is None:
        return 0
    noted = await ctx.db.read(rows.list_noted, day)
    of_company = is_companys and "" not in noted
    waiting = [userid for userid in chosen if userid not in noted]
    if not of_company and not waiting:
        return 0
    news = await ctx.db.read(_read_news, ctx, now, choices, waiting, of_company)
    userids = set(waiting)
    if of_company:
        userids |= _everybody(ctx, news) - choices.keys()
    told = [each for userid in sorted(userids - noted) if (each := _words(ctx, userid, news, now)).words]
    sent = 0
    for start in range(0, len(told), CHUNK):
        sent += await ctx.db.write(_tell, ctx, day, told[start : start + CHUNK], now)
    await ctx.db.write(_end, day, now, of_company, waiting)
    log.info("digests_sent", members=sent)
    return sent


def _who_is_due(ctx: Context, choices: Mapping[str, str], now: datetime) -> tuple[date | None, bool, list[str]]:
    """(today, whether the company's time has come, who has chosen a time that has come)."""
    at, days = ctx.settings.digest.at, days_told(ctx.settings)
    day = due_day(time.fromisoformat(at), days, now) if at else None
    of_time = {each: due_day(time.fromisoformat(each), days, now) for each in set(choices.values()) if each}
    chosen = [userid for userid, each in choices.items() if each and of_time[each] is not None]
    found = day or next((each for each in of_time.values() if each is not None), None)
    return found, day is not None, chosen


def _read_news(
    session: Session, ctx: Context, now: datetime, choices: Mapping[str, str], waiting: Collection[str],
    of_company: bool,
) -> _News:  # fmt: skip
    overview, zone = rows.read_overview(session, now), ctx.settings.zone
    today = now.astimezone(zone).date()
    counts = assistant_rows.count_days(
        session, added_since=day_began(today - timedelta(days=NEW_DAYS - 1), zone),
        since=day_began(today - timedelta(days=1), zone),
    )  # fmt: skip
    contacts = assistant_rows.count_contacts(session, today)
    briefs = _briefs(session, ctx, overview, now)
    day, untold = list_untold(session, ctx)
    lists = {
        userid: names
        for userid in untold
        if (userid in waiting or (of_company and userid not in choices))
        and is_in_digest(ctx, choices.get(userid, ctx.settings.digest.at))
        and (names := task_rows.list_names(session, userid, day))
    }
    wanted = people(ctx.settings, overview) | counts.keys() | contacts.keys() | briefs.keys() | lists.keys()
    known = staff_rows.map_members(session, wanted | choices.keys())
    return _News(overview, counts, contacts, briefs, lists, account_rows.map_languages(session), known)


def _briefs(session: Session, ctx: Context, overview: Overview, now: datetime) -> dict[str, Brief]:
    """What managers are told of their departments: yesterday, and what waits for their members."""
    found = {}
    for account in account_rows.list_managers(session):
        visible = account_rows.list_visible(session, account)
        if visible is None or account.userid is None or not account.department_ids:
            continue
        before, yesterday, _ = list_days(session, now, ctx.settings.zone, 3, visible)
        waits = [overview.tasks.get(userid, Mine()) for userid in visible]
        found[account.userid] = Brief(
            yesterday, before, len(visible), sum(each.tasks for each in waits), sum(each.posts for each in waits)
        )
    return found


def _everybody(ctx: Context, news: _News) -> set[str]:
    """Those who may have to be told something, as WeCom writes them."""
    named: Iterable[str] = {*people(ctx.settings, news.overview), *news.counts, *news.contacts, *news.lists}
    return {
        news.known[each.casefold()] for each in {*named, *news.briefs} if each.casefold() in news.known
    }  # fmt: skip


def _words(ctx: Context, userid: str, news: _News, now: datetime) -> _Told:
    """All that a member is told, in one message; empty when there is nothing."""
    if userid.casefold() not in news.known:
        return _Told(userid, "", None)
    language = news.languages.get(userid, "") or ctx.settings.app.language
    counts, contacts = news.counts.get(userid, DayCounts()), news.contacts.get(userid, 0)
    parts = [
        extra_words(ctx, counts, contacts, language),
        words_for(ctx, userid, news.overview, now, language),
        brief_words(ctx, news.briefs[userid], language) if userid in news.briefs else "",
    ]
    without = "\n\n".join(each for each in parts if each)
    if userid not in news.lists:
        return _Told(userid, without, None)
    listed = day_lists.words_for(ctx, news.lists[userid], language)
    return _Told(userid, f"{listed}\n\n{without}".strip(), without)


def _tell(session: Session, ctx: Context, day: date, told: Sequence[_Told], now: datetime) -> int:
    sent = 0
    for userid, words, without in told:
        if not rows.note_digest(session, day, userid, now):
            continue
        if without is not None:
            # Under the key of the list, so that it is not told again; it may have been told meanwhile.
            key = day_lists.key_of(day)
            if add_words(session, ctx, day_lists.SLUG, userid, words, dedupe_key=key):
                sent += 1
                continue
            words = without
        if words:
            sent += add_words(session, ctx, "digest", userid, words, dedupe_key=f"digest:{day}")
    return sent


def _end(session: Session, day: date, now: datetime, of_company: bool, userids: Collection[str]) -> None:
    """Nobody is looked at again today: those who chose a time, and with `of_company` all others."""
    for userid in userids:
        rows.note_digest(session, day, userid, now)
    if of_company:
        rows.note_digest(session, day, "", now)
    rows.forget_digests(session, day)
