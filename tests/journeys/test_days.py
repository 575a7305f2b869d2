"""Days that come begin journeys, each for whom it is meant and once, whatever stops the program on the way."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from data.errors import ConflictError
from data.models import Enrolment, Follow, JourneyMember, JourneyRow, JourneyStatus, Tag
from data.models.journey_scans import ScanKind
from data.queries import follow_tags as tag_rows
from data.queries import journey_scans as rows
from data.queries.fields import add_definition, save_values
from data.queries.orders import save_orders
from data.rules.fields import FieldDefinition
from data.rules.journey_days import CAUGHT_UP
from data.rules.orders import OrderGiven
from scheduler import journey_days
from scheduler.journey_days import enrol_existing, follow_days
from tests.journeys.conftest import START, Company, task

DAY = timedelta(days=1)
#: At the beginning of the second day of the tests, in Shanghai.
MIDNIGHT = START + timedelta(hours=16)
ANEW = {"again": {"after_days": 0}}


class Killed(Exception):
    """The process is gone."""


async def begun(company: Company, journey_id: int) -> list[tuple[str, datetime]]:
    """Who has begun a journey and when, in order."""

    def read(session: Session) -> list[tuple[str, datetime]]:
        query = select(Enrolment).where(col(Enrolment.journey_id) == journey_id)
        return sorted(((row.external_userid, row.started_at) for row in session.exec(query)), key=lambda one: one[::-1])

    return await company.ctx.db.read(read)


async def end_all(company: Company) -> None:
    """Everybody's journeys are over."""
    await company.change(Enrolment, lambda row: row.ended_at is None, ended_at=company.clock.now(), end_reason="stop")


async def at(company: Company, when: datetime) -> int:
    company.clock.advance(when - company.clock.now())
    return await follow_days(company.ctx)


async def test_birthdays_begin_on_their_day_and_are_made_up_for_in_order(company: Company) -> None:
    journey = await company.add_journey(task(), trigger={"on": "birthday", "days_before": 1})
    born = {"today": (3, 2), "early": (3, 4), "late": (3, 7), "missed": (2, 10), "again": (3, 20)}
    for name, (month, day) in born.items():
        await company.add_customer(name, "lin", "bo")
        birthday = {"birthday": {"month": month, "day": day}}
        await company.ctx.db.write(save_values, name, birthday, START, replace=False)
    assert await follow_days(company.ctx) == 0
    assert await at(company, MIDNIGHT - timedelta(seconds=1)) == 0
    assert await at(company, MIDNIGHT) == 1
    assert await follow_days(company.ctx) == 0
    assert await at(company, MIDNIGHT + 6 * DAY) == 1
    assert await begun(company, journey) == [("early", MIDNIGHT), ("late", MIDNIGHT + 3 * DAY)]
    (row,) = await company.all(JourneyRow)
    assert row.scanned_until == MIDNIGHT + 6 * DAY

    # Of a long stop only the last days are made up for.
    await end_all(company)
    await company.change(JourneyRow, lambda _: True, scanned_until=START + 200 * DAY)
    await at(company, START + 400 * DAY)
    assert [name for name, _ in await begun(company, journey)] == ["early", "late", "again"]
    assert (await begun(company, journey))[-1][1] > START + 400 * DAY - CAUGHT_UP


async def test_dates_in_fields_begin_before_and_after_and_every_year(company: Company) -> None:
    await company.ctx.db.write(add_definition, FieldDefinition(name="due", kind="date"), START)
    trigger = {"on": "date_field", "field": "due"}
    once = await company.add_journey(task(), trigger={**trigger, "days": -2}, **ANEW)
    yearly = await company.add_journey(task(), trigger={**trigger, "days": 1, "yearly": True}, **ANEW)
    for name, value in (
        ("soon", "2026-03-05"),
        ("then", "2024-02-29"),
        ("ahead", "2027-03-02"),
        ("past", "2025-03-02"),
    ):
        await company.add_customer(name, "lin")
        await company.ctx.db.write(save_values, name, {"due": value}, START, replace=False)
    await at(company, MIDNIGHT + 4 * DAY)
    assert await begun(company, once) == [("soon", MIDNIGHT)]
    assert await begun(company, yearly) == [("past", MIDNIGHT), ("soon", MIDNIGHT + 3 * DAY)]
    await end_all(company)
    leap = datetime(2027, 2, 28, 16, tzinfo=START.tzinfo)
    await company.change(JourneyRow, lambda _: True, scanned_until=leap - DAY)
    await at(company, leap)
    assert ("then", leap) in await begun(company, yearly)


async def test_silence_begins_when_its_days_are_full(company: Company) -> None:
    journey = await company.add_journey(task(), trigger={"on": "silent", "days": 3})
    for name in ("four", "three", "two", "none"):
        await company.add_customer(name, "lin", added_at=START - 400 * DAY)
    await company.add_customer("new", "lin", added_at=START)
    for name, days in (("four", 4), ("three", 3), ("two", 2)):
        await buy(company, name, START - days * DAY)
    assert await at(company, MIDNIGHT) == 1
    assert await at(company, MIDNIGHT + 3 * DAY) == 1
    assert await begun(company, journey) == [("two", MIDNIGHT), ("new", MIDNIGHT + 2 * DAY)]


async def buy(company: Company, name: str, placed_at: datetime) -> None:
    """A customer does what we see."""
    given = {"source": "shop", "number": name, "status": "paid", "amount_fen": 1, "external_userid": name}
    order = OrderGiven.model_validate({**given, "placed_at": placed_at})
    await company.ctx.db.write(save_orders, [order], START)


