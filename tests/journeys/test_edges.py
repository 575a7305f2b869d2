"""Where journeys meet what happens between a step and its sending, and where they meet each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlmodel import Session, col, select

from bot.api.journey_explanations import CustomersJourneysTold
from bot.campaign_plans import calendar_of, plan_run
from bot.config import ApprovalSettings
from bot.journey_edits import end_for_all
from bot.journey_explanations import explain_customer
from bot.journey_simulations import Simulate, simulate
from bot.journey_statistics import read_statistics
from data.models import (
    BarredBeginning,
    Customer,
    Enrolment,
    Follow,
    JourneyRow,
    PauseRule,
    Recipient,
    RecipientState,
    Run,
    RunStatus,
    WebhookCall,
)
from data.queries import batches as batch_rows
from data.queries import campaigns as campaign_rows
from data.queries import journeys as journey_rows
from data.queries import touches as touch_rows
from data.queries.caps import Limits
from data.queries.enrolment_lists import withdraw
from data.queries.happenings import note
from data.queries.preferences import save_preference
from data.queries.runs import begin_due_run
from data.queries.touches import NewTouch, record_many
from data.queries.webhooks import claim_due, mark_failed
from data.rules import campaigns
from data.rules.happenings import Happened
from data.rules.journey_acts import Act
from data.rules.preferences import Preference, TouchKind
from scheduler.journey_triggers import work_on
from scheduler.journeys import run_due_steps
from tests.journeys.conftest import START, Company, task

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NEWS = {"do": "broadcast", "content": {"text": "上新了"}}
BOUGHT = {"on": "event", "name": "bought"}
FEMALE = {"gender": {"genders": ["female"]}}


async def happen(company: Company, whom: str, name: str = "bought") -> None:
    """Something happens to a customer, and journeys hear of it."""

    def act(session: Session) -> None:
        now = company.clock.now()
        assert note(session, [Happened("event", whom, now, {"name": name})])
        work_on(session, now, calendar_of(company.ctx.settings))

    await company.ctx.db.write(act)


async def explain(company: Company, whom: str) -> dict[str, Any]:
    told = await company.ctx.db.read(explain_customer, whom, company.clock.now(), company.ctx.settings.zone)
    CustomersJourneysTold.model_validate(told)
    return told


async def ask_for(company: Company) -> Sequence[str]:
    """Plan the broadcast that is due, and ask WeCom for its one call; for whom."""
    ctx, now = company.ctx, company.clock.now()
    run = await ctx.db.write(begin_due_run, now, calendar_of(ctx.settings))
    assert run is not None
    await plan_run(ctx, run.id or 0)
    (batch,) = await ctx.db.read(batch_rows.list_planned, run.id or 0, 0, 9)
    return await ctx.db.write(batch_rows.claim_batch, batch.batch_id, {}, now, ctx.settings.zone, Limits()) or ()


async def test_a_broadcast_is_not_sent_to_those_for_whom_its_journey_is_over_meanwhile(company: Company) -> None:
    for name in ("an", "bo", "cy", "di"):
        await company.add_customer(name, "li")
    journey = await company.add_journey(
        {"key": "news", "action": NEWS}, goal=BOUGHT, stops=[{"on": "event", "name": "enough"}]
    )
    await company.enrol(journey, "an", "bo", "cy", "di")
    await run_due_steps(company.ctx)
    company.clock.advance(MINUTE)
    await happen(company, "an")
    await happen(company, "bo", "enough")
    (third,) = [each.id for each in await company.all(Enrolment) if each.external_userid == "cy"]
    await company.ctx.db.write(withdraw, third or 0, company.clock.now())
    company.clock.advance(6 * MINUTE)
    await run_due_steps(company.ctx)
    assert await ask_for(company) == ["di"]
    (run,) = await company.all(Run)
    assert (run.recipients, run.left_out) == (1, {"journey_over": 3})
    (told,) = (await explain(company, "an"))["journeys"]
    assert told["steps"][0]["broadcast"]["state_words"] == "发送之前，旅程对这位客户已经结束"


async def test_what_a_stopped_journey_never_sent_counts_for_no_limit(open_company: Callable[..., Any]) -> None:
    company: Company = await open_company(cap_per_day=1)
    await company.add_customer("an", "li")
    wrong = await company.add_journey({"key": "news", "action": NEWS})
    await company.enrol(wrong, "an")
    await run_due_steps(company.ctx)
    await company.ctx.db.write(journey_rows.act_on, wrong, Act.STOP, "test", company.clock.now())
    (told,) = (await explain(company, "an"))["journeys"]
    assert told["steps"][0]["broadcast"]["state_words"] == "群发被取消，或过了时间，没有发送"
    right = await company.add_journey(task("right"))
    await company.enrol(right, "an")
    await company.at(START + HOUR)
    assert await company.records(right) == [("an", "right", "done")]


async def test_broadcasts_wait_while_a_brake_has_stopped_those_before(open_company: Callable[..., Any]) -> None:
    company: Company = await open_company(gather_minutes=0)
    journey = await company.add_journey({"key": "news", "action": NEWS})
    stands = []
    for name in ("an", "bo", "cy"):
        await company.add_customer(name, "li")
        await company.enrol(journey, name)
        company.clock.advance(MINUTE)
        await run_due_steps(company.ctx)
        stands.append(
            [(each.status, each.pause_rule) for each in sorted(await company.all(Run), key=lambda run: run.id or 0)]
        )
        braked = {"status": RunStatus.PAUSED, "pause_rule": PauseRule.LEAVING, "paused_at": START, "error": "x"}
        if len(stands) == 1:
            await company.change(Run, lambda run: True, **braked)
        else:  # somebody has resumed it
            await company.change(Run, lambda run: True, status=RunStatus.AWAITING, pause_rule="")
    paused, due = (RunStatus.PAUSED, PauseRule.LEAVING), (RunStatus.DUE, "")
    awaiting = (RunStatus.AWAITING, "")
    assert stands == [[due], [paused, paused], [awaiting, awaiting, due]]


async def test_only_a_journey_that_has_something_for_the_customer_goes_before_another(
    open_company: Callable[..., Any],
) -> None:
    company: Company = await open_company(cap_per_day=1)
    for name in ("an", "bo"):
        await company.add_customer(name, "li")
    await company.change(Customer, lambda row: row.external_userid == "an", gender=2)
    low = await company.add_journey(task("low", when={"days": 1, "at": "09:00"}, hold_days=0), priority=3)
    high = await company.add_journey(task("high", when={"days": 1, "at": "17:00"}, only_if=FEMALE), priority=7)
    for journey in (low, high):
        await company.enrol(journey, "an", "bo")
    await company.at(START + 3 * DAY)
    assert await company.records() == [
        ("an", "low", "outranked"), ("bo", "low", "done"), ("an", "high", "done"), ("bo", "high", "not_for"),
    ]  # fmt: skip


async def test_what_the_customer_wants_at_most_goes_to_the_journey_of_the_highest_priority(company: Company) -> None:
    await company.add_customer("an", "li")
    await company.ctx.db.write(save_preference, "an", Preference(cap_count=1, cap_days=7), "test", START)
    low = await company.add_journey(task("low", when={"days": 1, "at": "09:00"}, hold_days=0), priority=3)
    high = await company.add_journey(task("high", when={"days": 1, "at": "17:00"}), priority=7)
    for journey in (low, high):
        await company.enrol(journey, "an")
    await company.at(START + 3 * DAY)
    assert await company.records() == [("an", "low", "outranked"), ("an", "high", "done")]


async def test_who_had_as_many_group_sends_as_wecom_allows_gets_no_broadcast_but_tasks(company: Company) -> None:
    for name in ("an", "bo"):
        await company.add_customer(name, "li")

    def touch(session: Session) -> None:
        # As many as March has days, staff's own among them.
        new = [NewTouch(f"x:{number}", "an", "li", START) for number in range(31)]
        record_many(session, new[:20], TouchKind.BROADCAST)
        record_many(session, new[20:], TouchKind.OWN_SEND)

    await company.ctx.db.write(touch)
    journey = await company.add_journey({"key": "news", "action": NEWS, "hold_days": 0}, task("ask"))
    await company.enrol(journey, "an", "bo")
    told = await simulate(company.ctx, Simulate(journey_id=journey, days=2))
    await company.at(START + HOUR)
    records = await company.records()
    assert records == [("an", "news", "capped"), ("an", "ask", "done"), ("bo", "news", "done"), ("bo", "ask", "done")]
    assert told["steps"][0]["outcomes"] == {"capped": 1, "done": 1}


async def test_what_another_program_made_of_a_call_is_told_with_its_step(company: Company) -> None:
    await company.add_customer("an", "li")
    await company.add_journey(task(), members={"userids": ["wu"]}, name="别的员工的")
    journey = await company.add_journey(
        {"key": "tell", "action": {"do": "webhook", "url": "https://shop.example/hook"}}
    )
    await company.enrol(journey, "an")
    await run_due_steps(company.ctx)

    def give_up(session: Session) -> None:
        (call,) = claim_due(session, company.clock.now(), 60, 9)
        mark_failed(session, call, "HTTP 500", None)

    await company.ctx.db.write(give_up)
    told = await explain(company, "an")
    (step,) = told["journeys"][0]["steps"]
    (call,) = await company.all(WebhookCall)
    assert (step["outcome"], step["call"]["call_id"], step["call"]["error"]) == ("done", call.id, "HTTP 500")
    assert step["call"]["state_words"] == "其他程序一天内没有接收，已放弃"
    assert told["not_on"][0]["reasons"] == ["跟进客户的员工都不在这个旅程的范围里"]
    await company.ctx.db.write(journey_rows.act_on, journey - 1, Act.PAUSE, "test", company.clock.now())
    other, _ = (await explain(company, "an"))["not_on"]
    assert (other["reasons"][0], other["may_begin"]) == ("旅程暂停了：不为任何人开始，之后也不补", False)


async def test_equal_words_of_two_journeys_are_one_broadcast_counted_for_each(open_company: Callable[..., Any]) -> None:
    company: Company = await open_company(gather_minutes=5)
    ctx = company.ctx
    for name in ("an", "bo", "cy", "di"):
        await company.add_customer(name, "li")
    one = await company.add_journey({"key": "news", "action": NEWS}, name="一", goal=BOUGHT)
    other = await company.add_journey({"key": "hello", "action": NEWS}, name="二", goal=BOUGHT)
    await company.enrol(one, "an", "cy", "di")
    await run_due_steps(ctx)
    company.clock.advance(3 * MINUTE)
    await company.enrol(other, "bo", "cy")
    await run_due_steps(ctx)
    company.clock.advance(3 * MINUTE)
    await run_due_steps(ctx)
    (run,) = await company.all(Run)
    waiting = [(await explain(company, "cy"))["journeys"][place]["steps"][0]["broadcast"] for place in (0, 1)]
    assert {(each["run_id"], each["state_words"]) for each in waiting} == {(run.id, "群发还没有开始")}

    async def act(journey_id: int, act: Act) -> str:
        await ctx.db.write(journey_rows.act_on, journey_id, act, "test", company.clock.now())
        return (await company.all(Run))[0].status

    # It is one sending: it rests while one of the journeys does.
    assert await act(one, Act.PAUSE) == RunStatus.PAUSED
    assert await act(other, Act.PAUSE) == RunStatus.PAUSED
    assert await act(one, Act.RESUME) == RunStatus.PAUSED
    assert await act(other, Act.RESUME) == RunStatus.DUE
    await happen(company, "di")

    async def by_hand(act: campaigns.Act) -> None:
        await ctx.db.write(campaign_rows.act_on, run.campaign_id, act, company.clock.now(), "test")

    # What a person has stopped is not sent because one of the journeys is.
    await by_hand(campaigns.Act.PAUSE)
    assert await act(one, Act.CLOSE) == RunStatus.PAUSED
    assert await act(one, Act.STOP) == RunStatus.PAUSED
    await by_hand(campaigns.Act.RESUME)
    # Who is on both still gets it after one of them has ended, and once.
    await end_for_all(ctx, one)
    assert sorted(await ask_for(company)) == ["bo", "cy"]
    (run,) = await company.all(Run)
    assert (run.recipients, run.left_out) == (2, {"journey_over": 2})

    def send(session: Any) -> None:
        follows = {each.id: each.external_userid for each in session.exec(select(Follow))}
        for each in session.exec(select(Recipient).where(col(Recipient.state) == RecipientState.WAITING)):
            each.state = RecipientState.SENT
            origin = touch_rows.broadcast_origin(each.run_id, each.follow_id)
            new = [touch_rows.NewTouch(origin, follows[each.follow_id], "li", company.clock.now())]
            touch_rows.record_many(session, new, TouchKind.BROADCAST, run.campaign_id)

    await ctx.db.write(send)
    counts = []
    for journey_id in (one, other):
        (version,) = (await read_statistics(ctx.db, journey_id))["versions"]
        counts.append(version["steps"][0]["recipients"])
    assert counts == [{"sent": 1, "journey_over": 2}, {"sent": 2}]
    for name, journeys in (("bo", "二"), ("cy", "一、二")):
        (told,) = await ctx.db.read(touch_rows.list_explained, name, 9)
        assert told.because["campaign"] == journeys
    assert await act(other, Act.STOP) == RunStatus.CANCELLED


async def test_what_would_need_an_approval_together_or_says_something_else_is_sent_apart(
    open_company: Callable[..., Any],
) -> None:
    company: Company = await open_company(gather_minutes=0)
    ctx = replace(company.ctx, settings=company.ctx.settings.model_copy(update={"approval": ApprovalSettings(above=2)}))
    named = {"do": "broadcast", "content": {"text": "{{ campaign_name }}上新"}}
    for name, action in (("an", NEWS), ("bo", NEWS), ("cy", NEWS), ("di", named), ("ed", named)):
        await company.add_customer(name, "li")
        await company.enrol(await company.add_journey({"key": "news", "action": action}), name)
    await run_due_steps(ctx)
    company.clock.advance(MINUTE)
    await run_due_steps(ctx)
    assert len(await company.all(Run)) == 5
    for name in ("fu", "ga"):
        await company.add_customer(name, "li")
        await company.enrol(await company.add_journey({"key": "news", "action": NEWS}), name)
    await run_due_steps(ctx)
    company.clock.advance(MINUTE)
    await run_due_steps(ctx)
    assert len(await company.all(Run)) == 6, "two are not more than two"


async def test_what_was_barred_from_beginning_a_journey_is_told_with_why_once_a_day(company: Company) -> None:
    for name in ("an", "bo", "cy"):
        await company.add_customer(name, "li" if name != "cy" else "wu")
    await company.add_customer("no")
    await company.change(Customer, lambda row: row.external_userid == "an", gender=2)
    await company.add_journey(task(when={"minutes": 1}), name="女士", audience=FEMALE)
    await company.add_journey(task(when={"days": 9}), name="吴", members={"userids": ["wu"]})
    rests = await company.add_journey(task(), name="休息")
    await company.change(JourneyRow, lambda row: row.id == rests, status="paused")
    await company.ctx.db.write(save_preference, "bo", Preference(opted_out=True), "test", company.clock.now())
    for _ in range(3):
        company.clock.advance(MINUTE)
        for name in (
            "an",
            "bo",
            "cy",
            "no",
        ) * 2:  # of the same instant is the same: a customer of two members, found twice
            await happen(company, name, "begin")
        await run_due_steps(company.ctx)

    async def barred(whom: str) -> set[tuple[str, str, int]]:
        return {(each["name"], each["reason"], each["times"]) for each in (await explain(company, whom))["barred"]}

    assert await barred("an") == {("女士", "on_it", 1), ("女士", "not_again", 1), ("吴", "not_of_members", 3),
                                  ("休息", "paused", 3)}  # fmt: skip
    assert await barred("bo") == {("女士", "opted_out", 3), ("吴", "opted_out", 3), ("休息", "paused", 3)}
    assert await barred("cy") == {("女士", "not_in_audience", 3), ("吴", "on_it", 2), ("休息", "paused", 3)}
    assert await barred("no") == {("女士", "no_contact", 3), ("吴", "no_contact", 3), ("休息", "paused", 3)}
    company.clock.advance(DAY)
    await happen(company, "no", "begin")
    await happen(company, "stranger", "begin")
    rows = [each for each in (await explain(company, "no"))["barred"] if each["name"] == "女士"]
    assert [each["times"] for each in rows] == [1, 3]
    assert rows[0]["reason_words"] == "客户不是任何员工的联系人"
    await happen(company, "an", "begin")
    assert ("女士", "not_again", 2) in await barred("an"), "in one row, on whatever day"
    assert {each.external_userid for each in await company.all(BarredBeginning)} == {"an", "bo", "cy", "no"}
