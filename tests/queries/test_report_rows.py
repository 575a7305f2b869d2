"""Reports and cohorts on real rows: each thing is counted once, for whom and when it was, and only of whom one sees."""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from sqlmodel import Session

from data.db import Database
from data.models import (
    Account,
    Batch,
    BehaviourDay,
    Campaign,
    Department,
    Follow,
    Order,
    OwnerDay,
    Role,
    Run,
    Staff,
    StaffTask,
    Welcome,
)
from data.queries import cohorts
from data.queries import reports as rows
from data.rules.reports import period_of
from tests.facts import settle

ZONE = ZoneInfo("Asia/Shanghai")
WEEK = period_of("week", date(2026, 2, 25))
LEFT = "deleted_by_customer"
HOSTILE = "=cmd|'/c calc'!A1<script>\u202e"


def at(day: int, hour: int = 12, month: int = 2) -> datetime:
    return datetime(2026, month, day, hour, 30, tzinfo=ZONE).astimezone(UTC)


def fill(session: Session, now: datetime) -> None:
    for number, name in ((2, "一店"), (3, HOSTILE)):
        session.add(Department(id=number, name=name, parent_id=1))
    for userid, number, gone_at in (("ann", 2, None), ("bo", 3, None), ("cy", 3, now), ("di", 3, None)):
        session.add(
            Staff(userid=userid, name=userid, department_ids=[number], main_department_id=number, seen_at=now,
                  gone_at=gone_at, follows_customers=userid in ("ann", "bo", "di"))
        )  # fmt: skip
    follows: list[dict[str, Any]] = [
        {"userid": "ann", "external_userid": "wm1", "added_at": at(23, 0)},
        {"userid": "ann", "external_userid": "wm2", "added_at": at(22, 23)},
        {"userid": "bo", "external_userid": "wm1", "added_at": at(25), "known_before": True},
        {"userid": "bo", "external_userid": "wm3", "added_at": at(26), "inherited": True},
        {"userid": "bo", "external_userid": "wm4", "added_at": at(1), "status": LEFT, "ended_at": at(27)},
        {"userid": "bo", "external_userid": "wm5", "added_at": at(1), "status": LEFT, "ended_at": at(20)},
        {"userid": "ann", "external_userid": "wm5", "added_at": at(2)},
        {"userid": "cy", "external_userid": "wm6", "added_at": at(24), "status": "out_of_sight"},
    ]  # fmt: skip
    for each in follows:
        session.add(Follow(**{"status": "present", "changed_at": now, **each}))
    welcomes = (
        ("ann", "sent", 24),
        ("ann", "missed", 24),
        ("ann", "skipped", 24),
        ("bo", "sent", 24),
        ("bo", "sent", 2),
    )
    for number, (userid, status, day) in enumerate(welcomes):
        session.add(
            Welcome(event_id=number, kind="k", userid=userid, external_userid="wm1", status=status, received_at=at(day))
        )
    session.add(Campaign(id=1, name="c", made_by="x", made_at=now))
    session.add(Campaign(id=2, name="test", made_by="x", made_at=now, test_of=1))
    for number in (1, 2):
        session.add(
            Run(id=number, wave_id=number, campaign_id=number, status="awaiting", due_at=at(24), started_at=at(24),
                valid_until=at(27))
        )  # fmt: skip
    batches: list[dict[str, Any]] = [
        {"userid": "ann", "recipients": 10, "sent": 7, "confirmed_at": at(5, month=3)},
        {"userid": "ann", "recipients": 5, "kind": "groups", "sent": 5, "confirmed_at": at(24)},
        {"userid": "bo", "recipients": 10},
        {"userid": "bo", "recipients": 10, "status": "refused"},
        {"userid": "bo", "recipients": 10, "sent": 3, "made_at": at(2, month=3)},
        {"userid": "bo", "recipients": 1, "sent": 1, "run_id": 2},
        {"userid": "", "recipients": 3, "kind": "moments"},
    ]
    for number, each in enumerate(batches):
        session.add(Batch(**{"run_id": 1, "batch_no": number, "status": "created", "made_at": at(24), **each}))
    for number, (status, by) in enumerate((("done", "ann"), ("done", "bo"), ("refused", "ann"))):
        session.add(
            StaffTask(enrolment_id=number, journey_id=1, step=1, userid="ann", external_userid="wm1", content={},
                      worth=1, due_at=at(24), valid_until=at(27), status=status, answered_at=at(25), answered_by=by)
        )  # fmt: skip
    orders: list[dict[str, Any]] = [
        {"userid": "bo", "external_userid": "wm1", "amount_fen": 10_000},
        {"external_userid": "wm1", "amount_fen": 250, "status": "finished"},
        {"external_userid": "wm1", "amount_fen": 9, "status": "refunded"},
        {"external_userid": "wm1", "amount_fen": 9, "covered": True},
        {"external_userid": "wm4", "amount_fen": 30},
        {"external_userid": "wm5", "amount_fen": 60},
        {"amount_fen": 7},
        {"external_userid": "wm1", "amount_fen": 500, "placed_at": at(20)},
    ]
    for number, each in enumerate(orders):
        session.add(
            Order(**{"source": "s", "number": str(number), "status": "paid", "placed_at": at(25), "received_at": now,
                     "changed_at": now, **each})
        )  # fmt: skip
    days = ((23, 10, 80.0, 5.0), (24, 30, 100.0, 1.0), (25, 2, None, None), (22, 100, 10.0, 60.0))
    for day, chats, percent, minutes in days:
        session.add(
            BehaviourDay(day=date(2026, 2, day), userid="ann", chats=chats, messages=chats * 3, reply_percent=percent,
                         reply_minutes=minutes, deletions=1)
        )  # fmt: skip
    session.add(OwnerDay(day=date(2026, 2, 24), userid="bo", messages=44, members_new=3, members_total=90))
    session.add(Account(role=Role.MANAGER, userid="bo", department_ids=[3], made_at=now))
    session.add(Account(role=Role.ADMIN, userid="ann", department_ids=[], made_at=now))
    session.add(Account(role=Role.MANAGER, userid="cy", department_ids=[3], made_at=now))
    session.add(Account(role=Role.STAFF, userid="di", department_ids=[], made_at=now))
    session.add(Account(role=Role.ADMIN, name="no member", department_ids=[], made_at=now))
    settle(session)


