"""What is noted about a customer, and when a member means to be in touch with them next."""

from __future__ import annotations

from datetime import date

from aiohttp import web

from bot import staff_changes
from bot.console.asks import Ask
from bot.console.customer import external_userid_of
from bot.console.customer_changes import back, faulty, require, through
from bot.phrases import Phrase
from data.rules.problems import InvalidRuleError, Problem


async def add(ask: Ask) -> web.Response:
    """Something is noted, and the day of the next contact with it where one is given."""
    whose, userid = external_userid_of(ask), await through(ask)
    words = ask.text("words", 4000)
    author = "" if userid == ask.account.userid else ask.actor.who
    try:
        await ask.db.write(
            staff_changes.write_note,
            ask.actor,
            userid,
            whose,
            words,
            ask.settings,
            ask.now,
            author=author,
            on=_day(ask),
        )
    except InvalidRuleError as error:
        return await faulty(ask, error, f"note {userid}")
    return back(ask)


async def remove(ask: Ask) -> web.Response:
    """A note goes: one's own, or any for an admin."""
    whose = external_userid_of(ask)
    await require(ask)
    userid = None if ask.may("admin") else ask.account.userid or ""
    await ask.db.write(staff_changes.remove_note, ask.actor, whose, ask.path_number(), userid, ask.now)
    return back(ask, levels=3)


async def plan(ask: Ask) -> web.Response:
    """When a member means to be in touch next; nothing given: not any more."""
    whose, userid = external_userid_of(ask), await through(ask)
    try:
        await ask.db.write(staff_changes.plan_contact, ask.actor, userid, whose, _day(ask), ask.settings, ask.now)
    except InvalidRuleError as error:
        return await faulty(ask, error, f"contact {userid}")
    return back(ask)


async def contacted(ask: Ask) -> web.Response:
    """A member has been in touch as they meant to."""
    whose, userid = external_userid_of(ask), await through(ask)
    await ask.db.write(staff_changes.note_contacted, ask.actor, userid, whose, ask.now)
    return back(ask)


def _day(ask: Ask) -> date | None:
    text = ask.text("on", 10)
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidRuleError([Problem("on", Phrase("应为日期，如 2026-03-04"))]) from None
