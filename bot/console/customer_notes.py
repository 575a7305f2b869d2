"""What is noted about a customer, and when a member means to be in touch with them next."""

from __future__ import annotations

from datetime import date
from functools import partial

from aiohttp import web
from sqlmodel import Session

from bot.console.asks import Ask
from bot.console.customer import external_userid_of
from bot.console.customer_changes import back, faulty, require, through
from bot.notes import plan_contact
from bot.phrases import Phrase
from data.queries import notes as rows
from data.rules.problems import InvalidRuleError, Problem


async def add(ask: Ask) -> web.Response:
    """Something is noted, and the day of the next contact with it where one is given."""
    whose, userid = external_userid_of(ask), await through(ask)
    words = ask.text("words", 4000)
    author = "" if userid == ask.account.userid else ask.actor.who
    try:
        on = _day(ask)
        await ask.change(
            "customers.note", f"customer {whose}",
            lambda session: (
                rows.add_note(session, userid, whose, words, ask.now, author=author),
                plan_contact(session, userid, whose, on, ask.settings, ask.now) if on is not None else None,
            ),
            external_userid=whose,
        )  # fmt: skip
    except InvalidRuleError as error:
        return await faulty(ask, error, f"note {userid}")
    return back(ask)


async def remove(ask: Ask) -> web.Response:
    """A note goes: one's own, or any for an admin."""
    whose = external_userid_of(ask)
    await require(ask)
    userid = None if ask.may("admin") else ask.account.userid or ""
    await ask.change(
        "customers.note_remove", f"customer {whose}",
        lambda session: rows.remove_note(session, whose, ask.path_number(), userid), external_userid=whose,
    )  # fmt: skip
    return back(ask, levels=3)


async def plan(ask: Ask) -> web.Response:
    """When a member means to be in touch next; nothing given: not any more."""
    whose, userid = external_userid_of(ask), await through(ask)
    look = partial(_look, userid, whose)
    try:
        on = _day(ask)
        await ask.change(
            "customers.next_contact", f"customer {whose}",
            lambda session: plan_contact(session, userid, whose, on, ask.settings, ask.now), look,
            external_userid=whose,
        )  # fmt: skip
    except InvalidRuleError as error:
        return await faulty(ask, error, f"contact {userid}")
    return back(ask)


async def contacted(ask: Ask) -> web.Response:
    """A member has been in touch as they meant to."""
    whose, userid = external_userid_of(ask), await through(ask)
    await ask.change(
        "customers.contacted", f"customer {whose}",
        lambda session: rows.mark_contacted(session, userid, whose, ask.now), partial(_look, userid, whose),
        external_userid=whose,
    )  # fmt: skip
    return back(ask)


def _day(ask: Ask) -> date | None:
    text = ask.text("on", 10)
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidRuleError([Problem("on", Phrase("应为日期，如 2026-03-04"))]) from None


def _look(userid: str, whose: str, session: Session) -> dict[str, str] | None:
    planned = [each for each in rows.list_next_contacts(session, whose) if each.userid == userid]
    return {"userid": userid, "on": f"{planned[0].due_on}"} if planned else None
