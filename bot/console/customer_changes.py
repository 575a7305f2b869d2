"""What is changed of one customer: tags, remark, fields, what they want to hear; all of it handed out, or erased."""

from __future__ import annotations

import json
from datetime import date
from functools import partial
from typing import Any

from aiohttp import web
from sqlmodel import Session

from bot import staff_changes
from bot.console.asks import Ask, number_of
from bot.console.customer import PATH, external_userid_of, page
from bot.console.customers import asked_by
from bot.console.pages import FRESH, HEADERS
from bot.erasing import erase_customer, export_customer
from bot.errors import ObservingError
from bot.phrases import Phrase
from bot.remarks import change_remark
from bot.tagging import put_right
from data.errors import NotFoundError
from data.models import FieldDefinition
from data.queries import customers as rows
from data.queries import fields as field_rows
from data.queries import preferences as preference_rows
from data.queries.customer_pages import require_visible
from data.rules.fields import BIRTHDAY, FieldKind
from data.rules.preferences import Preference
from data.rules.problems import InvalidRuleError, Problem, parse
from data.rules.remarks import Remark
from data.rules.schedule import day_began


async def change_tags(ask: Ask) -> web.Response:
    """Tags of one staff member's contact: what was ticked and is not any more is taken off, the others put on."""
    whose, userid = external_userid_of(ask), await through(ask)
    was, wanted = set(ask.texts("was")), set(ask.texts("tag"))
    if ask.ctx.observes:
        raise ObservingError
    before = await ask.db.read(staff_changes.tags_of, userid, whose)
    await put_right(ask.ctx, userid, whose, wanted - was, was - wanted)
    await ask.db.write(staff_changes.note_tags, ask.actor, userid, whose, before, ask.now)
    return back(ask)


async def change_words(ask: Ask) -> web.Response:
    """What a staff member notes about the customer."""
    whose, userid = external_userid_of(ask), await through(ask)
    mobiles = [each for each in ask.text("remark_mobiles").replace("，", " ").replace("、", " ").split() if each]
    given = {name: ask.text(name) for name in ("remark", "description")} | {"remark_mobiles": mobiles}
    before = await ask.db.read(_look_remark, userid, whose)
    try:
        await change_remark(ask.ctx, userid, whose, parse(Remark, given))
    except InvalidRuleError as error:
        return await faulty(ask, error, f"remark {userid}")
    after = {"userid": userid, **await ask.db.read(_look_remark, userid, whose)}
    await ask.db.write(staff_changes.note_remark, ask.actor, whose, before, after, ask.now)
    return back(ask)


def _look_remark(session: Session, userid: str, whose: str) -> dict[str, Any]:
    follow = rows.get_contact(session, userid, whose)
    return {
        "remark": follow.remark, "description": follow.description, "remark_mobiles": list(follow.remark_mobiles)
    }  # fmt: skip


async def through(ask: Ask) -> str:
    """The staff member through whom something is changed. Raises NotFoundError."""
    userid = ask.text("userid", 64)

    def read(session: Session) -> None:
        visible = ask.visible(session)
        if visible is not None and userid not in visible:
            raise NotFoundError(Phrase("没有这位客户，或者不在您能看到的范围内。"), Phrase("请从客户列表进入。"))
        rows.get_contact(session, userid, external_userid_of(ask))

    await ask.db.read(read)
    return userid


async def change_fields(ask: Ask) -> web.Response:
    """The customer's own fields, the birthday among them; an empty one is removed."""
    whose = external_userid_of(ask)
    await require(ask)
    given = _values(ask, await ask.db.read(field_rows.list_definitions))

    def do(session: Session) -> None:
        field_rows.save_values(session, whose, given, ask.now, replace=False)

    try:
        await ask.change(
            "customers.fields", f"customer {whose}", do, lambda session: field_rows.get_values(session, whose),
            external_userid=whose,
        )  # fmt: skip
    except InvalidRuleError as error:
        return await faulty(ask, error, "fields")
    return back(ask)


