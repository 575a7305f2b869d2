"""What goes wrong around the tick: others who change things meanwhile, processes that die, journeys that are broken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from bot.approval_limits import find_excess, is_covered
from bot.approvals import decide, submit
from bot.config import ApprovalSettings
from bot.context import Restore
from bot.journey_books import Book
from bot.journey_edits import act_on, end_for_all
from bot.journey_moves import move_journey
from data.models import Batch, Enrolment, JourneyRow, JourneyStatus, JourneyVersion, Run, RunStatus
from data.queries import enrolment_lists as list_rows
from data.queries import journey_dues
from data.queries import journeys as journey_rows
from data.queries.happenings import note
from data.queries.journey_scans import ask_existing
from data.rules.approvals import Decider, Decision
from data.rules.happenings import Happened
from data.rules.journey_acts import Act
from data.rules.journeys import Journey
from data.rules.problems import InvalidRuleError, parse
from scheduler.journey_days import follow_days
from scheduler.journey_triggers import follow_happenings
from scheduler.journeys import _work_on, run_due_steps
from tests.journeys.conftest import START, Company, task

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ON_SQLITE = pytest.mark.parametrize("urls", ["sqlite"], indirect=True)


async def edit(company: Company, journey_id: int, *steps: dict[str, Any]) -> None:
    """The journey's next version has these steps."""

    def write(session: Session) -> None:
        version = journey_rows.get_journey(session, journey_id).version
        said = journey_rows.get_version(session, journey_id, version).definition
        journey = parse(Journey, {**said, "steps": steps})
        journey_rows.add_version(session, journey_id, version, journey, "test", company.clock.now())

    await company.ctx.db.write(write)


async def test_what_was_decided_before_customers_were_moved_is_decided_anew(company: Company) -> None:
    await company.add_customer("an", "li")
    journey_id = await company.add_journey(task("one"), task("two", when={"days": 9}))
    await company.enrol(journey_id, "an")
    due = await company.ctx.db.read(journey_dues.list_due, company.clock.now(), 10)
    await edit(company, journey_id, task("one"), task("new", when={"days": 1}), task("two", when={"days": 9}))
    assert (await move_journey(company.ctx, journey_id, {}, dry_run=False))["customers"] == 1
    await _work_on(company.ctx, Book(), due)
    await company.at(START + 20 * DAY, tick=12 * HOUR)
    assert [key for _, key, _ in await company.records()] == ["one", "new", "two"]


@ON_SQLITE
async def test_a_journey_that_is_not_understood_stands_still_alone(open_company: Callable[..., Any]) -> None:
    company: Company = await open_company(cap_per_day=1)
    await company.add_customer("an", "li")
    good = await company.add_journey(task("good"), priority=3)
    broken = await company.add_journey(task("broken", when={"minutes": 60}), priority=7)
    for each in (good, broken):
        await company.enrol(each, "an")
    await company.change(JourneyVersion, lambda row: row.journey_id == broken, definition={"name": "x", "steps": []})
    await company.at(START + 2 * HOUR)
    assert [each.journey_id for each in await company.tasks()] == [good]
    stands = {row.id: (row.status, bool(row.error)) for row in await company.all(JourneyRow)}
    assert stands == {good: (JourneyStatus.RUNNING, False), broken: (JourneyStatus.PAUSED, True)}


@ON_SQLITE
async def test_what_begins_again_before_it_is_over_is_not_started_but_goes_on_where_it_was(company: Company) -> None:
    weekly = {"trigger": {"on": "calendar", "cron": "0 10 * * mon"}, "again": {"after_days": 1}}
    journey_id = await company.add_journey(task(when={"days": 8}), **weekly)
    await company.ctx.db.write(journey_rows.act_on, journey_id, Act.PAUSE, "test", company.clock.now())
    assert (await act_on(company.ctx, journey_id, Act.RESUME))["status"] == JourneyStatus.RUNNING
    await company.change(JourneyRow, lambda row: True, status=JourneyStatus.DRAFT)
    with pytest.raises(InvalidRuleError) as caught:
        await act_on(company.ctx, journey_id, Act.START)
    assert [each.path for each in caught.value.problems] == ["steps"]