async def read(db: Database, now: datetime, userids: Collection[str] | None = None) -> dict[str, rows.Line]:
    report = await db.read(rows.read_report, WEEK, now, ZONE, userids)
    assert report.is_over
    total = report.total
    for department in report.departments:
        assert department.now.added == sum(
            each.now.added for each in report.lines if each.department_id == department.department_id
        )
    return {**{each.userid: each for each in report.lines}, "all": total}


async def test_each_thing_counts_once_for_whom_it_was(db: Database, now: datetime) -> None:
    await db.write(fill, now)
    lines = await read(db, now)
    assert list(lines) == ["bo", "cy", "di", "ann", "", "all"]
    ann, bo, cy, nobody = lines["ann"].now, lines["bo"].now, lines["cy"].now, lines[""].now
    assert (ann.added, ann.people, ann.left, ann.net) == (1, 1, 0, 1)
    assert (bo.added, bo.people, bo.left, bo.net) == (2, 0, 1, 1)
    assert (cy.added, cy.people) == (1, 1), "what somebody did who has left counts"
    assert (ann.welcomed, ann.missed, ann.welcome_percent, bo.welcome_percent) == (1, 1, 50.0, 100.0)
    assert (ann.tasks, ann.confirmed, ann.reached) == (2, 2, 7), "groups are no customers"
    assert (bo.tasks, bo.confirmed, bo.reached, bo.confirmed_percent) == (1, 0, 0, 0.0)
    assert (ann.done, bo.done) == (1, 1)
    assert (bo.orders, bo.amount_fen) == (2, 10_030), "sold, and that of a customer whom only bo had"
    assert (ann.orders, ann.amount_fen) == (2, 310), "whoever was first, and whoever still is a contact"
    assert (nobody.orders, nobody.amount_fen) == (1, 7)
    assert (ann.chats, ann.messages, ann.reply_percent, ann.reply_minutes, ann.deletions) == (42, 126, 95.0, 2.0, 3)
    assert (bo.reply_percent, bo.group_messages, bo.group_members) == (None, 44, 3)
    assert lines["di"].now == rows.Figures(), "who has done nothing is there as well"
    before = lines["ann"].before
    assert (before.added, before.people, before.orders, before.chats, before.reply_percent) == (1, 1, 1, 100, 10.0)
    assert lines["bo"].before.left == 1
    assert (lines["all"].now.added, lines["all"].now.people, lines["all"].now.orders) == (4, 2, 5)
    assert lines["ann"].department == "一店"
    assert lines["bo"].department == HOSTILE


