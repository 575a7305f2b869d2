"""A journey in numbers: counted as its rows say, by version and step, and its goal against those held out."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from bot.api.journey_statistics import StatisticsTold
from bot.journey_moves import move_journey
from bot.journey_statistics import read_statistics
from data.models import EndReason, Enrolment, StaffTask, StaffTaskStatus
from data.queries import journeys as rows
from data.queries.enrolments import end_enrolments
from data.queries.journey_statistics import Reached, count_reached
from data.queries.privacy import erase_person, find_person
from data.rules.journeys import Journey
from data.rules.variants import HELD_OUT_NAME
from tests.journeys.conftest import START, Company, task


async def counted(company: Company, journey_id: int) -> dict[str, Any]:
    told = await read_statistics(company.ctx.db, journey_id)
    reached = await company.ctx.db.read(count_reached, journey_id)
    for group in (told["goal"] or {"groups": ()})["groups"]:
        assert (group["customers"], group["reached"]) == reached.get(group["name"] == HELD_OUT_NAME, Reached())
    StatisticsTold.model_validate(told)
    return told


def step_of(told: dict[str, Any], version: int, key: str) -> dict[str, Any]:
    (found,) = [each for each in told["versions"] if each["version"] == version]
    (step,) = [each for each in found["steps"] if each["step"] == key]
    return dict(step)


async def test_a_journey_in_numbers(company: Company) -> None:
    for number in range(30):
        await company.add_customer(f"c{number:02}", "ann" if number else "")
    first = [task("ask", when={"days": 1}), {"key": "gift", "when": {"days": 5},
             "action": {"do": "broadcast", "content": {"text": "周末好礼"}}}]  # fmt: skip
    said = {"goal": {"on": "ordered"}, "again": {"after_days": 0}}
    journey = await company.add_journey(*first, **said)
    other = await company.add_journey(*first, goal=said["goal"])
    everybody = [f"c{number:02}" for number in range(1, 30)]
    await company.enrol(journey, *everybody[:25])
    await company.enrol(journey, *everybody[25:], held_out=True)
    await company.enrol(other, *everybody)
    empty = await counted(company, journey)
    assert (empty["entered"], empty["running"], empty["ended"]) == (29, 29, {})
    assert step_of(empty, 1, "ask")["waiting"] == 29

    await company.at(START + timedelta(days=2), tick=timedelta(hours=2))
    asked = {each.external_userid for each in await company.tasks() if each.journey_id == journey}
    assert asked == set(everybody[:25])
    done = {"status": StaffTaskStatus.DONE}
    await company.change(
        StaffTask, lambda each: each.journey_id == journey and each.external_userid in everybody[:10], **done
    )
    mine = [each for each in await company.all(Enrolment) if each.journey_id == journey]
    bought = [each.id or 0 for each in mine if each.external_userid in everybody[:7] or each.external_userid == "c29"]
    await company.ctx.db.write(end_enrolments, bought, EndReason.GOAL, company.clock.now())
    await company.enrol(journey, everybody[0])

    told = await counted(company, journey)
    assert (told["entered"], told["running"], told["ended"]) == (30, 22, {"goal": 8})
    assert told["held_out"] == {"entered": 4, "running": 3, "ended": {"goal": 1}}
    ask = step_of(told, 1, "ask")
    numbers = {name: ask[name] for name in ("reached", "done", "sent", "waiting", "converted", "moved")}
    assert numbers == {"reached": 29, "done": 25, "sent": 10, "waiting": 1, "converted": 7, "moved": 0}
    assert ask["held_back"] == {"held_out": 4}
    assert ask["tasks"] == {"done": 10, "open": 15}
    on_it, held_out = told["goal"]["groups"]
    assert (on_it["customers"], on_it["reached"], held_out["customers"], held_out["reached"]) == (25, 7, 4, 1)
    assert told["goal"]["comparisons"][0]["verdict"] == "too_few"

    newer = Journey.model_validate({"name": "旅程", "trigger": {"on": "added"}, "steps": [first[1]], **said})
    await company.ctx.db.write(rows.add_version, journey, 1, newer, "test", company.clock.now())
    await move_journey(company.ctx, journey, {"ask": "gift"}, dry_run=False)
    await company.at(START + timedelta(days=7), tick=timedelta(hours=2))
    told = await counted(company, journey)
    assert step_of(told, 1, "ask")["done"] == 25, "what became of it in the version that it was of"
    gift = step_of(told, 2, "gift")
    assert (gift["done"], gift["held_back"], gift["does"]) == (19, {"held_out": 3}, "broadcast")
    assert (await counted(company, other))["goal"]["groups"][0]["customers"] == 29, "nobody begins it twice"

    # Of who was erased nothing is counted any more.
    whom = everybody[1]
    await company.ctx.db.write(lambda session: erase_person(session, find_person(session, whom)) and None)
    told = await counted(company, journey)
    assert (told["entered"], told["goal"]["groups"][0]["customers"], told["goal"]["groups"][0]["reached"]) == (
        29,
        24,
        6,
    )
    ask = step_of(told, 1, "ask")
    assert (ask["done"], ask["converted"], ask["tasks"]["done"]) == (24, 6, 9)
