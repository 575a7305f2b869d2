"""What happens to customers in WeCom and in shops begins journeys for them and ends these."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import Session

from bot.campaign_plans import calendar_of
from data.queries import happenings as rows
from data.queries.orders import save_orders
from data.rules.orders import OrderGiven
from scheduler.journey_triggers import Worked, follow_happenings, work_on
from tests.queries.journey_world import list_enrolled, start_journey
from tests.scenarios.conftest import Company

GOAL = {"on": "ordered", "min_fen": 100}


class Killed(Exception):
    """The process is gone in the middle of its transaction."""


async def test_events_and_orders_begin_journeys_and_end_them(company: Company) -> None:
    bot, clock = company.bot, company.bot.clock

    async def write(unit: Any, *args: Any, **more: Any) -> Any:
        return await bot.db.write(unit, *args, **more)

    def buy(session: Session, whom: str) -> None:
        given = {"source": "shop", "number": whom[-8:], "status": "paid", "amount_fen": 9900, "external_userid": whom}
        save_orders(session, [OrderGiven.model_validate({**given, "placed_at": clock.now()})], clock.now())

    tag_id = company.tag_ids[0]
    before = company.scan().follow.external_userid
    await company.settle()
    # The seconds in which WeCom tells of an add are whole ones.
    company.bot.clock.advance(timedelta(seconds=2))
    start, more = clock.now(), {"again": {"after_days": 0}}
    first_week = await write(start_journey, {"on": "added"}, at=start, goal=GOAL, **more)
    tagged = await write(start_journey, {"on": "tagged", "tag_id": tag_id}, at=start)
    clock.advance(timedelta(seconds=2))

    added = company.scan()
    whom = added.follow.external_userid
    await company.settle()
    company.people.edit(added.follow.userid, whom, add_tags=[tag_id])
    await company.settle()
    assert await follow_happenings(bot.context) == 2
    assert await company.read(list_enrolled, first_week) == [(whom, "")]
    assert await company.read(list_enrolled, tagged) == [(whom, "")]

    # Who was there before has not come; what they buy is noted and ends nothing.
    await write(buy, before)
    await write(buy, whom)

    def die(session: Session) -> None:
        assert work_on(session, clock.now(), calendar_of(bot.settings)) == Worked(2, 1, 0)
        raise Killed

    with pytest.raises(Killed):
        await write(die)
    assert await company.read(list_enrolled, first_week) == [(whom, "")]
    assert await follow_happenings(bot.context) == 2
    assert await company.read(list_enrolled, first_week) == [(whom, "goal")]

    company.people.delete_by_customer(added.follow.userid, whom)
    await company.settle()
    assert await follow_happenings(bot.context) == 1
    assert await company.read(list_enrolled, tagged) == [(whom, "lost")]
    assert await follow_happenings(bot.context) == 0
    assert not await company.read(rows.is_waiting, clock.now())