async def test_a_stop_that_was_interrupted_is_brought_to_its_end_also_in_observe_mode(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["an", "bo", "cy"]
    for name in names:
        await company.add_customer(name, "li")
    stopped, other = await company.add_journey(task(), task("two", when={"days": 1})), await company.add_journey(task())
    for each in (stopped, other):
        await company.enrol(each, *names)
    await run_due_steps(company.ctx)
    await company.enrol(other, "an")
    monkeypatch.setattr(list_rows, "PIECE", 1)
    # The process dies behind the first piece.
    await company.ctx.db.write(journey_rows.act_on, stopped, Act.STOP, "test", company.clock.now())
    await company.ctx.db.write(list_rows.withdraw_piece, stopped, company.clock.now())
    observing = replace(company.ctx, settings=company.ctx.settings.model_copy(update={"mode": "observe"}))
    assert not await run_due_steps(observing)
    ends = {
        each.external_userid: each.end_reason for each in await company.all(Enrolment) if each.journey_id == stopped
    }
    assert ends == dict.fromkeys(names, "withdrawn")
    tasks = [(each.journey_id, each.status) for each in await company.tasks()]
    assert sorted(tasks) == [(stopped, "withdrawn")] * 3 + [(other, "open")] * 3
    assert [each.end_reason for each in await company.all(Enrolment) if each.ended_at is None] == [""]
    await end_for_all(company.ctx, stopped)


@ON_SQLITE
async def test_while_the_bot_observes_journeys_begin_and_end_and_steps_wait_as_in_a_stop(company: Company) -> None:
    for name in ("an", "bo"):
        await company.add_customer(name, "li")
    journey_id = await company.add_journey(
        task("first"), task("soon", when={"minutes": 60}, late={"then": "do"}), task("then", when={"days": 3}),
        stops=[{"on": "event", "name": "end"}],
    )  # fmt: skip
    ctx, live = company.ctx, company.ctx.settings
    company.ctx = replace(ctx, settings=live.model_copy(update={"mode": "observe"}))

    def tell(session: Session, name: str, *customers: str) -> None:
        note(session, [Happened("event", each, company.clock.now(), {"name": name}) for each in customers])

    await ctx.db.write(tell, "begin", "an", "bo")
    assert await follow_happenings(company.ctx) == 2
    await company.at(START + DAY, tick=6 * HOUR)
    await ctx.db.write(tell, "end", "bo")
    assert await follow_happenings(company.ctx) == 1
    assert await company.records() == []
    company.ctx = ctx
    await company.at(START + 5 * DAY, tick=6 * HOUR)
    # What was due meanwhile is late, each step as it says.
    assert await company.records(journey_id) == [
        ("an", "first", "late"),
        ("an", "soon", "done"),
        ("an", "then", "done"),
    ]
    ended = await ctx.db.read(
        lambda session: session.exec(select(Enrolment.external_userid, Enrolment.end_reason)).all()
    )
    assert sorted(ended) == [("an", "finished"), ("bo", "stop")]


@ON_SQLITE
async def test_approval_is_for_what_a_journey_sends_at_once(open_company: Callable[..., Any]) -> None:
    company: Company = await open_company(gather_minutes=0)
    names = [f"c{number}" for number in range(5)]
    for name in names:
        await company.add_customer(name, "li")
    news = {"key": "news", "action": {"do": "broadcast", "content": {"text": "上新了"}}}
    journey_id = await company.add_journey(news, trigger={"on": "event", "name": "begin"})
    settings = ApprovalSettings(above=3)

    async def send(*customers: str) -> Run:
        await company.enrol(journey_id, *customers)
        await run_due_steps(company.ctx)
        run = max(await company.all(Run), key=lambda each: each.id or 0)
        planned = {"planned_at": company.clock.now(), "recipients": len(customers), "status": RunStatus.SENDING}
        await company.change(Run, lambda row: row.id == run.id, **planned)
        return run

    first = await send(*names[:3])
    assert await company.ctx.db.read(find_excess, first.campaign_id, settings) is None
    began = Batch(
        run_id=first.id or 0, batch_no=1, userid="li", recipients=3, status="made", first_called_at=company.clock.now()
    )
    await company.ctx.db.write(lambda session: session.add(began))
    second = await send(names[3])
    assert await company.ctx.db.read(find_excess, second.campaign_id, settings) is None, "four in all, one now"
    await company.enrol(journey_id, *names[:3])
    third = await send()
    await company.change(Run, lambda row: row.id == third.id, recipients=3)
    excess = await company.ctx.db.read(find_excess, third.campaign_id, settings)
    assert excess is not None
    assert excess.recipients == 4, "two are about to be sent"


@ON_SQLITE
async def test_whoever_starts_a_journey_for_many_sends_nothing_alone_and_an_approval_is_for_the_words(
    open_company: Callable[..., Any],
) -> None:
    """All of an audience begins at once: what follows waits, and what was approved is one step of one version."""
    company: Company = await open_company(gather_minutes=0)
    approval = ApprovalSettings(above=3, approvers=["boss"])
    ctx = replace(company.ctx, settings=company.ctx.settings.model_copy(update={"approval": approval}))
    for number in range(5):
        await company.add_customer(f"c{number}", "li")
    news = {"key": "news", "action": {"do": "broadcast", "content": {"text": "上新了"}}}
    more = {"key": "more", "when": {"days": 1}, "action": {"do": "broadcast", "content": {"text": "还有优惠"}}}
    journey_id = await company.add_journey(news, more, again={"after_days": 0})

    async def begin_for_all() -> None:
        await ctx.db.write(ask_existing, journey_id, ctx.clock.now())
        await follow_days(ctx)
        await run_due_steps(ctx)

    async def sends() -> tuple[bool, int]:
        """Whether what was planned last may go; what would hold it is undone again."""
        run = max(await company.all(Run), key=lambda each: each.id or 0)
        planned = {"planned_at": ctx.clock.now(), "recipients": 5, "status": RunStatus.SENDING}
        await company.change(Run, lambda row: row.id == run.id, **planned)
        (run,) = [each for each in await company.all(Run) if each.id == run.id]
        return await is_covered(ctx, run), run.campaign_id

    async def approve(campaign_id: int) -> None:
        await submit(ctx, campaign_id, "a program")
        await decide(ctx, campaign_id, Decision.APPROVE, Decider("boss", is_program=False))

    async def was_sent() -> None:
        run = max(await company.all(Run), key=lambda each: each.id or 0)
        made = Batch(run_id=run.id or 0, batch_no=1, userid="li", recipients=5, status="made",
                     first_called_at=ctx.clock.now())  # fmt: skip
        await ctx.db.write(lambda session: session.add(made))
        await company.change(Run, lambda row: row.id == run.id, status=RunStatus.FINISHED, ended_at=ctx.clock.now())

    await begin_for_all()
    covered, campaign_id = await sends()
    assert not covered
    assert {run.status for run in await company.all(Run)} == {RunStatus.PAUSED}
    await approve(campaign_id)
    assert (await sends())[0]
    await was_sent()
    company.clock.advance(timedelta(days=1))
    await run_due_steps(ctx)
    assert not (await sends())[0], "what the next step says nobody has approved"
    await approve(campaign_id)
    assert (await sends())[0]
    await was_sent()
    await begin_for_all()
    assert (await sends())[0], "the first step was approved once"
    await was_sent()
    await edit(company, journey_id, news)
    company.clock.advance(timedelta(days=2))
    await run_due_steps(ctx)
    await begin_for_all()
    assert not (await sends())[0], "any change wants another approval"


@ON_SQLITE
async def test_what_was_due_before_a_restore_is_not_done_again_and_what_comes_after_it_is_done(
    company: Company,
) -> None:
    await company.add_customer("an", "li")
    journey_id = await company.add_journey(task("first"), task("next", when={"days": 1}))
    await company.enrol(journey_id, "an")
    now = company.clock.now()
    company.ctx.restore = Restore(now + HOUR, now - HOUR, waits=False)
    await company.at(now + 3 * DAY, tick=6 * HOUR)
    assert await company.records() == [("an", "first", "late"), ("an", "next", "done")]
