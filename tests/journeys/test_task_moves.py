"""Open tasks of customers who were handed over: on whose list they are then, in whose words, and why."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session

from bot.api.journey_explanations import CustomersJourneysTold
from bot.api.staff_tasks import TaskTold
from bot.journey_explanations import explain_customer
from bot.staff_tasks import Asked, do_task
from data.models import FollowStatus, Staff, StaffTask, Touch
from data.queries import customers as customer_rows
from data.queries import staff_tasks as task_rows
from data.queries.staff_task_moves import Moved, list_stranded, move_tasks, read_stranded
from data.queries.sync_ends import end_unlisted
from data.rules.staff_tasks import MoveReason
from scheduler.staff_tasks import tend_tasks
from tests.journeys.conftest import START, Company, task

#: When the steps are due.
DUE = START + timedelta(hours=2)


async def give(company: Company, *customers: str, **journey: Any) -> None:
    """A journey asks `ann` to write to some customers; a second step is due a week later."""
    steps = [task(when={"days": 0, "at": "10:00"}, action={"valid_hours": 72}), task("again", when={"days": 7})]
    number = await company.add_journey(*steps, **journey)
    await company.enrol(number, *customers, userid="ann")
    await company.at(DUE)


async def tasks(company: Company) -> dict[str, StaffTask]:
    """The newest task of each customer."""
    return {each.external_userid: each for each in await company.tasks()}


def hand_over(session: Session, whom: str, taker: str, now: datetime) -> None:
    """As the callbacks of a hand-over from ann tell it."""
    status = FollowStatus.DELETED_BY_STAFF
    customer_rows.record_end(session, "ann", whom, status, event_at=now, now=now, handed_over=True)
    customer_rows.record_add(session, taker, whom, state="", half=False, inherited=True, event_at=now, now=now)


@pytest.mark.parametrize("policy", ["first_added", "last_added"])
async def test_a_task_goes_to_who_took_the_customer_over_in_their_name(company: Company, policy: str) -> None:
    await company.add_customer("lin", "ann", "old")
    await company.add_customer("other", "ann", "bo")
    await company.add_customer("stays", "ann")
    await give(company, "lin", "stays", sender_policy=policy)
    assert await company.ctx.db.write(task_rows.note_listed, ["ann"], await day(company)) == 2

    def seen_by_sync(session: Session, now: datetime) -> None:
        """ann's page does not list the customer any more; `bo` has been assigned the customer."""
        end_unlisted(session, "ann", ["lin"], asked_at=now, now=now)
        old = {"userid": "old", "createtime": int(START.timestamp())}
        taker = {"userid": "bo", "add_way": 202, "createtime": int(now.timestamp()) - 60}
        contact = {"external_userid": "lin", "name": "Lin", "type": 1}
        customer_rows.apply_fetched(session, contact, [old, taker], asked_at=now, now=now)

    company.clock.advance(timedelta(minutes=20))
    before = (await tasks(company))["lin"]
    await company.ctx.db.write(seen_by_sync, company.clock.now())
    await tend_tasks(company.ctx)
    moved = await tasks(company)
    lin, stays = moved["lin"], moved["stays"]
    assert (lin.userid, lin.content["text"], lin.first_listed_on is not None) == ("bo", "Lin，您好，我是BO", True)
    assert (lin.valid_until, lin.due_at, lin.worth) == (before.valid_until, before.due_at, before.worth)
    assert (stays.userid, stays.moves) == ("ann", [])
    TaskTold.model_validate({**lin.model_dump(), "first_listed_on": None})
    told = await company.ctx.db.read(explain_customer, "lin", company.clock.now(), company.ctx.settings.zone)
    CustomersJourneysTold.model_validate(told)
    (move,) = told["journeys"][0]["steps"][0]["task"]["moves"]
    assert (move["from_userid"], move["to_userid"], move["why"]) == ("ann", "bo", "handed_over")
    assert move["words"] == "从 ann 转给 bo：客户已交接"
    # The rest of the journey goes the same way, and a task that is done counts for who did it.
    await company.ctx.db.write(do_task, Asked(lin.id or 0), company.ctx.settings, company.clock.now())
    (touch,) = await company.all(Touch)
    assert touch.userid == "bo"
    await company.at(DUE + timedelta(days=7), tick=timedelta(days=1))
    assert (await tasks(company))["lin"].userid == "bo"


async def day(company: Company) -> Any:
    settings = company.ctx.settings
    return await company.ctx.db.read(task_rows.read_day, company.clock.now(), settings.zone, 0, ())


