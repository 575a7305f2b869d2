"""WeCom's own figures: read once a day as WeCom counts them, resumed where it stopped, late ones made up for."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select
from sqlmodel import Session, col

from bot.sandbox.faults import Fault
from bot.wecom.errors import WeComError
from data.models import BehaviourDay, CustomerGroup, OwnerDay
from data.rules.behaviour import Days
from scheduler.behaviour import pull_behaviour
from scheduler.cohorts import count_cohorts
from tests.scenarios.conftest import Company

MEMBERS, GROUPS = "externalcontact/get_user_behavior_data", "externalcontact/groupchat/statistic"
#: The test begins on a Wednesday at ten in Shanghai; the next morning.
DAY, MORNING = date(2026, 3, 4), datetime(2026, 3, 4, 22, tzinfo=UTC)


def of_day(session: Session, model: type[Any], day: date) -> dict[str, Any]:
    return {each.userid: each for each in session.execute(select(model).where(col(model.day) == day)).scalars()}


async def test_figures_are_read_once_and_are_wecoms(company: Company) -> None:
    bot, people = company.bot, company.people
    groups = [each for each in company.world.groups if not each.dismissed]

    def know_groups(session: Session) -> None:
        session.add_all(CustomerGroup(chat_id=each.chat_id, owner=each.owner) for each in groups)

    await bot.db.write(know_groups)
    added = company.scan()
    userid, external_userid = added.follow.userid, added.follow.external_userid
    usual = await told(company, userid, DAY - timedelta(days=1))
    people.write(userid, external_userid, "customer", "在吗")
    bot.clock.advance(timedelta(minutes=12))
    people.write(userid, external_userid, "staff", "在的")
    people.write(userid, external_userid, "staff", "您说")
    left = people.scan(userid=userid)
    people.delete_by_customer(userid, left.follow.external_userid)
    await company.settle()
    assert await pull_behaviour(bot.context) > 0, "the days before"
    assert await bot.db.read(of_day, BehaviourDay, DAY) == {}, "today is not over"

    # WeCom refuses in the middle; what was read stays read, and the rest comes with the next try.
    bot.clock.advance(MORNING - bot.clock.now())
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=MEMBERS, errcode=48002, count=1))
    before = company.calls(MEMBERS)
    with pytest.raises(WeComError):
        await pull_behaviour(bot.context)
    done = len(await bot.db.read(of_day, BehaviourDay, DAY))
    await pull_behaviour(bot.context)
    assert company.calls(MEMBERS) - before == len(company.followers) + 1
    assert done < len(company.followers)
    row = (await bot.db.read(of_day, BehaviourDay, DAY))[userid]
    assert (row.contacts, row.deletions) == (2, 1)
    (wecoms,) = (await told(company, userid, DAY))["behavior_data"]
    assert (row.chats, row.messages, row.reply_percent, row.reply_minutes) == (
        wecoms["chat_cnt"], wecoms["message_cnt"], wecoms["reply_percentage"], wecoms["avg_reply_time"],
    )  # fmt: skip
    yesterday = (await bot.db.read(of_day, BehaviourDay, DAY - timedelta(days=1)))[userid]
    assert yesterday.messages == usual["behavior_data"][0]["message_cnt"]
    owners = await bot.db.read(of_day, OwnerDay, DAY)
    assert owners.keys() == {each.owner for each in groups}
    assert any(each.messages for each in owners.values())

    # Once more on the same day: nothing is asked. The next day: nothing has changed but what is new.
    calls = company.calls(MEMBERS) + company.calls(GROUPS)
    assert await pull_behaviour(bot.context) == 0
    assert company.calls(MEMBERS) + company.calls(GROUPS) == calls
    bot.clock.advance(timedelta(days=1))
    assert await pull_behaviour(bot.context) == len(company.followers) + len(owners)

    # A day that WeCom told late, and one that was missed, are there the next time; of groups it is the last few.
    def forget(session: Session) -> None:
        for model in (BehaviourDay, OwnerDay):
            for each in of_day(session, model, DAY).values():
                session.delete(each)

    await bot.db.write(forget)
    bot.clock.advance(timedelta(days=2))
    await pull_behaviour(bot.context)
    for model, expected in ((BehaviourDay, set(company.followers)), (OwnerDay, owners.keys())):
        for back in range(4):
            assert (await bot.db.read(of_day, model, DAY + timedelta(days=back))).keys() == expected, (model, back)
    assert (await bot.db.read(of_day, BehaviourDay, DAY))[userid].messages == row.messages

    # A member whom WeCom does not tell of does not hold up the others.
    bot.clock.advance(timedelta(days=1))
    company.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=MEMBERS, errcode=40003, count=1))
    await pull_behaviour(bot.context)
    assert len(await bot.db.read(of_day, BehaviourDay, DAY + timedelta(days=4))) == len(company.followers) - 1

    # And how many relations are still there.
    assert await count_cohorts(bot.context) == 26
    assert await count_cohorts(bot.context) == 0


async def told(company: Company, userid: str, day: date) -> Any:
    days = Days(day, day)
    return await company.bot.wecom.external_contact.get_user_behavior_data([userid], days.begin, days.end)