def _values(ask: Ask, definitions: list[FieldDefinition]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for field in definitions:
        text = ask.text(f"field.{field.name}")
        match field.kind:
            case _ if not text:
                given[field.name] = None
            case FieldKind.NUMBER:
                given[field.name] = _number(text)
            case FieldKind.FLAG:
                given[field.name] = text == "yes"
            case _:
                given[field.name] = text
    month, day = ask.text("birthday.month"), ask.text("birthday.day")
    if not month and not day:
        return given | {BIRTHDAY: None}
    year = ask.text("birthday.year")
    return given | {
        BIRTHDAY: {
            "calendar": "lunar" if ask.text("birthday.calendar") == "lunar" else "solar",
            "month": _whole(month), "day": _whole(day), "year": _whole(year) if year else None,
            "leap_month": ask.text("birthday.leap_month") == "yes",
        }
    }  # fmt: skip


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _whole(text: str) -> Any:
    number = number_of(text)
    return text if number is None else number


async def change_preference(ask: Ask) -> web.Response:
    """What the customer wants to hear."""
    whose = external_userid_of(ask)
    await require(ask)
    try:
        wanted = parse(Preference, _wish(ask))
        await ask.change(
            "customers.preference", f"customer {whose}",
            partial(_save_preference, whose, wanted, asked_by(ask), ask), partial(_look_preference, whose),
            external_userid=whose,
        )  # fmt: skip
    except InvalidRuleError as error:
        return await faulty(ask, error, "preference")
    return back(ask)


def _wish(ask: Ask) -> dict[str, Any]:
    wish: dict[str, Any] = {"opted_out": ask.text("opted_out") == "yes", "reason": ask.text("reason")}
    if until := ask.text("paused_until"):
        try:
            wish["paused_until"] = day_began(date.fromisoformat(until), ask.zone)
        except ValueError:
            raise InvalidRuleError([Problem("paused_until", Phrase("应为日期，如 2026-03-04"))]) from None
    for name in ("cap_count", "cap_days"):
        if text := ask.text(name):
            wish[name] = _whole(text)
    return wish


def _save_preference(whose: str, wanted: Preference, by: str, ask: Ask, session: Session) -> None:
    preference_rows.save_preference(session, whose, wanted, by, ask.now)


def _look_preference(whose: str, session: Session) -> dict[str, Any] | None:
    found = preference_rows.find_rule(session, whose)
    return found.model_dump(mode="json") if found is not None else None


async def export(ask: Ask) -> web.Response:
    """All that is kept about the customer, as a file."""
    whose = external_userid_of(ask)
    await require(ask)
    found = await export_customer(ask.db, ask.parts.inbox, whose, ask.now)
    await ask.note("customers.export", f"customer {whose}", external_userid=whose)
    name = "".join(each for each in whose if each.isascii() and (each.isalnum() or each in "-_"))
    return web.Response(
        text=json.dumps(found, ensure_ascii=False, indent=1, default=str), content_type="application/json",
        headers={**HEADERS, **FRESH, "Content-Disposition": f'attachment; filename="{name}.json"'},
    )  # fmt: skip


async def erase(ask: Ask) -> web.Response:
    """All that is kept about the customer goes, for good."""
    whose = external_userid_of(ask)
    await require(ask)
    if ask.text("sure") != "yes":
        return await page(ask, 400, about="erase", fault=ask._("请先勾选“我知道不能恢复”。"))
    done = await erase_customer(ask.db, ask.parts.inbox, whose, asked_by(ask), ask.now)
    # Whom it was about is not written down: that is what erasing means.
    await ask.note("customers.erase", "customer", {"rows": sum(done.rows.values()), "events": done.events})
    return ask.go(PATH, "erased")


async def require(ask: Ask) -> None:
    """Raises NotFoundError for a customer whom whoever asks does not see."""

    def read(session: Session) -> None:
        require_visible(session, external_userid_of(ask), ask.visible(session))

    await ask.db.read(read)


async def faulty(ask: Ask, error: InvalidRuleError, about: str) -> web.Response:
    """The page again with what was typed, and what is wrong beside it."""
    faults = {each.path or "": each.message for each in error.problems}
    words = ask.told(error)
    show = ask.parts.place.customer or page
    return await show(ask, 400, faults=faults, fault=words, about=about)


def back(ask: Ask, levels: int = 1) -> web.Response:
    """To the customer's page, so many parts of the path above, or to the tab of it that the form was on."""
    path, tab = ask.request.path, ask.text("tab", 16)
    for _ in range(levels):
        path = path.rpartition("/")[0]
    return ask.go(f"{path}/{tab}" if tab in ask.parts.place.tabs else path, "saved")
