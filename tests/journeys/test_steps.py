"""What becomes of steps that are due: each kind of action, what holds them back, and whom they are for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from data.models import (
    Alert,
    Customer,
    CustomerField,
    Enrolment,
    FieldDefinition,
    Follow,
    FollowStatus,
    JourneyRow,
    JourneyStatus,
    Marking,
    MarkingItem,
    MarkingStatus,
    Preference,
    Run,
    RunStatus,
    Tag,
    TagGroup,
    Wave,
    WaveCustomer,
    WebhookCall,
)
from scheduler.journeys import run_due_steps
from tests.journeys.conftest import START, Company, task

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


async def test_a_task_has_words_for_its_customer_and_stays_until_its_time_is_over(company: Company) -> None:
    await company.add_customer("an", "li")
    journey_id = await company.add_journey(
        task(when={"days": 1, "at": "10:30"}, action={"hint": "先看订单", "worth": 80, "valid_hours": 5})
    )
    await company.enrol(journey_id, "an")
    await company.at(START + DAY)
    assert await company.tasks() == []
    await company.at(START + DAY + 3 * HOUR)
    (found,) = await company.tasks()
    due = START + DAY + timedelta(hours=2.5)
    assert (found.userid, found.external_userid, found.hint, found.worth) == ("li", "an", "先看订单", 80)
    assert found.content == {"text": "An，您好，我是LI"}
    assert (found.due_at, found.valid_until, found.status) == (due, due + 5 * HOUR, "open")
    (enrolment,) = await company.all(Enrolment)
    assert enrolment.end_reason == "finished"


async def test_broadcasts_due_within_a_while_are_one_wave_with_each_customer_once(
    open_company: Callable[..., Any],
) -> None:
    company: Company = await open_company(gather_minutes=10)
    for name in ("an", "bo", "cy"):
        await company.add_customer(name, "li" if name != "cy" else "wu")
    step = {"key": "news", "when": {"minutes": 60}, "action": {"do": "broadcast", "content": {"text": "上新了"}}}
    journey_id = await company.add_journey(step)
    await company.enrol(journey_id, "an", "cy")
    company.clock.advance(timedelta(minutes=5))
    await company.enrol(journey_id, "bo")
    await company.at(START + timedelta(minutes=68), tick=timedelta(minutes=1))
    assert await company.all(Run) == []
    await company.at(START + timedelta(minutes=72), tick=timedelta(minutes=1))
    (run,), (wave,) = await company.all(Run), await company.all(Wave)
    assert (run.status, run.wave_id, wave.audience) == (RunStatus.DUE, wave.id, {"pairs": 3})
    listed = {(each.external_userid, each.userid) for each in await company.all(WaveCustomer)}
    assert listed == {("an", "li"), ("bo", "li"), ("cy", "wu")}
    # What comes later is another one, and waits while its journey is paused.
    await company.add_customer("di", "li")
    await company.enrol(journey_id, "di")
    await company.at(START + timedelta(minutes=132, seconds=30), tick=timedelta(minutes=1))
    await company.change(JourneyRow, lambda row: True, status=JourneyStatus.PAUSED)
    await company.at(START + 4 * HOUR)
    assert len(await company.all(Run)) == 1
    assert not await run_due_steps(company.ctx)
    await company.change(JourneyRow, lambda row: True, status=JourneyStatus.RUNNING)
    await run_due_steps(company.ctx)
    assert len(await company.all(Run)) == 2


async def test_tags_fields_and_calls_are_done_together_with_where_the_customer_stands(company: Company) -> None:
    await company.add_customer("an", "li")

    def add(session: Any) -> None:
        session.add(TagGroup(group_id="g", name="g", order=0))
        session.add(Tag(tag_id="vip", name="VIP", group_id="g", order=0))
        session.add(FieldDefinition(name="level", kind="text", created_at=START))

    await company.ctx.db.write(add)
    journey_id = await company.add_journey(
        {"key": "mark", "action": {"do": "tags", "put_on": ["vip"]}},
        {"key": "level", "action": {"do": "field", "field": "level", "value": "gold"}},
        {"key": "tell", "action": {"do": "webhook", "url": "https://shop.example.com/hook"}},
    )
    await company.enrol(journey_id, "an")
    assert await run_due_steps(company.ctx)
    (marking,), (item,) = await company.all(Marking), await company.all(MarkingItem)
    assert (marking.status, marking.items, marking.gains) == (MarkingStatus.RUNNING, 1, {"vip": 1})
    (follow,) = await company.all(Follow)
    assert item.follow_id == follow.id
    (value,) = await company.all(CustomerField)
    assert (value.name, value.text) == ("level", "gold")
    (call,) = await company.all(WebhookCall)
    assert call.body["external_userid"] == "an"
    assert call.body["step"] == "tell"
    assert call.next_at == START
    assert [key for _, key, outcome in await company.records() if outcome == "done"] == ["mark", "level", "tell"]
    assert not await run_due_steps(company.ctx)


async def test_branches_and_conditions_lead_each_customer_their_way(company: Company) -> None:
    for name in ("an", "bo"):
        await company.add_customer(name, "li")
    await company.change(Customer, lambda row: row.external_userid == "an", gender=2)
    female = {"gender": {"genders": ["female"]}}
    journey_id = await company.add_journey(
        task("women", only_if=female),
        {"key": "which", "action": {"do": "branch", "cases": [{"segment": female, "go": "last"}]}},
        task("men"),
        task("last", only_if={"not": female}),
    )
    await company.enrol(journey_id, "an", "bo")
    await run_due_steps(company.ctx)
    records = await company.records()
    assert [(key, outcome) for who, key, outcome in records if who == "an"] == [
        ("women", "done"), ("which", "done"), ("last", "not_for"),
    ]  # fmt: skip
    assert [(key, outcome) for who, key, outcome in records if who == "bo"] == [
        ("women", "not_for"), ("which", "done"), ("men", "done"), ("last", "done"),
    ]  # fmt: skip


async def test_a_limit_holds_a_step_back_until_the_next_day_and_gives_up_after_some(
    open_company: Callable[..., Any],
) -> None:
    company: Company = await open_company(cap_per_day=1)
    await company.add_customer("an", "li")
    journey_id = await company.add_journey(
        task("one", when={"minutes": 120}), task("two", when={"minutes": 60}, hold_days=1),
        task("three", when={"minutes": 60}, hold_days=0),
    )  # fmt: skip
    await company.enrol(journey_id, "an")
    await company.at(START + 4 * DAY)
    assert [each[1:] for each in await company.records()] == [
        ("one", "done"), ("two", "moved"), ("two", "done"), ("three", "capped"),
    ]  # fmt: skip
    assert [each.due_at for each in await company.tasks()] == [START + 2 * HOUR, START + 3 * HOUR + DAY]


async def test_of_two_journeys_on_one_day_the_one_of_higher_priority_goes_first(
    open_company: Callable[..., Any],
) -> None:
    company: Company = await open_company(cap_per_day=1)
    await company.add_customer("an", "li")
    low = await company.add_journey(task("low", when={"days": 1, "at": "09:00"}), priority=3)
    high = await company.add_journey(task("high", when={"days": 1, "at": "17:00"}), priority=7, name="生日")
    await company.enrol(low, "an")
    await company.enrol(high, "an")
    await company.at(START + 3 * DAY)
    assert [each[1:] for each in await company.records()] == [("low", "moved"), ("high", "done"), ("low", "done")]
    # Who is held out of the one that goes before is not kept waiting by it.
    await company.add_customer("bo", "li")
    await company.enrol(low, "bo")
    await company.enrol(high, "bo", held_out=True)
    await company.at(START + 6 * DAY)
    assert [each[1:] for each in await company.records() if each[0] == "bo"] == [("low", "done"), ("high", "held_out")]


async def test_a_customer_who_is_lost_or_wants_nothing_any_more_is_on_no_journey(company: Company) -> None:
    for name in ("an", "bo", "cy"):
        await company.add_customer(name, "li")
    journey_id = await company.add_journey(task("one"), task("two", when={"days": 1}))
    await company.enrol(journey_id, "an", "bo", "cy")
    await run_due_steps(company.ctx)
    await company.change(
        Follow, lambda row: row.external_userid == "an", status=FollowStatus.DELETED_BY_CUSTOMER, ended_at=START
    )
    await company.ctx.db.write(
        lambda session: session.add(Preference(external_userid="bo", opted_out_at=START, changed_at=START))
    )
    await company.at(START + 2 * DAY)
    ends = {each.external_userid: each.end_reason for each in await company.all(Enrolment)}
    assert ends == {"an": "lost", "bo": "opted_out", "cy": "finished"}
    asked = {(each.external_userid, each.status) for each in await company.tasks()}
    assert asked == {("an", "withdrawn"), ("bo", "withdrawn"), ("cy", "open")}


async def test_what_was_missed_is_done_late_or_skipped_and_never_at_night(company: Company) -> None:
    await company.add_customer("an", "li")
    journey_id = await company.add_journey(
        task("soon", when={"minutes": 60}, late={"within_hours": 3}),
        task("evening", when={"at": "21:30"}, late={"within_hours": 12}),
    )
    await company.enrol(journey_id, "an")
    await company.at(START + 6 * HOUR, tick=6 * HOUR)  # the first was due five hours ago
    await company.at(START + 15 * HOUR, tick=9 * HOUR)  # it is 23:00, the second was due at 21:30
    await company.at(START + 2 * DAY)
    assert [each[1:] for each in await company.records()] == [
        ("soon", "late"),
        ("evening", "moved"),
        ("evening", "done"),
    ]
    (found,) = await company.tasks()
    assert found.due_at == START + DAY  # 08:00, when the hours open


async def test_a_journey_with_which_something_is_wrong_waits_and_the_others_go_on(company: Company) -> None:
    await company.add_customer("an", "li")
    broken = await company.add_journey(task(action={"content": {"text": "{{ link_gone }}"}}))
    await company.change(JourneyRow, lambda row: row.id == broken, owner="boss")
    good = await company.add_journey(task())
    await company.enrol(broken, "an")
    await company.enrol(good, "an")
    await run_due_steps(company.ctx)
    stands = {row.id: (row.status, row.error) for row in await company.all(JourneyRow)}
    assert stands[good] == (JourneyStatus.RUNNING, "")
    assert stands[broken][0] == JourneyStatus.PAUSED
    assert "link" in stands[broken][1]
    assert [each.journey_id for each in await company.tasks()] == [good]
    (alert,) = await company.all(Alert)
    assert alert.userid == "boss"
    assert "「旅程」" in alert.words
    assert "The link gone" in alert.words


async def test_who_began_it_is_asked_first_and_others_where_they_cannot(company: Company) -> None:
    await company.add_customer("an", "li", "wu")
    journey_id = await company.add_journey(task("one"), task("two", when={"days": 1}), task("three", when={"days": 1}))
    await company.enrol(journey_id, "an", userid="wu")
    await run_due_steps(company.ctx)
    await company.change(Follow, lambda row: row.userid == "wu", status=FollowStatus.OUT_OF_SIGHT, ended_at=START)
    await company.at(START + DAY + HOUR)
    await company.change(Customer, lambda row: True, name="安")
    await company.at(START + 3 * DAY)
    assert [each.userid for each in await company.tasks()] == ["wu", "li", "li"]


async def test_whom_staff_have_left_a_moment_ago_may_be_taken_over(company: Company) -> None:
    for name in ("an", "bo"):
        await company.add_customer(name, "li")
    journey_id = await company.add_journey(task(when={"minutes": 60}))
    await company.enrol(journey_id, "an", "bo")
    await company.at(START + timedelta(minutes=55))
    gone = {"status": FollowStatus.OUT_OF_SIGHT, "ended_at": START + timedelta(minutes=55)}
    await company.change(Follow, lambda row: True, **gone)
    await company.at(START + timedelta(minutes=61), tick=timedelta(minutes=1))
    assert await company.records() == [("an", "ask", "moved"), ("bo", "ask", "moved")]
    await company.add_customer("an", "wu")
    await company.at(START + 2 * HOUR, tick=timedelta(minutes=1))
    assert await company.records() == [("an", "ask", "moved"), ("bo", "ask", "moved"), ("an", "ask", "done")]
    assert {each.external_userid: each.end_reason for each in await company.all(Enrolment)} == {
        "an": "finished", "bo": "lost",
    }  # fmt: skip
