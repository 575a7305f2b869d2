"""Lists of a day from real rows: what is on them, in which order, what is left out, and what becomes of it."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlmodel import Session, col, select

from bot.config import JourneysSettings, Settings
from bot.staff_tasks import Asked, do_task, put_off_task, read_list, refuse_task
from data.db import Database
from data.errors import ConflictError, NotFoundError
from data.models import EndReason, Follow, StaffTask, Touch
from data.queries import enrolments, preferences, touches
from data.queries import staff_tasks as rows
from data.queries.staff_tasks import DayList, TaskEndedError
from data.rules.preferences import Preference, TouchKind
from data.rules.staff_tasks import Later
from tests.staff_tasks import add_contact, add_journey, add_leave, add_staff, add_task

ZONE = ZoneInfo("Asia/Shanghai")
#: A Wednesday, 13:06 in Shanghai.
NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
TODAY = date(2026, 3, 4)


def settings(per_day: int = 30) -> Settings:
    return Settings(journeys=JourneysSettings(tasks_per_day=per_day))


def fill(session: Session) -> None:
    """ann with five customers, of whom bo follows one too; each has a task worth ten times its number."""
    add_journey(session, NOW)
    add_staff(session, NOW, "ann", "bo", "cy")
    for number in range(1, 6):
        whom = f"wm{number}"
        add_contact(session, NOW, whom, *(["ann", "bo"] if number == 1 else ["ann"]), name=f"客户{number}")
        add_task(session, NOW, "ann", whom, id=number, worth=10 * number, due_at=NOW - timedelta(minutes=number))


@pytest.fixture
async def db(db: Database) -> Database:
    await db.write(fill)
    return db


async def day(db: Database, userid: str = "ann", per_day: int = 30, now: datetime = NOW) -> DayList:
    return await db.read(read_list, userid, settings(per_day), now)


def ids(listed: DayList) -> list[int]:
    return [each.task.id or 0 for each in listed.tasks]


async def change(db: Database, task_id: int, **fields: Any) -> None:
    def write(session: Session) -> None:
        for name, value in fields.items():
            setattr(session.get_one(StaffTask, task_id), name, value)

    await db.write(write)


async def test_a_list_holds_what_is_worth_most_and_what_is_done_takes_room(db: Database) -> None:
    await change(db, 4, worth=50, due_at=NOW)
    listed = await day(db, per_day=3)
    assert (ids(listed), listed.done, listed.waiting) == ([5, 4, 3], 0, 2), "of equal worth what was due first"
    first = listed.tasks[0]
    assert (first.customer, first.because.journey, first.because.key) == ("客户5", "新客 7 天", "hello")
    await db.write(do_task, Asked(5), settings(), NOW)
    listed = await day(db, per_day=3)
    assert (ids(listed), listed.done, listed.waiting) == ([4, 3], 1, 2)
    assert ids(await day(db, per_day=1)) == []
    assert (await day(db, per_day=1)).waiting == 4
    assert ids(await day(db, per_day=0)) == [4, 3, 2, 1]
    tomorrow = await day(db, per_day=3, now=NOW + timedelta(hours=11))
    assert (ids(tomorrow), tomorrow.done) == ([4, 3, 2], 0), "a new day has room again"


async def test_a_list_leaves_out_whom_nothing_may_be_sent(db: Database) -> None:
    def leave_out(session: Session) -> None:
        session.get_one(StaffTask, 1).due_at = NOW + timedelta(seconds=1)
        session.get_one(StaffTask, 2).valid_until = NOW
        preferences.save_preference(session, "wm3", Preference(opted_out=True), "test", NOW)
        preferences.save_preference(session, "wm4", Preference(paused_until=NOW + timedelta(days=1)), "test", NOW)
        follow = session.scalars(select(Follow).where(col(Follow.external_userid) == "wm5")).one()
        follow.status = "deleted_by_customer"

    await db.write(leave_out)
    assert ids(await day(db)) == []
    assert ids(await day(db, now=NOW + timedelta(seconds=1))) == [1]
    capped = Preference(cap_count=1, cap_days=7)
    await db.write(preferences.save_preference, "wm1", capped, "test", NOW)
    await db.write(touch, "wm1")
    assert ids(await day(db, now=NOW + timedelta(seconds=1))) == []


def touch(session: Session, whom: str) -> None:
    touches.record(session, origin="test:1", kind=TouchKind.KF, external_userid=whom, touched_at=NOW)


async def test_a_task_counts_on_the_day_on_which_it_is_done_and_waits_where_that_day_is_full(db: Database) -> None:
    """Of two tasks of a customer, asked for on days of their own, both open on the second."""
    limited = Settings(journeys=JourneysSettings(cap_per_day=1, cap_per_week=3))
    midnight = datetime(2026, 3, 4, tzinfo=ZONE)

    async def listed(at: datetime) -> list[int]:
        return ids(await db.read(read_list, "bo", limited, at))

    def ask(session: Session) -> None:
        for number, due_at in ((11, NOW - timedelta(days=1)), (12, NOW)):
            add_task(session, NOW, "bo", "wm1", id=number, due_at=due_at)
        # An answer to the customer's own act uses nothing up.
        touches.record(session, origin="w", kind=TouchKind.WELCOME, external_userid="wm1", touched_at=NOW)

    await db.write(ask)
    assert await listed(NOW) == [11, 12]
    await db.write(do_task, Asked(11), limited, NOW)
    assert await listed(NOW) == [], "yesterday's task was done today, and today allows one"
    assert (await db.read(read_list, "bo", limited, NOW)).waiting == 1
    assert await listed(midnight + timedelta(days=1, seconds=-1)) == []
    assert await listed(midnight + timedelta(days=1)) == [12]
    week = Settings(journeys=JourneysSettings(cap_per_day=0, cap_per_week=1))
    assert ids(await db.read(read_list, "bo", week, midnight + timedelta(days=1))) == []


async def test_done_twice_is_once_and_reaches_the_customer(db: Database) -> None:
    both = (db.write(do_task, Asked(5, "ann"), settings(), NOW + timedelta(seconds=each)) for each in (1, 2))
    first, second = await asyncio.gather(*both)
    assert first.answered_at == second.answered_at
    (told,) = await db.read(touches.list_explained, "wm5")
    assert (told.touch.kind, told.touch.userid, told.touch.origin) == ("task", "ann", "task:5")
    assert (told.because["journey"], told.because["words"]) == ("新客 7 天", "您好，wm5")
    with pytest.raises(TaskEndedError, match="was done by ann"):
        await db.write(refuse_task, Asked(5), "why", settings(), NOW)


async def test_what_was_withdrawn_or_refused_says_so(db: Database) -> None:
    (task,) = [each for each in await db.read(rows.list_tasks) if each.id == 5]
    await db.write(enrolments.withdraw_tasks, [task.enrolment_id], EndReason.GOAL, NOW)
    with pytest.raises(TaskEndedError, match="withdrawn") as told:
        await db.write(do_task, Asked(5), settings(), NOW)
    assert (told.value.status, told.value.why) == ("withdrawn", "goal")
    refused = await db.write(refuse_task, Asked(4), "刚买过", settings(), NOW)
    assert (refused.status, refused.why, refused.answered_by) == ("refused", "刚买过", "ann")
    again = await db.write(refuse_task, Asked(4), "另一个", settings(), NOW)
    assert again.why == "刚买过"
    with pytest.raises(TaskEndedError, match="refused by ann"):
        await db.write(do_task, Asked(4), settings(), NOW)
    assert await db.read(lambda session: session.scalars(select(Touch)).all()) == []
    assert ids(await day(db)) == [3, 2, 1]


async def test_what_is_put_off_comes_back_and_not_after_its_time(db: Database) -> None:
    await db.write(put_off_task, Asked(5), Later.TODAY, settings(), NOW)
    listed = await day(db)
    assert (ids(listed), [each.task.id for each in listed.later]) == ([4, 3, 2, 1], [5])
    assert ids(await day(db, now=NOW + timedelta(hours=2)))[0] == 5
    await change(db, 4, valid_until=NOW + timedelta(hours=3))
    with pytest.raises(ConflictError, match="over at"):
        await db.write(put_off_task, Asked(4), Later.TOMORROW, settings(), NOW)
    await db.write(do_task, Asked(5), settings(), NOW)
    assert (await day(db)).later == []


async def test_a_substitute_has_the_tasks_of_customers_whom_they_follow_too(db: Database) -> None:
    with pytest.raises(NotFoundError):
        await db.write(do_task, Asked(1, "bo"), settings(), NOW)
    await db.write(add_leave, TODAY, "ann", "cy")
    await db.write(add_leave, TODAY, "cy", "bo")
    assert ids(await day(db, "bo")) == [1], "bo stands in for cy, who stands in for ann, and follows wm1 alone"
    assert ids(await day(db, "cy")) == []
    assert ids(await day(db)) == [5, 4, 3, 2, 1], "whoever looks in spite of a leave sees their own"
    done = await db.write(do_task, Asked(1, "bo"), settings(), NOW)
    assert (done.userid, done.answered_by) == ("ann", "bo")
    assert (await day(db, "bo")).done == 1
    assert (await day(db)).done == 0
    assert ids(await day(db, "bo", now=NOW + timedelta(days=1))) == []
    with pytest.raises(NotFoundError):
        await db.read(read_list, "nobody", settings(), NOW)


async def test_what_nobody_did_lapses_and_says_whether_it_was_ever_on_a_list(db: Database) -> None:
    def note(session: Session, now: datetime) -> int:
        found = rows.read_day(session, now, ZONE, 2, ())
        holders = rows.list_holders(session, found, unlisted=True)
        assert holders in (["ann"], [])
        return rows.note_listed(session, holders, found)

    assert await db.write(note, NOW) == 2
    assert await db.write(note, NOW) == 0
    assert await db.write(rows.lapse, NOW) == 0
    over = NOW + timedelta(hours=72)
    assert await db.write(rows.lapse, over) == 5
    assert await db.write(rows.lapse, over) == 0
    told = {each.id: (each.status, each.why, each.first_listed_on) for each in await db.read(rows.list_tasks)}
    assert told[5] == told[4] == ("lapsed", "not_done", TODAY)
    assert told[3] == told[1] == ("lapsed", "never_listed", None)
    assert await db.write(note, over) == 0
    with pytest.raises(TaskEndedError, match="time has passed"):
        await db.write(do_task, Asked(5), settings(), over)


async def test_tasks_are_found_by_how_they_stand(db: Database) -> None:
    await db.write(do_task, Asked(2), settings(), NOW)
    assert [each.id for each in await db.read(rows.list_tasks, limit=2)] == [5, 4]
    assert [each.id for each in await db.read(rows.list_tasks, before_id=3)] == [2, 1]
    wanted = {"userid": "ann", "external_userid": "wm2", "journey_id": 3}
    assert [each.status for each in await db.read(rows.list_tasks, **wanted)] == ["done"]
    assert await db.read(rows.list_tasks, userid="bo") == []
