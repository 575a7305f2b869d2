"""A journey tried out: what it says comes true when the journey runs, and nothing is written meanwhile."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import inspect, text
from sqlmodel import Session

from bot import journey_simulations
from bot.api.journey_simulations import SimulationTold
from bot.journey_simulations import Simulate, simulate
from data.models import Birthday, Customer, Enrolment, StepRecord, Touch
from data.queries.preferences import save_preference
from data.rules.birthdays import SOLAR
from data.rules.preferences import Preference
from data.rules.problems import InvalidRuleError
from scheduler.journeys import run_due_steps
from tests.facts import settle
from tests.journeys.conftest import START, Company, task
from tests.journeys.test_year import some_journey

ASK = {"do": "task", "content": {"text": "x"}}
STEPS = [
    task("ask", when={"days": 1, "at": "10:00"}),
    {"key": "wait", "when": {"days": 1}, "action": {"do": "wait"}},
    {"key": "gift", "when": {"days": 1, "at": "10:00"}, "action": {"do": "broadcast", "content": {"text": "周末好礼"}}},
    task("last", when={"days": 5, "at": "10:00"}),
]


async def tried(company: Company, **wanted: Any) -> dict[str, Any]:
    told = await simulate(company.ctx, Simulate.model_validate(wanted))
    SimulationTold.model_validate(told)
    return told


def count_rows(session: Session) -> dict[str, int]:
    names = inspect(session.connection()).get_table_names()
    return {name: session.execute(text(f'SELECT count(*) FROM "{name}"')).scalar_one() for name in names}


async def test_what_it_says_comes_true(open_company: Callable[..., Any]) -> None:
    company: Company = await open_company(cap_per_week=2)
    for number in range(12):
        await company.add_customer(f"c{number:02}", *(("ann", "bo") if number % 3 else ("bo",)))
    await company.add_customer("left")
    await company.ctx.db.write(save_preference, "c11", Preference(opted_out=True), "x", START)
    rests = Preference(paused_until=START + timedelta(days=2))
    await company.ctx.db.write(save_preference, "c10", rests, "x", START)

    def touch(session: Session) -> None:
        for number in range(2):
            session.add(
                Touch(origin=f"x:{number}", kind="broadcast", external_userid="c09", userid="bo", touched_at=START)
            )
        settle(session)

    await company.ctx.db.write(touch)
    journey = await company.add_journey(*STEPS)
    everybody = [f"c{number:02}" for number in range(12)]
    await company.enrol(journey, *everybody[:9], "left")
    await company.enrol(journey, everybody[9], everybody[10])

    before = await company.ctx.db.read(count_rows)
    told = await tried(company, journey_id=journey, days=14)
    assert await company.ctx.db.read(count_rows) == before, "nothing is written"
    assert (told["customers"], told["on_it"], told["begun"], told["left_out"]) == (12, 12, 0, {"lost": 1})
    assert not told["is_sample"]

    await company.at(START + timedelta(days=14), tick=timedelta(hours=1))
    done = Counter((each.key, each.outcome) for each in await company.all(StepRecord))
    said = {(each["step"], outcome): number for each in told["steps"] for outcome, number in each["outcomes"].items()}
    assert said == dict(done)
    assert said["ask", "moved"] > 0
    given = Counter(
        (each.userid, each.due_at.astimezone(company.ctx.settings.zone).date()) for each in await company.tasks()
    )
    assert told["staff"]["most"] == max(given.values())
    assert {each["userid"]: each["tasks"] for each in told["staff"]["fullest"]} == dict(
        Counter(each.userid for each in await company.tasks())
    )
    assert sum(day["tasks"] for day in told["days"]) == len(await company.tasks())


@pytest.mark.parametrize("seed", range(int(os.environ.get("SIYU_YEARS", "1"))))
async def test_what_it_says_of_any_journey_comes_true(open_company: Callable[..., Any], seed: int) -> None:
    draw = random.Random(seed)
    company: Company = await open_company(cap_per_day=1, cap_per_week=draw.choice([0, 2]))
    for number in range(8):
        await company.add_customer(f"c{number}", "ann")
    await company.change(Customer, lambda row: row.external_userid < "c4", gender=2)
    wish = Preference(cap_count=1, cap_days=draw.randint(1, 9))
    await company.ctx.db.write(save_preference, "c5", wish, "x", START)
    said = some_journey(draw, 1)
    journey = await company.add_journey(*said["steps"], **{name: said[name] for name in said.keys() - {"steps"}})
    for number in range(8):
        # Some were due while the program, or the journey, stood still.
        company.clock.advance(timedelta(hours=draw.randint(0, 60)))
        await company.enrol(journey, f"c{number}", held_out=number == 7)
    told = await tried(company, journey_id=journey, days=40)
    end = company.clock.now() + timedelta(days=40)
    while True:
        await run_due_steps(company.ctx)
        ahead = [each.due_at for each in await company.all(Enrolment) if each.ended_at is None and each.due_at < end]
        if not ahead:
            break
        company.clock.advance(min(ahead) - company.clock.now())
    branches = {each["key"] for each in said["steps"] if each["action"]["do"] == "branch"}
    done = Counter(
        (each.key, each.outcome) for each in await company.all(StepRecord) if each.key not in branches
    )  # fmt: skip
    assert {
        (each["step"], outcome): number for each in told["steps"] for outcome, number in each["outcomes"].items()
    } == dict(done)
    assert sum(told["ended"].values()) == sum(each.ended_at is not None for each in await company.all(Enrolment))


async def test_who_would_begin(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(40):
        await company.add_customer(f"c{number:02}", "ann")
    birthdays = [(number, 3 * 100 + 4 + number) for number in range(10)]

    def write(session: Session) -> None:
        for number, day in birthdays:
            session.add(Birthday(external_userid=f"c{number:02}", calendar=SOLAR, month_day=day, changed_at=START))
        settle(session)

    await company.ctx.db.write(write)
    said = {
        "name": "生日",
        "trigger": {"on": "birthday"},
        "steps": [{"key": "wish", "when": {"at": "10:00"}, "action": ASK}],
    }
    told = await tried(company, journey=said, days=5)
    assert (told["begun"], told["journey_id"]) == (4, None), "on 4, 5, 6 and 7 March"
    assert next((day["day"], day["tasks"]) for day in told["days"]) == (date(2026, 3, 4), 1)
    assert told["sample"][0]["steps"][0]["does"] == "begins"

    asked = {"name": "x", "trigger": {"on": "event", "name": "signed"}, "steps": [{"key": "ask", "action": ASK}]}
    assert (await tried(company, journey=asked))["begun"] == 0
    assert (await tried(company, journey=asked, existing=True))["begun"] == 40
    drawn = await tried(company, journey=asked, per_day=3, days=4)
    assert (drawn["begun"], [day["begun"] for day in drawn["days"]]) == (9, [3, 3, 3]), "noon of the fourth is later"
    weekly = {**asked, "trigger": {"on": "calendar", "cron": "0 10 * * mon"}, "again": {"after_days": 1}}
    told = await tried(company, journey=weekly, days=15)
    assert (told["begun"], told["barred"]) == (120, 0), "on 2, 9 and 16 March"

    monkeypatch.setattr(journey_simulations, "MOST", 12)
    told = await tried(company, journey=asked, existing=True)
    assert told["is_sample"]
    assert told["simulated"] <= 12
    assert told["customers"] == told["begun"] == told["simulated"] * (told["customers"] // told["simulated"])


async def test_what_cannot_be_tried_out(company: Company) -> None:
    for wanted, path in (({}, "journey"), ({"journey": {"name": "x", "trigger": {"on": "added"}, "steps": STEPS},
                                            "journey_id": 1}, "journey")):  # fmt: skip
        with pytest.raises(InvalidRuleError) as caught:
            await tried(company, **wanted)
        assert [each.path for each in caught.value.problems] == [path]
    assert datetime(2026, 3, 2, tzinfo=UTC) == START
