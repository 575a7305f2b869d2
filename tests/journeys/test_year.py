"""A year of journeys beside a reference calculation: who gets what when, and what is held back, row by row."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, col, select

from bot.campaign_plans import calendar_of
from data.models import Customer, Enrolment, Follow, FollowStatus, Preference, StepRecord
from data.queries import journey_dues
from data.rules.journeys import Journey
from data.rules.problems import parse
from scheduler.journeys import run_due_steps
from tests.journeys.conftest import START, Company, task
from tests.journeys.reference import Person, Reference

DAYS, CUSTOMERS, JOURNEYS = 365, 6, 5
QUARTER = timedelta(minutes=15)
FEMALE = {"gender": {"genders": ["female"]}}


def some_when(draw: random.Random) -> dict[str, Any]:
    """When a step is due: on a quarter of an hour, within the hours in which people may be disturbed."""
    only = draw.choice(["any", "any", "workdays", "no_holidays"])
    if draw.random() < 0.3:
        return {"minutes": draw.randint(1, 40) * 15, "only": only}
    since = draw.choice(["step", "start"])
    at = f"{draw.randint(8, 21):02}:{draw.choice((0, 15, 30, 45)):02}" if draw.random() < 0.7 else None
    return {"days": draw.randint(0, 9), "at": at, "since": since, "only": only}


def some_journey(draw: random.Random, number: int) -> dict[str, Any]:
    """A journey of a few steps of every kind that stays in the database."""
    steps: list[dict[str, Any]] = []
    count = draw.randint(2, 9)
    for place in range(count):
        key = f"j{number}s{place}"
        late = {"within_hours": draw.choice([0, 3, 12]), "then": draw.choice(["skip", "skip", "do"])}
        more: dict[str, Any] = {"when": some_when(draw), "late": late, "hold_days": draw.randint(0, 4)}
        if draw.random() < 0.3:
            more["only_if"] = FEMALE
        kind = draw.random()
        if kind < 0.15:
            steps.append({"key": key, "action": {"do": "wait"}, **more})
        elif kind < 0.3 and place + 1 < count:
            go = f"j{number}s{draw.randint(place + 1, count - 1)}"
            otherwise = draw.choice([None, f"j{number}s{count - 1}"])
            branch = {"do": "branch", "cases": [{"segment": FEMALE, "go": go}], "otherwise": otherwise}
            steps.append({"key": key, "action": branch, **more})
        elif kind < 0.35:
            steps.append({"key": key, "action": {"do": "end"}, **more})
        else:
            steps.append(task(key, **more))
    goal = {"goal": {"on": "ordered"}, "goal_days": draw.randint(0, 20)} if draw.random() < 0.5 else {}
    trigger = {"on": "event", "name": "begin"}
    return {"name": f"j{number}", "trigger": trigger, "steps": steps, "priority": draw.randint(1, 9), **goal}


#: More years than a usual run has time for.
YEARS = int(os.environ.get("SIYU_YEARS", "1"))


@pytest.mark.first_case_on_both
@pytest.mark.parametrize("seed", range(YEARS))
@pytest.mark.slow
async def test_a_year_goes_as_the_reference_says(open_company: Callable[..., Any], seed: int) -> None:
    draw = random.Random(seed)
    caps = {1: draw.choice([1, 2]), 7: draw.choice([0, 3, 5]), 30: draw.choice([0, 8])}
    # Of even seeds a year in which the clock skips an hour, and shows another twice.
    zone = ("America/New_York", "Asia/Shanghai")[seed % 2]
    company: Company = await open_company(
        timezone=zone, cap_per_day=caps[1], cap_per_week=caps[7], cap_per_month=caps[30], gather_minutes=0
    )
    reference = Reference(calendar_of(company.ctx.settings), {days: most for days, most in caps.items() if most})
    people = [Person(f"c{number}", is_woman=draw.random() < 0.5) for number in range(CUSTOMERS)]
    for person in people:
        await company.add_customer(person.name, "li")
        if draw.random() < 0.3:
            person.lost_at = START + draw.randint(10 * 96, DAYS * 96) * QUARTER
        if draw.random() < 0.3:
            person.opted_out_at = START + draw.randint(10 * 96, DAYS * 96) * QUARTER
    women = {person.name for person in people if person.is_woman}
    await company.change(Customer, lambda row: row.external_userid in women, gender=2)
    definitions = [some_journey(draw, number) for number in range(JOURNEYS)]
    journeys = [
        (
            await company.add_journey(*each["steps"], **{k: v for k, v in each.items() if k != "steps"}),
            parse(Journey, each),
        )
        for each in definitions
    ]
    begins = sorted(
        (START + draw.randint(0, DAYS * 96 - 1) * QUARTER, number % CUSTOMERS, draw.randrange(JOURNEYS))
        for number in range(CUSTOMERS * 10)
    )
    end = START + timedelta(days=DAYS)
    now = START
    while now < end:
        since = company.clock.now()
        company.clock.advance(now - since)
        await change_people(company, people, since, now)
        while begins and begins[0][0] <= now:
            _, whom, which = begins.pop(0)
            person, (journey_id, journey) = people[whom], journeys[which]
            if all(walk.over or walk.journey is not journey for walk in person.walks):
                held_out = draw.random() < 0.1
                number = sum(len(each.walks) for each in people) + 1
                await company.enrol(journey_id, person.name, held_out=held_out)
                reference.begin(person, number, journey, now, held_out=held_out)
        await run_due_steps(company.ctx)
        for person in people:
            reference.tick(person, now)
        waiting = [walk.due for person in people for walk in person.walks if not walk.over]
        ahead = [at for at in (*waiting, *(begin[0] for begin in begins[:1])) if at > now]
        # Now and then the bell does not ring for some hours.
        now = min([*ahead, end]) + (draw.randint(1, 60) * QUARTER if draw.random() < 0.1 else timedelta())
    found = await company.ctx.db.read(told)
    for person in people:
        assert "\n".join([*difference(found.get(person.name, []), person.rows)][:12]) == ""
    ends = await company.all(Enrolment)
    assert sorted((each.external_userid, each.id, each.end_reason) for each in ends) == sorted(
        (person.name, walk.number, walk.over) for person in people for walk in person.walks
    )
    assert len(ends) > CUSTOMERS * 3
    assert not await company.ctx.db.read(journey_dues.list_due, company.clock.now(), 1)


async def change_people(company: Company, people: list[Person], since: datetime, now: datetime) -> None:
    """Those who have left since an instant, and those who want to hear nothing any more."""
    lost = {each.name for each in people if each.lost_at is not None and since < each.lost_at <= now}
    if lost:
        gone = {"status": FollowStatus.DELETED_BY_CUSTOMER, "ended_at": now}
        await company.change(Follow, lambda row: row.external_userid in lost, **gone)
    for each in people:
        if each.opted_out_at is not None and since < each.opted_out_at <= now:
            wish = Preference(external_userid=each.name, opted_out_at=now, changed_at=now)
            await company.ctx.db.write(lambda session, wish=wish: session.add(wish))


def difference(found: Sequence[Any], wanted: Sequence[Any]) -> Iterator[str]:
    """What one has and the other has not."""
    for row in sorted({*found} ^ {*wanted}):
        yield f"{'only found' if row in found else 'only wanted'}: {row}"


def told(session: Session) -> dict[str, list[tuple[Any, str, str]]]:
    """(when, step, outcome) of everything that became of steps, by customer."""
    query = select(Enrolment.external_userid, StepRecord.at, StepRecord.key, StepRecord.outcome).join(
        StepRecord, col(StepRecord.enrolment_id) == col(Enrolment.id)
    )
    found: dict[str, list[tuple[Any, str, str]]] = {}
    for name, *row in session.exec(query):
        found.setdefault(str(name), []).append((row[0], str(row[1]), str(row[2])))
    return {name: sorted(rows) for name, rows in found.items()}
