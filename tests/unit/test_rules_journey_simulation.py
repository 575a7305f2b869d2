"""A journey tried out: the same decisions as when it runs, the limits hold, and a sample stands for all."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from data.models import StepOutcome
from data.models.kf import KfState
from data.rules.caps import DaysCap
from data.rules.journey_simulation import (
    BARRED,
    BEGINS,
    ENDS,
    Happened,
    Simulation,
    Subject,
    Tally,
    Thinned,
    list_loads,
)
from data.rules.journey_steps import first_standing
from data.rules.journeys import Journey
from data.rules.kf_sessions import Talk
from data.rules.preferences import Preference
from tests.unit.test_rules_journeys import CALENDAR, TREE

START = datetime(2026, 3, 4, 2, tzinfo=UTC)  # 10:00 in Shanghai


def journey(**more: Any) -> Journey:
    ask = {"do": "task", "content": {"text": "x"}}
    steps = [{"key": f"day{day}", "when": {"since": "start", "days": day, "at": "10:00"}, "action": ask}
             for day in (1, 2, 3)]  # fmt: skip
    told = {"name": "x", "trigger": {"on": "added"}, "steps": steps, **more}
    return Journey.model_validate(told)


def run(said: Journey, subject: Subject, days: int = 30, *caps: DaysCap) -> list[Happened]:
    simulation = Simulation(
        START + timedelta(days=days), CALENDAR, caps,
        lambda _, at: first_standing(said, at, CALENDAR, held_out=False),
    )  # fmt: skip
    return list(simulation.run(said, subject))


def told(happened: list[Happened]) -> list[tuple[str, str]]:
    return [(each.key or each.does, (each.outcome or "") and str(each.outcome)) for each in happened]


def test_a_customer_begins_goes_through_it_and_does_not_begin_again() -> None:
    subject = Subject("wm", "ann", begins=(START, START + timedelta(days=1), START + timedelta(days=9)))
    assert told(run(journey(), subject)) == [
        (BEGINS, ""), (BARRED, ""), ("day1", "done"), ("day2", "done"), ("day3", "done"), (ENDS, ""), (BARRED, ""),
    ]  # fmt: skip
    assert told(run(journey(again={"after_days": 9}), subject))[6:] == [
        (BEGINS, ""), ("day1", "done"), ("day2", "done"), ("day3", "done"), (ENDS, ""),
    ]  # fmt: skip
    assert told(run(journey(), subject._replace(began_at=START - timedelta(days=400)))) == [(BARRED, "")] * 3
    standing = first_standing(journey(), START - timedelta(days=2), CALENDAR, held_out=False)._replace(step=2)
    assert told(run(journey(), Subject("wm", standing=standing._replace(due_at=START))))[0] == ("day3", "done")


def test_what_holds_a_customer_back() -> None:
    subject = Subject("wm", "ann", begins=(START,))
    weekly = run(journey(), subject, 30, DaysCap(7, 1))
    assert [each.outcome for each in weekly if each.outcome].count(StepOutcome.DONE) == 1
    assert {each.reason for each in weekly if each.reason} == {"已达到公司的触达上限"}
    wish = Preference(paused_until=START + timedelta(days=1, hours=5))
    assert told(run(journey(), subject._replace(wish=wish)))[1] == ("day1", "moved")
    assert told(run(journey(), subject._replace(no_sender="没有人")))[1] == ("day1", "no_sender")
    said = journey(steps=[{"key": "a", "only_if": TREE, "action": {"do": "task", "content": {"text": "x"}}}])
    assert told(run(said, subject))[1] == ("a", "not_for")
    assert told(run(said, subject._replace(is_of=frozenset({"steps[0].only_if"}))))[1] == ("a", "done")


@given(st.lists(st.integers(0, 40), max_size=8), st.integers(1, 3), st.integers(1, 30), st.integers(0, 40))
def test_no_limit_is_passed_and_nothing_happens_after_the_end(
    begins: list[int], most: int, days: int, after_days: int
) -> None:
    at = tuple(START + timedelta(days=day) for day in sorted(begins))
    said, end = journey(again={"after_days": after_days}), START + timedelta(days=days)
    happened = run(said, Subject("wm", "ann", begins=at), days, DaysCap(7, most))
    done = [each.at for each in happened if each.outcome is StepOutcome.DONE]
    for one in done:
        assert sum(one - timedelta(days=6) <= other <= one for other in done) <= most
    assert all(each.at < end for each in happened)
    assert [each.at for each in happened] == sorted(each.at for each in happened)
    assert sum(each.does in (BEGINS, BARRED) for each in happened) == sum(each < end for each in at)


@given(st.sets(st.integers(0, 5000), max_size=300), st.integers(1, 60))
def test_a_sample_is_bounded_and_the_same_in_any_order(numbers: set[int], most: int) -> None:
    customers = [f"wm{number}" for number in numbers]
    found, backwards = Thinned(most, "x"), Thinned(most, "x")
    for one, other in zip(customers, reversed(customers), strict=True):
        found.add(one)
        backwards.add(other)
    assert list(found) == list(backwards)
    assert len(found) <= most
    assert found.scale == backwards.scale
    if len(customers) <= most:
        assert set(found) == set(customers)
        assert found.scale == 1


def test_what_happens_is_counted_by_day_and_staff_member() -> None:
    tally = Tally()
    for number in range(3):
        subject = Subject(f"wm{number}", "ann", begins=(START,))
        for each in run(journey(), subject, 30, DaysCap(30, 2)):
            tally.note(subject, each, CALENDAR)
    assert (tally.begun, tally.steps["day1"], tally.ended) == (3, {"done": 3}, {"finished": 3})
    assert (tally.days[date(2026, 3, 5)].tasks, tally.days[date(2026, 3, 7)].held_back) == (3, 3)
    assert tally.reasons == {"已达到公司的触达上限": 9}
    (load,) = list_loads(tally.by_staff, days=30, cap=5, scale=2)
    assert load == ("ann", 12, 6, 0.4, 2)
    assert list_loads({"ann": Counter({date(2026, 3, 5): 9})}, 1, 0, 1)[0].days_over == 0


def test_what_is_long_due_is_not_done_before_now() -> None:
    late = first_standing(journey(), START - timedelta(days=9), CALENDAR, held_out=False)
    simulation = Simulation(
        START + timedelta(days=30), CALENDAR, (), lambda _, at: late, since=START
    )  # fmt: skip
    happened = list(simulation.run(journey(), Subject("wm", "ann", standing=late)))
    assert {each.at for each in happened} == {START}
    assert [each.outcome for each in happened if each.key] == [StepOutcome.LATE] * 3


def test_who_has_not_written_to_customer_service_lately_gets_no_message_there() -> None:
    say = {"do": "kf", "text": "在吗"}
    steps = [{"key": key, "when": {"minutes": 60 * hours}, "action": say, "hold_days": 0}
             for key, hours in (("soon", 1), ("again", 1), ("later", 47))]  # fmt: skip
    talk = Talk("kf1", KfState.BOT, START, START, 4, blocked=False)
    for talks, outcomes in (((), ["closed"] * 3), ((talk,), ["done", "closed", "closed"]),
                            ((talk._replace(replies=0),), ["done", "done", "closed"])):  # fmt: skip
        happened = run(journey(steps=steps), Subject("wm", "ann", begins=(START,), talks=talks))
        assert [str(each.outcome) for each in happened if each.key] == outcomes