async def test_who_comes_to_be_in_a_segment_begins_and_who_was_in_it_does_not(company: Company) -> None:
    segment = {"tags": {"tag_ids": ["et1"]}}
    await company.ctx.db.write(put_tags_there)
    for name in ("old", "new", "back", "out"):
        await company.add_customer(name, "lin", "bo")
    await tag(company, "old", on=True)
    await tag(company, "back", on=True)
    journey = await company.add_journey(
        task(), trigger={"on": "segment", "segment": segment}, audience={"staff": {"userids": ["lin"]}}, **ANEW
    )
    assert await follow_days(company.ctx) == 0
    assert {row.external_userid for row in await company.all(JourneyMember)} == {"old", "back"}
    await tag(company, "new", on=True)
    await tag(company, "back", on=False)
    assert await follow_days(company.ctx) == 0
    assert await at(company, MIDNIGHT) == 1
    await tag(company, "back", on=True)
    assert await at(company, MIDNIGHT + 4 * DAY) == 1
    assert await begun(company, journey) == [("new", MIDNIGHT), ("back", MIDNIGHT + 4 * DAY)]

    # Who comes while it is paused has been in it when it is resumed.
    await company.change(JourneyRow, lambda _: True, status=JourneyStatus.PAUSED)
    await tag(company, "out", on=True)
    assert await at(company, MIDNIGHT + 5 * DAY) == 0
    resumed = company.clock.now() + timedelta(hours=1)
    await company.change(JourneyRow, lambda _: True, status=JourneyStatus.RUNNING, scanned_until=resumed)
    assert await at(company, MIDNIGHT + 6 * DAY) == 0
    assert len(await company.all(JourneyMember)) == 4


def put_tags_there(session: Session) -> None:
    session.add(Tag(tag_id="et1", group_id="eg1", name="常客"))


async def tag(company: Company, name: str, *, on: bool) -> None:
    which = ({"et1"}, set[str]()) if on else (set[str](), {"et1"})
    await company.ctx.db.write(tag_rows.change_tags, "bo", name, *which, company.clock.now())


async def test_the_calendar_begins_for_the_whole_audience_at_its_time(company: Company) -> None:
    trigger = {"on": "calendar", "cron": "30 10 * * *"}
    journey = await company.add_journey(task(), trigger=trigger, audience={"staff": {"userids": ["bo"]}}, **ANEW)
    for name in ("wm1", "wm2"):
        await company.add_customer(name, "lin", "bo")
    await company.add_customer("wm3", "lin")
    due = START + timedelta(hours=2, minutes=30)
    assert await at(company, due) == 2
    await end_all(company)
    assert await at(company, due + 2 * DAY) == 2
    expected = [("wm1", due), ("wm2", due), ("wm1", due + DAY), ("wm2", due + DAY)]
    assert await begun(company, journey) == expected, "who is on it does not begin it once more"


async def test_it_begins_for_everybody_there_is_once_however_often_it_is_interrupted(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journey_days, "PIECE", 2)
    journey = await company.add_journey(task(), hold_out_percent=50, audience={"staff": {"userids": ["bo"]}})
    names = [f"wm{number:02}" for number in range(9)]
    for name in names:
        await company.add_customer(name, "lin", "bo")
    await company.add_customer("other", "lin")
    await company.change(Follow, lambda _: False)  # which lets follows know of their colleagues
    await company.enrol(journey, names[0])
    await company.ctx.db.write(rows.ask_existing, journey, company.clock.now())

    written = 0
    write = company.ctx.db.write

    async def dying(unit: Callable[..., Any], *args: Any, **more: Any) -> Any:
        nonlocal written
        if unit is rows.begin_piece:
            written += 1
            if written % 2 == 0:
                raise Killed
        return await write(unit, *args, **more)

    monkeypatch.setattr(company.ctx.db, "write", dying)
    while True:
        with contextlib.suppress(Killed):
            await follow_days(company.ctx)
            break
    monkeypatch.undo()
    assert await follow_days(company.ctx) == 0
    assert sorted(name for name, _ in await begun(company, journey)) == names
    held_out = [row for row in await company.all(Enrolment) if row.held_out]
    assert 0 < len(held_out) < len(names)
    scan = await company.ctx.db.read(rows.find_scan, journey, ScanKind.EXISTING)
    assert scan is not None
    assert (scan.begun, scan.ended_at is not None) == (8, True)

    # Once more, and for a journey that does not run.
    assert await enrol_existing(company.ctx, journey) == 0
    await company.change(JourneyRow, lambda _: True, status=JourneyStatus.CLOSED)
    with pytest.raises(ConflictError):
        await enrol_existing(company.ctx, journey)


async def test_a_journey_that_can_never_be_due_is_paused_and_keeps_no_other_waiting(company: Company) -> None:
    never = {**task(), "when": {"days": 1, "only": "no_holidays"}}
    trigger = {"on": "calendar", "cron": "30 10 * * *"}
    first = await company.add_journey(never, trigger=trigger, **ANEW)
    second = await company.add_journey(task(), trigger=trigger, **ANEW)
    await company.add_customer("wm1", "lin")
    closed = company.ctx.settings.company.model_copy(update={"holidays": ("2026-01-01..2029-01-01",)})
    ctx = replace(company.ctx, settings=company.ctx.settings.model_copy(update={"company": closed}))
    company.clock.advance(timedelta(hours=3))
    assert await follow_days(ctx) == 1
    assert len(await begun(company, second)) == 1
    paused = {row.id: (row.status, row.error != "") for row in await company.all(JourneyRow)}
    assert paused == {first: (JourneyStatus.PAUSED, True), second: (JourneyStatus.RUNNING, False)}