async def test_nobody_sees_others_figures(db: Database, now: datetime) -> None:
    await db.write(fill, now)
    lines = await read(db, now, {"bo", "di"})
    assert lines.keys() == {"bo", "di", "all"}
    assert (lines["all"].now.added, lines["all"].now.orders, lines["all"].now.chats) == (2, 2, 0)
    assert (await read(db, now, frozenset())).keys() == {"all"}
    report = await db.read(rows.read_report, WEEK, now, ZONE, {"bo"})
    assert report.told_until is None
    assert (await db.read(rows.read_report, WEEK, now, ZONE)).told_until == date(2026, 2, 25)
    assert [each.userid for each in report.of_department(3).lines] == ["bo"]
    assert report.of_department(2).lines == []


async def test_only_who_can_be_sent_the_report_is(db: Database, now: datetime) -> None:
    await db.write(fill, now)
    readers = await db.read(rows.list_readers)
    assert [each.account.userid for each in readers] == ["bo", "ann"]
    numbers = [each.account.id for each in readers if each.account.id] + [3, 4, 5, 99]
    assert len(await db.write(partial(rows.choose_readers, account_ids=numbers, by="x", now=now))) == 2
    assert await db.read(rows.list_chosen) == {"bo": frozenset({"bo", "cy", "di"}), "ann": None}
    await db.write(partial(rows.choose_readers, account_ids=numbers[:1], by="y", now=now))
    assert (await db.read(rows.list_chosen)).keys() == {"bo"}


async def test_cohorts_are_counted_once_a_day_and_shown_once_all_are_old_enough(db: Database, now: datetime) -> None:
    def fill_cohort(session: Session) -> None:
        ends: list[tuple[str, str, timedelta | None]] = [
            ("ann", "present", None), ("ann", "deleted_by_customer", timedelta(hours=3)),
            ("ann", "deleted_by_staff", timedelta(days=5)), ("bo", "out_of_sight", timedelta(days=2)),
            ("bo", "present", None),
        ]  # fmt: skip
        for number, (userid, status, after) in enumerate(ends):
            session.add(
                Follow(userid=userid, external_userid=f"wm{number}", status=status, added_at=at(9), changed_at=now,
                       ended_at=at(9) + after if after else None, inherited=number == 4)
            )  # fmt: skip

    await db.write(fill_cohort)
    today = now.astimezone(ZONE).date()
    due = await db.read(cohorts.list_due, today)
    assert len(due) == 26
    for period in due:
        await db.write(cohorts.save, period, await db.read(cohorts.count, period, ZONE), today)
    assert await db.read(cohorts.list_due, today) == []
    again = await db.read(cohorts.list_due, today + timedelta(days=1))
    assert {each.kind for each in again} == {"week", "month"}
    assert len([each for each in again if each.kind == "month"]) == 4, "what is old enough is counted no more"
    lines = {each.period.first: each for each in await db.read(cohorts.list_cohorts, "week", today)}
    assert list(lines) == sorted(lines)
    line = lines[date(2026, 2, 9)]
    assert (line.began, line.after, line.percents) == (4, (3, 2, None, None), (75.0, 50.0, None, None))
    mine = {each.period.first: each for each in await db.read(cohorts.list_cohorts, "week", today, {"bo"})}
    assert (mine[date(2026, 2, 9)].began, mine[date(2026, 2, 9)].after[:2]) == (1, (1, 1))
    months = await db.read(cohorts.list_cohorts, "month", today)
    assert (months[-2].period.first, months[-2].began, months[-2].after) == (date(2026, 2, 1), 4, (3, None, None, None))
