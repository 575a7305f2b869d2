"""Tag rules asked about paid orders: in the background, once for each, whatever happens on the way."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from bot.sandbox.faults import Fault
from bot.sandbox.people import Added
from data.queries import follow_tags as mark_rows
from data.queries import order_tags as rows
from data.queries import orders as order_rows
from data.rules.orders import OrderGiven
from scheduler.order_tags import LEASE_SECONDS, MAX_ATTEMPTS, tag_orders
from tests.scenarios.conftest import Company
from tests.scenarios.test_orders import AT, keep

MARK = "externalcontact/mark_tag"


@pytest.fixture
async def quiet(company: Company) -> Company:
    """The pair, with no job but those that the test runs."""
    await company.bot.runner.stop()
    return company


def order(number: str, whom: Added, **fields: Any) -> OrderGiven:
    given = {
        "source": "shop", "number": number, "status": "paid", "amount_fen": 9900, "placed_at": AT,
        "external_userid": whom.follow.external_userid, **fields,
    }  # fmt: skip
    return OrderGiven.model_validate(given)


async def tags(company: Company, added: Added) -> list[str]:
    found: list[str] = await company.read(
        mark_rows.list_tag_ids, added.follow.userid, added.follow.external_userid
    )  # fmt: skip
    follow = company.world.customers.find_follow(added.follow.userid, added.follow.external_userid)
    assert follow is not None
    assert sorted(follow.tag_ids) == sorted(found), "WeCom and we agree"
    return found


async def test_a_paid_order_puts_the_tags_of_the_rules_on(quiet: Company) -> None:
    first, second, *_ = quiet.tag_ids
    await quiet.add_tag_rule(name="买过", triggers=["order"], put_on=[first])
    await quiet.add_tag_rule(
        name="大单", triggers=["order"], put_on=[second],
        conditions={"order_amount_fen_min": 100_000, "order_sources": ["shop"], "order_count_min": 2},
    )  # fmt: skip
    added = quiet.scan()
    await quiet.settle()
    await keep(quiet, order("A", added, status="placed"))
    assert await tag_orders(quiet.bot.context) == 0
    await keep(quiet, order("A", added))
    assert await tag_orders(quiet.bot.context) == 1
    assert await tags(quiet, added) == [first]
    await keep(quiet, order("B", added, amount_fen=100_000))
    assert await tag_orders(quiet.bot.context) == 1
    assert sorted(await tags(quiet, added)) == sorted([first, second])
    assert quiet.calls(MARK) == 2
    await keep(quiet, order("B", added, status="finished"))
    assert await tag_orders(quiet.bot.context) == 0


async def test_an_order_that_is_paid_back_before_anybody_looked_puts_nothing_on(quiet: Company) -> None:
    await quiet.add_tag_rule(name="买过", triggers=["order"], put_on=[quiet.tag_ids[0]])
    added = quiet.scan()
    await quiet.settle()
    await keep(quiet, order("A", added))
    await keep(quiet, order("A", added, status="refunded"))
    await tag_orders(quiet.bot.context)
    assert await tags(quiet, added) == []


async def test_without_a_rule_nothing_waits(quiet: Company) -> None:
    added = quiet.scan()
    await quiet.settle()
    await keep(quiet, order("A", added))
    assert await tag_orders(quiet.bot.context) == 0
    assert await quiet.bot.db.write(rows.claim_due, quiet.bot.clock.now() + timedelta(days=1), 1.0) == []


async def test_what_wecom_refuses_for_now_is_tried_again(quiet: Company) -> None:
    await quiet.add_tag_rule(name="买过", triggers=["order"], put_on=[quiet.tag_ids[0]])
    added = quiet.scan()
    await quiet.settle()
    await keep(quiet, order("A", added))
    quiet.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=MARK, errcode=40096, count=1))
    assert await tag_orders(quiet.bot.context) == 1
    assert await tags(quiet, added) == []
    quiet.bot.clock.advance(timedelta(seconds=5))
    assert await tag_orders(quiet.bot.context) == 1
    assert await tags(quiet, added) == [quiet.tag_ids[0]]


async def test_what_is_refused_for_ever_is_given_up(quiet: Company) -> None:
    await quiet.add_tag_rule(name="买过", triggers=["order"], put_on=[quiet.tag_ids[0]])
    added = quiet.scan()
    await quiet.settle()
    await keep(quiet, order("A", added))
    quiet.sandbox.machine.faults.add(Fault(0, "api", "errcode", on=MARK, errcode=40096))
    tries = 0
    while await tag_orders(quiet.bot.context):
        tries += 1
        quiet.bot.clock.advance(timedelta(hours=1))
    assert tries == MAX_ATTEMPTS


async def test_a_process_that_dies_on_the_way_leaves_the_order_to_the_next(quiet: Company) -> None:
    await quiet.add_tag_rule(name="买过", triggers=["order"], put_on=[quiet.tag_ids[0]])
    everyone = [quiet.scan() for _ in range(20)]
    await quiet.settle()
    await keep(quiet, *(order(f"n{number}", added) for number, added in enumerate(everyone)))
    fault = quiet.sandbox.machine.faults.add(Fault(0, "api", "latency", on=MARK, seconds=30))
    work = asyncio.create_task(tag_orders(quiet.bot.context))
    async with asyncio.timeout(60):
        while not fault.struck:
            await asyncio.sleep(0.01)
    work.cancel()
    await asyncio.gather(work, return_exceptions=True)
    quiet.sandbox.machine.faults.clear(fault.id)
    assert await tag_orders(quiet.bot.context) == 0, "claimed by the one that died"
    quiet.bot.clock.advance(timedelta(seconds=LEASE_SECONDS + 1))
    assert await tag_orders(quiet.bot.context) == 20
    for added in everyone:
        assert await tags(quiet, added) == [quiet.tag_ids[0]]


async def test_an_order_that_becomes_due_anew_while_it_is_asked_about_is_asked_about_again(quiet: Company) -> None:
    one, two = quiet.scan(), quiet.scan()
    await quiet.settle()
    await keep(quiet, order("A", one))
    (due,) = await quiet.bot.db.write(rows.claim_due, quiet.bot.clock.now(), LEASE_SECONDS)
    later = quiet.bot.clock.now() + timedelta(seconds=1)
    await quiet.bot.db.write(order_rows.claim_order, due.id, two.follow.external_userid, later)
    await quiet.bot.db.write(rows.finish, due)
    (again,) = await quiet.bot.db.write(rows.claim_due, later, LEASE_SECONDS)
    assert again.external_userid == two.follow.external_userid


async def test_two_replicas_share_the_orders(quiet: Company) -> None:
    added = quiet.scan()
    await quiet.settle()
    await keep(quiet, *(order(f"n{number}", added) for number in range(40)))
    now = quiet.bot.clock.now()
    claims = await asyncio.gather(*(quiet.bot.db.write(rows.claim_due, now, LEASE_SECONDS, 10) for _ in range(6)))
    ids = [due.id for claim in claims for due in claim]
    assert len(ids) == len(set(ids)) == 40
