"""A member's list of customers: complete, newest first, a page at a time."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.clock import FrozenClock
from bot.sandbox.errors import WorldError
from bot.sandbox.machine import Machine
from bot.sandbox.phone import phone_routes
from bot.sandbox.phone_reading import OfMember, PhoneReading
from bot.sandbox.world import World
from tests.sandbox.conftest import START


async def read_all(machine: Machine, userid: str, limit: int) -> list[tuple[int, str]]:
    """(createtime, external_userid) of every row of a member's list, page by page."""
    reading, more = PhoneReading(), True
    rows: list[tuple[int, str]] = []
    while more:
        page = await reading.list_customers_of(machine, OfMember(userid=userid, offset=len(rows), limit=limit))
        rows += [(row["follow"]["createtime"], row["customer"]["external_userid"]) for row in page["customers"]]
        more = page["more"]
    return rows


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["scan", "request", "confirm", "edit", "lose", "delete", "later"]),
        st.integers(min_value=0, max_value=40),
    ),
    max_size=25,
)


@settings(max_examples=40, deadline=None)
@given(acts=ACTS, limit=st.integers(min_value=1, max_value=20))
def test_a_members_list_holds_every_customer_once_and_the_newest_first(acts: list[tuple[str, int]], limit: int) -> None:
    clock = FrozenClock(START)
    world = World(staff=3, customers=40, clock=clock)
    machine = Machine.build(world)
    member = world.population.service[0]
    for act, number in acts:
        known = [*world.customers.listed_by(member.userid)]
        known += [follow.external_userid for follow in world.customers.changed_follows()]
        who = known[number % len(known)] if known else ""
        try:
            carry_out(machine, member.userid, act, who)
        except WorldError:
            continue
    rows = asyncio.run(read_all(machine, member.userid, limit))
    assert sorted(external_userid for _, external_userid in rows) == sorted(world.customers.listed_by(member.userid))
    times = [createtime for createtime, _ in rows]
    assert times == sorted(times, reverse=True)


def carry_out(machine: Machine, userid: str, act: str, external_userid: str) -> None:
    people = machine.people
    if act == "scan":
        people.scan(userid=userid, name="新")
    elif act == "request":
        people.scan(userid=userid, name="新", flow="request")
    elif act == "confirm":
        people.confirm(userid, external_userid)
    elif act == "edit":
        people.edit(userid, external_userid, remark="改")
    elif act == "lose":
        people.delete_by_customer(userid, external_userid)
    elif act == "delete":
        people.delete_by_staff(userid, external_userid)
    else:
        machine.world.clock.advance(timedelta(hours=1))


async def test_a_very_long_list_begins_with_those_who_came_last() -> None:
    world = World(staff=1, customers=30_000)
    machine = Machine.build(world)
    member = world.population.service[0]
    added = machine.people.scan(userid=member.userid, name="刚来")
    page = await PhoneReading().list_customers_of(machine, OfMember(userid=member.userid, limit=3))
    names = [row["customer"]["external_userid"] for row in page["customers"]]
    assert names[0] == added.follow.external_userid
    assert len(set(names)) == 3
    assert page["more"]


def test_only_an_address_for_people_is_linked_to() -> None:
    with pytest.raises(ValueError, match="http"):
        phone_routes(bot_url="javascript:alert(1)")
    assert phone_routes(bot_url="https://bot.example/")