async def test_who_may_still_take_over_is_waited_for_and_who_has_nobody_left_is_asked_no_more(company: Company) -> None:
    for name, *userids in (("taken", "ann", "old"), ("left", "ann", "old"), ("lost", "ann"), ("deleted", "ann")):
        await company.add_customer(name, *userids)
    await company.add_customer("any", "bo")
    await give(company, "taken", "left", "lost", "deleted")
    now = company.clock.now()

    def end(session: Session) -> None:
        for whom in ("taken", "left", "lost", "deleted"):
            status = FollowStatus.DELETED_BY_CUSTOMER if whom == "deleted" else FollowStatus.DELETED_BY_STAFF
            customer_rows.record_end(session, "ann", whom, status, event_at=now, now=now, handed_over=True)

    await company.ctx.db.write(end)
    await tend_tasks(company.ctx)
    found = await tasks(company)
    assert {whom: (each.userid, each.status, each.why) for whom, each in found.items()} == {
        "taken": ("ann", "open", ""), "left": ("ann", "open", ""), "lost": ("ann", "open", ""),
        "deleted": ("ann", "withdrawn", "lost"),
    }  # fmt: skip
    await company.ctx.db.write(hand_over, "taken", "bo", now + timedelta(seconds=5))
    company.clock.advance(timedelta(minutes=10))
    await tend_tasks(company.ctx)
    found = await tasks(company)
    assert {whom: (each.userid, each.status, each.why) for whom, each in found.items()} == {
        "taken": ("bo", "open", ""), "left": ("old", "open", ""), "lost": ("ann", "withdrawn", "lost"),
        "deleted": ("ann", "withdrawn", "lost"),
    }  # fmt: skip
    assert [each["why"] for each in found["left"].moves] == ["not_contact"]
    # And once more, back: every move stays written down.
    await company.ctx.db.write(customer_rows.record_end, "bo", "taken", FollowStatus.DELETED_BY_STAFF,
                               event_at=company.clock.now(), now=company.clock.now())  # fmt: skip
    company.clock.advance(timedelta(minutes=10))
    await tend_tasks(company.ctx)
    moves = (await tasks(company))["taken"].moves
    assert [(each["from_userid"], each["to_userid"]) for each in moves] == [("ann", "bo"), ("bo", "old")]


async def test_the_tasks_of_a_member_who_left_go_on_where_somebody_else_may_do_them(company: Company) -> None:
    await company.add_customer("shared", "ann", "old")
    await company.add_customer("alone", "ann")
    await give(company, "shared", "alone", excluded_userids=["cy"])
    await company.change(Staff, lambda each: each.userid == "ann", gone_at=company.clock.now())
    await tend_tasks(company.ctx)
    found = await tasks(company)
    assert (found["shared"].userid, [each["why"] for each in found["shared"].moves]) == ("old", ["unable"])
    assert (found["alone"].userid, found["alone"].status) == ("ann", "open"), "until somebody is given the customer"
    await company.add_customer("new", "cy")
    await company.ctx.db.write(hand_over, "alone", "cy", company.clock.now())
    await tend_tasks(company.ctx)
    assert (await tasks(company))["alone"].userid == "ann", "cy does not take part in this journey"
    await company.at(DUE + timedelta(days=7), tick=timedelta(days=1))
    assert (await tasks(company))["shared"].userid == "old", "nor does a step wait for whoever has left"


async def test_what_cannot_be_worded_for_another_is_withdrawn_and_an_answer_goes_before_a_move(
    company: Company,
) -> None:
    for whom in ("lin", "yu", "mei"):
        await company.add_customer(whom, "ann", "bo")
    await give(company, "lin", "yu", "mei")
    retired = await company.add_journey(task(action={"content": {"text": "{{ link_shop }}"}}))
    await company.change(StaffTask, lambda each: each.external_userid == "mei", journey_id=retired)

    def lose(session: Session) -> None:
        for whom in ("lin", "yu", "mei"):
            hand_over(session, whom, "bo", company.clock.now())

    await company.ctx.db.write(lose)
    read = await company.ctx.db.read(read_stranded, await company.ctx.db.read(list_stranded))
    first = next(each.task for each in read if each.task.external_userid == "lin")

    def done(session: Session) -> bool:
        return task_rows.mark_done(session, task_rows.lock_task(session, first.id or 0), "ann", company.clock.now())

    assert await company.ctx.db.write(done)
    moved = Moved(first, "bo", first.content, MoveReason.HANDED_OVER)
    assert await company.ctx.db.write(move_tasks, [moved], company.clock.now()) == 0
    await asyncio.gather(tend_tasks(company.ctx), tend_tasks(company.ctx))
    found = await tasks(company)
    assert (found["lin"].userid, found["lin"].status) == ("ann", "done")
    assert (found["yu"].userid, found["yu"].status, len(found["yu"].moves)) == ("bo", "open", 1), "once, whoever looks"
    assert (found["mei"].status, found["mei"].why) == ("withdrawn", "no_words"), "the link is no more"
