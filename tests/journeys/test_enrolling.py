"""Customers whom a person puts on a journey."""

from __future__ import annotations

from bot.journey_enrolling import enrol_listed
from data.models import Enrolment
from data.queries.preferences import save_preference
from data.rules.preferences import Preference
from tests.journeys.conftest import START, Company, task

STEPS = [task("ask", when={"days": 1, "at": "10:00"})]


async def test_a_list_begins_as_far_as_it_may(company: Company) -> None:
    for whom in ("lin", "mei", "out"):
        await company.add_customer(whom, "ann")
    await company.add_customer("gone")
    await company.ctx.db.write(save_preference, "out", Preference(opted_out=True), "x", START)
    journey = await company.add_journey(*STEPS)
    await company.enrol(journey, "mei")
    asked = ["lin", "mei", "out", "gone", "nobody"]
    told = await enrol_listed(company.ctx, journey, [*asked, "lin"], "ann")
    assert told == {"journey_id": journey, "asked": 5, "begun": 1, "not_on_it": ["gone", "nobody", "out"]}
    (lin,) = [each for each in await company.all(Enrolment) if each.external_userid == "lin"]
    assert (lin.cause, lin.started_at) == ("listed by ann", START)
    assert (await enrol_listed(company.ctx, journey, asked, "ann"))["begun"] == 0
