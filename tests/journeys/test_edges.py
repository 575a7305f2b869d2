"""Where journeys meet what happens between a step and its sending, and where they meet each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from sqlmodel import Session

from bot.api.journey_explanations import CustomersJourneysTold
from bot.campaign_plans import calendar_of, plan_run
from bot.journey_explanations import explain_customer
from bot.journey_simulations import Simulate, simulate
from data.models import Customer, Enrolment, PauseRule, Run, RunStatus, WebhookCall
from data.queries import batches as batch_rows
from data.queries import journeys as journey_rows
from data.queries.caps import Limits
from data.queries.enrolment_lists import withdraw
from data.queries.happenings import note
from data.queries.preferences import save_preference
from data.queries.runs import begin_due_run
from data.queries.touches import NewTouch, record_many
from data.queries.webhooks import claim_due, mark_failed
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
