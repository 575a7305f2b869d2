"""What happens to customers at the edges: at once, late, before their card is known, to journeys that changed."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text, update
from sqlmodel import Session, col, select

from data.db import Database
from data.models import Customer, Enrolment, FollowStatus, Happening, JourneyVersion, Staff
from data.queries import customers as customer_rows
from data.queries import journey_scans as scan_rows
from data.queries import journeys as journey_rows
from data.queries import sync_ends
from data.queries.happenings import note
from data.queries.sync_ends import end_unlisted
from data.rules.happenings import TAKEN_OVER, Happened
from data.rules.journeys import Journey
from data.rules.problems import parse
from scheduler.journey_pauses import NOT_UNDERSTOOD
from scheduler.journey_triggers import Worked, work_on
from tests.queries.journey_world import CALENDAR, NOW, SECOND, STEP, add, list_enrolled, list_noted, start_journey

LATER = NOW + 10 * SECOND
FAR = LATER + timedelta(minutes=5)
DAY = timedelta(days=1)


def work(session: Session, at: datetime = LATER) -> Worked:
    return work_on(session, at, CALENDAR)


def told(session: Session, whom: str, name: str, at: datetime = LATER) -> None:
    note(session, [Happened("event", whom, at, {"name": name})])


def add_staff(session: Session, *userids: str) -> None:
    session.add_all(Staff(userid=each, name=each, follows_customers=True, seen_at=NOW) for each in userids)


async def test_the_loss_of_a_customer_is_noted_once_whoever_tells_of_it(db: Database) -> None:
    def act(session: Session) -> tuple[list[Any], list[datetime]]:
        start_journey(session, {"on": "silent", "days": 3})
        add_staff(session, "lin")
        for whom in ("event", "sync"):
            add(session, whom)
        end, unlisted = customer_rows.record_end, sync_ends.end_unlisted
        end(session, "lin", "event", FollowStatus.DELETED_BY_CUSTOMER, event_at=LATER, now=LATER)
        unlisted(session, "lin", ["event", "sync"], asked_at=FAR, now=FAR)
        end(session, "lin", "sync", FollowStatus.DELETED_BY_STAFF, event_at=FAR, now=FAR)
        found = session.exec(select(Happening.happened_at).order_by(col(Happening.id)))
        return [(each.kind, each.external_userid) for each in list_noted(session)], list(found)

    noted, at = await db.write(act)
    assert noted == [("lost", "event"), ("lost", "sync")]
    assert at == [LATER, FAR + TAKEN_OVER], "nobody knows whether a colleague takes over whom a sync does not find"


@pytest.mark.parametrize("urls", ["postgresql"], indirect=True)
async def test_of_two_who_end_the_last_follows_at_once_one_notes_that_the_customer_is_lost(db: Database) -> None:
    begun = asyncio.Event()

    def make(session: Session) -> None:
        start_journey(session, {"on": "silent", "days": 3})
        add_staff(session, "lin", "bo")
        for whom in ("wm1", "wm2"):
            for userid in ("lin", "bo"):
                add(session, whom, userid)

    def end_slowly(session: Session) -> None:
        end_unlisted(session, "lin", ["wm1", "wm2"], asked_at=FAR, now=FAR)
        begun.set()
        # Until the other waits for this transaction, or has come to its end.
        waits = text("SELECT 1 FROM pg_locks WHERE NOT granted")
        while session.execute(waits).first() is None and not other.done():
            session.execute(text("SELECT pg_sleep(0.01)"))

    async def end_other() -> None:
        await begun.wait()
        await db.write(end_unlisted, "bo", ["wm2", "wm1"], asked_at=FAR, now=FAR)

    await db.write(make)
    other = asyncio.create_task(end_other())
    await db.write(end_slowly)
    await other
    noted = await db.read(list_noted)
    assert sorted((each.kind, each.external_userid) for each in noted) == [("lost", "wm1"), ("lost", "wm2")]


@pytest.mark.parametrize("urls", ["postgresql"], indirect=True)
async def test_two_who_both_work_happenings_off_begin_and_end_everything_once(db: Database) -> None:
    names = [f"wm{number}" for number in range(40)]

    def fill(session: Session) -> int:
        journey = start_journey(
            session, {"on": "event", "name": "a"}, goal={"on": "event", "name": "bought"}, again={"after_days": 0}
        )
        for whom in names:
            add(session, whom)
        for number, name in enumerate(("a", "bought", "a")):
            note(session, [Happened("event", whom, LATER + number * SECOND, {"name": name}) for whom in names])
        return journey

    async def work_all() -> None:
        while (await db.write(work_on, LATER, CALENDAR, 7)).happened:
            pass

    journey = await db.write(fill)
    await asyncio.gather(*(work_all() for _ in range(3)))
    assert sorted(await db.read(list_enrolled, journey)) == sorted(
        (whom, end) for whom in names for end in ("goal", "")
    )
    assert await db.read(list_noted) == []


async def test_nothing_overtakes_an_add_that_waits_for_its_card(db: Database) -> None:
    def act(session: Session) -> list[list[tuple[str, str]]]:
        journey = start_journey(session, {"on": "added"}, goal={"on": "event", "name": "bought"})
        for whom in ("wm1", "wm2"):
            add(session, whom, at=LATER)
        session.execute(update(Customer).where(col(Customer.external_userid) == "wm1").values(fetched_at=None))
        for whom in ("wm1", "wm2"):
            told(session, whom, "bought", LATER + SECOND)
        before = (work(session, LATER + 2 * SECOND), list_enrolled(session, journey))[1]
        work(session, LATER + timedelta(seconds=30))
        return [before, list_enrolled(session, journey)]

    assert await db.write(act) == [[("wm2", "goal")], [("wm2", "goal"), ("wm1", "goal")]]


async def test_a_goal_counts_until_its_days_are_over_however_late_that_is_looked_at(db: Database) -> None:
    def act(session: Session) -> list[tuple[str, str]]:
        journey = start_journey(session, {"on": "event", "name": "a"}, goal={"on": "event", "name": "bought"})
        for whom in ("in", "out", "walks"):
            add(session, whom)
            told(session, whom, "a")
        work(session)
        behind = col(Enrolment.external_userid) != "walks"
        session.execute(update(Enrolment).where(behind).values(step=1, due_at=LATER + 7 * DAY))
        for whom, at in (("in", LATER + 7 * DAY), ("out", LATER + 7 * DAY + SECOND), ("walks", LATER + 9 * DAY)):
            told(session, whom, "bought", at)
        work(session, LATER + 9 * DAY)
        return list_enrolled(session, journey)

    assert await db.write(act) == [("in", "goal"), ("out", "finished"), ("walks", "goal")]


async def test_days_are_counted_to_the_instant_at_which_it_happened(db: Database) -> None:
    def act(session: Session) -> list[str]:
        journey = start_journey(session, {"on": "event", "name": "a"}, again={"after_days": 30})
        add(session, "wm1")
        # The second is told long after it happened.
        for happened_at, asked_at in ((LATER, LATER), (LATER + 20 * DAY, LATER + 40 * DAY)):
            told(session, "wm1", "a", happened_at)
            work(session, asked_at)
            session.execute(update(Enrolment).values(ended_at=asked_at, end_reason="finished"))
        return [whom for whom, _ in list_enrolled(session, journey)]

    assert await db.write(act) == ["wm1"]


async def test_a_journey_that_is_not_understood_keeps_no_other_waiting(db: Database) -> None:
    def act(session: Session) -> tuple[int, Worked, list[Any]]:
        trigger = {"on": "event", "name": "a"}
        other = start_journey(session, trigger)
        broken, days = start_journey(session, trigger), start_journey(session, {"on": "silent", "days": 3})
        for whom in ("wm1", "wm2", "wm3"):
            add(session, whom)
        told(session, "wm1", "a")
        work(session)
        said = {"name": "x", "trigger": {"on": "moon_phase"}}
        wrong = col(JourneyVersion.journey_id).in_([broken, days])
        session.execute(update(JourneyVersion).where(wrong).values(definition=said))
        session.expire_all()
        customer_rows.record_end(session, "lin", "wm1", FollowStatus.DELETED_BY_CUSTOMER, event_at=LATER, now=LATER)
        told(session, "wm2", "a")
        worked = work(session)
        scan_rows.list_due_looks(session, LATER + DAY, CALENDAR)
        assert {each[0] for each in journey_rows.list_definitions(session)} == {other}
        scan_rows.skip_old(session, LATER + 60 * DAY)
        # Said anew it is understood.
        again = parse(Journey, {"name": "y", "trigger": trigger, "steps": [STEP]})
        journey_rows.add_version(session, broken, 1, again, "test", LATER)
        told(session, "wm3", "a")
        assert work(session) == Worked(1, 0, 2, {days: NOT_UNDERSTOOD})
        return broken, worked, [list_enrolled(session, each) for each in (other, broken)]

    broken, worked, enrolled = await db.write(act)
    assert worked == Worked(2, 2, 1, {broken: NOT_UNDERSTOOD, broken + 1: NOT_UNDERSTOOD})
    assert enrolled == [[("wm1", "lost"), ("wm2", ""), ("wm3", "")], [("wm1", "lost"), ("wm3", "")]]


async def test_another_trigger_begins_a_journey_for_nobody_on_the_days_before(db: Database) -> None:
    def act(session: Session) -> list[list[Any]]:
        journey = start_journey(session, {"on": "calendar", "cron": "0 10 18 * *"}, again={"after_days": 1})
        journey_rows.get_journey(session, journey).scanned_until = LATER
        found = []
        # The 20th was ten days ago; then only the words change.
        for version, changes in ((1, {"priority": 7}), (2, {"trigger": {"on": "calendar", "cron": "0 10 20 * *"}})):
            said = journey_rows.get_version(session, journey, version).definition
            next_one = parse(Journey, {**said, **changes})
            journey_rows.add_version(session, journey, version, next_one, "test", LATER + 26 * DAY)
            due = scan_rows.list_due_looks(session, LATER + 26 * DAY, CALENDAR)
            found.append([each.look.day.day for each in due])
        return found

    assert await db.write(act) == [[18], []]
